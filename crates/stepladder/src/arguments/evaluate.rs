//! The arguments of `stepladder evaluate`.

use super::{AnsweringArguments, CacheArguments, TableFormArguments};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct EvaluateArguments {
    /// A run directory, or a model.safetensors (which needs --data)
    pub run: PathBuf,

    /// Other photos, in class folders of the same names: a zip, a folder or a table [default: the run's own]
    #[arg(long)]
    pub data: Option<PathBuf>,

    /// A table that names photos inside --data
    #[arg(long, value_name = "FILE", requires = "data")]
    pub table: Option<PathBuf>,

    #[command(flatten)]
    pub table_form: TableFormArguments,

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
