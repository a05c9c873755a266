//! Softmax cross-entropy with label smoothing, mixed labels and weights.

use super::extension::{self, LossTargets};
use crate::targets::Targets;
use burn::tensor::{Tensor, TensorData, activation};

/// The cross-entropy between the softmax of `logits` `[N, classes]`, f32, and the targets, summed over the rows with their
/// weights and divided by `batch`: the rows of the whole batch, of which these may be a piece.
///
/// `smoothing` s makes the target of the right class 1 - s + s / classes and of each other class s / classes (Szegedy
/// et al. 2016, as Keras' `label_smoothing`). From logits, so that no probability underflows.
///
/// # Panics
///
/// If a label is not below the number of classes, or there are not N labels.
pub(crate) fn cross_entropy(
    logits: Tensor<2>,
    targets: &Targets,
    smoothing: f32,
    batch: usize,
) -> Tensor<1> {
    let rows = targets.labels.len();
    assert_eq!(logits.dims()[0], rows, "one label for each row of logits");
    if !extension::serve(&logits) {
        return composed_cross_entropy(logits, targets, smoothing, batch);
    }
    let targets = LossTargets {
        targets: targets.clone(),
        smoothing,
        batch,
    };
    extension::cross_entropy(logits, targets)
}

/// [`cross_entropy`] by Burn's own operations.
pub(super) fn composed_cross_entropy(
    logits: Tensor<2>,
    targets: &Targets,
    smoothing: f32,
    batch: usize,
) -> Tensor<1> {
    let [rows, classes] = logits.dims();
    let mut shares = vec![smoothing / classes as f32; rows * classes];
    for (row, to) in shares.chunks_exact_mut(classes).enumerate() {
        let label = targets.labels[row] as usize;
        let (second, share) = match targets.mixed.get(row) {
            Some(&(second, share)) => (second as usize, share),
            None => (label, 1.0),
        };
        to[label] += share * (1.0 - smoothing);
        to[second] += (1.0 - share) * (1.0 - smoothing);
        let weight = targets.weights.get(row).copied().unwrap_or(1.0);
        to.iter_mut().for_each(|share| *share *= weight);
    }
    let shares = Tensor::<2>::from_data(TensorData::new(shares, [rows, classes]), &logits.device());
    -(shares * activation::log_softmax(logits, 1)).sum() / batch as f32
}
