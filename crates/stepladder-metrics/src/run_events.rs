//! What of a training goes to TensorBoard: Keras' tags (`epoch_loss`, `batch_loss`, ..) in the folders `train` and `validation`.
//!
//! Every value stands at the step that it was known after, counted from 0 over all epochs; an epoch's stands at its last step. So
//! steps and epochs share an axis, and a sitting that goes on from a checkpoint takes back all that came after it at once.

use crate::MetricsError;
use crate::event_file::EventFile;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stepladder_train::{EpochRecord, StepRecord};

/// How long a value may wait in memory.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// The event files of a training, written while it runs.
#[derive(Debug)]
pub struct TrainingEvents {
    train: EventFile,
    /// Begun with the first figure of a validation part.
    validation: Option<EventFile>,
    folder: PathBuf,
    /// Steps before this sitting.
    from: u64,
    /// The last step.
    step: u64,
    flushed: Instant,
}

impl TrainingEvents {
    /// Begins files in the run's folder `tensorboard`, for a training that goes on after `step` steps.
    ///
    /// # Errors
    ///
    /// The folder cannot be written to.
    pub fn begin(run: &Path, step: u64) -> Result<TrainingEvents, MetricsError> {
        TrainingEvents::begin_in(&TrainingEvents::folder(run), step)
    }

    fn begin_in(folder: &Path, step: u64) -> Result<TrainingEvents, MetricsError> {
        Ok(TrainingEvents {
            train: EventFile::begin(&folder.join("train"), step, now())?,
            validation: None,
            folder: folder.to_path_buf(),
            from: step,
            step: step.saturating_sub(1),
            flushed: Instant::now(),
        })
    }

    /// Where a run's event files are.
    pub fn folder(run: &Path) -> PathBuf {
        run.join("tensorboard")
    }

    /// A step is done.
    ///
    /// # Errors
    ///
    /// The file cannot be written to.
    pub fn step(&mut self, record: &StepRecord) -> Result<(), MetricsError> {
        self.step_at(record, now());
        if self.flushed.elapsed() >= FLUSH_INTERVAL {
            self.flush()?;
        }
        Ok(())
    }

    /// An epoch is done.
    ///
    /// # Errors
    ///
    /// The files cannot be written to.
    pub fn epoch(&mut self, record: &EpochRecord) -> Result<(), MetricsError> {
        self.epoch_at(record, now())?;
        self.flush()
    }

    fn step_at(&mut self, record: &StepRecord, wall_time: f64) {
        self.step = record.step;
        let values = [
            ("batch_loss", record.loss),
            ("batch_accuracy", record.accuracy),
            ("batch_learning_rate", record.learning_rate),
        ];
        self.train.scalars(record.step, wall_time, values);
    }

    fn epoch_at(&mut self, record: &EpochRecord, wall_time: f64) -> Result<(), MetricsError> {
        let values = [
            ("epoch_loss", record.loss),
            ("epoch_accuracy", record.accuracy),
            ("epoch_learning_rate", record.learning_rate),
        ];
        self.train.scalars(self.step, wall_time, values);
        let validation = [
            ("epoch_loss", record.val_loss),
            ("epoch_accuracy", record.val_accuracy),
        ];
        let known: Vec<(&str, f32)> = validation
            .into_iter()
            .filter_map(|(tag, value)| Some((tag, value?)))
            .collect();
        if !known.is_empty() {
            let file = match &mut self.validation {
                Some(file) => file,
                none => none.insert(EventFile::begin(
                    &self.folder.join("validation"),
                    self.from,
                    now(),
                )?),
            };
            file.scalars(self.step, wall_time, known);
        }
        Ok(())
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    ///
    /// The files cannot be written to.
    pub fn flush(&mut self) -> Result<(), MetricsError> {
        self.flushed = Instant::now();
        self.train.flush()?;
        self.validation.as_mut().map_or(Ok(()), EventFile::flush)
    }
}

/// Writes the event files of a run that has ended into `folder`, whose older event files they take the place of. When each step
/// was is not recorded: it follows from the start of the run, in seconds since 1970, and the time that each epoch took.
///
/// # Errors
///
/// The folder cannot be written to.
pub fn write_events(
    epochs: &[EpochRecord],
    steps: &[StepRecord],
    started: u64,
    folder: &Path,
) -> Result<(), MetricsError> {
    let mut events = TrainingEvents::begin_in(folder, 0)?;
    let mut begin = started as f64;
    let by_epoch: BTreeMap<usize, &[StepRecord]> = steps
        .chunk_by(|one, next| one.epoch == next.epoch)
        .map(|steps| (steps[0].epoch, steps))
        .collect();
    for epoch in epochs {
        let of_epoch = by_epoch.get(&epoch.epoch).copied().unwrap_or_default();
        for (number, step) in of_epoch.iter().enumerate() {
            let share = (number + 1) as f64 / of_epoch.len() as f64;
            events.step_at(step, begin + share * epoch.seconds);
        }
        begin += epoch.seconds;
        events.epoch_at(epoch, begin)?;
    }
    events.flush()
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_file::read_scalars;

    fn step(step: u64, epoch: usize) -> StepRecord {
        StepRecord {
            step,
            epoch,
            loss: step as f32,
            accuracy: 0.5,
            learning_rate: 0.1,
        }
    }

    fn epoch(epoch: usize, val_loss: Option<f32>) -> EpochRecord {
        EpochRecord {
            epoch,
            loss: 10.0 * epoch as f32,
            accuracy: 0.5,
            val_loss,
            val_accuracy: val_loss.map(|_| 0.25),
            learning_rate: 0.1,
            images_per_second: 1.0,
            input_wait_fraction: 0.0,
            seconds: 1.0,
            best: true,
        }
    }

    #[test]
    fn a_training_that_goes_on_leaves_each_value_once() {
        let run = tempfile::tempdir().unwrap();
        let mut events = TrainingEvents::begin(run.path(), 0).unwrap();
        for n in 0..3 {
            events.step(&step(n, 1)).unwrap();
        }
        events.epoch(&epoch(1, Some(1.0))).unwrap();
        for n in 3..6 {
            events.step(&step(n, 2)).unwrap();
        }
        events.epoch(&epoch(2, Some(2.0))).unwrap();
        drop(events);
        // Killed after the record of epoch 2, before its checkpoint: goes on after step 4.
        let mut events = TrainingEvents::begin(run.path(), 5).unwrap();
        events.step(&step(5, 2)).unwrap();
        events.epoch(&epoch(2, Some(2.0))).unwrap();
        drop(events);
        let of = |part: &str, tag: &str| -> Vec<(u64, f32)> {
            let read = read_scalars(&TrainingEvents::folder(run.path()).join(part)).unwrap();
            let values = read.into_iter().filter(|scalar| scalar.tag == tag);
            values.map(|scalar| (scalar.step, scalar.value)).collect()
        };
        assert_eq!(
            of("train", "batch_loss"),
            (0..6).map(|n| (n, n as f32)).collect::<Vec<_>>()
        );
        assert_eq!(of("train", "epoch_loss"), [(2, 10.0), (5, 20.0)]);
        assert_eq!(of("validation", "epoch_loss"), [(2, 1.0), (5, 2.0)]);
    }

    #[test]
    fn a_checkpoint_at_an_epochs_end_keeps_its_figures() {
        let run = tempfile::tempdir().unwrap();
        let mut events = TrainingEvents::begin(run.path(), 0).unwrap();
        events.step(&step(0, 1)).unwrap();
        events.epoch(&epoch(1, None)).unwrap();
        TrainingEvents::begin(run.path(), 1).unwrap();
        let folder = TrainingEvents::folder(run.path());
        let read = read_scalars(&folder.join("train")).unwrap();
        assert!(read.iter().any(|scalar| scalar.tag == "epoch_loss"));
        assert!(
            !folder.join("validation").exists(),
            "there was no validation part"
        );
    }
}
