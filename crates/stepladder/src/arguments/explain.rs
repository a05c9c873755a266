//! The arguments of `stepladder explain`.

use super::{AnsweringArguments, CacheArguments};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// A run directory, or a model.safetensors, which knows no training photos
    pub run: PathBuf,

    /// The photo
    pub photo: Option<PathBuf>,

    /// The class to explain [default: the most probable]
    #[arg(long)]
    pub class: Option<String>,

    /// The picture to write, a PNG; an older one is replaced [default: <PHOTO>-explained.png, in this folder]
    #[arg(long, value_name = "FILE.png")]
    pub out: Option<PathBuf>,

    /// Classes to show
    #[arg(long, default_value_t = 5, value_name = "K")]
    pub top: usize,

    /// Training photos to show that look most like this one to the network; 0 looks for none
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub neighbors: usize,

    #[command(flatten)]
    pub answering: AnsweringArguments,

    #[command(flatten)]
    pub cache: CacheArguments,
}
