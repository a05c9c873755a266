//! The arguments of `stepladder inspect`.

use super::DataArguments;
use clap::Args;
use std::path::PathBuf;
use stepladder_model::ImageSize;

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A zip, a folder, a CSV or TSV table, or MNIST's IDX files; without it, the photos that Stepladder ships
    pub data: Option<PathBuf>,

    #[command(flatten)]
    pub parts: DataArguments,

    /// The network's input that the photos are meant for, to say what a crop to its shape leaves out: the side of a square, or height x width
    /// such as 192x256 [default: a square]
    #[arg(long)]
    pub size: Option<ImageSize>,

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
