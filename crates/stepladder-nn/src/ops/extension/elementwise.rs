//! Passes over single tensors: dropout, conversion between storage types, statistics, and the sum of gradients where a value
//! has two readers.

use super::flex::{Storage, context, filled, in_order, values, with_storage};
use super::record::{Tracked, record};
use crate::precision::Precision;
use crate::profile::{self, Work};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::bf16;
use std::sync::{Arc, Mutex, PoisonError};
use stepladder_kernels::{Statistics, channel_statistics, elementwise};

/// Which values are dropped: a matter of the key and their place alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    /// The mask's key.
    pub key: u64,
    /// Share of the values that become zero, in [0, 1).
    pub rate: f32,
}

pub(super) fn dropout(operation: Dropout, input: &FlexTensor) -> FlexTensor {
    let input = in_order(input);
    with_storage!(&input, E => dropout_as::<E>(operation, &input))
}

fn dropout_as<E: Storage>(operation: Dropout, input: &FlexTensor) -> FlexTensor {
    let x = values::<E>(input);
    profile::timed(Work::passing("dropout", 2 * size_of_val(x)), || {
        filled::<E>(input.shape(), |y| {
            elementwise::dropout(context(), operation.key, operation.rate, x, y)
        })
    })
}

/// The same mask, on the gradient.
#[derive(Debug)]
struct DropoutBackward;

impl Backward<Flex, 1> for DropoutBackward {
    type State = (Dropout, profile::Layer);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (operation, layer) = ops.state;
        let _layer = layer.enter();
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            dropout(operation, &gradient)
        });
    }
}

pub(super) fn tracked_dropout<C: CheckpointStrategy>(operation: Dropout, input: Tracked<C>) -> Tracked<C> {
    let (input, node) = input.into_parts();
    let output = dropout(operation, &input);
    record::<_, C, 1>(DropoutBackward, [node], (operation, profile::layer()), output)
}

/// `input` stored at another precision; where it is so already, itself.
pub(super) fn convert(input: &FlexTensor, to: Precision) -> FlexTensor {
    let input = in_order(input);
    if precision_of(&input) == to {
        return input;
    }
    match to {
        Precision::F32 => convert_as::<bf16, f32>(&input),
        Precision::Bf16 => convert_as::<f32, bf16>(&input),
    }
}

fn convert_as<A: Storage, B: Storage>(input: &FlexTensor) -> FlexTensor {
    let x = values::<A>(input);
    let bytes = size_of_val(x) + x.len() * size_of::<B>();
    profile::timed(Work::passing("convert", bytes), || {
        filled::<B>(input.shape(), |y| elementwise::convert(context(), x, y))
    })
}

fn precision_of(tensor: &FlexTensor) -> Precision {
    with_storage!(tensor, E => if <E as stepladder_kernels::Element>::BF16 { Precision::Bf16 } else { Precision::F32 })
}

/// The conversion back, of the gradient.
#[derive(Debug)]
struct ConvertBackward;

impl Backward<Flex, 1> for ConvertBackward {
    /// The input's precision.
    type State = Precision;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let from = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            convert(&gradient, from)
        });
    }
}

pub(super) fn tracked_convert<C: CheckpointStrategy>(input: Tracked<C>, to: Precision) -> Tracked<C> {
    let (input, node) = input.into_parts();
    let output = convert(&input, to);
    record::<_, C, 1>(ConvertBackward, [node], precision_of(&input), output)
}

/// Mean and population variance of each channel, f32; channels are the last dimension.
pub(super) fn statistics(input: &FlexTensor) -> (FlexTensor, FlexTensor) {
    let input = in_order(input);
    let channels = input.shape().last().copied().unwrap_or(0);
    let mut variances = vec![0.0; channels];
    let means = with_storage!(&input, E => {
        let x = values::<E>(&input);
        profile::timed(Work::passing("statistics", size_of_val(x)), || {
            filled([channels], |mean| {
                let variance = &mut variances;
                channel_statistics(context(), x, channels, Statistics { mean, variance });
            })
        })
    });
    (means, filled([channels], |to| to.copy_from_slice(&variances)))
}

/// The gradient that the first of two readers leaves for the second.
type Waiting = Arc<Mutex<Option<FlexTensor>>>;

/// One of the two ways out of a fork. Burn would add the two gradients on one thread; whichever comes second adds them here.
#[derive(Debug)]
struct ForkBackward;

impl Backward<Flex, 1> for ForkBackward {
    type State = (Waiting, profile::Layer);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (waiting, layer) = ops.state;
        let _layer = layer.enter();
        let gradient = in_order(&gradients.consume::<Flex>(&ops.node));
        let [Some(parent)] = ops.parents else { return };
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.take() {
            None => *waiting = Some(gradient),
            Some(other) => {
                let sum = with_storage!(&gradient, E => sum_as::<E>(&gradient, &other));
                gradients.register::<Flex>(parent.id, sum);
            }
        }
    }
}

fn sum_as<E: Storage>(a: &FlexTensor, b: &FlexTensor) -> FlexTensor {
    let (first, second) = (values::<E>(a), values::<E>(b));
    profile::timed(Work::passing("sum of gradients", 3 * size_of_val(first)), || {
        filled::<E>(a.shape(), |sum| {
            elementwise::sum(context(), first, second, sum);
        })
    })
}

/// The same value for two readers, both of which must have a part in the loss.
pub(super) fn tracked_fork<C: CheckpointStrategy>(input: Tracked<C>) -> (Tracked<C>, Tracked<C>) {
    let waiting = Waiting::default();
    let way = |waiting: Waiting| {
        let (value, node) = input.clone().into_parts();
        record::<_, C, 1>(ForkBackward, [node], (waiting, profile::layer()), value)
    };
    (way(waiting.clone()), way(waiting))
}
