//! How Stepladder looks on a terminal, in a pipe and as JSON.
//!
//! Results go to stdout, everything about the way there to stderr; with `--json`, stdout has the JSON object alone.
//! Nothing needs color to be understood, and `NO_COLOR` is respected.

mod numbers;
mod output;
mod profile;
mod progress;
mod table;
mod training;

pub(crate) use numbers::{bytes, count, duration, interval, percent};
pub(crate) use output::{Output, error, warn};
pub(crate) use profile::profile_table;
pub(crate) use progress::ProgressBar;
pub(crate) use table::{Alignment, Table};
pub(crate) use training::{TrainingView, quoted};
