//! Training: from a rung and a data set to a run directory with everything that the run was and gave.
//!
//! [`train`] is the whole job, and [`train_or_resume`] goes on with one that was begun; what they report on the way goes to an
//! [`Observer`]. What a run is on disk is `stepladder-run`'s, whose types are exported here, too. The learning rate of each step is
//! [`learning_rate`]'s; [`StoppingState`] and [`PlateauState`] watch the epochs as Keras' callbacks do. [`benchmark`] measures speed, without photos.

mod auto;
mod benchmark;
mod bits;
mod budget;
mod checkpoint;
mod checkpoints;
mod class_weights;
mod content;
mod controls;
mod course;
mod data_record;
mod environment;
mod error;
mod estimate;
mod figures;
mod fit;
mod head;
mod log;
mod memory;
mod meter;
mod model_card;
mod plan;
mod plateau;
mod precise;
mod preparation;
mod rate_curve;
mod rate_test;
mod room;
mod schedule;
mod start;
mod tables;
mod training;
mod watch;

pub use auto::{
    AUTO, AutoChoice, AutoRequest, FINE_TUNING, PhotoFacts, SHIPPED_NETWORK, SMALLEST_PHOTOS, choose,
    chosen_for, usual_budget,
};
pub use benchmark::{
    BENCHMARK_ROUNDS, Benchmark, BenchmarkPart, BenchmarkRequest, MachinePeak, Speed, benchmark,
};
pub use checkpoint::{BeganWith, Checkpoint};
pub use content::{is_same_content, parts_of_contents};
pub use controls::Controls;
pub use course::{TrainingPhase, training_phases};
pub use data_record::{data_record, data_request};
pub use error::TrainError;
pub use estimate::TrainingWork;
pub use fit::Rescue;
pub use head::{ExactHead, HeadConfig, Samples};
pub use memory::{LayerPlan, MemoryPlan, free_bytes};
pub use meter::{Clock, Mean};
pub use plan::{TrainingPlan, plan};
pub use plateau::{PlateauState, StoppingState};
pub use preparation::{Prepared, TrainingRequest, training_size};
pub use rate_curve::{RateCurve, RatePoint, Suggestions};
pub use rate_test::{RateRange, test_rates};
pub use schedule::learning_rate;
pub use start::{FeatureChecks, LookAlike, backbone};
pub use stepladder_run::{
    Config, DataRecord, Decided, Environment, EpochRecord, OnStuck, Outcome, ReadingRecord, RecordError,
    RecordedRun, RunDirectory, RunError, RunPlace, RunRequest, StepRecord, Summary, TestAnswers, Unsettled,
};
pub use training::{Observer, train, train_or_resume};
pub use watch::{Cause, Diagnosis, Watch};
