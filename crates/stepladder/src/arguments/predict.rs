//! The arguments of `stepladder predict`.

use super::AnsweringArguments;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// A run directory, or a model.safetensors
    pub run: PathBuf,

    /// Photos, folders, zips, or patterns in quotes ('photos/**/*.jpg'); - reads a list of them, one a line
    #[arg(required = true, value_name = "PHOTO")]
    pub photos: Vec<PathBuf>,

    /// Classes to show for each photo
    #[arg(long, default_value_t = 2, value_name = "K")]
    pub top: usize,

    /// Print CSV: a line for each photo as soon as it is known
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,

    /// Ask about each photo's mirror image too, and average; takes twice as long
    #[arg(long)]
    pub tta: bool,

    /// Say "unsure" instead of a class whose probability is below this, e.g. 0.6
    #[arg(long, value_name = "PROBABILITY", allow_negative_numbers = true)]
    pub unsure: Option<f32>,

    #[command(flatten)]
    pub answering: AnsweringArguments,
}
