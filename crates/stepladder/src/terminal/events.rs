//! TensorBoard's files of a training (`train --tensorboard`), written beside the run's own logs.

use stepladder_metrics::{MetricsError, TrainingEvents};
use stepladder_train::{Checkpoint, EpochRecord, RunDirectory, StepRecord};

/// The files of one training; none where they are not wanted.
#[derive(Default)]
pub(crate) struct Events {
    /// Whether they are wanted, even where an earlier session did not write them.
    wanted: bool,
    run: Option<RunDirectory>,
    /// Where this session goes on: the steps before it, and whether the last epoch had ended.
    from: Option<(u64, bool)>,
    files: Option<TrainingEvents>,
}

impl Events {
    /// Files for any training.
    ///
    /// # Errors
    ///
    /// None in this build; one without the feature `metrics` has no such files.
    pub fn wanted() -> anyhow::Result<Events> {
        Ok(Events {
            wanted: true,
            ..Events::default()
        })
    }

    /// The run is known. One that has such files goes on with them.
    pub fn prepared(&mut self, run: &RunDirectory) {
        if self.wanted || TrainingEvents::folder(run.path()).is_dir() {
            self.run = Some(run.clone());
        }
    }

    /// The training goes on from a checkpoint.
    pub fn resumed(&mut self, place: &Checkpoint) {
        self.from = Some((place.step, place.batch == 0));
    }

    /// A step is done. What is to be said, if anything.
    pub fn step(&mut self, record: &StepRecord) -> Option<String> {
        self.write(|files| files.step(record))
    }

    /// An epoch is done. What is to be said, if anything.
    pub fn epoch(&mut self, record: &EpochRecord) -> Option<String> {
        self.write(|files| files.epoch(record))
    }

    /// Writes, and no more once that fails: the files say nothing that the run's own logs do not.
    fn write(
        &mut self,
        write: impl FnOnce(&mut TrainingEvents) -> Result<(), MetricsError>,
    ) -> Option<String> {
        let error = self.try_write(write).err()?;
        *self = Events::default();
        Some(format!("TensorBoard's files are not written any more: {error}"))
    }

    fn try_write(
        &mut self,
        write: impl FnOnce(&mut TrainingEvents) -> Result<(), MetricsError>,
    ) -> Result<(), MetricsError> {
        let Some(run) = &self.run else { return Ok(()) };
        let files = match &mut self.files {
            Some(files) => files,
            none => none.insert(match self.from {
                Some((steps, ended)) => TrainingEvents::resume(run, steps, ended)?,
                None => TrainingEvents::begin(run.path())?,
            }),
        };
        write(files)
    }
}
