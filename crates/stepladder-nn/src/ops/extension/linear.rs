//! Operations with weights: convolution, depthwise convolution, dense layers.
//!
//! All three are linear in the input and in the weights, so that they share one backward pass. Weights, biases and their
//! gradients are f32; the output is stored as the input is.

use super::flex::{Storage, context, filled, in_order, nothing, values, with_storage};
use super::record::{Tracked, constant, record};
use crate::precision::Precision;
use crate::profile::{self, Work};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{Shape, bf16};
use std::sync::Arc;
use stepladder_kernels::{
    Activation, Conv2d, Dense, DepthwiseConv2d, PackedWeights, Statistics, Window, channel_statistics,
};

/// An operation with weights.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    /// What it computes.
    pub kind: LinearKind,
    /// Whether there is a bias.
    pub has_bias: bool,
    /// Whether the output's mean and variance, per channel, are wanted.
    pub statistics: bool,
    /// The weights packed beforehand, for inference.
    pub packed: Option<Packed>,
    /// Applied to the output, in inference.
    pub activation: Activation,
}

/// Weights of a convolution or a dense layer, packed once for many passes.
pub(crate) type Packed = Arc<PackedWeights>;

/// Packs `weights` `[kh, kw, C, filters]`, or `[1, 1, inputs, units]`, for windows `strides` apart on inputs that are stored at
/// `precision`.
pub(crate) fn pack(shape: [usize; 4], strides: [usize; 2], weights: &[f32], precision: Precision) -> Packed {
    let [height, width, in_channels, out_channels] = shape;
    let conv = Conv2d {
        batch: 1,
        input: [height, width],
        in_channels,
        out_channels,
        window: Window::valid([height, width], strides),
    };
    Arc::new(match precision {
        Precision::F32 => conv.pack::<f32>(context(), weights),
        Precision::Bf16 => conv.pack::<bf16>(context(), weights),
    })
}

/// What an operation with weights computes, and all of its shapes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LinearKind {
    /// Input `[N, H, W, C]`, weights `[kh, kw, C, filters]`, output `[N, H', W', filters]`.
    Conv2d(Conv2d),
    /// Input `[N, H, W, C]`, weights `[kh, kw, C, 1]`, output `[N, H', W', C]`.
    DepthwiseConv2d(DepthwiseConv2d),
    /// Input `[N, inputs]`, weights `[inputs, outputs]`, output `[N, outputs]`.
    Dense(Dense),
}

impl LinearKind {
    fn output_shape(&self) -> Shape {
        match self {
            LinearKind::Conv2d(conv) => {
                let [height, width] = conv.output();
                [conv.batch, height, width, conv.out_channels].into()
            }
            LinearKind::DepthwiseConv2d(conv) => {
                let [height, width] = conv.output();
                [conv.batch, height, width, conv.channels].into()
            }
            LinearKind::Dense(dense) => [dense.batch, dense.outputs].into(),
        }
    }

    fn output_channels(&self) -> usize {
        match self {
            LinearKind::Conv2d(conv) => conv.out_channels,
            LinearKind::DepthwiseConv2d(conv) => conv.channels,
            LinearKind::Dense(dense) => dense.outputs,
        }
    }

    /// The work of one of the three passes: each does the forward pass's multiply-adds, and touches these many bytes.
    fn work(&self, pass: &'static str, bytes: usize) -> Work {
        let multiply_adds = match self {
            LinearKind::Conv2d(conv) => conv.multiply_adds(),
            LinearKind::DepthwiseConv2d(conv) => conv.multiply_adds(),
            LinearKind::Dense(dense) => dense.multiply_adds(),
        };
        Work {
            pass,
            multiply_adds,
            bytes,
        }
    }
}

/// The operation without gradients: output, and its mean and variance where they are wanted.
pub(super) fn forward(
    operation: Linear,
    input: &FlexTensor,
    weights: &FlexTensor,
    bias: &FlexTensor,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let (input, weights, bias) = (in_order(input), in_order(weights), in_order(bias));
    with_storage!(&input, E => forward_as::<E>(&operation, &input, &weights, &bias))
}

fn forward_as<E: Storage>(
    operation: &Linear,
    input: &FlexTensor,
    weights: &FlexTensor,
    bias: &FlexTensor,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let (x, w) = (values::<E>(input), values(weights));
    let b = operation.has_bias.then(|| values(bias));
    let shape = operation.kind.output_shape();
    let bytes = size_of_val(x) + size_of_val(w) + shape.num_elements() * size_of::<E>();
    let channels = operation.kind.output_channels();
    let activation = operation.activation;
    let mut means = vec![0.0; if operation.statistics { channels } else { 0 }];
    let mut variances = means.clone();
    let statistics = operation.statistics.then(|| Statistics {
        mean: &mut means,
        variance: &mut variances,
    });
    let output = profile::timed(operation.kind.work("forward", bytes), || {
        filled::<E>(shape, |y| match operation.kind {
            LinearKind::Conv2d(conv) => match &operation.packed {
                Some(packed) => conv.forward_packed(context(), x, packed, b, activation, y),
                None if activation == Activation::Linear => conv.forward(context(), x, w, b, y, statistics),
                None => {
                    let packed = conv.pack::<E>(context(), w);
                    conv.forward_packed(context(), x, &packed, b, activation, y);
                }
            },
            LinearKind::DepthwiseConv2d(conv) => conv.forward(context(), x, w, b, activation, y, statistics),
            LinearKind::Dense(dense) => {
                match &operation.packed {
                    Some(packed) => dense.forward_packed(context(), x, packed, b, activation, y),
                    None if activation == Activation::Linear => dense.forward(context(), x, w, b, y),
                    None => {
                        let packed = dense.pack::<E>(context(), w);
                        dense.forward_packed(context(), x, &packed, b, activation, y);
                    }
                }
                if let Some(statistics) = statistics {
                    channel_statistics(context(), y, channels, statistics);
                }
            }
        })
    });
    if !operation.statistics {
        return (output, nothing(), nothing());
    }
    let of = |figures: Vec<f32>| filled([channels], |to| to.copy_from_slice(&figures));
    (output, of(means), of(variances))
}

/// The gradient of the loss by the input, of shape `shape`, from that by the output.
fn input_gradient<E: Storage>(
    operation: &Linear,
    shape: Shape,
    weights: &FlexTensor,
    output_gradient: &FlexTensor,
) -> FlexTensor {
    let (w, dy) = (values(weights), values::<E>(output_gradient));
    let bytes = size_of_val(w) + size_of_val(dy) + shape.num_elements() * size_of::<E>();
    profile::timed(operation.kind.work("input gradient", bytes), || {
        filled::<E>(shape, |dx| match operation.kind {
            LinearKind::Conv2d(conv) => conv.input_gradient(context(), dy, w, dx, false),
            LinearKind::DepthwiseConv2d(conv) => conv.input_gradient(context(), dy, w, dx),
            LinearKind::Dense(dense) => dense.input_gradient(context(), dy, w, dx, false),
        })
    })
}

/// The gradients of the loss by the weights, of shape `shape`, and by the bias where there is one.
fn weight_gradient<E: Storage>(
    operation: &Linear,
    shape: Shape,
    input: &FlexTensor,
    output_gradient: &FlexTensor,
) -> (FlexTensor, Option<FlexTensor>) {
    let (x, dy) = (values::<E>(input), values::<E>(output_gradient));
    let bytes = size_of_val(x) + size_of_val(dy) + shape.num_elements() * size_of::<f32>();
    profile::timed(operation.kind.work("weight gradient", bytes), || {
        let mut bias_gradient = None;
        let weight_gradient = filled(shape, |dw| {
            let mut weigh = |db: Option<&mut [f32]>| match operation.kind {
                LinearKind::Conv2d(conv) => conv.weight_gradient(context(), x, dy, dw, db),
                LinearKind::DepthwiseConv2d(conv) => conv.weight_gradient(context(), x, dy, dw, db),
                LinearKind::Dense(dense) => dense.weight_gradient(context(), x, dy, dw, db),
            };
            if operation.has_bias {
                let channels = operation.kind.output_channels();
                bias_gradient = Some(filled([channels], |db| weigh(Some(db))));
            } else {
                weigh(None);
            }
        });
        (weight_gradient, bias_gradient)
    })
}

/// The backward pass; parents are input, weights and bias.
#[derive(Debug)]
struct LinearBackward;

impl Backward<Flex, 3> for LinearBackward {
    /// The operation with its layer, input and weights, values in order.
    type State = (Linear, profile::Layer, FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (operation, layer, input, weights) = ops.state;
        let _layer = layer.enter();
        let output_gradient = in_order(&gradients.consume::<Flex>(&ops.node));
        let [of_input, of_weights, of_bias] = ops.parents;
        // A parent that needs no gradient is none: the photos have none, which saves the first layer's input gradient.
        if let Some(parent) = of_input {
            let shape = input.shape();
            let gradient = with_storage!(&input, E => {
                input_gradient::<E>(&operation, shape, &weights, &output_gradient)
            });
            gradients.register::<Flex>(parent.id, gradient);
        }
        if of_weights.is_none() && of_bias.is_none() {
            return;
        }
        let (weight_gradient, bias_gradient) = with_storage!(&input, E => {
            weight_gradient::<E>(&operation, weights.shape(), &input, &output_gradient)
        });
        if let Some(parent) = of_weights {
            gradients.register::<Flex>(parent.id, weight_gradient);
        }
        if let (Some(parent), Some(gradient)) = (of_bias, bias_gradient) {
            gradients.register::<Flex>(parent.id, gradient);
        }
    }
}

/// The operation, recorded for the backward pass where a parent needs a gradient. No gradient runs through the statistics:
/// the batch norm that uses them accounts for it.
pub(super) fn tracked<C: CheckpointStrategy>(
    operation: Linear,
    input: Tracked<C>,
    weights: Tracked<C>,
    bias: Tracked<C>,
) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
    assert_eq!(
        operation.activation,
        Activation::Linear,
        "the backward pass knows none"
    );
    let (input, input_node) = input.into_parts();
    let (weights, weights_node) = weights.into_parts();
    let (bias, bias_node) = bias.into_parts();
    let (input, weights) = (in_order(&input), in_order(&weights));
    let (output, mean, variance) = forward(operation.clone(), &input, &weights, &bias);
    let parents = [input_node, weights_node, bias_node];
    let state = (operation, profile::layer(), input, weights);
    (
        record::<_, C, 3>(LinearBackward, parents, state, output),
        constant::<C>(mean),
        constant::<C>(variance),
    )
}
