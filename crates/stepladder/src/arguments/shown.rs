//! How a training is shown while it runs: arguments of `stepladder train` and `stepladder resume`.

use super::TrainArguments;
use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "The run")]
pub(crate) struct ShownArguments {
    /// Show the training as a dashboard on the whole terminal: curves, figures, messages; q stops it
    #[arg(long)]
    pub tui: bool,

    /// Write the figures as TensorBoard's event files, too, into the run's folder tensorboard; a run that has them goes on with them
    #[arg(hide_short_help = true, long)]
    pub tensorboard: bool,
}

/// What `stepladder train` takes.
#[derive(Debug, Args)]
pub(crate) struct ShownTrainArguments {
    #[command(flatten)]
    pub train: TrainArguments,

    #[command(flatten)]
    pub shown: ShownArguments,
}
