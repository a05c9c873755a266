//! The arguments of `stepladder predict`.

use super::{AnsweringArguments, PixelLimit};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// A run directory, or a model.safetensors
    pub run: PathBuf,

    /// Photos, folders, zips, or patterns in quotes ('photos/**/*.jpg'); - reads a list of them, one a line
    #[arg(value_name = "PHOTO")]
    pub photos: Vec<PathBuf>,

    /// Follow symbolic links in folders: to folders, and to files elsewhere
    #[arg(long)]
    pub follow_links: bool,

    /// Classes to show for each photo
    #[arg(long, default_value_t = 2, value_name = "K")]
    pub top: usize,

    /// Print CSV: a line for each photo as soon as it is known
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,

    /// Write the CSV to a file, which must not be there, beside the table on the terminal
    #[arg(long, value_name = "FILE.csv", conflicts_with = "csv")]
    pub out: Option<PathBuf>,

    /// Copy each photo into a folder of its class below this one ("unsure" with --unsure); nothing that is there is overwritten
    #[arg(long, value_name = "DIR")]
    pub sort_into: Option<PathBuf>,

    /// Ask about each photo's mirror image too, and average; takes twice as long
    #[arg(long)]
    pub tta: bool,

    /// Say "unsure" instead of a class whose probability is below this, e.g. 0.6
    #[arg(long, value_name = "PROBABILITY", allow_negative_numbers = true)]
    pub unsure: Option<f32>,

    #[command(flatten)]
    pub pixels: PixelLimit,

    #[command(flatten)]
    pub answering: AnsweringArguments,
}
