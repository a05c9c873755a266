//! Climbing the ladder: [`climb`] trains rung after rung on the same photos and the same split, each in a run directory of
//! its own, skips what is already done, and works out what each change was worth and how sure that is. Everything is in
//! one document, the [`ClimbRecord`], which is written down as `climb.json` after every run.
//!
//! What is trained is a [`ClimbRequest`]; what happens on the way goes to a [`ClimbObserver`]. The statistics are
//! `stepladder-comparison`'s.

mod budget;
mod climb;
mod error;
mod evaluation;
mod ladder;
mod place;
mod record;
mod request;
mod settings;
mod training;

pub use climb::{ClimbObserver, Training, climb};
pub use error::ClimbError;
pub use record::{Against, Best, ClimbRecord, Closest, Figures, RunOutcome, RunRecord, RungRecord, Share};
pub use request::{ClimbPlace, ClimbRequest, Length};
pub use settings::Settings;
