//! A learning-rate range test on a copy of what will be trained: it makes its own model and optimizer from the request's seed, and leaves
//! nothing behind, so that a later training is exactly what it would have been.

use crate::error::TrainError;
use crate::preparation::{Prepared, TrainingRequest};
use crate::rate_curve::RateCurve;
use std::sync::atomic::{AtomicBool, Ordering};

/// From which rate to which, in how many steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateRange {
    /// The first step's rate.
    pub lowest: f64,
    /// The last step's rate, unless the loss diverges before.
    pub highest: f64,
    /// The most steps, at least 2.
    pub steps: usize,
}

impl Default for RateRange {
    /// fastai's range, in twice its steps.
    fn default() -> RateRange {
        RateRange {
            lowest: 1e-7,
            highest: 10.0,
            steps: 200,
        }
    }
}

impl RateRange {
    /// The rate of `step`, from 0: equal factors from one to the next.
    pub fn rate(&self, step: usize) -> f64 {
        let share = step as f64 / self.steps.saturating_sub(1).max(1) as f64;
        self.lowest * libm::pow(self.highest / self.lowest, share)
    }
}

/// Runs the test on the threads of the current pool; `tell` learns of each step that is done. Ends early where the loss diverges, or
/// `interrupt` is set.
pub fn test_rates(
    request: &TrainingRequest,
    prepared: &Prepared,
    range: &RateRange,
    tell: &dyn Fn(usize),
    interrupt: &AtomicBool,
) -> Result<RateCurve, TrainError> {
    let model = request.initial_model(prepared, request.seed)?;
    let mut trainer = request.trainer(model, None);
    let loader = request.training_loader(prepared, None)?;
    let mut curve = RateCurve::default();
    let mut step = 0;
    for epoch in 0.. {
        for batch in loader.epoch(epoch) {
            if step == range.steps || interrupt.load(Ordering::Relaxed) {
                return Ok(curve);
            }
            let batch = batch?;
            let rate = range.rate(step);
            let targets = prepared.targets(&batch);
            let outcome = trainer.step(batch.images, targets, rate as f32);
            step += 1;
            tell(step);
            if curve.push(rate, f64::from(outcome.loss)) {
                return Ok(curve);
            }
        }
    }
    unreachable!("a training part is never empty, so the steps come to their end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_by_equal_factors_from_lowest_to_highest() {
        let range = RateRange {
            lowest: 1e-4,
            highest: 1.0,
            steps: 5,
        };
        for (step, rate) in [1e-4, 1e-3, 1e-2, 1e-1, 1.0].into_iter().enumerate() {
            assert!((range.rate(step) / rate - 1.0).abs() < 1e-9);
        }
    }
}
