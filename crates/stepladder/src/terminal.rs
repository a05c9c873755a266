//! How Stepladder looks on a terminal, in a pipe and as JSON.
//!
//! Results go to stdout, everything about the way there to stderr; with `--json`, stdout has the JSON object alone.
//! Nothing needs color to be understood, and `NO_COLOR` is respected.

mod cell;
mod climb;
pub(crate) mod comparison;
#[cfg_attr(not(feature = "tui"), path = "terminal/dashboard_left_out.rs")]
mod dashboard;
#[cfg_attr(not(feature = "metrics"), path = "terminal/events_left_out.rs")]
mod events;
mod inspection;
mod ladder;
mod numbers;
mod output;
mod profile;
mod progress;
mod sparkline;
mod table;
mod training;

pub(crate) use cell::{name_cell, path_cell};
pub(crate) use climb::ClimbView;
pub(crate) use comparison::{show_comparison, write_comparison_csv};
pub(crate) use dashboard::Dashboard;
pub(crate) use inspection::show_inspection;
pub(crate) use ladder::show_climb;
#[cfg(feature = "export")]
pub(crate) use numbers::file_size;
pub(crate) use numbers::{
    bytes, count, duration, interval, p_value, percent, points, points_interval, share_interval,
};
pub(crate) use output::{Output, error, finish, progress_line as note, show_hint, show_usage, warn};
pub(crate) use profile::profile_table;
pub(crate) use progress::ProgressBar;
pub(crate) use sparkline::sparkline;
pub(crate) use table::{Alignment, Table};
pub(crate) use training::{TrainingView, quoted};
