//! Why a training cannot start or go on.

use std::path::PathBuf;
use stepladder_classifier::{ClassifierError, WeightsError};
use stepladder_data::DataError;
use stepladder_model::{NetworkError, RungError};
use stepladder_nn::{DeviceError, ModelError};

/// An error that ends a training. What was written before it stays.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The data set.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The rung does not fit this data at this size.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The rung itself.
    #[error(transparent)]
    Rung(#[from] RungError),
    /// Weights could not be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The classifier could not be read or written.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// A checkpoint is not of this network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device cannot be used as the environment asks.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A file of the run could not be written.
    #[error("cannot write {}: {source}; make room or choose another place with --out", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The refusal.
        source: std::io::Error,
    },
    /// The directory asked for is in use.
    #[error("{} is not empty; name another directory with --out, or move this one away", path.display())]
    OccupiedRun {
        /// The directory.
        path: PathBuf,
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
    /// The compute threads could not be started.
    #[error("cannot start {threads} threads: {reason}; give a smaller --threads")]
    Threads {
        /// As many as asked for.
        threads: usize,
        /// The refusal.
        reason: String,
    },
}
