//! Softmax cross-entropy.

use super::flex::{filled, in_order, values};
use super::record::{Tracked, record};
use crate::targets::Targets;
use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, unary};
use burn::backend::flex::FlexTensor;
use stepladder_kernels::loss;

/// What the logits of a batch, or of a piece of it, should have been.
#[derive(Debug, Clone)]
pub(crate) struct LossTargets {
    /// Classes and weights of the rows of logits.
    pub targets: Targets,
    /// Share of the target spread over all classes.
    pub smoothing: f32,
    /// Rows of the whole batch.
    pub batch: usize,
}

/// The losses of the rows of `logits` `[N, classes]`, f32, over the batch's rows, as a tensor of one value; and its gradient by
/// the logits.
fn loss_and_gradient(logits: &FlexTensor, targets: &LossTargets) -> (FlexTensor, FlexTensor) {
    let classes = logits.shape().last().copied().unwrap_or(0);
    let of_rows = loss::Targets {
        labels: &targets.targets.labels,
        mixed: &targets.targets.mixed,
        weights: &targets.targets.weights,
        smoothing: targets.smoothing,
        batch: targets.batch,
    };
    let mut losses = vec![0.0; of_rows.labels.len()];
    let gradient = filled::<f32>(logits.shape(), |gradient| {
        loss::cross_entropy(
            values::<f32>(logits),
            classes,
            of_rows,
            &mut losses,
            Some(gradient),
        );
    });
    let sum: f64 = losses.iter().map(|loss| f64::from(*loss)).sum();
    let mean = (sum / targets.batch.max(1) as f64) as f32;
    (filled([1], |to: &mut [f32]| to[0] = mean), gradient)
}

pub(super) fn forward(logits: &FlexTensor, targets: &LossTargets) -> FlexTensor {
    loss_and_gradient(&in_order(logits), targets).0
}

/// The backward pass, whose gradient the forward pass has made.
#[derive(Debug)]
struct LossBackward;

impl Backward<Flex, 1> for LossBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, gradients, |by_loss| {
            let factor = values::<f32>(&in_order(&by_loss))[0];
            filled::<f32>(gradient.shape(), |to| {
                for (to, by_logit) in to.iter_mut().zip(values::<f32>(&gradient)) {
                    *to = by_logit * factor;
                }
            })
        });
    }
}

pub(super) fn tracked<C: CheckpointStrategy>(logits: Tracked<C>, targets: &LossTargets) -> Tracked<C> {
    let (logits, node) = logits.into_parts();
    let (loss, gradient) = loss_and_gradient(&in_order(&logits), targets);
    record::<_, C, 1>(LossBackward, [node], gradient, loss)
}
