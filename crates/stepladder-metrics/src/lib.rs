//! The figures of a training for other programs: [`TrainingEvents`] are TensorBoard's event files, written while training runs;
//! [`write_events`], [`write_tables`] and [`write_mlflow`] make event files, CSV and an MLflow folder of a run that has ended.
//!
//! TensorBoard's files are TFRecords (`record`) of protocol buffers (`event`), both written by hand as the few lines that they
//! are; `bench/check-metrics` has TensorBoard and MLflow read them.

mod event;
mod event_file;
mod mlflow;
mod record;
mod run_events;
mod table;

pub use event_file::{EventFile, Scalar, read_scalars};
pub use mlflow::write_mlflow;
pub use run_events::{TrainingEvents, write_events};
pub use table::write_tables;

use std::io;
use std::path::{Path, PathBuf};

/// Why figures cannot be written, or event files not be read.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The file system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// It is no event file, or a part of it was changed.
    #[error("{}: damaged at byte {at}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        at: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

impl MetricsError {
    fn io(path: &Path) -> impl Fn(io::Error) -> MetricsError {
        let path = path.to_path_buf();
        move |source| MetricsError::Io {
            path: path.clone(),
            source,
        }
    }
}
