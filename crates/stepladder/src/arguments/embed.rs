//! The arguments of `stepladder embed`.

use super::{AnsweringArguments, PixelLimit};
use clap::Args;
use std::path::PathBuf;
use stepladder_model::ImageSize;

#[derive(Debug, Args)]
pub(crate) struct EmbedArguments {
    /// A run directory, a model.safetensors, or shipped: EfficientNet-Lite0 of ImageNet, without any training
    pub run: String,

    /// Photos, folders, zips, or patterns in quotes ('photos/**/*.jpg'); - reads a list of them, one a line
    #[arg(required = true, value_name = "PHOTO")]
    pub photos: Vec<PathBuf>,

    /// Follow symbolic links in folders: to folders, and to files elsewhere
    #[arg(long)]
    pub follow_links: bool,

    /// The file to write: .npy (names beside it, in a .txt), .csv or .safetensors
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    /// Network's input in pixels, the side of a square or height x width, for `shipped` alone [default: 224]
    #[arg(long)]
    pub size: Option<ImageSize>,

    #[command(flatten)]
    pub pixels: PixelLimit,

    #[command(flatten)]
    pub answering: AnsweringArguments,
}
