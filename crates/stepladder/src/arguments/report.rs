//! The arguments of `stepladder report`.

use super::{CacheArguments, DataArguments};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[cfg_attr(not(feature = "pages"), allow(dead_code))]
pub(crate) struct ReportArguments {
    /// The directory of a run or of a climb
    #[arg(value_name = "RUN|CLIMB")]
    pub directory: PathBuf,

    /// Where to write the page; an older one is replaced [default: report.html in the directory]
    #[arg(long, value_name = "PAGE.html")]
    pub out: Option<PathBuf>,

    /// Where the run's photos are now, if they have moved: the same zip, folder or table
    #[arg(long)]
    pub data: Option<PathBuf>,

    #[command(flatten)]
    pub parts: DataArguments,

    /// Threads that compute [default: one for each core]
    #[arg(long)]
    pub threads: Option<usize>,

    #[command(flatten)]
    pub cache: CacheArguments,
}
