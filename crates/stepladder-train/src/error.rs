//! Why a training cannot start or go on.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use stepladder_classifier::{ClassifierError, ClassifyError, WeightsError};
use stepladder_data::DataError;
use stepladder_model::{GraphError, RungError};
use stepladder_nn::{DeviceError, ModelError, UnknownPrecision};
use stepladder_run::RunError;

/// An error that ends a training. What was written before it stays.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The data set.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The rung does not fit this data at this size.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The rung itself.
    #[error(transparent)]
    Rung(#[from] RungError),
    /// Weights could not be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The classifier could not be read or written.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// The precision that a run names is none of this program's.
    #[error(transparent)]
    Precision(#[from] UnknownPrecision),
    /// Photos could not be classified.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
    /// A checkpoint is not of this network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device that a run names is none of this program's, or cannot be used as the environment asks.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The run's directory.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint, or a log that it refers to, is not what was written.
    #[error("{} is damaged", path.display())]
    DamagedCheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint is whole, and this version does not understand it.
    #[error(
        "{} was written by another version of Stepladder ({reason}); go on with that version, or train again in another directory",
        path.display()
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// What is not understood.
        reason: String,
    },
    /// A checkpoint cannot be read at the moment, which says nothing of what it holds.
    #[error(
        "cannot read {}: {source}; nothing was changed. Try again, or move that file away to go on from the checkpoint before it",
        path.display()
    )]
    UnreadCheckpoint {
        /// The file.
        path: PathBuf,
        /// The refusal.
        source: std::io::Error,
    },
    /// The directory holds no run that had begun.
    #[error("{} holds no run that could go on: it has no config.json; name the directory of a run, or train again", path.display())]
    NoRun {
        /// The directory.
        path: PathBuf,
    },
    /// What a run was asked for is not what any run is asked for.
    #[error("{}: damaged: {reason}; put back what the run began with, or train again in another directory", path.display())]
    DamagedConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The run in the directory asked for has other settings.
    #[error("{} holds a run with other settings ({difference}); name another directory with --out", path.display())]
    OtherRun {
        /// The directory.
        path: PathBuf,
        /// What differs.
        difference: String,
    },
    /// The photos are not those that the run began with.
    #[error("the photos changed since {} began: {changes}. Put them back to go on, or train anew in another directory", path.display())]
    ChangedData {
        /// The run's directory.
        path: PathBuf,
        /// What changed.
        changes: String,
    },
    /// The loss left the numbers.
    #[error(
        "the loss became {loss} at step {step} (epoch {epoch}); try a lower learning rate, e.g. --lr {suggestion:.0e}"
    )]
    Diverged {
        /// Steps before.
        step: u64,
        /// From 1.
        epoch: usize,
        /// NaN or infinite.
        loss: f32,
        /// A tenth of the rate in force.
        suggestion: f32,
    },
    /// Pretrained weights could not be read.
    #[error(transparent)]
    Pretrained(#[from] stepladder_weights::WeightsError),
    /// Pretrained weights are not of this network.
    #[error("cannot start from {weights}: {reason}")]
    Start {
        /// Where they come from.
        weights: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The rung's class weights are none for these classes.
    #[error("class weights: {0}")]
    ClassWeights(String),
    /// The compute threads could not be started.
    #[error("cannot start {threads} threads: {reason}; give a smaller --threads")]
    Threads {
        /// As many as asked for.
        threads: usize,
        /// The refusal.
        reason: String,
    },
}

impl TrainError {
    pub(crate) fn write(path: &Path, source: std::io::Error) -> TrainError {
        RunError::write(path, source).into()
    }

    pub(crate) fn read(path: &Path, source: std::io::Error) -> TrainError {
        RunError::read(path, source).into()
    }

    /// Whether it says that a file is not what was written, or is not there: whatever was to be done with it will not go better next time.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            TrainError::DamagedCheckpoint { .. } => true,
            TrainError::Weights(WeightsError::Io { source, .. }) => !stepladder_files::is_passing(source),
            TrainError::Weights(error) => error.is_damage(),
            _ => false,
        }
    }

    /// Whether it would have gone well with more room on the disk, or a larger quota.
    pub fn is_full_disk(&self) -> bool {
        let source = match self {
            TrainError::Run(RunError::Write { source, .. })
            | TrainError::Weights(WeightsError::Io { source, .. })
            | TrainError::Classifier(ClassifierError::Weights(WeightsError::Io { source, .. })) => source,
            _ => return false,
        };
        matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    }
}
