//! In the place of TensorBoard's files, in a build without the feature `metrics`.

use crate::commands::left_out;
use stepladder_train::{Checkpoint, EpochRecord, RunDirectory, StepRecord};

/// No files.
#[derive(Default)]
pub(crate) struct Events {
    /// What is to be said once.
    note: Option<String>,
}

impl Events {
    pub fn wanted() -> anyhow::Result<Events> {
        Err(left_out("--tensorboard", "metrics"))
    }

    /// A run that has such files will lack what this session does.
    pub fn prepared(&mut self, run: &RunDirectory) {
        if run.path().join("tensorboard").is_dir() {
            self.note = Some(String::from(
                "TensorBoard's files are not written any more: this build of Stepladder is without the feature metrics",
            ));
        }
    }

    pub fn resumed(&mut self, _: &Checkpoint) {}

    pub fn step(&mut self, _: &StepRecord) -> Option<String> {
        self.note.take()
    }

    pub fn epoch(&mut self, _: &EpochRecord) -> Option<String> {
        None
    }
}
