//! The arguments of `stepladder train` and `stepladder resume`.

use super::{CacheArguments, ComputingArguments, ControlArguments, DataArguments, Epochs, ShownArguments};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(crate) struct TrainArguments {
    /// A zip, a folder, a CSV or TSV table, or MNIST's IDX files; without it, the photos that Stepladder ships
    pub data: Option<PathBuf>,

    #[command(flatten)]
    pub parts: DataArguments,

    /// The rung: a name from `stepladder models`, or a TOML file of your own [default: baseline, or the network of --start]
    #[arg(long)]
    pub model: Option<String>,

    #[command(flatten)]
    pub start: StartArguments,

    /// Most epochs, or auto: as many as still help [default: the rung's]
    #[arg(long)]
    pub epochs: Option<Epochs>,

    /// Photos per step [default: the rung's]
    #[arg(long)]
    pub batch: Option<usize>,

    /// Side of the network's input in pixels [default: the rung's, but no more than the photos have]
    #[arg(long)]
    pub size: Option<usize>,

    /// Learning rate [default: the rung's]
    #[arg(long, allow_negative_numbers = true)]
    pub lr: Option<f32>,

    /// Decides split, initial weights, order, augmentation and dropout
    #[arg(long, default_value_t = 0)]
    pub seed: u64,

    /// Decides the split alone, to train with several seeds on the same parts [default: --seed]
    #[arg(long, value_name = "SEED")]
    pub split_seed: Option<u64>,

    #[command(flatten)]
    pub computing: ComputingArguments,

    /// The run's directory [default: runs/<data>-<model>-<n>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Begin a new run, even where an unfinished one with the same settings and photos could go on
    #[arg(long)]
    pub new: bool,

    /// Keep nearly equal photos (encoded anew, resized, turned, mirrored) in one part of the split
    #[arg(long)]
    pub group_duplicates: bool,

    #[command(flatten)]
    pub controls: ControlArguments,

    #[command(flatten)]
    pub checkpoints: CheckpointArguments,

    /// Any other value of the rung, e.g. --set optimizer.weight_decay=0.01; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,

    #[command(flatten)]
    pub cache: CacheArguments,
}

/// Pretrained weights.
#[derive(Debug, Clone, Args)]
pub(crate) struct StartArguments {
    /// Pretrained weights to start from: shipped (EfficientNet-Lite0 of ImageNet), a file (.safetensors, .pth), hf:OWNER/NAME of Hugging
    /// Face's cache, run:DIR for a run of your
    /// own, or scratch [default: the rung's]
    #[arg(long, value_name = "WEIGHTS")]
    pub start: Option<String>,

    /// What of them is not trained: backbone (all but the head, which is then fitted exactly), none, or the layer up to which
    /// [default: the rung's, or backbone; of a run of your own, none]
    #[arg(long, value_name = "LAYERS")]
    pub frozen: Option<String>,

    /// Train from random weights too, for as long, and say what the pretrained start was worth on the validation part; a --budget is for
    /// both trainings
    #[arg(long)]
    pub compare_scratch: bool,
}

/// How often a training notes where it stands.
#[derive(Debug, Clone, Args)]
pub(crate) struct CheckpointArguments {
    /// Seconds between checkpoints; there is one after each epoch as well. The result does not depend on it
    #[arg(
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
