//! What of a training goes to TensorBoard: Keras' tags (`epoch_loss`, `batch_loss`, ..) in the folders `train` and `validation`.
//!
//! Every value stands at the step that it was known after, counted from 0 over all epochs; an epoch's stands at its last step. So
//! steps and epochs share an axis, and a sitting that goes on from a checkpoint takes back all that came after it at once.

use crate::MetricsError;
use crate::event_file::EventFile;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use stepladder_run::{EpochRecord, RunDirectory, RunError, StepRecord};

/// Bytes at the end of a log that its last record is in.
const LAST: u64 = 4 << 10;

/// The event files of a training, written while it runs.
#[derive(Debug)]
pub struct TrainingEvents {
    train: EventFile,
    /// Begun with the first figure of a validation part.
    validation: Option<EventFile>,
    folder: PathBuf,
    /// Steps before this session.
    from: u64,
    /// The last step.
    step: u64,
}

impl TrainingEvents {
    /// Begins files in the run's folder `tensorboard`, for a training that begins.
    ///
    /// # Errors
    ///
    /// The folder cannot be written to.
    pub fn begin(run: &Path) -> Result<TrainingEvents, MetricsError> {
        TrainingEvents::begin_in(&TrainingEvents::own_folder(run)?, 0)
    }

    /// Begins files for a training that goes on after `steps` steps, with its last epoch ended or not. The run's logs must be cut to that
    /// place already.
    ///
    /// What earlier files say of the last step is taken back, too, and said again: they may have the figures of an epoch there that the
    /// checkpoint does not know of.
    ///
    /// # Errors
    ///
    /// The folder cannot be written to.
    pub fn resume(run: &RunDirectory, steps: u64, ended: bool) -> Result<TrainingEvents, MetricsError> {
        let folder = TrainingEvents::own_folder(run.path())?;
        let mut events = TrainingEvents::begin_in(&folder, steps.saturating_sub(1))?;
        if let Some(step) = last_line::<StepRecord>(&run.steps()) {
            events.step_at(&step, now());
            if ended && let Some(epoch) = last_line::<EpochRecord>(&run.epochs()) {
                events.epoch_at(&epoch, now())?;
            }
        }
        events.flush()?;
        Ok(events)
    }

    fn begin_in(folder: &Path, step: u64) -> Result<TrainingEvents, MetricsError> {
        Ok(TrainingEvents {
            train: EventFile::begin(&folder.join("train"), step, now())?,
            validation: None,
            folder: folder.to_path_buf(),
            from: step,
            step: step.saturating_sub(1),
        })
    }

    /// [`TrainingEvents::folder`], if neither it nor a folder in it is a link: a run may come from anywhere, and leads nowhere else.
    fn own_folder(run: &Path) -> Result<PathBuf, MetricsError> {
        let folder = TrainingEvents::folder(run);
        let is_own = || {
            RunDirectory::open(run).own_folder("tensorboard")?;
            if folder.exists() {
                RunDirectory::open(&folder).own_folder("train")?;
                RunDirectory::open(&folder).own_folder("validation")?;
            }
            Ok(())
        };
        is_own().map_err(|error: RunError| MetricsError::io(&folder)(io::Error::other(error)))?;
        Ok(folder)
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
        // At once: a checkpoint may follow, and a kill, and a sitting that goes on from there says no earlier steps again.
        self.flush()
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

/// The last record of a log; `None` where there is none.
fn last_line<T: DeserializeOwned>(log: &Path) -> Option<T> {
    let mut file = stepladder_files::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST))).ok()?;
    let mut end = Vec::new();
    file.take(LAST).read_to_end(&mut end).ok()?;
    let line = end.trim_ascii_end().rsplit(|&byte| byte == b'\n').next()?;
    serde_json::from_slice(line).ok()
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

    /// A run whose logs have two epochs of three steps, as far as `steps` steps.
    fn logs(steps: u64) -> (tempfile::TempDir, RunDirectory) {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(folder.path());
        cut(&run, steps, (steps / 3) as usize);
        (folder, run)
    }

    fn cut(run: &RunDirectory, steps: u64, epochs: usize) {
        let lines = |records: Vec<String>| records.iter().map(|line| format!("{line}\n")).collect::<String>();
        let steps = (0..steps).map(|n| serde_json::to_string(&step(n, n as usize / 3 + 1)).unwrap());
        let epochs = (1..=epochs).map(|n| serde_json::to_string(&epoch(n, Some(n as f32))).unwrap());
        std::fs::write(run.steps(), lines(steps.collect())).unwrap();
        std::fs::write(run.epochs(), lines(epochs.collect())).unwrap();
    }

    fn train(events: &mut TrainingEvents, steps: std::ops::Range<u64>) {
        for n in steps {
            events.step(&step(n, n as usize / 3 + 1)).unwrap();
            if n % 3 == 2 {
                let of = n as usize / 3 + 1;
                events.epoch(&epoch(of, Some(of as f32))).unwrap();
            }
        }
        events.flush().unwrap();
    }

    fn values(run: &RunDirectory, part: &str, tag: &str) -> Vec<(u64, f32)> {
        let read = read_scalars(&TrainingEvents::folder(run.path()).join(part)).unwrap();
        let values = read.into_iter().filter(|scalar| scalar.tag == tag);
        values.map(|scalar| (scalar.step, scalar.value)).collect()
    }

    #[test]
    fn a_training_that_goes_on_from_anywhere_leaves_each_value_once() {
        for at in 1..=6_u64 {
            // After the last step of an epoch, it may have ended or not when the checkpoint was taken.
            for ended in [false, true] {
                if ended && at % 3 != 0 {
                    continue;
                }
                let (_folder, run) = logs(6);
                train(&mut TrainingEvents::begin(run.path()).unwrap(), 0..6);
                let epochs = at as usize / 3 - usize::from(at % 3 == 0 && !ended);
                cut(&run, at, epochs);
                let mut events = TrainingEvents::resume(&run, at, ended).unwrap();
                if at % 3 == 0 && !ended {
                    let of = at as usize / 3;
                    events.epoch(&epoch(of, Some(of as f32))).unwrap();
                }
                train(&mut events, at..6);
                let steps: Vec<(u64, f32)> = (0..6).map(|n| (n, n as f32)).collect();
                assert_eq!(values(&run, "train", "batch_loss"), steps, "from {at}, {ended}");
                assert_eq!(
                    values(&run, "train", "epoch_loss"),
                    [(2, 10.0), (5, 20.0)],
                    "from {at}, {ended}"
                );
                assert_eq!(
                    values(&run, "validation", "epoch_loss"),
                    [(2, 1.0), (5, 2.0)],
                    "from {at}, {ended}"
                );
            }
        }
    }

    #[test]
    fn without_a_validation_part_there_is_no_folder_of_it() {
        let (_folder, run) = logs(0);
        let mut events = TrainingEvents::begin(run.path()).unwrap();
        events.step(&step(0, 1)).unwrap();
        events.epoch(&epoch(1, None)).unwrap();
        assert!(!TrainingEvents::folder(run.path()).join("validation").exists());
    }
}
