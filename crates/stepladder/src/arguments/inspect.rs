//! The arguments of `stepladder inspect`.

use super::DataArguments;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A zip, a folder, a CSV or TSV table, or MNIST's IDX files; without it, the photos that Stepladder ships
    pub data: Option<PathBuf>,

    #[command(flatten)]
    pub parts: DataArguments,

    /// Write a page with thumbnails of what was found and a sample of each class; an older one is replaced
    #[arg(long, value_name = "PAGE.html")]
    pub html: Option<PathBuf>,

    /// Write a table of the photos without what was found, for `train --table`; a file that is there is never overwritten
    #[arg(long, value_name = "OUT.csv")]
    pub fix: Option<PathBuf>,

    /// Threads that read and decode [default: one for each core]; the result does not depend on it
    #[arg(long)]
    pub threads: Option<usize>,
}
