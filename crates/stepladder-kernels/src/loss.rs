//! Softmax and cross-entropy, with label smoothing.
//!
//! A batch's logits are a few thousand numbers: plain f64 loops, for accuracy rather than speed.

use crate::simd::Element;

/// Each row's probabilities: e^logit over the row's sum of them.
///
/// # Panics
///
/// The lengths differ, or are not a multiple of `classes`.
pub fn softmax<E: Element>(logits: &[E], classes: usize, probabilities: &mut [f32]) {
    assert_eq!(logits.len(), probabilities.len(), "one probability a logit");
    assert!(logits.len().is_multiple_of(classes), "rows of {classes} logits");
    for (row, to) in logits
        .chunks_exact(classes)
        .zip(probabilities.chunks_exact_mut(classes))
    {
        let (most, sum) = most_and_sum(row);
        for (to, logit) in to.iter_mut().zip(row) {
            *to = ((f64::from(logit.to_f32()) - most).exp() / sum) as f32;
        }
    }
}

/// Each row's log-probabilities: logit minus the logarithm of the row's sum of e^logit. Where a probability is too small for f32,
/// its logarithm is not.
///
/// # Panics
///
/// The lengths differ, or are not a multiple of `classes`.
pub fn log_softmax<E: Element>(logits: &[E], classes: usize, log_probabilities: &mut [f32]) {
    assert_eq!(
        logits.len(),
        log_probabilities.len(),
        "one log-probability a logit"
    );
    assert!(logits.len().is_multiple_of(classes), "rows of {classes} logits");
    for (row, to) in logits
        .chunks_exact(classes)
        .zip(log_probabilities.chunks_exact_mut(classes))
    {
        let (most, sum) = most_and_sum(row);
        let log_of_sum = sum.ln();
        for (to, logit) in to.iter_mut().zip(row) {
            *to = (f64::from(logit.to_f32()) - most - log_of_sum) as f32;
        }
    }
}

/// What the rows of logits should have been.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// One class for each row.
    pub labels: &'a [u32],
    /// Where rows have a second class: that class, and the first one's share of the target, in [0, 1]. Empty where none has.
    pub mixed: &'a [(u32, f32)],
    /// Factors of the rows' losses. Empty where all are 1.
    pub weights: &'a [f32],
    /// Share of the target spread over all classes, in [0, 1).
    pub smoothing: f32,
    /// What the sum of the losses is divided by: the rows of the whole batch, of which these may be a part.
    pub batch: usize,
}

/// The cross-entropy of softmax against targets, a loss per row; and where asked for, the gradient by the logits of their sum
/// over `targets.batch`. With smoothing s a row's target is 1 - s + s / classes for its label and s / classes for the others,
/// as Keras has it; a second class shares the first part.
///
/// # Panics
///
/// Lengths do not match, or a class is not below `classes`.
pub fn cross_entropy<E: Element>(
    logits: &[E],
    classes: usize,
    targets: Targets<'_>,
    losses: &mut [f32],
    mut gradient: Option<&mut [E]>,
) {
    let Targets { labels, .. } = targets;
    assert_eq!(logits.len(), labels.len() * classes, "{classes} logits a label");
    let of_rows = [targets.mixed.len(), targets.weights.len()];
    assert!(
        of_rows.iter().all(|&n| n == 0 || n == labels.len()),
        "one a label, or none"
    );
    assert_eq!(losses.len(), labels.len(), "one loss a label");
    if let Some(gradient) = &gradient {
        assert_eq!(gradient.len(), logits.len(), "gradient of the logits");
    }
    let smoothing = f64::from(targets.smoothing);
    let others = smoothing / classes as f64;
    for (i, ((row, label), loss)) in logits.chunks_exact(classes).zip(labels).zip(losses).enumerate() {
        let label = *label as usize;
        let (second, share) = match targets.mixed.get(i) {
            Some(&(second, share)) => (second as usize, f64::from(share)),
            None => (label, 1.0),
        };
        assert!(label.max(second) < classes, "label {label} of {classes} classes");
        let weight = targets.weights.get(i).map_or(1.0, |weight| f64::from(*weight));
        let (most, sum) = most_and_sum(row);
        let mut total = 0.0;
        for (k, logit) in row.iter().enumerate() {
            let log_probability = f64::from(logit.to_f32()) - most - sum.ln();
            let mut target = others;
            if k == label {
                target += share * (1.0 - smoothing);
            }
            if k == second {
                target += (1.0 - share) * (1.0 - smoothing);
            }
            if target > 0.0 {
                total -= target * log_probability;
            }
            if let Some(gradient) = &mut gradient {
                let by_logit = weight * (log_probability.exp() - target) / targets.batch as f64;
                gradient[i * classes + k] = E::from_f32(by_logit as f32);
            }
        }
        *loss = (weight * total) as f32;
    }
}

/// The largest logit, and the sum of e^(logit - largest).
fn most_and_sum<E: Element>(row: &[E]) -> (f64, f64) {
    let logits = || row.iter().map(|x| f64::from(x.to_f32()));
    let most = logits().fold(f64::NEG_INFINITY, f64::max);
    (most, logits().map(|x| (x - most).exp()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(labels: &[u32], smoothing: f32) -> Targets<'_> {
        Targets {
            labels,
            mixed: &[],
            weights: &[],
            smoothing,
            batch: labels.len(),
        }
    }

    #[test]
    fn a_second_class_shares_the_target_and_weights_scale_rows() {
        let logits = [0.3_f32, -1.25, 2.0, 0.125, 0.5, -0.75];
        let of = |labels: &[u32]| {
            let (mut losses, mut gradient) = ([0.0; 2], [0.0_f32; 6]);
            cross_entropy(&logits, 3, plain(labels, 0.1), &mut losses, Some(&mut gradient));
            (losses, gradient)
        };
        let ((first, by_first), (second, by_second)) = (of(&[2, 0]), of(&[1, 0]));
        let targets = Targets {
            mixed: &[(1, 0.75), (0, 0.5)],
            weights: &[2.0, 1.0],
            ..plain(&[2, 0], 0.1)
        };
        let (mut losses, mut gradient) = ([0.0; 2], [0.0_f32; 6]);
        cross_entropy(&logits, 3, targets, &mut losses, Some(&mut gradient));
        assert!((losses[0] - 2.0 * (0.75 * first[0] + 0.25 * second[0])).abs() < 1e-6);
        // A photo mixed with one of its own class stays what it was.
        assert!((losses[1] - first[1]).abs() < 1e-6);
        for k in 0..3 {
            let expected = 2.0 * (0.75 * by_first[k] + 0.25 * by_second[k]);
            assert!((gradient[k] - expected).abs() < 1e-6);
            assert!((gradient[3 + k] - by_first[3 + k]).abs() < 1e-6);
        }
    }

    #[test]
    fn known_values() {
        let logits = [0.0_f32, 0.0, 1000.0, 0.0];
        let (mut losses, mut gradient) = ([0.0; 2], [0.0_f32; 4]);
        cross_entropy(&logits, 2, plain(&[1, 0], 0.0), &mut losses, Some(&mut gradient));
        assert_eq!(losses, [std::f32::consts::LN_2, 0.0]);
        assert_eq!(gradient, [0.25, -0.25, 0.0, 0.0]);
        let mut probabilities = [0.0; 4];
        softmax(&logits, 2, &mut probabilities);
        assert_eq!(probabilities, [0.5, 0.5, 1.0, 0.0]);
    }

    #[test]
    fn log_softmax_keeps_small_probabilities() {
        let logits = [0.0_f32, 0.0, 1000.0, 0.0, 3.0, f32::NAN];
        let mut found = [0.0; 6];
        log_softmax(&logits, 2, &mut found);
        assert_eq!(
            found[..4],
            [-std::f32::consts::LN_2, -std::f32::consts::LN_2, 0.0, -1000.0]
        );
        assert!(found[4..].iter().all(|x| x.is_nan()));
        let logits = [0.3_f32, -1.25, 2.0];
        let (mut found, mut probabilities) = ([0.0; 3], [0.0; 3]);
        log_softmax(&logits, 3, &mut found);
        softmax(&logits, 3, &mut probabilities);
        for (log, probability) in found.iter().zip(probabilities) {
            assert!((f64::from(*log) - f64::from(probability).ln()).abs() < 1e-6);
        }
    }

    #[test]
    fn gradient_agrees_with_finite_differences() {
        let logits = [0.3_f32, -1.25, 2.0, 0.125, 0.5, -0.75];
        let loss = |logits: &[f32]| {
            let mut losses = [0.0; 2];
            cross_entropy(logits, 3, plain(&[2, 0], 0.1), &mut losses, None);
            f64::from(losses[0] + losses[1]) / 2.0
        };
        let mut gradient = [0.0_f32; 6];
        cross_entropy(
            &logits,
            3,
            plain(&[2, 0], 0.1),
            &mut [0.0; 2],
            Some(&mut gradient),
        );
        for i in 0..6 {
            let [mut above, mut below] = [logits; 2];
            above[i] += 1e-2;
            below[i] -= 1e-2;
            let slope = (loss(&above) - loss(&below)) / 2e-2;
            assert!(
                (slope - f64::from(gradient[i])).abs() < 1e-4,
                "{slope} {}",
                gradient[i]
            );
        }
    }
}
