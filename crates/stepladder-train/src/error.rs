//! Why a training cannot start or go on.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use stepladder_classifier::{ClassifierError, WeightsError};
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
    /// The directory holds no run that had begun.
    #[error("{} holds no run that could go on: it has no config.json; name the directory of a run, or train again", path.display())]
    NoRun {
        /// The directory.
        path: PathBuf,
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
        "the loss became {loss} at step {step} (epoch {epoch}); try a lower learning rate, e.g. --lr {suggestion}"
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
