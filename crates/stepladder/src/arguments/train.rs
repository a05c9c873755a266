//! The arguments of `stepladder train` and `stepladder resume`.

use super::{CacheArguments, ComputingArguments, ControlArguments, DataArguments, Epochs, ShownArguments};
use clap::Args;
use std::path::PathBuf;
use stepladder_model::ImageSize;

#[derive(Debug, Clone, Args)]
pub(crate) struct TrainArguments {
    /// A zip, a folder, a CSV or TSV table, or MNIST's IDX files; without it, the photos that Stepladder ships
    pub data: Option<PathBuf>,

    #[command(flatten)]
    pub parts: DataArguments,

    /// The rung: a name from `stepladder models`, or a TOML file of your own [default: one that is chosen for the photos]
    #[arg(help_heading = "Network", long)]
    pub model: Option<String>,

    #[command(flatten)]
    pub start: StartArguments,

    /// Most epochs, or auto: as many as still help [default: the rung's]
    #[arg(help_heading = "Course of the training", long)]
    pub epochs: Option<Epochs>,

    /// Photos per step [default: the rung's]
    #[arg(hide_short_help = true, help_heading = "Course of the training", long)]
    pub batch: Option<usize>,

    /// Network's input in pixels: the side of a square, or height x width such as 192x256 [default: the rung's, but no more than the photos have]
    #[arg(help_heading = "Network", long)]
    pub size: Option<ImageSize>,

    /// Learning rate [default: the rung's]
    #[arg(help_heading = "Course of the training", long, allow_negative_numbers = true)]
    pub lr: Option<f32>,

    /// Decides split, initial weights, order, augmentation and dropout
    #[arg(help_heading = "Seeds and split", long, default_value_t = 0)]
    pub seed: u64,

    /// Decides the split alone, to train with several seeds on the same parts [default: --seed]
    #[arg(
        hide_short_help = true,
        help_heading = "Seeds and split",
        long,
        value_name = "SEED"
    )]
    pub split_seed: Option<u64>,

    #[command(flatten)]
    pub computing: ComputingArguments,

    /// The run's directory [default: runs/<data>-<model>-<n>]
    #[arg(help_heading = "The run", long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Begin a new run, even where one with the same settings and photos is there or could go on
    #[arg(help_heading = "The run", long)]
    pub new: bool,

    /// Keep nearly equal photos (encoded anew, resized, turned, mirrored) in one part of the split
    #[arg(hide_short_help = true, help_heading = "Seeds and split", long)]
    pub group_duplicates: bool,

    #[command(flatten)]
    pub controls: ControlArguments,

    #[command(flatten)]
    pub checkpoints: CheckpointArguments,

    /// Any other value of the rung, e.g. --set optimizer.weight_decay=0.01; may be repeated
    #[arg(help_heading = "Network", long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,

    #[command(flatten)]
    pub cache: CacheArguments,
}

/// Pretrained weights.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct StartArguments {
    /// Pretrained weights to start from: shipped (EfficientNet-Lite0 of ImageNet), a file (.safetensors, .pth), hf:OWNER/NAME of the
    /// Hugging Face hub, run:DIR for a run of your
    /// own, or scratch [default: the rung's]
    #[arg(long, value_name = "WEIGHTS")]
    pub start: Option<String>,

    /// What of them is not trained: backbone (all but the head, which is then fitted exactly), none, or the layer up to which
    /// [default: the rung's, or backbone; of a run of your own, none]
    #[arg(hide_short_help = true, long, value_name = "LAYERS")]
    pub frozen: Option<String>,

    /// Train from random weights too, for as long, and say what the pretrained start was worth on the validation part; a --budget is for
    /// both trainings
    #[arg(hide_short_help = true, long)]
    pub compare_scratch: bool,
}

/// How often a training notes where it stands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The run")]
pub(crate) struct CheckpointArguments {
    /// Seconds between checkpoints; there is one after each epoch as well. The result does not depend on it
    #[arg(
        hide_short_help = true,
        long,
        value_name = "SECONDS",
        default_value_t = 60.0,
        allow_negative_numbers = true
    )]
    pub checkpoint_every: f64,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// The directory of the run
    pub run: PathBuf,

    /// Where the run's photos are now, if they have moved: the same zip, folder or table
    #[arg(long)]
    pub data: Option<PathBuf>,

    #[command(flatten)]
    pub parts: DataArguments,

    /// Threads that compute and load [default: one for each core]; the result does not depend on it
    #[arg(long)]
    pub threads: Option<usize>,

    #[command(flatten)]
    pub shown: ShownArguments,

    #[command(flatten)]
    pub checkpoints: CheckpointArguments,

    #[command(flatten)]
    pub cache: CacheArguments,
}
