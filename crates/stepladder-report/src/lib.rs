//! The report of a training run, or of a climb, as one self-contained page.
//!
//! [`gather`] collects what a run left, and, where its photos are still there, what the model makes of them, as plain data
//! ([`RunReport`]). [`run_page`] shows that; each section of the page is a file in `run`. [`climb_page`] shows a climb. Nothing in a
//! run directory is trusted: every text is escaped, and every list of pictures is bounded.

#![warn(clippy::wildcard_enum_match_arm)]

mod answers;
mod calibration;
mod climb;
mod costs;
mod data;
mod diagram;
mod doubtful;
mod facts;
mod gather;
mod picture;
mod run;

pub use calibration::Calibration;
pub use climb::climb_page;
pub use costs::MeasuredSteps;
pub use facts::{
    Answer, AugmentedPhoto, ClassCounts, DataFacts, FoundPhoto, LayerRow, PartAnswers, RunReport, StepCost,
};
pub use gather::{OwnPhotos, ReportError, gather};
pub use run::run_page;
