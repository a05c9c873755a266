//! Why a climb cannot start or go on. A rung that cannot be trained is no error: it is a row that says so.

use std::io;
use std::path::{Path, PathBuf};
use stepladder_data::DataError;
use stepladder_model::RungError;
use stepladder_train::{RecordError, TrainError};

/// An error that ends a climb. What was done before it stays, and the same climb goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ClimbError {
    /// The data set.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A rung, or an ancestor of one, cannot be read.
    #[error(transparent)]
    Rung(#[from] RungError),
    /// A training failed for a reason that is not the rung's.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A run that had ended cannot be read back.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Nothing to train.
    #[error("a climb needs a rung and a seed; name rungs with --rungs and give --seeds 1 or more")]
    Nothing,
    /// Rows and directories go by name.
    #[error("two of the rungs are called {name}; give one of them another name")]
    SameName {
        /// The name.
        name: String,
    },
    /// Someone else trains in the directory.
    #[error("another climb is at work in {}; wait for it, or choose another directory with --into", path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// The directory belongs to something else.
    #[error("{} is not empty and holds no climb; choose another directory with --into", path.display())]
    NoClimb {
        /// The directory.
        path: PathBuf,
    },
    /// The directory belongs to a climb with other settings.
    #[error("{} holds another climb ({difference}); choose another directory with --into", path.display())]
    OtherClimb {
        /// The directory.
        path: PathBuf,
        /// The first setting that differs.
        difference: String,
    },
    /// The document cannot be understood.
    #[error("{}: damaged: {reason}; move it away, and the climb starts anew beside it", path.display())]
    Damaged {
        /// `climb.json`.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file or folder cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}; make room or choose another place with --into", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
}

impl ClimbError {
    /// A refusal to write `path`.
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> ClimbError {
        let path = path.to_path_buf();
        move |source| ClimbError::Write { path, source }
    }

    /// A refusal to read `path`.
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> ClimbError {
        let path = path.to_path_buf();
        move |source| ClimbError::Read { path, source }
    }
}
