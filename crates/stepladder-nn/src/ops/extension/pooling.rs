//! Pooling: any window, and whole maps.

use super::flex::{Storage, context, filled, in_order, values, with_storage};
use super::record::{Tracked, record};
use crate::profile::{self, Work};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
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
    with_storage!(&input, E => forward_as::<E>(operation, &input))
}

fn forward_as<E: Storage>(operation: Pooling, input: &FlexTensor) -> FlexTensor {
    let x = values::<E>(input);
    profile::timed(Work::passing("pool forward", size_of_val(x)), || {
        filled::<E>(operation.output_shape(), |y| match operation {
            Pooling::Window(pool) => pool.forward(context(), x, y),
            Pooling::GlobalAverage(pool) => pool.forward(context(), x, y),
        })
    })
}

fn backward_as<E: Storage>(
    operation: Pooling,
    input: &FlexTensor,
    output_gradient: &FlexTensor,
) -> FlexTensor {
    let (x, dy) = (values::<E>(input), values::<E>(output_gradient));
    let bytes = 2 * size_of_val(x) + size_of_val(dy);
    profile::timed(Work::passing("pool backward", bytes), || {
        filled::<E>(input.shape(), |dx| match operation {
            Pooling::Window(pool) => pool.backward(context(), x, dy, dx),
            Pooling::GlobalAverage(pool) => pool.backward(context(), dy, dx),
        })
    })
}

/// The backward pass.
#[derive(Debug)]
struct PoolingBackward;

impl Backward<Flex, 1> for PoolingBackward {
    /// The operation with its layer and input, values in order.
    type State = (Pooling, profile::Layer, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (operation, layer, input) = ops.state;
        let _layer = layer.enter();
        unary::<Flex, _>(ops.parents, ops.node, gradients, |output_gradient| {
            let output_gradient = in_order(&output_gradient);
            with_storage!(&input, E => backward_as::<E>(operation, &input, &output_gradient))
        });
    }
}

/// The operation, recorded for the backward pass where the input needs a gradient.
pub(super) fn tracked<C: CheckpointStrategy>(operation: Pooling, input: Tracked<C>) -> Tracked<C> {
    let (input, node) = input.into_parts();
    let input = in_order(&input);
    let output = forward(operation, &input);
    record::<_, C, 1>(
        PoolingBackward,
        [node],
        (operation, profile::layer(), input),
        output,
    )
}
