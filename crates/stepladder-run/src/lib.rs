//! What a training run is on disk, for those who train and for those who only look: pages, metrics, reports.
//!
//! A [`RunDirectory`] says which files a run has, writes them atomically, follows no link out of it, and holds the lock of the process that
//! trains. The records ([`Config`], [`StepRecord`], [`EpochRecord`], [`Summary`], ...) are the contents of its documents and logs, and a
//! [`RecordedRun`] reads them back. [`Requests`] carry what others ask of a training ([`RunRequest`]). A [`StepCurve`] keeps the figures of
//! any number of steps in bounded memory.
//!
//! There are no tensors and no photos here, so that this crate builds in seconds, and so does what stands on it alone.

mod config;
mod curve;
mod directory;
mod error;
mod recorded;
mod records;
mod requests;
mod start;

pub use config::{Config, DataRecord, Decided, OnStuck, ReadingRecord};
pub use curve::{StepCurve, StepFigures};
pub use directory::{RunDirectory, RunLock, RunPlace};
pub use error::RunError;
pub use recorded::{RecordError, RecordedRun, TestAnswers};
pub use records::{Environment, EpochRecord, Outcome, StepRecord, Summary, Unsettled};
pub use requests::{Requests, RunRequest};
pub use start::{HeadRecord, StartRecord};
pub use stepladder_files::{Folder, write_atomically, write_atomically_by};
