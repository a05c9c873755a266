//! The arguments of `plan`: those of the training that it plans.

use super::TrainArguments;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub train: TrainArguments,

    /// Seconds for the steps that are timed; 0 takes none
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 5.0,
        allow_negative_numbers = true
    )]
    pub seconds: f64,
}
