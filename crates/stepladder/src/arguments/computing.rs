//! Where and how to compute, for the commands that train and those that ask a model.

use super::Precision;
use clap::Args;
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
