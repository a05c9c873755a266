//! Time divided over rungs. What is left is shared evenly among the rungs that still have no number of epochs; within its
//! share, a rung trains each of its seeds for as many epochs as fit by the time that its first one took.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use stepladder_data::Progress;
use stepladder_train::{EpochRecord, Observer, Prepared, RunDirectory, StepRecord};

/// A trial that has not ended its epoch by this part of the rung's share is taken as it stands.
const LONGEST_TRIAL: f64 = 0.1;

/// The time that a rung has, with all its seeds.
pub(crate) fn share(budget: f64, spent: f64, rungs_left: usize) -> f64 {
    ((budget - spent) / rungs_left.max(1) as f64).max(0.0)
}

/// The number of epochs for each of `seeds` trainings within `seconds`, if an epoch takes `epoch_seconds`: what fits, less
/// one for the final figures, which take about as long; at least 1, and at most as many as the rung says.
pub(crate) fn epochs(seconds: f64, seeds: usize, epoch_seconds: f64, most: usize) -> usize {
    let fit = (seconds / seeds.max(1) as f64 / epoch_seconds.max(1e-9)).floor() - 1.0;
    // The conversion saturates, and a number that is none becomes 0.
    (fit as usize).clamp(1, most.max(1))
}

/// Watches a training until its first epoch is done, or its time is over, and then stops it.
pub(crate) struct Trial<'a> {
    watched: &'a dyn Observer,
    /// Set by the user.
    interrupt: &'a AtomicBool,
    longest: Duration,
    /// Stops the training.
    pub stop: AtomicBool,
    measured: Mutex<Measured>,
}

#[derive(Default)]
struct Measured {
    started: Option<Instant>,
    epoch_seconds: Option<f64>,
}

impl<'a> Trial<'a> {
    /// A trial of a rung that has `share` seconds in all.
    pub fn new(watched: &'a dyn Observer, interrupt: &'a AtomicBool, share: f64) -> Trial<'a> {
        Trial {
            watched,
            interrupt,
            longest: Duration::from_secs_f64((share * LONGEST_TRIAL).clamp(0.0, 1e9)),
            stop: AtomicBool::new(false),
            measured: Mutex::default(),
        }
    }

    /// Seconds of an epoch; `None` if the training did not come as far as a step.
    pub fn epoch_seconds(&self) -> Option<f64> {
        self.measured().epoch_seconds
    }

    fn measured(&self) -> std::sync::MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Trial<'_> {
    fn progress(&self) -> &dyn Progress {
        self.watched.progress()
    }

    fn prepared(&self, prepared: &Prepared, run: &RunDirectory) {
        self.watched.prepared(prepared, run);
        self.measured().started = Some(Instant::now());
    }

    fn step(&self, record: &StepRecord, batch: usize, batches: usize) {
        self.watched.step(record, batch, batches);
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        let mut measured = self.measured();
        let elapsed = measured
            .started
            .map_or(Duration::ZERO, |started| started.elapsed());
        let over = elapsed >= self.longest && batch < batches;
        if over || self.interrupt.load(Ordering::Relaxed) {
            // Without its validation, which was not seen.
            measured.epoch_seconds = Some(elapsed.as_secs_f64() * batches as f64 / batch.max(1) as f64);
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn epoch(&self, record: &EpochRecord, _epochs: usize) {
        if !self.stop.swap(true, Ordering::Relaxed) {
            self.measured().epoch_seconds = Some(record.seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_shared_evenly() {
        assert_eq!(share(1200.0, 0.0, 4), 300.0);
        assert_eq!(share(1200.0, 500.0, 2), 350.0);
        assert_eq!(share(1200.0, 1300.0, 2), 0.0);
    }

    #[test]
    fn as_many_epochs_as_fit_with_the_final_figures() {
        assert_eq!(epochs(300.0, 1, 20.0, 30), 14);
        assert_eq!(epochs(300.0, 3, 20.0, 30), 4);
        assert_eq!(epochs(300.0, 1, 1.0, 30), 30);
        assert_eq!(epochs(300.0, 1, 299.0, 30), 1);
        assert_eq!(epochs(0.0, 1, 20.0, 30), 1);
        assert_eq!(epochs(300.0, 1, f64::NAN, 30), 30);
    }
}
