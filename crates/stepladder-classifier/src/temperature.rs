//! Probabilities that can be taken at their word: temperature scaling (Guo et al. 2017,
//! <https://arxiv.org/abs/1706.04599>).
//!
//! A network trained for long says 99% where it is right nine times of ten. One number, found on photos that were not
//! trained on, mends most of that, and changes no answer: the order of the classes stays.

use crate::evaluation::Predictions;
use rayon::prelude::*;

/// What the logits are divided by before the softmax: above 1 makes a model less sure of itself, below 1 more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature(f64);

/// Temperatures that are fitted lie between 1 / `LIMIT` and `LIMIT`: where every validation photo is right, the best one
/// would be zero.
const LIMIT: f64 = 16.0;

/// Halvings of the interval of ln T, [-ln 16, ln 16]: they leave less than 1e-12.
const HALVINGS: usize = 44;

impl Temperature {
    /// Leaves probabilities as they are.
    pub(crate) const ONE: Temperature = Temperature(1.0);

    /// A temperature that was fitted elsewhere; `None` unless it is a finite number above zero.
    pub fn new(temperature: f64) -> Option<Temperature> {
        (temperature.is_finite() && temperature > 0.0).then_some(Temperature(temperature))
    }

    /// The number itself.
    pub fn value(self) -> f64 {
        self.0
    }

    /// The temperature with the least mean cross-entropy on `predictions`, between 1/16 and 16; `None` where there are none.
    ///
    /// The cross-entropy of softmax(b z) is convex in b = 1 / T (a log-sum-exp less a linear term), so that its slope, the sum
    /// over photos of E[z] - z of the right class, has one zero, which is found by halving. The result depends on nothing but
    /// the predictions and their order.
    pub fn fit(predictions: &Predictions) -> Option<Temperature> {
        // Up to a constant for each photo, logits are the logarithms of probabilities.
        let logits = predictions.iter().map(|photo| {
            let logits = photo.probabilities.iter().map(|&p| logarithm(p));
            (logits.collect::<Vec<f64>>(), photo.label as usize)
        });
        let logits: Vec<(Vec<f64>, usize)> = logits.collect();
        if logits.is_empty() {
            return None;
        }
        let slope = |sharpness: f64| -> f64 {
            let of_photo = |(logits, label): &(Vec<f64>, usize)| {
                let weights = powers(logits, sharpness);
                let sum: f64 = weights.iter().sum();
                let mean: f64 = weights.iter().zip(logits).map(|(w, z)| w * z).sum();
                mean / sum - logits[*label]
            };
            // Summed in the photos' order, whoever computed them.
            logits.par_iter().map(of_photo).collect::<Vec<f64>>().iter().sum()
        };
        let (mut low, mut high) = (-libm::log(LIMIT), libm::log(LIMIT));
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            // Too sharp: the slope by sharpness is positive, and the temperature has to rise.
            if slope(libm::exp(-middle)) > 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(Temperature(libm::exp((low + high) / 2.0)))
    }

    /// The probabilities of one photo at this temperature.
    pub fn apply(self, probabilities: &[f32]) -> Vec<f32> {
        let logits: Vec<f64> = probabilities.iter().map(|&p| logarithm(p)).collect();
        self.apply_to_logits(&logits)
    }

    /// The same of logits, or logarithms of probabilities: of a network so sure that the others' probabilities are zero in an `f32`, a
    /// temperature brings them back.
    pub fn apply_to_logits(self, logits: &[f64]) -> Vec<f32> {
        let weights = powers(logits, 1.0 / self.0);
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| (weight / sum) as f32).collect()
    }
}

/// The natural logarithm; of zero, that of the least positive f32, as the cross-entropy has it.
fn logarithm(probability: f32) -> f64 {
    libm::log(f64::from(probability.max(f32::MIN_POSITIVE)))
}

/// e to the power of each logit times `sharpness`, over that of the greatest.
fn powers(logits: &[f64], sharpness: f64) -> Vec<f64> {
    let greatest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logits
        .iter()
        .map(|logit| libm::exp((logit - greatest) * sharpness))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn predictions(rows: &[(u32, [f32; 2])]) -> Predictions {
        let mut predictions = Predictions::new(2);
        for (photo, (label, probabilities)) in rows.iter().enumerate() {
            predictions.extend(&[photo as u32], &[*label], probabilities);
        }
        predictions
    }

    fn loss(predictions: &Predictions, temperature: f64) -> f64 {
        let temperature = Temperature::new(temperature).unwrap();
        let losses = predictions
            .iter()
            .map(|photo| -f64::from(temperature.apply(photo.probabilities)[photo.label as usize]).ln());
        losses.sum()
    }

    #[test]
    fn what_underflows_as_a_probability_comes_back_from_its_logit() {
        let temperature = Temperature(16.0);
        let calibrated = temperature.apply_to_logits(&[0.0, -160.0, -320.0]);
        // e^-10 and e^-20, which are zero in an f32 before.
        assert!((f64::from(calibrated[1] / calibrated[0]).ln() + 10.0).abs() < 1e-5);
        assert!((f64::from(calibrated[2] / calibrated[0]).ln() + 20.0).abs() < 1e-5);
        let of_probabilities = temperature.apply(&[1.0, (-160.0_f32).exp(), (-320.0_f32).exp()]);
        assert_eq!(of_probabilities[1], of_probabilities[2]);
    }

    #[test]
    fn nine_of_ten_said_and_seven_of_ten_right() {
        let rows: Vec<(u32, [f32; 2])> = (0..10).map(|i| (u32::from(i >= 7), [0.9, 0.1])).collect();
        let temperature = Temperature::fit(&predictions(&rows)).unwrap();
        // sigmoid(ln 9 / T) = 0.7
        assert!((temperature.value() - 9.0_f64.ln() / (7.0_f64 / 3.0).ln()).abs() < 1e-6);
        let calibrated = temperature.apply(&[0.9, 0.1]);
        assert!((calibrated[0] - 0.7).abs() < 1e-6 && (calibrated[1] - 0.3).abs() < 1e-6);
    }

    #[test]
    fn where_all_are_right_it_stops_at_the_limit() {
        let temperature = Temperature::fit(&predictions(&[(0, [0.9, 0.1])])).unwrap();
        assert!((temperature.value() - 1.0 / 16.0).abs() < 1e-9);
        let temperature = Temperature::fit(&predictions(&[(1, [0.9, 0.1])])).unwrap();
        assert!((temperature.value() - 16.0).abs() < 1e-9);
        assert_eq!(Temperature::fit(&predictions(&[])), None);
    }

    #[test]
    fn what_is_no_temperature_is_refused() {
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Temperature::new(wrong), None);
        }
    }

    #[test]
    fn certainty_and_impossibility_stay_finite() {
        let calibrated = Temperature::new(2.0).unwrap().apply(&[1.0, 0.0]);
        assert!(calibrated[0] > 0.999 && calibrated[1] >= 0.0 && calibrated.iter().all(|p| p.is_finite()));
    }

    proptest! {
        #[test]
        fn no_neighbor_is_better_and_no_answer_changes(
            rows in prop::collection::vec((0_u32..2, 0.02_f32..0.98), 2..40),
        ) {
            let rows: Vec<(u32, [f32; 2])> = rows.into_iter().map(|(label, p)| (label, [p, 1.0 - p])).collect();
            let predictions = predictions(&rows);
            let temperature = Temperature::fit(&predictions).unwrap();
            let best = loss(&predictions, temperature.value());
            for factor in [0.9, 1.1] {
                let neighbor = (temperature.value() * factor).clamp(1.0 / LIMIT, LIMIT);
                prop_assert!(best <= loss(&predictions, neighbor) + 1e-4);
            }
            for photo in predictions.iter() {
                let calibrated = temperature.apply(photo.probabilities);
                prop_assert!((calibrated.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                prop_assert_eq!(
                    calibrated[0] > calibrated[1] || photo.probabilities[0] == photo.probabilities[1],
                    photo.probabilities[0] >= photo.probabilities[1]
                );
            }
        }
    }
}
