//! The arguments of `stepladder find-lr`.

use super::TrainArguments;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct FindLrArguments {
    #[command(flatten)]
    pub train: TrainArguments,

    /// The first step's learning rate
    #[arg(
        long,
        value_name = "RATE",
        default_value_t = 1e-7,
        allow_negative_numbers = true
    )]
    pub from: f64,

    /// The last step's learning rate; the test ends before, where the loss diverges
    #[arg(
        long,
        value_name = "RATE",
        default_value_t = 10.0,
        allow_negative_numbers = true
    )]
    pub to: f64,

    /// Train at each of these rates instead, and compare the validation accuracies: 1e-4,3e-4,1e-3
    #[arg(long, value_name = "RATES", value_delimiter = ',')]
    pub study: Vec<f32>,

    /// The plot to write; an older one is replaced
    #[arg(long, value_name = "FILE", default_value = "find-lr.svg")]
    pub plot: PathBuf,
}
