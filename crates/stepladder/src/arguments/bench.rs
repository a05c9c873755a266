//! The arguments of `stepladder bench`.

use super::Precision;
use clap::{Args, ValueEnum};
use stepladder_model::ImageSize;
use stepladder_nn::Device;

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// The rung: a name from `stepladder models`, or a TOML file
    #[arg(long, default_value = "baseline")]
    pub model: String,

    /// Input in pixels: the side of a square, or height x width such as 192x256 [default: the rung's, but no more than 128]
    #[arg(long)]
    pub size: Option<ImageSize>,

    /// Photos per step [default: the rung's]
    #[arg(long)]
    pub batch: Option<usize>,

    /// Number of classes
    #[arg(long, default_value_t = 5)]
    pub classes: usize,

    /// Number format of activations; weights and sums are f32 in both
    #[arg(long, value_enum, default_value_t = Precision::Auto)]
    pub precision: Precision,

    /// Threads that compute [default: one for each core]
    #[arg(long)]
    pub threads: Option<usize>,

    /// Where to compute: cpu, cuda, cuda:1, vulkan or metal
    #[arg(long, default_value = "cpu")]
    pub device: Device,

    /// What to measure
    #[arg(long, value_enum, default_value_t = Measured::All)]
    pub measure: Measured,

    /// How long to measure training, and then inference
    #[arg(long, default_value_t = 5.0, allow_negative_numbers = true)]
    pub seconds: f64,

    /// Show the time of each layer and pass of the training steps; of inference, if that alone is measured
    #[arg(long)]
    pub profile: bool,
}

/// Something that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measured {
    /// Training steps, inference, and the machine's peak
    All,
    /// Training steps alone
    Training,
    /// Inference alone
    Inference,
    /// The machine's peak alone
    Machine,
}
