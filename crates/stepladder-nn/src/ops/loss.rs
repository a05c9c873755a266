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
pub(crate) fn cross_entropy(logits: Tensor<2>, targets: &Targets, smoothing: f32, batch: usize) -> Tensor<1> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Golden {
        losses: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        smoothing: f32,
        logits: Vec<f32>,
        labels: Vec<u32>,
        mixed: Vec<(u32, f32)>,
        weights: Vec<f32>,
        loss: f32,
    }

    #[test]
    fn losses_are_those_of_keras() {
        let golden: Golden = serde_json::from_str(include_str!("../../tests/golden/training.json")).unwrap();
        assert_eq!(golden.losses.len(), 8);
        for case in golden.losses {
            let rows = case.labels.len();
            let classes = case.logits.len() / rows;
            let logits = TensorData::new(case.logits, [rows, classes]);
            let logits = Tensor::<2>::from_data(logits, &Device::flex());
            let targets = Targets {
                labels: case.labels,
                mixed: case.mixed,
                weights: case.weights,
            };
            for function in [cross_entropy, composed_cross_entropy] {
                let found: f32 = function(logits.clone(), &targets, case.smoothing, rows).into_scalar();
                assert!(
                    (found - case.loss).abs() < 1e-5,
                    "{found}, Keras has {}",
                    case.loss
                );
            }
        }
    }
}
