//! Operations with weights: convolution, depthwise convolution, dense layers.
//!
//! All three are linear in the input and in the weights, so that they share one backward pass.

use super::flex::{context, filled, in_order, values};
use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::Shape;
use stepladder_kernels::{Conv2d, Dense, DepthwiseConv2d};

/// An operation with weights, and all of its shapes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Linear {
    /// Input `[N, H, W, C]`, weights `[kh, kw, C, filters]`, output `[N, H', W', filters]`.
    Conv2d(Conv2d),
    /// Input `[N, H, W, C]`, weights `[kh, kw, C, 1]`, output `[N, H', W', C]`.
    DepthwiseConv2d(DepthwiseConv2d),
    /// Input `[N, inputs]`, weights `[inputs, outputs]`, output `[N, outputs]`.
    Dense(Dense),
}

impl Linear {
    fn output_shape(&self) -> Shape {
        match self {
            Linear::Conv2d(conv) => {
                let [height, width] = conv.output();
                [conv.batch, height, width, conv.out_channels].into()
            }
            Linear::DepthwiseConv2d(conv) => {
                let [height, width] = conv.output();
                [conv.batch, height, width, conv.channels].into()
            }
            Linear::Dense(dense) => [dense.batch, dense.outputs].into(),
        }
    }
}

/// The operation without gradients.
pub(super) fn forward(
    operation: Linear,
    input: &FlexTensor,
    weights: &FlexTensor,
    bias: Option<&FlexTensor>,
) -> FlexTensor {
    let (input, weights, bias) = (in_order(input), in_order(weights), bias.map(in_order));
    let (x, w, b) = (values(&input), values(&weights), bias.as_ref().map(values));
    filled(operation.output_shape(), |y| match operation {
        Linear::Conv2d(conv) => conv.forward(context(), x, w, b, y, None),
        Linear::DepthwiseConv2d(conv) => conv.forward(context(), x, w, b, y, None),
        Linear::Dense(dense) => dense.forward(context(), x, w, b, y),
    })
}

/// The gradient of the loss by the input, of shape `shape`, from that by the output.
fn input_gradient(
    operation: Linear,
    shape: Shape,
    weights: &FlexTensor,
    output_gradient: &FlexTensor,
) -> FlexTensor {
    let (w, dy) = (values(weights), values(output_gradient));
    filled(shape, |dx| match operation {
        Linear::Conv2d(conv) => conv.input_gradient(context(), dy, w, dx, false),
        Linear::DepthwiseConv2d(conv) => conv.input_gradient(context(), dy, w, dx),
        Linear::Dense(dense) => dense.input_gradient(context(), dy, w, dx, false),
    })
}

/// The gradients of the loss by the weights, of shape `shape`, and by the bias where there is one.
fn weight_gradient(
    operation: Linear,
    shape: Shape,
    has_bias: bool,
    input: &FlexTensor,
    output_gradient: &FlexTensor,
) -> (FlexTensor, Option<FlexTensor>) {
    let (x, dy) = (values(input), values(output_gradient));
    let filters = operation.output_shape().last().copied().unwrap_or(0);
    let mut bias_gradient = None;
    let weight_gradient = filled(shape, |dw| {
        let mut weigh = |db: Option<&mut [f32]>| match operation {
            Linear::Conv2d(conv) => conv.weight_gradient(context(), x, dy, dw, db),
            Linear::DepthwiseConv2d(conv) => conv.weight_gradient(context(), x, dy, dw, db),
            Linear::Dense(dense) => dense.weight_gradient(context(), x, dy, dw, db),
        };
        if has_bias {
            bias_gradient = Some(filled([filters], |db| weigh(Some(db))));
        } else {
            weigh(None);
        }
    });
    (weight_gradient, bias_gradient)
}

/// The backward pass; parents are input, weights and, for N = 3, bias.
#[derive(Debug)]
struct LinearBackward;

impl<const N: usize> Backward<Flex, N> for LinearBackward {
    /// The operation with its input and weights, values in order.
    type State = (Linear, FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (operation, input, weights) = ops.state;
        let output_gradient = in_order(&gradients.consume::<Flex>(&ops.node));
        // A parent that needs no gradient is none: the photos have none, which saves the first layer's input gradient.
        if let Some(Some(parent)) = ops.parents.first() {
            let gradient = input_gradient(operation, input.shape(), &weights, &output_gradient);
            gradients.register::<Flex>(parent.id, gradient);
        }
        let bias = ops.parents.get(2).cloned().flatten();
        let kernel = ops.parents.get(1).cloned().flatten();
        if kernel.is_none() && bias.is_none() {
            return;
        }
        let (of_weights, of_bias) = weight_gradient(
            operation,
            weights.shape(),
            bias.is_some(),
            &input,
            &output_gradient,
        );
        if let Some(parent) = kernel {
            gradients.register::<Flex>(parent.id, of_weights);
        }
        if let (Some(parent), Some(of_bias)) = (bias, of_bias) {
            gradients.register::<Flex>(parent.id, of_bias);
        }
    }
}

/// The operation, recorded for the backward pass where a parent needs a gradient.
pub(super) fn tracked<C: CheckpointStrategy>(
    operation: Linear,
    input: FloatTensor<Autodiff<Flex, C>>,
    weights: FloatTensor<Autodiff<Flex, C>>,
    bias: Option<FloatTensor<Autodiff<Flex, C>>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let (input, input_node) = input.into_parts();
    let (weights, weights_node) = weights.into_parts();
    let (input, weights) = (in_order(&input), in_order(&weights));
    match bias {
        Some(bias) => {
            let (bias, bias_node) = bias.into_parts();
            let output = forward(operation, &input, &weights, Some(&bias));
            record::<C, 3>(
                [input_node, weights_node, bias_node],
                (operation, input, weights),
                output,
            )
        }
        None => {
            let output = forward(operation, &input, &weights, None);
            record::<C, 2>([input_node, weights_node], (operation, input, weights), output)
        }
    }
}

fn record<C: CheckpointStrategy, const N: usize>(
    parents: [NodeGuard; N],
    state: (Linear, FlexTensor, FlexTensor),
    output: FlexTensor,
) -> FloatTensor<Autodiff<Flex, C>> {
    match LinearBackward.prepare::<C>(parents).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(state, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}
