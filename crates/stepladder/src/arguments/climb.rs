//! The arguments of `stepladder climb`.

use super::{CacheArguments, ComputingArguments, DataArguments};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use stepladder_model::ImageSize;

#[derive(Debug, Args)]
pub(crate) struct ClimbArguments {
    /// A zip, a folder, a CSV or TSV table, or MNIST's IDX files; without it, the photos that Stepladder ships
    pub data: Option<PathBuf>,

    #[command(flatten)]
    pub parts: DataArguments,

    /// The rungs: names from `stepladder models`, or TOML files of your own [default: all that are shipped]
    #[arg(long, value_name = "RUNG,..", value_delimiter = ',')]
    pub rungs: Vec<String>,

    /// Which of the shipped ladders, where no rungs are named
    #[arg(long, value_enum, default_value_t = Ladder::Deck, conflicts_with = "rungs")]
    pub ladder: Ladder,

    /// Pretrained weights that each rung starts from, as in `train`; scratch for none [default: the rung's]
    #[arg(long, value_name = "WEIGHTS")]
    pub start: Option<String>,

    /// Trainings of each rung, with the seeds 0, 1, ..; the split is the same for all
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seeds: u64,

    /// Network's input in pixels: the side of a square, or height x width such as 192x256 [default: the rung's, but no more than the photos have]
    #[arg(long)]
    pub size: Option<ImageSize>,

    /// Most epochs of each training [default: the rung's]
    #[arg(long)]
    pub epochs: Option<usize>,

    /// Time for the whole climb, e.g. 20m or 1h30m, divided evenly over the rungs
    #[arg(long, value_name = "TIME", conflicts_with = "epochs", value_parser = crate::span::parse)]
    pub budget: Option<Duration>,

    /// Evaluate with the moving averages of batch normalization even after few steps, when they lag behind the weights, as Keras does
    #[arg(long)]
    pub moving_statistics: bool,

    #[command(flatten)]
    pub computing: ComputingArguments,

    /// The climb's directory, to start or to go on with [default: climbs/<data>-<n>]
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,

    #[command(flatten)]
    pub cache: CacheArguments,
}

/// A ladder that is part of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ladder {
    /// The fourteen rungs of the deck, from baseline to m20
    Deck,
    /// What each ingredient of small's recipe is worth
    Beyond,
}
