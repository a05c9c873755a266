//! Where photos come from, and where they are kept.

use super::TableFormArguments;
use clap::Args;
use std::path::PathBuf;
use stepladder_data::LevelsChoice;

/// Where photos come from beside the first argument.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Photos")]
pub(crate) struct DataArguments {
    /// A table with the columns file, class and, if you like, split, that names photos inside the data
    #[arg(long, value_name = "FILE")]
    pub table: Option<PathBuf>,

    #[command(flatten)]
    pub table_form: TableFormArguments,

    /// The values that become black and white in photos of more than 8 bits: 0:4095, or auto, as the photos need it
    /// [default: those of the file's format]
    #[arg(
        hide_short_help = true,
        long,
        value_name = "LEVELS",
        allow_hyphen_values = true
    )]
    pub levels: Option<LevelsChoice>,

    /// The most pixels of a photo, in millions; a JPEG may have twice as many [default: 100]
    #[arg(hide_short_help = true, long, value_name = "MILLIONS")]
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

    #[command(flatten)]
    pub reading: ReadingArguments,
}

/// How the names of folders and files are read, where they do not speak for themselves.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReadingArguments {
    /// What the folders mean, from the outermost: part, class, group or * for each level, as in group/class, class/part, part/group/class.
    /// Photos of one group stay in one part of the split [default: as their names say]
    #[arg(hide_short_help = true, long, value_name = "LEVELS")]
    pub layout: Option<String>,

    /// Take classes from the files' names: a pattern such as '{class}.{number}.jpg' or '*_{class}.*', or one name as an example: cat.0.jpg
    #[arg(hide_short_help = true, long, value_name = "PATTERN")]
    pub class_from: Option<String>,

    /// Keep photos of one group in one part of the split: folder (the folders that are neither part nor class), a pattern with {group}, or a
    /// column of the table
    #[arg(hide_short_help = true, long, value_name = "WHAT")]
    pub group_by: Option<String>,

    /// Take these classes only
    #[arg(hide_short_help = true, long, value_name = "CLASS,..", value_delimiter = ',')]
    pub classes: Vec<String>,

    /// Follow symbolic links to folders, and to files elsewhere
    #[arg(hide_short_help = true, long)]
    pub follow_links: bool,

    /// How names in an old zip are encoded that is not UTF-8: shift_jis, gbk, cp866, ...
    #[arg(hide_short_help = true, long, value_name = "ENCODING")]
    pub zip_names: Option<String>,
}

/// Where decoded photos are kept.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cache of photos")]
pub(crate) struct CacheArguments {
    /// Folder of decoded photos, safe to delete [default: STEPLADDER_CACHE, or stepladder in your cache folder]
    #[arg(hide_short_help = true, long, value_name = "DIR")]
    pub cache: Option<PathBuf>,

    /// What the folder may hold, in GiB; what was used longest ago goes first
    #[arg(
        hide_short_help = true,
        long,
        value_name = "GIB",
        allow_negative_numbers = true
    )]
    pub cache_limit: Option<f64>,
}
