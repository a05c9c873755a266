//! The learning rate of each step, from the rung's schedule.

use stepladder_model::{AnnealStrategy, Schedule};

/// The learning rate at `step` (from 0) of `steps` in all, where an epoch has `steps_per_epoch`.
///
/// `base` is the optimizer's learning rate, the highest that the schedule reaches.
pub fn learning_rate(schedule: &Schedule, base: f32, step: u64, steps: u64, steps_per_epoch: u64) -> f32 {
    let last = steps.saturating_sub(1).max(1) as f64;
    let at = (step as f64).min(last);
    let factor = match *schedule {
        Schedule::Constant => 1.0,
        Schedule::Cosine {
            warmup_epochs,
            final_fraction,
        } => {
            let warmup = (f64::from(warmup_epochs) * steps_per_epoch as f64).min(last);
            if at < warmup {
                // The first step already moves: (step + 1) / (warm-up steps + 1).
                (at + 1.0) / (warmup + 1.0)
            } else {
                half_cosine(1.0, f64::from(final_fraction), share_of(at, warmup, last))
            }
        }
        Schedule::OneCycle {
            warmup_fraction,
            initial_fraction,
            final_fraction,
            anneal_strategy,
        } => {
            let anneal = match anneal_strategy {
                AnnealStrategy::Cos => half_cosine,
                AnnealStrategy::Linear => straight,
            };
            let peak = f64::from(warmup_fraction) * last;
            match at < peak {
                true => anneal(f64::from(initial_fraction), 1.0, at / peak),
                false => anneal(1.0, f64::from(final_fraction), share_of(at, peak, last)),
            }
        }
        Schedule::FlatCosine {
            flat_fraction,
            final_fraction,
        } => {
            let flat = f64::from(flat_fraction) * last;
            match at < flat {
                true => 1.0,
                false => half_cosine(1.0, f64::from(final_fraction), share_of(at, flat, last)),
            }
        }
    };
    (f64::from(base) * factor) as f32
}

/// How far `at` is from `start` to `last`, in [0, 1].
fn share_of(at: f64, start: f64, last: f64) -> f64 {
    (at - start) / (last - start).max(1.0)
}

/// From `start` to `end` in a straight line, as `progress` goes from 0 to 1.
fn straight(start: f64, end: f64, progress: f64) -> f64 {
    start + (end - start) * progress.clamp(0.0, 1.0)
}

/// From `start` to `end` along half a cosine, as `progress` goes from 0 to 1 (Loshchilov and Hutter 2017).
fn half_cosine(start: f64, end: f64, progress: f64) -> f64 {
    end + (start - end) * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_stays() {
        assert_eq!(learning_rate(&Schedule::Constant, 0.01, 0, 100, 10), 0.01);
        assert_eq!(learning_rate(&Schedule::Constant, 0.01, 99, 100, 10), 0.01);
    }

    #[test]
    fn cosine_warms_up_peaks_and_falls_to_its_final_fraction() {
        let schedule = Schedule::Cosine {
            warmup_epochs: 1.0,
            final_fraction: 0.1,
        };
        let rates: Vec<f32> = (0..100)
            .map(|step| learning_rate(&schedule, 1.0, step, 100, 10))
            .collect();
        assert!(rates[..=10].windows(2).all(|pair| pair[0] < pair[1]), "{rates:?}");
        assert_eq!(rates[10], 1.0);
        assert!(rates[10..].windows(2).all(|pair| pair[0] > pair[1]));
        assert!((rates[99] - 0.1).abs() < 1e-6);
    }

    #[test]
    fn one_cycle_rises_then_falls() {
        let schedule = Schedule::OneCycle {
            warmup_fraction: 0.3,
            initial_fraction: 0.04,
            final_fraction: 0.0001,
            anneal_strategy: AnnealStrategy::Cos,
        };
        let rates: Vec<f32> = (0..101)
            .map(|step| learning_rate(&schedule, 1.0, step, 101, 10))
            .collect();
        assert!((rates[0] - 0.04).abs() < 1e-6);
        assert!((rates[30] - 1.0).abs() < 1e-6);
        assert!((rates[100] - 0.0001).abs() < 1e-6);
    }

    #[test]
    fn one_cycle_may_go_in_straight_lines() {
        let schedule = Schedule::OneCycle {
            warmup_fraction: 0.2,
            initial_fraction: 0.2,
            final_fraction: 0.0,
            anneal_strategy: AnnealStrategy::Linear,
        };
        let rate = |step| learning_rate(&schedule, 2.0, step, 101, 10);
        for (step, expected) in [(0, 0.4), (10, 1.2), (20, 2.0), (60, 1.0), (100, 0.0)] {
            assert!(
                (rate(step) - expected).abs() < 1e-6,
                "step {step}: {}",
                rate(step)
            );
        }
    }

    #[test]
    fn flat_cosine_is_flat_and_then_falls() {
        let schedule = Schedule::FlatCosine {
            flat_fraction: 0.5,
            final_fraction: 0.0,
        };
        let rate = |step| learning_rate(&schedule, 1.0, step, 101, 10);
        for (step, expected) in [(0, 1.0), (49, 1.0), (50, 1.0), (75, 0.5), (100, 0.0)] {
            assert!(
                (rate(step) - expected).abs() < 1e-6,
                "step {step}: {}",
                rate(step)
            );
        }
    }

    #[test]
    fn a_training_of_one_step_has_a_finite_rate() {
        for schedule in [
            Schedule::Cosine {
                warmup_epochs: 5.0,
                final_fraction: 0.0,
            },
            Schedule::OneCycle {
                warmup_fraction: 1.0,
                initial_fraction: 0.1,
                final_fraction: 0.0,
                anneal_strategy: AnnealStrategy::Linear,
            },
            Schedule::FlatCosine {
                flat_fraction: 1.0,
                final_fraction: 0.0,
            },
        ] {
            assert!(learning_rate(&schedule, 1.0, 0, 1, 1).is_finite());
        }
    }
}
