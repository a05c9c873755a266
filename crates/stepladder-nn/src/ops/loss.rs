//! Softmax cross-entropy with label smoothing.

use super::extension::{self, Targets};
use burn::tensor::{Tensor, TensorData, activation};

/// Mean over the batch of the cross-entropy between the softmax of `logits` `[N, classes]`, f32, and the labels.
///
/// `smoothing` s makes the target of the right class 1 - s + s / classes and of each other class s / classes (Szegedy
/// et al. 2016, as Keras' `label_smoothing`). From logits, so that no probability underflows.
///
/// # Panics
///
/// If a label is not below the number of classes, or there are not N labels.
pub(crate) fn cross_entropy(logits: Tensor<2>, labels: &[u32], smoothing: f32) -> Tensor<1> {
    assert_eq!(logits.dims()[0], labels.len(), "one label for each row of logits");
    if !extension::serve(&logits) {
        return composed_cross_entropy(logits, labels, smoothing);
    }
    let targets = Targets {
        labels: labels.to_vec(),
        smoothing,
    };
    extension::cross_entropy(logits, targets)
}

/// [`cross_entropy`] by Burn's own operations.
pub(super) fn composed_cross_entropy(logits: Tensor<2>, labels: &[u32], smoothing: f32) -> Tensor<1> {
    let [batch, classes] = logits.dims();
    let mut targets = vec![smoothing / classes as f32; batch * classes];
    for (row, &label) in targets.chunks_exact_mut(classes).zip(labels) {
        row[label as usize] += 1.0 - smoothing;
    }
    let targets = Tensor::<2>::from_data(TensorData::new(targets, [batch, classes]), &logits.device());
    -(targets * activation::log_softmax(logits, 1)).sum() / batch as f32
}
