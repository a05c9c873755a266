//! Why a run's directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// An error about a run's directory or its files. What was written before it stays.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file of the run could not be written.
    #[error("cannot write {}: {source}{}", path.display(), remedy(source))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// A file of the run could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// Another process trains this run.
    #[error("{} is being trained by another process; wait for it, or stop it first", path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// The directory asked for is in use.
    #[error("{} is not empty; name another directory with --out, or move this one away", path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
}

/// What to do where a file cannot be written, if that follows from the refusal.
fn remedy(refusal: &io::Error) -> &'static str {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match refusal.kind() {
        StorageFull | QuotaExceeded => "; make room or choose another place with --out",
        PermissionDenied | ReadOnlyFilesystem => "; choose another place with --out",
        _ => "",
    }
}

impl RunError {
    /// [`RunError::Write`] of `path`.
    pub fn write(path: &Path, source: io::Error) -> RunError {
        RunError::Write {
            path: path.to_path_buf(),
            source,
        }
    }

    /// [`RunError::Read`] of `path`.
    pub fn read(path: &Path, source: io::Error) -> RunError {
        RunError::Read {
            path: path.to_path_buf(),
            source,
        }
    }
}
