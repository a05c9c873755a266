//! Our CPU kernels as operations of Burn, with their own backward passes.
//!
//! This file and those beneath it are all that stands between Burn's tensors and the slices of [`stepladder_kernels`].
//! Tensors on other devices than the CPU never come here: the functions of [`crate::ops`] then compose Burn's own
//! operations, which also check these in tests. An operand or result that an operation does not have is an empty tensor,
//! for Burn passes no optional ones on.

mod elementwise;
mod epilogue;
mod flex;
mod linear;
mod loss;
mod pooling;
mod record;
#[cfg(test)]
mod tests;
mod update;

pub(super) use elementwise::Dropout;
pub(super) use epilogue::Finish;
pub(super) use linear::{Linear, LinearKind};
pub(crate) use linear::{Packed, pack};
pub(super) use loss::LossTargets;
pub(super) use pooling::Pooling;

pub(crate) use flex::{buffers, check_environment, context, instruction_set, together};

use super::convolution::{Next, Weights};
use super::epilogue::kernel_activation;
use crate::precision::Precision;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Device, Tensor};
use epilogue::Operands;
use stepladder_kernels::Activation as KernelActivation;
use stepladder_kernels::optimizer::Step;

/// The operations that kernels serve. Activations are f32 or bf16 and, as everywhere in this crate, channels last; all that
/// belongs to parameters is f32.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait KernelOps: Backend {
    /// `operation` on `input` with `weights` and `bias`: the output, its mean and its variance.
    fn linear(
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        operation: Linear,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// The end of a block.
    fn finish(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        skip: FloatTensor<Self>,
        operation: Finish,
    ) -> FloatTensor<Self>;

    /// Mean and variance of each channel, without gradients.
    fn statistics(input: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// `operation` on `input`.
    fn pool(input: FloatTensor<Self>, operation: Pooling) -> FloatTensor<Self>;

    /// `input` with some values zeroed.
    fn dropout(input: FloatTensor<Self>, operation: Dropout) -> FloatTensor<Self>;

    /// `input` stored at another precision.
    fn convert(input: FloatTensor<Self>, precision: Precision) -> FloatTensor<Self>;

    /// `input` for two readers.
    fn fork(input: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The mean loss over the rows of f32 `logits`.
    fn cross_entropy(logits: FloatTensor<Self>, targets: LossTargets) -> FloatTensor<Self>;
}

impl KernelOps for Flex {
    fn linear(
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        operation: Linear,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        linear::forward(operation, &input, &weights, &bias)
    }

    fn finish(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        skip: FloatTensor<Self>,
        operation: Finish,
    ) -> FloatTensor<Self> {
        let operands = Operands {
            input,
            gamma,
            beta,
            mean,
            variance,
            skip,
        };
        epilogue::forward(operation, &operands)
    }

    fn statistics(input: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        elementwise::statistics(&input)
    }

    fn pool(input: FloatTensor<Self>, operation: Pooling) -> FloatTensor<Self> {
        pooling::forward(operation, &input)
    }

    fn dropout(input: FloatTensor<Self>, operation: Dropout) -> FloatTensor<Self> {
        elementwise::dropout(operation, &input)
    }

    fn convert(input: FloatTensor<Self>, precision: Precision) -> FloatTensor<Self> {
        elementwise::convert(&input, precision)
    }

    fn fork(input: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        (input.clone(), input)
    }

    fn cross_entropy(logits: FloatTensor<Self>, targets: LossTargets) -> FloatTensor<Self> {
        loss::forward(&logits, &targets)
    }
}

impl<C: CheckpointStrategy> KernelOps for Autodiff<Flex, C> {
    fn linear(
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        operation: Linear,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        linear::tracked::<C>(operation, input, weights, bias)
    }

    fn finish(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        skip: FloatTensor<Self>,
        operation: Finish,
    ) -> FloatTensor<Self> {
        epilogue::tracked::<C>(operation, [input, gamma, beta, mean, variance, skip])
    }

    fn statistics(input: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (mean, variance) = elementwise::statistics(&input.into_primitive());
        (record::constant::<C>(mean), record::constant::<C>(variance))
    }

    fn pool(input: FloatTensor<Self>, operation: Pooling) -> FloatTensor<Self> {
        pooling::tracked::<C>(operation, input)
    }

    fn dropout(input: FloatTensor<Self>, operation: Dropout) -> FloatTensor<Self> {
        elementwise::tracked_dropout::<C>(operation, input)
    }

    fn convert(input: FloatTensor<Self>, precision: Precision) -> FloatTensor<Self> {
        elementwise::tracked_convert::<C>(input, precision)
    }

    fn fork(input: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        elementwise::tracked_fork::<C>(input)
    }

    fn cross_entropy(logits: FloatTensor<Self>, targets: LossTargets) -> FloatTensor<Self> {
        loss::tracked::<C>(logits, &targets)
    }
}

/// The optimizer's passes, over tensors that no gradient runs through.
#[backend_extension(Flex)]
pub(crate) trait UpdateOps: Backend {
    /// The parameter and its two state slots after `step`; slots that the rule does not use stay as they are.
    fn update(
        value: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// The square of the norm, as a tensor of one value.
    fn squared_norm(gradient: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `momentum` of the average and the rest of the value.
    fn moving_average(
        average: FloatTensor<Self>,
        value: FloatTensor<Self>,
        momentum: f32,
    ) -> FloatTensor<Self>;
}

impl UpdateOps for Flex {
    fn update(
        mut value: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let mut slots = [first, second];
        update::update(step, &mut value, &gradient, &mut slots[..step.slots()]);
        let [first, second] = slots;
        (value, first, second)
    }

    fn squared_norm(gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        update::squared_norm(&gradient)
    }

    fn moving_average(
        mut average: FloatTensor<Self>,
        value: FloatTensor<Self>,
        momentum: f32,
    ) -> FloatTensor<Self> {
        update::moving_average(&mut average, &value, momentum);
        average
    }
}

/// Whether kernels serve `x`: it is on the CPU and not empty, for kernels cut their work by photo.
pub(super) fn serve<const D: usize>(x: &Tensor<D>) -> bool {
    x.device() == Device::flex() && !x.dims().contains(&0)
}

/// A tensor that stands for none.
pub(super) fn none<const D: usize>() -> Tensor<D> {
    Tensor::empty([0; D], &Device::flex())
}

/// [`KernelOps::linear`] on tensors that [`serve`] holds for; `OUT` is the rank of the operation's output.
pub(super) fn linear<const D: usize, const K: usize, const OUT: usize>(
    input: Tensor<D>,
    weights: Weights<K>,
    bias: Option<Tensor<1>>,
    kind: LinearKind,
    next: Next,
) -> (Tensor<OUT>, Option<[Tensor<1>; 2]>) {
    let statistics = next == Next::BatchNorm;
    let operation = Linear {
        kind,
        has_bias: bias.is_some(),
        statistics,
        // Packed weights are inference's, which wants no statistics.
        packed: weights.packed.filter(|_| !statistics),
        activation: match next {
            Next::Activation(activation) => kernel_activation(activation),
            Next::BatchNorm | Next::Other => KernelActivation::Linear,
        },
    };
    let (output, mean, variance) = Dispatch::linear(
        input.into_dispatch(),
        weights.values.into_dispatch(),
        bias.unwrap_or_else(none).into_dispatch(),
        operation,
    );
    let statistics = statistics.then(|| [Tensor::from_dispatch(mean), Tensor::from_dispatch(variance)]);
    (Tensor::from_dispatch(output), statistics)
}

/// [`KernelOps::finish`] on tensors that [`serve`] holds for. `norm` holds gamma, beta, mean and variance.
pub(super) fn finish(
    input: Tensor<4>,
    norm: Option<[Tensor<1>; 4]>,
    skip: Option<Tensor<4>>,
    operation: Finish,
) -> Tensor<4> {
    let [gamma, beta, mean, variance] = norm.unwrap_or_else(|| [none(), none(), none(), none()]);
    Tensor::from_dispatch(Dispatch::finish(
        input.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        mean.into_dispatch(),
        variance.into_dispatch(),
        skip.unwrap_or_else(none).into_dispatch(),
        operation,
    ))
}

/// [`KernelOps::statistics`] on a tensor that [`serve`] holds for: mean and variance.
pub(super) fn statistics<const D: usize>(input: Tensor<D>) -> [Tensor<1>; 2] {
    let (mean, variance) = Dispatch::statistics(input.into_dispatch());
    [Tensor::from_dispatch(mean), Tensor::from_dispatch(variance)]
}

/// [`KernelOps::pool`] on a tensor that [`serve`] holds for; `OUT` is the rank of the operation's output.
pub(super) fn pool<const D: usize, const OUT: usize>(input: Tensor<D>, operation: Pooling) -> Tensor<OUT> {
    Tensor::from_dispatch(Dispatch::pool(input.into_dispatch(), operation))
}

/// [`KernelOps::dropout`] on a tensor that [`serve`] holds for.
pub(super) fn dropout<const D: usize>(input: Tensor<D>, operation: Dropout) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::dropout(input.into_dispatch(), operation))
}

/// [`KernelOps::convert`] on a tensor that [`serve`] holds for.
pub(super) fn convert<const D: usize>(input: Tensor<D>, precision: Precision) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::convert(input.into_dispatch(), precision))
}

/// [`KernelOps::fork`] on a tensor that [`serve`] holds for.
pub(super) fn fork<const D: usize>(input: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
    let (a, b) = Dispatch::fork(input.into_dispatch());
    (Tensor::from_dispatch(a), Tensor::from_dispatch(b))
}

/// [`KernelOps::cross_entropy`] on logits that [`serve`] holds for.
pub(super) fn cross_entropy(logits: Tensor<2>, targets: LossTargets) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::cross_entropy(logits.into_dispatch(), targets))
}

/// [`UpdateOps::update`] on tensors that [`serve`] holds for.
pub(crate) fn update(
    value: Tensor<1>,
    gradient: Tensor<1>,
    slots: &mut Vec<Tensor<1>>,
    step: Step,
) -> Tensor<1> {
    let mut own = slots.drain(..);
    let mut slot = || own.next().unwrap_or_else(none).into_dispatch();
    let (first, second) = (slot(), slot());
    drop(own);
    let (value, first, second) = Dispatch::update(
        value.into_dispatch(),
        gradient.into_dispatch(),
        first,
        second,
        step,
    );
    let kept = [first, second].into_iter().take(step.slots());
    slots.extend(kept.map(Tensor::from_dispatch));
    Tensor::from_dispatch(value)
}

/// [`UpdateOps::moving_average`] on tensors that [`serve`] holds for.
pub(crate) fn moving_average(average: Tensor<1>, value: Tensor<1>, momentum: f32) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::moving_average(
        average.into_dispatch(),
        value.into_dispatch(),
        momentum,
    ))
}

/// [`UpdateOps::squared_norm`] on a tensor that [`serve`] holds for.
pub(crate) fn squared_norm(gradient: Tensor<1>) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::squared_norm(gradient.into_dispatch()))
}
