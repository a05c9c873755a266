//! Training: from a rung and a data set to a run directory with everything that the run was and gave.
//!
//! [`train`] is the whole job; what it reports on the way goes to an [`Observer`]. A [`RunDirectory`] says which files a run has;
//! [`records`](EpochRecord) are their contents, and a [`RecordedRun`] reads them back. The learning rate of each step is [`learning_rate`]'s; [`StoppingState`] and
//! [`PlateauState`] watch the epochs as Keras' callbacks do.

mod checkpoint;
mod environment;
mod error;
mod fit;
mod plateau;
mod preparation;
mod recorded;
mod records;
mod run_directory;
mod schedule;
mod training;

pub use checkpoint::Checkpoint;
pub use error::TrainError;
pub use plateau::{PlateauState, StoppingState};
pub use preparation::{Prepared, TrainingRequest};
pub use recorded::{RecordError, RecordedRun, TestAnswers};
pub use records::{Config, DataRecord, Environment, EpochRecord, Outcome, StepRecord, Summary};
pub use run_directory::{RunDirectory, RunPlace};
pub use schedule::learning_rate;
pub use training::{Observer, train};
