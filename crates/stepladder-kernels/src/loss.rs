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

/// The cross-entropy of softmax against labels, a loss per row; and where asked for, the gradient of the batch's mean loss by
/// the logits. With smoothing s a row's target is 1 - s + s / classes for its label and s / classes for the others, as Keras
/// has it.
///
/// # Panics
///
/// Lengths do not match, or a label is not below `classes`.
pub fn cross_entropy<E: Element>(
    logits: &[E],
    classes: usize,
    labels: &[u32],
    label_smoothing: f32,
    losses: &mut [f32],
    mut gradient: Option<&mut [E]>,
) {
    assert_eq!(logits.len(), labels.len() * classes, "{classes} logits a label");
    assert_eq!(losses.len(), labels.len(), "one loss a label");
    if let Some(gradient) = &gradient {
        assert_eq!(gradient.len(), logits.len(), "gradient of the logits");
    }
    let smoothing = f64::from(label_smoothing);
    let others = smoothing / classes as f64;
    for (i, ((row, label), loss)) in logits.chunks_exact(classes).zip(labels).zip(losses).enumerate() {
        let label = *label as usize;
        assert!(label < classes, "label {label} of {classes} classes");
        let (most, sum) = most_and_sum(row);
        let mut total = 0.0;
        for (k, logit) in row.iter().enumerate() {
            let log_probability = f64::from(logit.to_f32()) - most - sum.ln();
            let target = if k == label {
                1.0 - smoothing + others
            } else {
                others
            };
            if target > 0.0 {
                total -= target * log_probability;
            }
            if let Some(gradient) = &mut gradient {
                let by_logit = (log_probability.exp() - target) / labels.len() as f64;
                gradient[i * classes + k] = E::from_f32(by_logit as f32);
            }
        }
        *loss = total as f32;
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

    #[test]
    fn known_values() {
        let logits = [0.0_f32, 0.0, 1000.0, 0.0];
        let (mut losses, mut gradient) = ([0.0; 2], [0.0_f32; 4]);
        cross_entropy(&logits, 2, &[1, 0], 0.0, &mut losses, Some(&mut gradient));
        assert_eq!(losses, [std::f32::consts::LN_2, 0.0]);
        assert_eq!(gradient, [0.25, -0.25, 0.0, 0.0]);
        let mut probabilities = [0.0; 4];
        softmax(&logits, 2, &mut probabilities);
        assert_eq!(probabilities, [0.5, 0.5, 1.0, 0.0]);
    }

    #[test]
    fn gradient_agrees_with_finite_differences() {
        let logits = [0.3_f32, -1.25, 2.0, 0.125, 0.5, -0.75];
        let loss = |logits: &[f32]| {
            let mut losses = [0.0; 2];
            cross_entropy(logits, 3, &[2, 0], 0.1, &mut losses, None);
            f64::from(losses[0] + losses[1]) / 2.0
        };
        let mut gradient = [0.0_f32; 6];
        cross_entropy(&logits, 3, &[2, 0], 0.1, &mut [0.0; 2], Some(&mut gradient));
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
