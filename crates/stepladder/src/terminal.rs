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
mod fold;
mod inspection;
mod ladder;
mod length;
mod list;
mod numbers;
mod output;
mod profile;
mod progress;
mod remarks;
mod remedies;
mod sparkline;
mod table;
mod training;
mod usage;

pub(crate) use cell::{name_cell, path_cell};
pub(crate) use climb::ClimbView;
pub(crate) use comparison::{show_comparison, write_comparison_csv};
pub(crate) use dashboard::Dashboard;
pub(crate) use inspection::show_inspection;
pub(crate) use ladder::show_climb;
pub(crate) use list::listed;
pub(crate) use numbers::{
    bytes, count, duration, file_size, interval, p_value, percent, points, points_interval, share_interval,
};
pub(crate) use output::{Output, error, finish, progress_line as note, told, warn};
pub(crate) use profile::profile_table;
pub(crate) use progress::ProgressBar;
pub(crate) use remarks::{remark_line, warn_of_remarks};
pub(crate) use remedies::data_error;
pub(crate) use sparkline::sparkline;
pub(crate) use table::{Alignment, Table};
pub(crate) use training::{TrainingView, quoted};
pub(crate) use usage::show_usage;
