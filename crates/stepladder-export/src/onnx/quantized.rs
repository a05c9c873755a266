//! The int8 form of a graph: pairs of `QuantizeLinear` and `DequantizeLinear` around values, which runtimes take as the leave to
//! compute between them in integers.
//!
//! Activations are uint8 with a zero point, weights int8 around zero with a scale for each channel out, biases int32 with the
//! product of both scales, as runtimes' integer kernels want them. Values that ONNX Runtime fuses away stay bare: what a
//! ReLU alone reads. So do values between operations that runtimes compute in f32 anyway, where a pair would only round. The
//! logits stay f32, because the softmax would show their steps.

use super::builder::{Attribute, Builder};
use super::weights::Weights;
use crate::calibrate::Quantization;
use crate::proto::DataType;
use stepladder_model::{Activation, Graph, Op, Operation, Source};

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

/// Where the steps of an operation's quantized value come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Steps {
    /// From its range.
    Range,
    /// From its range too, but there are none where only its kind reads the value: runtimes compute these in f32.
    RangeUnlessFloat,
    /// From its input: values move and do not change.
    Input,
}

fn steps(op: &Op) -> Steps {
    match op {
        Op::Convolution { .. }
        | Op::DepthwiseConvolution { .. }
        | Op::Dense { .. }
        | Op::BatchNormalization { .. }
        | Op::AveragePooling(_)
        | Op::GlobalAveragePooling
        | Op::Add
        | Op::Concatenate => Steps::Range,
        Op::Activation(function) => match function {
            Activation::Linear
            | Activation::Relu
            | Activation::Relu6
            | Activation::LeakyRelu { .. }
            | Activation::Elu
            | Activation::Sigmoid
            | Activation::Tanh
            | Activation::Softmax
            | Activation::Swish
            | Activation::Gelu => Steps::Range,
            Activation::HardSigmoid | Activation::HardSwish => Steps::RangeUnlessFloat,
        },
        Op::LayerNormalization { .. }
        | Op::Scale { .. }
        | Op::Normalization { .. }
        | Op::BlurPooling
        | Op::Multiply => Steps::RangeUnlessFloat,
        Op::MaxPooling(_) | Op::Flatten | Op::Dropout { .. } | Op::StochasticDepth { .. } => Steps::Input,
    }
}

/// How each operation's value is quantized; `None` where it stays f32.
pub(super) fn affines(graph: &Graph, quantization: &Quantization) -> Vec<Option<Affine>> {
    let bare = stays_bare(graph);
    let mut affines: Vec<Option<Affine>> = Vec::new();
    for (index, operation) in graph.operations.iter().enumerate() {
        let affine = match (steps(&operation.op), operation.inputs[0]) {
            (Steps::Input, Source::Image) => Some(Affine::IMAGE),
            (Steps::Input, Source::Operation(input)) => affines[input],
            (Steps::Range | Steps::RangeUnlessFloat, _) => {
                let [low, high] = quantization.ranges[index];
                // A byte that cannot exceed 6 makes the clipping at 6 superfluous, and ONNX Runtime drops it.
                let most = match operation.op == Op::Activation(Activation::Relu6) {
                    true => 6.0,
                    false => f32::MAX,
                };
                Some(Affine::of([low, high.min(most)]))
            }
        };
        affines.push(affine.filter(|_| !bare[index]));
    }
    affines
}

/// The logits, the probabilities, what nothing but a ReLU reads, and what lies between operations in f32.
fn stays_bare(graph: &Graph) -> Vec<bool> {
    let is_float = |operation: &Operation| steps(&operation.op) == Steps::RangeUnlessFloat;
    let mut bare: Vec<bool> = graph.operations.iter().map(is_float).collect();
    let readers = graph.readers();
    let last = graph.operations.len().saturating_sub(1);
    for (index, operation) in graph.operations.iter().enumerate() {
        let is_relu = [Activation::Relu, Activation::Relu6]
            .map(Op::Activation)
            .contains(&operation.op);
        for source in &operation.inputs {
            if let Source::Operation(input) = *source {
                bare[input] &= is_float(operation);
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

/// Stores the kernel and the biases of the layer `name`, and returns the names of their values in f32. With the quantization of
/// the layer's input, they are stored in int8 and int32.
pub(super) fn weights(
    builder: &mut Builder,
    weights: &Weights,
    input: Option<Affine>,
    name: &str,
) -> Vec<String> {
    let Weights {
        kernel,
        shape,
        axis,
        bias,
    } = weights;
    let [kernel_name, bias_name] = ["kernel", "bias"].map(|part| format!("{name}/{part}"));
    let Some(input) = input else {
        let mut names = vec![builder.floats(&kernel_name, shape, kernel)];
        names.extend(bias.map(|bias| builder.floats(&bias_name, &[bias.len()], bias)));
        return names;
    };

    // Values of one channel out lie `columns` together, or `channels` apart.
    let channels = shape[*axis];
    let columns: usize = shape[*axis + 1..].iter().product();
    let channel = |index: usize| index / columns % channels;
    let mut greatest = vec![0.0_f32; channels];
    for (index, value) in kernel.iter().enumerate() {
        greatest[channel(index)] = greatest[channel(index)].max(value.abs());
    }
    let scales: Vec<f32> = greatest
        .iter()
        .enumerate()
        .map(|(channel, greatest)| {
            // Biases beyond half of int32 would be cut off, or overflow when products are added.
            let bias = bias.map_or(0.0, |bias| bias[channel].abs());
            let for_bias = bias / input.scale / (1 << 30) as f32;
            (greatest / WEIGHT_LIMIT).max(for_bias).max(LEAST_SCALE)
        })
        .collect();
    let bytes = kernel.iter().enumerate();
    let bytes = bytes.map(|(index, value)| (value / scales[channel(index)]).round_ties_even() as i8 as u8);
    let kernel = builder.tensor(
        &format!("{kernel_name}/quantized"),
        DataType::Int8,
        shape,
        bytes.collect(),
    );
    let zeros = (DataType::Int8, vec![0; channels]);
    let mut names = vec![from_integers(
        builder,
        &kernel,
        &kernel_name,
        &scales,
        zeros,
        *axis,
    )];
    if let Some(bias) = bias {
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
