//! The int8 form of a graph: pairs of `QuantizeLinear` and `DequantizeLinear` around values, which runtimes take as the leave to
//! compute between them in integers.
//!
//! Activations are uint8 with a zero point, weights int8 around zero with a scale for each channel out, biases int32 with the
//! product of both scales, as runtimes' integer kernels want them. Values that ONNX Runtime fuses away stay bare: what a
//! ReLU alone reads. The logits stay f32, because the softmax would show their steps.

use super::builder::{Attribute, Builder};
use crate::calibrate::Quantization;
use crate::graph::{Graph, Kind, Op};
use crate::proto::DataType;
use stepladder_model::{Activation, Source};

/// The largest magnitude of an int8 weight. The instruction that x86 processors without VNNI multiply with adds two products in
/// 16 bits: with 127 in the place of 64, 255 * 127 * 2 would not fit and be cut off without a word.
const WEIGHT_LIMIT: f32 = 64.0;

/// The least scale, so that what is always zero divides by something.
const LEAST_SCALE: f32 = f32::MIN_POSITIVE;

/// A uint8 for a real number: `(byte - zero_point) * scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Affine {
    scale: f32,
    zero_point: u8,
}

impl Affine {
    /// The photo: bytes over 255.
    pub const IMAGE: Affine = Affine {
        scale: 1.0 / 255.0,
        zero_point: 0,
    };

    /// Spans a range, and zero, which must have a byte of its own because padding is made of it.
    fn of([low, high]: [f32; 2]) -> Affine {
        let (low, high) = (low.min(0.0), high.max(0.0));
        // Halves, because the whole may overflow.
        let scale = ((high / 255.0) - (low / 255.0)).max(LEAST_SCALE);
        Affine {
            scale,
            zero_point: (-low / scale).round().clamp(0.0, 255.0) as u8,
        }
    }
}

/// How each operation's value is quantized; `None` where it stays f32.
pub(super) fn affines(graph: &Graph, quantization: &Quantization) -> Vec<Option<Affine>> {
    let bare = stays_bare(graph);
    let mut affines: Vec<Option<Affine>> = Vec::new();
    for (index, op) in graph.ops.iter().enumerate() {
        let affine = match (&op.kind, op.inputs[0]) {
            _ if bare[index] => None,
            // These move values and change none, so that their output has the input's steps.
            (Kind::MaxPool(_) | Kind::Flatten, Source::Image) => Some(Affine::IMAGE),
            (Kind::MaxPool(_) | Kind::Flatten, Source::Node(input)) => affines[input],
            _ => Some(Affine::of(quantization.ranges[index])),
        };
        affines.push(affine);
    }
    affines
}

/// The logits, the probabilities, and what nothing but a ReLU reads.
fn stays_bare(graph: &Graph) -> Vec<bool> {
    let mut bare = vec![false; graph.ops.len()];
    let readers = graph.readers();
    let last = graph.ops.len().saturating_sub(1);
    for (index, op) in graph.ops.iter().enumerate() {
        let is_relu = op.kind == Kind::Activation(Activation::Relu);
        for source in &op.inputs {
            if let Source::Node(input) = *source {
                bare[input] |= index == last || (is_relu && readers[input] == 1);
            }
        }
    }
    if let Some(last) = bare.last_mut() {
        *last = true;
    }
    bare
}

/// A value in f32 from `x` in uint8.
pub(super) fn dequantize(builder: &mut Builder, x: &str, name: &str, affine: Affine) -> String {
    let (scale, zero) = stored(builder, name, affine);
    builder.node("DequantizeLinear", &[x, &scale, &zero], name, &[])
}

/// `x` through uint8 and back.
pub(super) fn quantize_and_back(builder: &mut Builder, x: &str, name: &str, affine: Affine) -> String {
    let (scale, zero) = stored(builder, name, affine);
    let bytes = format!("{name}/quantized");
    let bytes = builder.node("QuantizeLinear", &[x, &scale, &zero], &bytes, &[]);
    let name = format!("{name}/dequantized");
    builder.node("DequantizeLinear", &[&bytes, &scale, &zero], &name, &[])
}

fn stored(builder: &mut Builder, name: &str, affine: Affine) -> (String, String) {
    let scale = builder.floats(&format!("{name}/scale"), &[], &[affine.scale]);
    let zero = format!("{name}/zero_point");
    let zero = builder.tensor(&zero, DataType::Uint8, &[], vec![affine.zero_point]);
    (scale, zero)
}

/// Stores the kernel and, unless all are zero, the biases of a convolution or dense layer, and returns the names of their values
/// in f32. With the quantization of the layer's input, they are stored in int8 and int32.
pub(super) fn weights(builder: &mut Builder, op: &Op, input: Option<Affine>) -> Vec<String> {
    let (kernel, shape, bias, axis) = match &op.kind {
        Kind::Convolution(layer) => (&layer.weight, layer.shape.to_vec(), &layer.bias, 0),
        Kind::Dense(layer) => (&layer.weight, layer.shape.to_vec(), &layer.bias, 1),
        _ => return Vec::new(),
    };
    let has_bias = bias.iter().any(|&value| value != 0.0);
    let [kernel_name, bias_name] = ["kernel", "bias"].map(|part| format!("{}/{part}", op.name));
    let Some(input) = input else {
        let mut names = vec![builder.floats(&kernel_name, &shape, kernel)];
        if has_bias {
            names.push(builder.floats(&bias_name, &[bias.len()], bias));
        }
        return names;
    };

    // Values of one channel out lie `columns` together, or `channels` apart.
    let channels = shape[axis];
    let columns: usize = shape[axis + 1..].iter().product();
    let channel = |index: usize| index / columns % channels;
    let mut greatest = vec![0.0_f32; channels];
    for (index, value) in kernel.iter().enumerate() {
        greatest[channel(index)] = greatest[channel(index)].max(value.abs());
    }
    let scales: Vec<f32> = greatest
        .iter()
        .zip(bias)
        .map(|(greatest, bias)| {
            // Biases beyond half of int32 would be cut off, or overflow when products are added.
            let for_bias = bias.abs() / input.scale / (1 << 30) as f32;
            (greatest / WEIGHT_LIMIT).max(for_bias).max(LEAST_SCALE)
        })
        .collect();
    let bytes = kernel.iter().enumerate();
    let bytes = bytes.map(|(index, value)| (value / scales[channel(index)]).round_ties_even() as i8 as u8);
    let kernel = builder.tensor(
        &format!("{kernel_name}/quantized"),
        DataType::Int8,
        &shape,
        bytes.collect(),
    );
    let zeros = (DataType::Int8, vec![0; channels]);
    let mut names = vec![from_integers(
        builder,
        &kernel,
        &kernel_name,
        &scales,
        zeros,
        axis,
    )];
    if has_bias {
        let scales: Vec<f32> = scales.iter().map(|scale| scale * input.scale).collect();
        let steps = bias.iter().zip(&scales);
        let steps = steps.flat_map(|(bias, scale)| ((bias / scale).round_ties_even() as i32).to_le_bytes());
        let stored = format!("{bias_name}/quantized");
        let stored = builder.tensor(&stored, DataType::Int32, &[channels], steps.collect());
        let zeros = (DataType::Int32, vec![0; 4 * channels]);
        names.push(from_integers(builder, &stored, &bias_name, &scales, zeros, 0));
    }
    names
}

/// Stored integers in f32, with a scale for each channel along `axis`.
fn from_integers(
    builder: &mut Builder,
    integers: &str,
    name: &str,
    scales: &[f32],
    (data_type, zeros): (DataType, Vec<u8>),
    axis: usize,
) -> String {
    let scale = builder.floats(&format!("{name}/scale"), &[scales.len()], scales);
    let zero = builder.tensor(&format!("{name}/zero_point"), data_type, &[scales.len()], zeros);
    let axis = [("axis", Attribute::Int(axis as i64))];
    builder.node("DequantizeLinear", &[integers, &scale, &zero], name, &axis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn zero_is_exact_and_the_range_is_spanned(low in -1e20_f32..1e20, width in 0.0_f32..1e20) {
            let high = low + width;
            let affine = Affine::of([low, high]);
            prop_assert!(affine.scale > 0.0 && affine.scale.is_finite());
            let real = |byte: i32| (byte - i32::from(affine.zero_point)) as f32 * affine.scale;
            // One step of rounding at each end.
            prop_assert!(real(0) <= low.min(0.0) + affine.scale);
            prop_assert!(real(255) >= high.max(0.0) - affine.scale);
        }
    }

    #[test]
    fn a_range_from_zero_keeps_every_byte_for_what_is_positive() {
        assert_eq!(Affine::of([0.0, 1.0]), Affine::IMAGE);
        assert_eq!(Affine::of([-1.0, 0.0]).zero_point, 255);
        assert_eq!(Affine::of([-2.0, 3.0]).zero_point, 102);
        assert_eq!(Affine::of([0.0, 0.0]).zero_point, 0);
        let extreme = Affine::of([f32::MIN, f32::MAX]);
        assert!(extreme.scale.is_finite(), "{extreme:?}");
    }
}
