//! The arguments of `stepladder runs`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    /// A run, or the beginning of some names; one run is shown in full [default: all of runs and climbs in this folder]
    #[arg(value_name = "RUN")]
    pub name: Option<PathBuf>,
}
