//! The arguments of `stepladder models`.

use clap::{Args, Subcommand};
use std::path::PathBuf;
use stepladder_model::ImageSize;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ModelsArguments {
    #[command(subcommand)]
    pub command: Option<ModelsCommand>,

    /// A rung's name, or a TOML file [default: list all]
    pub model: Option<String>,

    /// Show what differs from the rung's parent
    #[arg(long, requires = "model")]
    pub diff: bool,

    /// Print the rung in full, parents' values included, as TOML
    #[arg(long, requires = "model", conflicts_with = "diff")]
    pub toml: bool,

    /// Input in pixels: the side of a square, or height x width such as 192x256 [default: the rung's]
    #[arg(long)]
    pub size: Option<ImageSize>,

    /// Number of classes
    #[arg(long, default_value_t = 5)]
    pub classes: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Start a rung of your own: a commented TOML file that is its parent until you change it
    New(NewArguments),
}

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// The file to make, e.g. my.toml; one that is there is never overwritten
    pub file: PathBuf,

    /// The rung to start from: a name from `stepladder models`, or a TOML file
    #[arg(long, default_value = "baseline", value_name = "RUNG")]
    pub from: String,
}
