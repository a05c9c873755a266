//! The operations of a graph in ONNX's operators, on maps in NCHW.

use super::Emission;
use super::activation::activation;
use super::builder::{Attribute, Builder};
use super::quantized;
use super::weights::Weights;
use crate::proto::DataType;
use stepladder_model::{Op, ParameterId, Shape, Window};

/// `[1 2 1]^T [1 2 1] / 16`, the filter of blur pooling.
const BLUR: [f32; 9] = [
    0.0625, 0.125, 0.0625, //
    0.125, 0.25, 0.125, //
    0.0625, 0.125, 0.0625,
];

impl<'a> Emission<'a> {
    /// Adds the nodes of the operation with this index, which reads `inputs`, and returns the name of its value.
    pub(super) fn nodes(&mut self, index: usize, inputs: &[String]) -> String {
        let graph = self.graph;
        let operation = &graph.operations[index];
        let (name, channels) = (&*graph.operation_name(index), operation.output.channels());
        let is_map = matches!(operation.output, Shape::Map { .. });
        let x = inputs[0].as_str();
        match &operation.op {
            Op::Convolution {
                window,
                groups,
                kernel,
                bias,
            } => {
                let bias = bias.map(|id| self.array(id));
                let weights = Weights::convolution(self.array(*kernel), self.sides(*kernel), bias);
                self.weighted(index, "Conv", x, &weights, &convolution(window, *groups))
            }
            Op::DepthwiseConvolution {
                window,
                multiplier,
                kernel,
                bias,
            } => {
                let bias = bias.map(|id| self.array(id));
                let weights = Weights::depthwise(self.array(*kernel), self.sides(*kernel), bias);
                let attributes = convolution(window, channels / multiplier);
                self.weighted(index, "Conv", x, &weights, &attributes)
            }
            Op::Dense { kernel, bias } => {
                let bias = bias.map(|id| self.array(id));
                let weights = Weights::dense(self.array(*kernel), self.sides(*kernel), bias);
                self.weighted(index, "Gemm", x, &weights, &[])
            }
            Op::BatchNormalization {
                gamma,
                beta,
                moving_mean,
                moving_variance,
                momentum: _,
                epsilon,
            } => {
                let gamma = self.per_channel(*gamma, channels, 1.0, &format!("{name}/gamma"));
                let beta = self.per_channel(*beta, channels, 0.0, &format!("{name}/beta"));
                let mean = self.per_channel(Some(*moving_mean), channels, 0.0, &format!("{name}/mean"));
                let variance = format!("{name}/variance");
                let variance = self.per_channel(Some(*moving_variance), channels, 1.0, &variance);
                let inputs = [x, &gamma, &beta, &mean, &variance];
                let epsilon = [("epsilon", Attribute::Float(*epsilon))];
                self.builder.node("BatchNormalization", &inputs, name, &epsilon)
            }
            Op::LayerNormalization { gamma, beta, epsilon } => {
                let gamma = self.per_channel(*gamma, channels, 1.0, &format!("{name}/gamma"));
                let beta = self.per_channel(*beta, channels, 0.0, &format!("{name}/beta"));
                let builder = &mut self.builder;
                if is_map {
                    let map = transposed(builder, x, NHWC, &format!("{name}/nhwc"));
                    let part = format!("{name}/normalized");
                    let map = layer_normalization(builder, [&map, &gamma, &beta], *epsilon, &part);
                    transposed(builder, &map, NCHW, name)
                } else {
                    layer_normalization(builder, [x, &gamma, &beta], *epsilon, name)
                }
            }
            Op::Scale { gamma } => {
                let gamma = self.broadcast(self.array(*gamma), is_map, &format!("{name}/gamma"));
                self.builder.node("Mul", &[x, &gamma], name, &[])
            }
            Op::Normalization { mean, variance } => {
                let factor = |variance: f32| 1.0 / f64::from(variance).sqrt().max(1e-7);
                let factors: Vec<f32> = variance.iter().map(|&variance| factor(variance) as f32).collect();
                let offset = |(&mean, &variance): (&f32, &f32)| (-f64::from(mean) * factor(variance)) as f32;
                let offsets: Vec<f32> = mean.iter().zip(variance).map(offset).collect();
                let factors = self.broadcast(&factors, is_map, &format!("{name}/factor"));
                let offsets = self.broadcast(&offsets, is_map, &format!("{name}/offset"));
                let scaled = format!("{name}/scaled");
                let scaled = self.builder.node("Mul", &[x, &factors], &scaled, &[]);
                self.builder.node("Add", &[&scaled, &offsets], name, &[])
            }
            Op::Activation(function) => activation(&mut self.builder, *function, x, name),
            Op::MaxPooling(window) => self.builder.node("MaxPool", &[x], name, &sliding(window)),
            Op::AveragePooling(window) => {
                let mut attributes = sliding(window);
                attributes.push(("count_include_pad", Attribute::Int(0)));
                self.builder.node("AveragePool", &[x], name, &attributes)
            }
            Op::BlurPooling => self.blur_pooling(x, channels, name),
            Op::GlobalAveragePooling if is_map => self.builder.node("GlobalAveragePool", &[x], name, &[]),
            Op::GlobalAveragePooling => {
                let map = format!("{name}/map");
                let map = self.builder.node("GlobalAveragePool", &[x], &map, &[]);
                self.builder.node("Flatten", &[&map], name, &[CHANNEL_AXIS])
            }
            Op::Flatten => {
                let map = transposed(&mut self.builder, x, NHWC, &format!("{name}/nhwc"));
                self.builder.node("Flatten", &[&map], name, &[CHANNEL_AXIS])
            }
            // Inference drops nothing.
            Op::Dropout { .. } | Op::StochasticDepth { .. } => x.to_string(),
            Op::Add => self.sum(inputs, name),
            Op::Multiply => self.builder.node("Mul", &[x, &inputs[1]], name, &[]),
            Op::Concatenate => {
                let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
                self.builder.node("Concat", &inputs, name, &[CHANNEL_AXIS])
            }
        }
    }

    /// A convolution or dense layer, with weights in f32 or int8.
    fn weighted(
        &mut self,
        index: usize,
        op_type: &str,
        x: &str,
        weights: &Weights,
        attributes: &[(&str, Attribute)],
    ) -> String {
        let name = self.graph.operation_name(index);
        let affine = self.affine(self.graph.operations[index].inputs[0]);
        let stored = quantized::weights(&mut self.builder, weights, affine, &name);
        let stored = stored.iter().map(String::as_str);
        let inputs: Vec<&str> = std::iter::once(x).chain(stored).collect();
        self.builder.node(op_type, &inputs, &name, attributes)
    }

    /// ONNX has no blur pooling: a reflecting pad, and a convolution of each channel with the constant filter.
    fn blur_pooling(&mut self, x: &str, channels: usize, name: &str) -> String {
        let builder = &mut self.builder;
        // Before each of the axes N, C, H and W, then behind.
        let pads = [0, 0, 1, 1, 0, 0, 1, 1].into_iter().flat_map(i64::to_le_bytes);
        let pads = builder.tensor(&format!("{name}/pads"), DataType::Int64, &[8], pads.collect());
        let reflect = [("mode", Attribute::Text("reflect"))];
        let padded = builder.node("Pad", &[x, &pads], &format!("{name}/padded"), &reflect);
        let kernel = builder.floats(
            &format!("{name}/kernel"),
            &[channels, 1, 3, 3],
            &BLUR.repeat(channels),
        );
        let window = Window {
            size: [3, 3],
            strides: [2, 2],
            padding: [[0, 0]; 2],
        };
        builder.node("Conv", &[&padded, &kernel], name, &convolution(&window, channels))
    }

    /// ONNX adds two values at a time.
    fn sum(&mut self, inputs: &[String], name: &str) -> String {
        let (last, others) = inputs.split_last().expect("Add has two inputs and more");
        let mut sum = others[0].clone();
        for (count, other) in others[1..].iter().enumerate() {
            let part = format!("{name}/sum{count}");
            sum = self.builder.node("Add", &[&sum, other], &part, &[]);
        }
        self.builder.node("Add", &[&sum, last], name, &[])
    }

    /// Values of a parameter.
    fn array(&self, id: ParameterId) -> &'a [f32] {
        &self.parameters[id.0]
    }

    /// Shape of a parameter with so many axes.
    fn sides<const AXES: usize>(&self, id: ParameterId) -> [usize; AXES] {
        let shape = self.graph.parameter(id).shape.as_slice();
        shape
            .try_into()
            .expect("kernels have as many axes as their operation says")
    }

    /// Stores one value for each channel: a parameter's, or `otherwise` without it.
    fn per_channel(
        &mut self,
        id: Option<ParameterId>,
        channels: usize,
        otherwise: f32,
        name: &str,
    ) -> String {
        match id {
            Some(id) => self.builder.floats(name, &[channels], self.array(id)),
            None => self.builder.floats(name, &[channels], &vec![otherwise; channels]),
        }
    }

    /// Stores one value for each channel of a map or vector, to be combined with it.
    fn broadcast(&mut self, values: &[f32], is_map: bool, name: &str) -> String {
        let shape: &[usize] = if is_map {
            &[values.len(), 1, 1]
        } else {
            &[values.len()]
        };
        self.builder.floats(name, shape, values)
    }
}

/// Of maps and vectors alike.
const CHANNEL_AXIS: (&str, Attribute) = ("axis", Attribute::Int(1));

/// The axes of a map in NCHW, in the order of NHWC.
const NHWC: [usize; 4] = [0, 2, 3, 1];

/// The axes of a map in NHWC, in the order of NCHW.
pub(super) const NCHW: [usize; 4] = [0, 3, 1, 2];

/// A map with its axes in this order.
pub(super) fn transposed(builder: &mut Builder, x: &str, axes: [usize; 4], name: &str) -> String {
    builder.node("Transpose", &[x], name, &[("perm", Attribute::ints(&axes))])
}

/// Normalizes over the last axis the first of the inputs; the others are factors and offsets.
fn layer_normalization(builder: &mut Builder, inputs: [&str; 3], epsilon: f32, name: &str) -> String {
    let attributes = [
        ("axis", Attribute::Int(-1)),
        ("epsilon", Attribute::Float(epsilon)),
    ];
    builder.node("LayerNormalization", &inputs, name, &attributes)
}

/// The attributes of a convolution.
fn convolution(window: &Window, groups: usize) -> Vec<(&'static str, Attribute)> {
    let mut attributes = sliding(window);
    attributes.push(("group", Attribute::Int(groups as i64)));
    attributes
}

/// The attributes of a sliding window.
fn sliding(window: &Window) -> Vec<(&'static str, Attribute)> {
    let [[top, bottom], [left, right]] = window.padding;
    vec![
        ("kernel_shape", Attribute::ints(&window.size)),
        ("strides", Attribute::ints(&window.strides)),
        ("pads", Attribute::ints(&[top, left, bottom, right])),
    ]
}
