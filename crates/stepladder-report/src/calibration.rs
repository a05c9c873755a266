//! Whether answers are as sure as they are right: the expected calibration error of Guo et al. 2017, On Calibration of Modern
//! Neural Networks (<https://arxiv.org/abs/1706.04599>), over ten bins of equal width.

use serde::Serialize;

/// Bins of the answer's probability.
const BINS: usize = 10;

/// Answers by their probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// The mean distance of a bin's accuracy from its mean probability, weighted by answers.
    pub expected_error: f64,
    /// In rising order of probability.
    pub bins: Vec<CalibrationBin>,
}

/// Answers of about the same probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// From here to a tenth above.
    pub from: f64,
    /// How many answers.
    pub answers: usize,
    /// Their mean probability; 0 without answers.
    pub confidence: f64,
    /// The share that is right; 0 without answers.
    pub accuracy: f64,
}

impl Calibration {
    /// From each answer's probability, and whether it was right.
    pub(crate) fn new(answers: impl IntoIterator<Item = (f32, bool)>) -> Calibration {
        let mut sums = [(0_usize, 0.0_f64, 0_usize); BINS];
        let mut total = 0;
        for (probability, right) in answers {
            let bin = &mut sums[((f64::from(probability) * BINS as f64) as usize).min(BINS - 1)];
            *bin = (
                bin.0 + 1,
                bin.1 + f64::from(probability),
                bin.2 + usize::from(right),
            );
            total += 1;
        }
        let bins: Vec<CalibrationBin> = sums
            .iter()
            .enumerate()
            .map(|(at, &(answers, sum, right))| CalibrationBin {
                from: at as f64 / BINS as f64,
                answers,
                confidence: sum / answers.max(1) as f64,
                accuracy: right as f64 / answers.max(1) as f64,
            })
            .collect();
        let distance = |bin: &CalibrationBin| bin.answers as f64 * (bin.accuracy - bin.confidence).abs();
        Calibration {
            expected_error: bins.iter().map(distance).sum::<f64>() / total.max(1) as f64,
            bins,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_weighted_distance_of_bins() {
        // Four answers at 0.75, of which three are right: no distance. Two at 0.95, none right: 0.95.
        let answers = [
            (0.75, true),
            (0.75, true),
            (0.75, true),
            (0.75, false),
            (0.95, false),
            (0.95, false),
        ];
        let calibration = Calibration::new(answers);
        assert!(
            (calibration.expected_error - 2.0 * 0.95 / 6.0).abs() < 1e-6,
            "{calibration:?}"
        );
        assert_eq!(calibration.bins[7].answers, 4);
        assert_eq!(Calibration::new([(1.0, true)]).bins[9].answers, 1);
        assert_eq!(Calibration::new([]).expected_error, 0.0);
    }
}
