//! What a user can type. Nothing here decides anything: defaults that need thought are the commands' business.

mod bench;
mod climb;
mod compare;
mod computing;
mod controls;
mod data;
mod embed;
mod evaluate;
mod explain;
mod export;
mod find_lr;
mod inspect;
mod models;
mod plan;
mod precision;
mod predict;
mod report;
mod runs;
mod serve;
mod shown;
mod train;
mod watch;

use clap::{Parser, Subcommand};

pub(crate) use bench::{BenchArguments, Measured};
pub(crate) use climb::{ClimbArguments, Ladder};
pub(crate) use compare::CompareArguments;
pub(crate) use computing::{AnsweringArguments, ComputingArguments};
pub(crate) use controls::{ControlArguments, Epochs, Patience, weights_file};
pub(crate) use data::{CacheArguments, DataArguments, ReadingArguments};
pub(crate) use embed::EmbedArguments;
pub(crate) use evaluate::{EvaluateArguments, PartName};
pub(crate) use explain::ExplainArguments;
#[cfg(feature = "export")]
pub(crate) use export::ExportInput;
pub(crate) use export::{ExportArguments, ExportFormat};
pub(crate) use find_lr::FindLrArguments;
pub(crate) use inspect::InspectArguments;
pub(crate) use models::{ModelsArguments, ModelsCommand, NewArguments};
pub(crate) use plan::PlanArguments;
pub(crate) use precision::Precision;
pub(crate) use predict::PredictArguments;
pub(crate) use report::ReportArguments;
pub(crate) use runs::RunsArguments;
pub(crate) use serve::ServeArguments;
pub(crate) use shown::{ShownArguments, ShownTrainArguments};
pub(crate) use train::{CheckpointArguments, ResumeArguments, StartArguments, TrainArguments};
pub(crate) use watch::WatchArguments;

/// Train a CNN image classifier from scratch, on your own labelled photos, on the machine you have
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: Command,

    /// Print one JSON object as the last line of stdout; everything for people goes to stderr
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look a data set over: duplicates, leaks, contradictory labels, damage, imbalance
    Inspect(InspectArguments),
    /// Train a model on photos and leave everything in a run directory
    Train(ShownTrainArguments),
    /// Go on with a training that was stopped, killed or cut off, as if nothing had happened
    Resume(ResumeArguments),
    /// Say what a training would take: memory, time, disk
    Plan(PlanArguments),
    /// Find a learning rate: try rising rates on a copy and see where the loss falls
    FindLr(FindLrArguments),
    /// Measure a trained model: accuracy, precision, recall, F1, confusion matrix
    Evaluate(EvaluateArguments),
    /// Say what is on photos
    Predict(PredictArguments),
    /// Say why: probabilities, where the model looks, the most similar training photos
    Explain(ExplainArguments),
    /// Write what a network makes of photos before its last layer: features, for search and other programs
    Embed(EmbedArguments),
    /// Write a model for other programs (ONNX, Keras, PyTorch), or a run's figures (CSV, MLflow)
    Export(ExportArguments),
    /// Answer about photos over HTTP, with a page to try it in a browser
    Serve(ServeArguments),
    /// Watch trainings on a live page: curves as they come, a list of runs, buttons to stop
    Watch(WatchArguments),
    /// Train rung after rung on the same photos, and say what each change was worth
    Climb(ClimbArguments),
    /// Write a run or a climb as one page: curves, mistakes, calibration, where the model looks
    Report(ReportArguments),
    /// List the runs and climbs that there are, with state, accuracy and size, or show one
    Runs(RunsArguments),
    /// Compare runs: figures, differences in configuration, paired significance, curves
    Compare(CompareArguments),
    /// List the rungs, or show one: layers, output shapes, parameters, multiply-adds
    Models(ModelsArguments),
    /// Measure how fast a rung trains and answers on this machine, on photos of noise
    Bench(BenchArguments),
}
