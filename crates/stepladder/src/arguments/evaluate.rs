//! The arguments of `stepladder evaluate`.

use super::{AnsweringArguments, CacheArguments, DataArguments};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct EvaluateArguments {
    /// A run directory, or a model.safetensors (which needs --data)
    pub run: PathBuf,

    /// Other photos, in class folders of the same names, or the run's own where they are now: a zip, a folder or a table [default: the run's
    /// own]
    #[arg(long)]
    pub data: Option<PathBuf>,

    #[command(flatten)]
    pub parts: DataArguments,

    /// Which part [default: test; with --data, the test part where it has parts, else all of it]
    #[arg(long, value_enum)]
    pub part: Option<PartName>,

    #[command(flatten)]
    pub answering: AnsweringArguments,

    #[command(flatten)]
    pub cache: CacheArguments,
}

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartName {
    Train,
    Val,
    Test,
    All,
}
