//! Reading a learning-rate range test: the loss against an exponentially rising rate, smoothed, and which rate it suggests.
//!
//! The test is Smith's ("Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3); smoothing, the end of the test, and the
//! suggestions are those of fastai's `lr_find`.

use serde::Serialize;

/// One step of the test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RatePoint {
    /// The step's learning rate.
    pub learning_rate: f64,
    /// The batch's loss before the step.
    pub loss: f64,
    /// The exponential average of the losses so far, corrected for its start at zero.
    pub smoothed: f64,
}

/// How much of the average stays at each step; fastai's value.
const BETA: f64 = 0.98;

/// The test ends where the smoothed loss exceeds its least value so many times; fastai's value.
const DIVERGED: f64 = 4.0;

/// The curve while it grows.
#[derive(Debug, Clone, Default)]
pub struct RateCurve {
    points: Vec<RatePoint>,
    average: f64,
    least: Option<f64>,
}

impl RateCurve {
    /// Takes in a step's loss; true if the loss has diverged, which ends the test.
    pub fn push(&mut self, learning_rate: f64, loss: f64) -> bool {
        if !loss.is_finite() {
            return true;
        }
        self.average = BETA * self.average + (1.0 - BETA) * loss;
        let steps = self.points.len() as f64 + 1.0;
        let smoothed = self.average / (1.0 - libm::pow(BETA, steps));
        self.points.push(RatePoint {
            learning_rate,
            loss,
            smoothed,
        });
        let least = self.least.map_or(smoothed, |least| least.min(smoothed));
        self.least = Some(least);
        smoothed > DIVERGED * least
    }

    /// The steps so far.
    pub fn points(&self) -> &[RatePoint] {
        &self.points
    }

    /// What the curve suggests. As in fastai, the first tenth of `steps` and the last five points, which the divergence spoils, are left
    /// out. `None` where fewer than three points remain, or the loss never falls.
    pub fn suggestions(&self, steps: usize) -> Option<Suggestions> {
        let end = self.points.len().saturating_sub(5);
        let points = self.points.get(steps / 10..end)?;
        let least = least(points.iter().map(|point| point.smoothed))?;
        if points.len() < 3 || points[least].smoothed >= points[0].smoothed {
            return None;
        }
        let slopes = points.windows(2).map(|pair| {
            let rise = pair[1].smoothed - pair[0].smoothed;
            rise / libm::log(pair[1].learning_rate / pair[0].learning_rate)
        });
        let steepest = self::least(slopes)?;
        Some(Suggestions {
            steepest: points[steepest].learning_rate,
            valley: points[valley(points)].learning_rate,
            minimum_tenth: points[least].learning_rate / 10.0,
        })
    }
}

/// Learning rates that a range test suggests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Suggestions {
    /// Where the loss falls fastest.
    pub steepest: f64,
    /// In the middle of the longest fall: the one to take.
    pub valley: f64,
    /// A tenth of the rate at which the loss is least.
    pub minimum_tenth: f64,
}

/// The index of the least value, the first of equals.
fn least(values: impl Iterator<Item = f64>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, value) in values.enumerate() {
        if best.is_none_or(|(_, least)| value < least) {
            best = Some((index, value));
        }
    }
    best.map(|(index, _)| index)
}

/// fastai's valley: within the longest falling subsequence, half of a third behind its first third.
fn valley(points: &[RatePoint]) -> usize {
    let mut lengths = vec![1_usize; points.len()];
    let mut end = 0;
    for i in 1..points.len() {
        for j in 0..i {
            if points[i].smoothed < points[j].smoothed && lengths[i] < lengths[j] + 1 {
                lengths[i] = lengths[j] + 1;
            }
        }
        if lengths[end] < lengths[i] {
            end = i;
        }
    }
    let start = end.saturating_sub(lengths[end]);
    let third = (end - start) / 3;
    start + third + third / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test over `steps` rates from 1e-6 to 10 with the loss that `of` gives for log10 of the rate.
    fn curve(steps: usize, of: impl Fn(f64) -> f64) -> RateCurve {
        let mut curve = RateCurve::default();
        for step in 0..steps {
            let exponent = -6.0 + 7.0 * step as f64 / (steps - 1) as f64;
            if curve.push(libm::pow(10.0, exponent), of(exponent)) {
                break;
            }
        }
        curve
    }

    #[test]
    fn the_average_is_unbiased_from_the_first_step_and_smooth_later() {
        let mut curve = RateCurve::default();
        curve.push(1.0, 2.0);
        assert!((curve.points()[0].smoothed - 2.0).abs() < 1e-12);
        curve.push(1.0, 1.0);
        // (0.98 * 0.02 * 2 + 0.02 * 1) / (1 - 0.98^2)
        assert!((curve.points()[1].smoothed - 0.0592 / 0.0396).abs() < 1e-12);
    }

    #[test]
    fn divergence_and_what_is_no_number_end_the_test() {
        let mut curve = RateCurve::default();
        assert!(!curve.push(0.1, 1.0));
        assert!(curve.push(0.2, 500.0));
        assert!(curve.push(0.3, f64::NAN));
        assert_eq!(curve.points().len(), 2);
    }

    #[test]
    fn a_valley_gives_suggestions_on_its_slope() {
        // Flat to 1e-4, falling to 1e-1, then rising fast.
        let found = curve(400, |x| match x {
            x if x < -4.0 => 1.6,
            x if x < -1.0 => 1.6 - 0.4 * (x + 4.0),
            x => 0.4 + 20.0 * (x + 1.0),
        });
        let suggestions = found.suggestions(400).unwrap();
        let within = |rate: f64| (1e-4..1e-1).contains(&rate);
        assert!(
            within(suggestions.valley) && within(suggestions.steepest),
            "{suggestions:?}"
        );
        assert!(
            suggestions.minimum_tenth < 0.1 && suggestions.minimum_tenth > 1e-3,
            "{suggestions:?}"
        );
        assert!(
            found.points().len() < 400,
            "the test should end where the loss explodes"
        );
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing() {
        assert_eq!(curve(100, |x| 2.0 + 0.01 * x).suggestions(100), None);
        assert_eq!(curve(100, |_| 1.6).suggestions(100), None);
        assert_eq!(RateCurve::default().suggestions(100), None);
    }

    #[test]
    fn the_valley_is_that_of_fastai() {
        // fastai's `valley` for these losses: longest fall of 7 ending at index 7, start 0, sections 2.33, index 0 + 2 + 1.
        let losses = [5.0, 4.9, 5.1, 4.5, 4.0, 3.5, 3.0, 2.0, 2.5, 6.0];
        let points = losses.map(|smoothed| RatePoint {
            learning_rate: 1.0,
            loss: smoothed,
            smoothed,
        });
        assert_eq!(valley(&points), 3);
    }
}
