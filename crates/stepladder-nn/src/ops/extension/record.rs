//! Putting an operation on the record of the backward pass.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, NodeGuard, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Flex};

/// The float tensors of Burn's autodiff on flex.
pub(super) type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

/// `output` as the result of an operation on `parents`; where one of them needs a gradient, `state` is kept for `backward`.
pub(super) fn record<B, C, const N: usize>(
    backward: B,
    parents: [NodeGuard; N],
    state: B::State,
    output: FlexTensor,
) -> Tracked<C>
where
    B: Backward<Flex, N>,
    C: CheckpointStrategy,
{
    match backward.prepare::<C>(parents).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(state, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}

/// A result that no gradient runs through.
pub(super) fn constant<C: CheckpointStrategy>(output: FlexTensor) -> Tracked<C> {
    <Autodiff<Flex, C> as AutodiffBackend>::from_inner(output)
}
