//! Our CPU kernels as operations of Burn, with their own backward passes.
//!
//! This file and those beneath it are all that stands between Burn's tensors and the slices of [`stepladder_kernels`]. There
//! are two kinds of operation: [`Linear`] ones, which have weights, and [`Pooling`]. Tensors on other devices than the CPU
//! never come here: the functions of [`crate::ops`] then compose Burn's own operations, which also check these in tests.

mod flex;
mod linear;
mod pooling;
#[cfg(test)]
mod tests;

pub(super) use linear::Linear;
pub(super) use pooling::Pooling;

pub(crate) use flex::{check_environment, instruction_set};

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Device, Tensor};

/// The operations that kernels serve. Tensors are f32 and, as everywhere in this crate, channels last.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait KernelOps: Backend {
    /// `operation` on `input` with `weights`.
    fn linear(input: FloatTensor<Self>, weights: FloatTensor<Self>, operation: Linear) -> FloatTensor<Self>;

    /// As [`KernelOps::linear`], plus `bias` for each output channel. An operation of its own, for the macro passes no
    /// optional tensors on.
    fn linear_with_bias(
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        operation: Linear,
    ) -> FloatTensor<Self>;

    /// `operation` on `input`.
    fn pool(input: FloatTensor<Self>, operation: Pooling) -> FloatTensor<Self>;
}

impl KernelOps for Flex {
    fn linear(input: FloatTensor<Self>, weights: FloatTensor<Self>, operation: Linear) -> FloatTensor<Self> {
        linear::forward(operation, &input, &weights, None)
    }

    fn linear_with_bias(
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        operation: Linear,
    ) -> FloatTensor<Self> {
        linear::forward(operation, &input, &weights, Some(&bias))
    }

    fn pool(input: FloatTensor<Self>, operation: Pooling) -> FloatTensor<Self> {
        pooling::forward(operation, &input)
    }
}

impl<C: CheckpointStrategy> KernelOps for Autodiff<Flex, C> {
    fn linear(input: FloatTensor<Self>, weights: FloatTensor<Self>, operation: Linear) -> FloatTensor<Self> {
        linear::tracked::<C>(operation, input, weights, None)
    }

    fn linear_with_bias(
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        operation: Linear,
    ) -> FloatTensor<Self> {
        linear::tracked::<C>(operation, input, weights, Some(bias))
    }

    fn pool(input: FloatTensor<Self>, operation: Pooling) -> FloatTensor<Self> {
        pooling::tracked::<C>(operation, input)
    }
}

/// Whether kernels serve `x`: it is on the CPU and not empty, for kernels cut their work by photo.
pub(super) fn serve<const D: usize>(x: &Tensor<D>) -> bool {
    x.device() == Device::flex() && !x.dims().contains(&0)
}

/// [`KernelOps::linear`] on tensors that [`serve`] holds for; `OUT` is the rank of the operation's output.
pub(super) fn linear<const D: usize, const K: usize, const OUT: usize>(
    input: Tensor<D>,
    weights: Tensor<K>,
    bias: Option<Tensor<1>>,
    operation: Linear,
) -> Tensor<OUT> {
    let (input, weights) = (input.into_dispatch(), weights.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::linear_with_bias(input, weights, bias.into_dispatch(), operation),
        None => Dispatch::linear(input, weights, operation),
    })
}

/// [`KernelOps::pool`] on a tensor that [`serve`] holds for; `OUT` is the rank of the operation's output.
pub(super) fn pool<const D: usize, const OUT: usize>(input: Tensor<D>, operation: Pooling) -> Tensor<OUT> {
    Tensor::from_dispatch(Dispatch::pool(input.into_dispatch(), operation))
}
