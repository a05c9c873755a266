//! Where and how to compute, for the commands that train and those that ask a model.

use super::Precision;
use clap::Args;
use stepladder_data::{Decoding, MAX_PIXELS};
use stepladder_nn::Device;

/// Where and how a training computes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Computing")]
pub(crate) struct ComputingArguments {
    /// Number format of activations; weights and sums are f32 in both
    #[arg(hide_short_help = true, long, value_enum, default_value_t = Precision::Auto)]
    pub precision: Precision,

    /// Threads that compute and load [default: one for each core]; the result does not depend on it
    #[arg(long)]
    pub threads: Option<usize>,

    /// Where to compute: cpu, cuda, cuda:1, vulkan or metal
    #[arg(hide_short_help = true, long, default_value = "cpu")]
    pub device: Device,
}

/// Where and how a trained model computes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Computing")]
pub(crate) struct AnsweringArguments {
    /// Photos per pass
    #[arg(long, default_value_t = 32)]
    pub batch: usize,

    /// Threads [default: one for each core]
    #[arg(long)]
    pub threads: Option<usize>,

    /// Where to compute: cpu, cuda, cuda:1, vulkan or metal
    #[arg(long, default_value = "cpu")]
    pub device: Device,
}

/// How large photos may be.
#[derive(Debug, Clone, Args)]
pub(crate) struct PixelLimit {
    /// The most pixels of a photo, in millions; a JPEG may have twice as many
    #[arg(long, value_name = "MILLIONS", default_value_t = MAX_PIXELS / 1_000_000)]
    pub max_pixels: u64,
}

impl PixelLimit {
    /// How photos are decoded for a model.
    pub fn decoding(&self, model: &Decoding) -> Decoding {
        Decoding {
            max_pixels: self.max_pixels.saturating_mul(1_000_000),
            ..*model
        }
    }
}
