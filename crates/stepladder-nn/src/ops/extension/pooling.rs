//! Pooling: any window, and whole maps.

use super::flex::{context, filled, in_order, values};
use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::Shape;
use stepladder_kernels::{GlobalAveragePool, Pool2d};

/// A pooling and its shapes; input `[N, H, W, C]`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pooling {
    /// Output `[N, H', W', C]`.
    Window(Pool2d),
    /// Output `[N, C]`.
    GlobalAverage(GlobalAveragePool),
}

impl Pooling {
    fn output_shape(&self) -> Shape {
        match self {
            Pooling::Window(pool) => {
                let [height, width] = pool.output();
                [pool.batch, height, width, pool.channels].into()
            }
            Pooling::GlobalAverage(pool) => [pool.batch, pool.channels].into(),
        }
    }
}

/// The operation without gradients.
pub(super) fn forward(operation: Pooling, input: &FlexTensor) -> FlexTensor {
    let input = in_order(input);
    let x = values(&input);
    filled(operation.output_shape(), |y| match operation {
        Pooling::Window(pool) => pool.forward(context(), x, y),
        Pooling::GlobalAverage(pool) => pool.forward(context(), x, y),
    })
}

/// The backward pass.
#[derive(Debug)]
struct PoolingBackward;

impl Backward<Flex, 1> for PoolingBackward {
    /// The operation with its input, values in order.
    type State = (Pooling, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (operation, input) = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, gradients, |output_gradient| {
            let output_gradient = in_order(&output_gradient);
            let (x, dy) = (values(&input), values(&output_gradient));
            filled(input.shape(), |dx| match operation {
                Pooling::Window(pool) => pool.backward(context(), x, dy, dx),
                Pooling::GlobalAverage(pool) => pool.backward(context(), dy, dx),
            })
        });
    }
}

/// The operation, recorded for the backward pass where the input needs a gradient.
pub(super) fn tracked<C: CheckpointStrategy>(
    operation: Pooling,
    input: FloatTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let (input, node) = input.into_parts();
    let input = in_order(&input);
    let output = forward(operation, &input);
    match PoolingBackward.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish((operation, input), output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}
