//! Where photos come from, and where they are kept.

use super::TableFormArguments;
use clap::Args;
use std::path::PathBuf;
use stepladder_data::LevelsChoice;

/// Where photos come from beside the first argument.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataArguments {
    /// A table with the columns file, class and, if you like, split, that names photos inside the data
    #[arg(long, value_name = "FILE")]
    pub table: Option<PathBuf>,

    #[command(flatten)]
    pub table_form: TableFormArguments,

    /// The values that become black and white in photos of more than 8 bits: 0:4095, or auto, as the photos need it
    /// [default: those of the file's format]
    #[arg(long, value_name = "LEVELS", allow_hyphen_values = true)]
    pub levels: Option<LevelsChoice>,

    /// The most pixels of a photo, in millions [default: 200]
    #[arg(long, value_name = "MILLIONS")]
    pub max_pixels: Option<u64>,

    /// Training photos, where the parts are separate archives or folders
    #[arg(long, value_name = "DATA", conflicts_with = "data")]
    pub train: Option<PathBuf>,

    /// Validation photos, beside --train
    #[arg(long, value_name = "DATA", requires = "train")]
    pub val: Option<PathBuf>,

    /// Test photos, beside --train
    #[arg(long, value_name = "DATA", requires = "train")]
    pub test: Option<PathBuf>,
}

/// Where decoded photos are kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct CacheArguments {
    /// Folder of decoded photos, safe to delete [default: STEPLADDER_CACHE, or stepladder in your cache folder]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,

    /// What the folder may hold, in GiB; what was used longest ago goes first
    #[arg(long, value_name = "GIB", allow_negative_numbers = true)]
    pub cache_limit: Option<f64>,
}
