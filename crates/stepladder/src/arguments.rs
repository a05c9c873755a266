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
mod table_form;
mod train;
mod watch;

use clap::{Parser, Subcommand};

pub(crate) use bench::{BenchArguments, Measured};
pub(crate) use climb::{ClimbArguments, Ladder};
pub(crate) use compare::CompareArguments;
pub(crate) use computing::{AnsweringArguments, ComputingArguments, PixelLimit};
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
pub(crate) use table_form::TableFormArguments;
pub(crate) use train::{CheckpointArguments, ResumeArguments, StartArguments, TrainArguments};
pub(crate) use watch::WatchArguments;

/// Train an image classifier on your own labelled photos, on the machine you have
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
    #[command(
        after_help = "Examples:\n  stepladder train                                 # the flowers that Stepladder ships\n  stepladder train photos.zip --budget 20m         # the best that 20 minutes allow\n  stepladder train photos/ --model m13 --size 128  # a rung of the ladder\n  stepladder train photos/ --start run:runs/photos-auto-1 --epochs 10   # on from a run"
    )]
    Train(ShownTrainArguments),
    /// Go on with a training that was stopped, killed or cut off, as if nothing had happened
    Resume(ResumeArguments),
    /// Say what a training would take: memory, time, disk
    Plan(PlanArguments),
    /// Find a learning rate: try rising rates on a copy and see where the loss falls
    #[command(after_help = "Examples:\n  stepladder find-lr photos.zip --model m13 --size 64")]
    FindLr(FindLrArguments),
    /// Measure a trained model: accuracy, precision, recall, F1, confusion matrix
    #[command(
        after_help = "Examples:\n  stepladder evaluate runs/photos-auto-1                       # its own test photos\n  stepladder evaluate runs/photos-auto-1 --data others.zip"
    )]
    Evaluate(EvaluateArguments),
    /// Say what is on photos
    #[command(
        after_help = "Examples:\n  stepladder predict runs/photos-auto-1 new.jpg\n  stepladder predict photos-auto-1 holiday/ --out holiday.csv --sort-into sorted/\n  stepladder predict photos-auto-1 holiday/ --unsure 0.6 --csv > holiday.csv"
    )]
    Predict(PredictArguments),
    /// Say why: probabilities, where the model looks, the most similar training photos
    Explain(ExplainArguments),
    /// Write what a network makes of photos before its last layer: features, for search and other programs
    Embed(EmbedArguments),
    /// Write a model for other programs (ONNX, Keras, PyTorch), or a run's figures (CSV, MLflow)
    #[command(
        after_help = "Examples:\n  stepladder export runs/photos-auto-1                          # ONNX\n  stepladder export runs/photos-auto-1 --format keras"
    )]
    Export(ExportArguments),
    /// Answer about photos over HTTP, with a page to try it in a browser
    #[command(
        after_help = "Examples:\n  stepladder serve runs/photos-auto-1\n  STEPLADDER_TOKEN=secret stepladder serve runs/photos-auto-1 --host 0.0.0.0"
    )]
    Serve(ServeArguments),
    /// Watch trainings on a live page: curves as they come, a list of runs, buttons to stop
    Watch(WatchArguments),
    /// Train rung after rung on the same photos, and say what each change was worth
    #[command(
        after_help = "Examples:\n  stepladder climb photos.zip --size 64 --budget 30m\n  stepladder climb photos.zip --rungs baseline,m7,m13 --seeds 3"
    )]
    Climb(ClimbArguments),
    /// Write a run or a climb as one page: curves, mistakes, calibration, where the model looks
    Report(ReportArguments),
    /// List the runs and climbs that there are, with state, accuracy and size, or show one
    #[command(after_help = "Examples:\n  stepladder runs\n  stepladder runs photos-m13")]
    Runs(RunsArguments),
    /// Compare runs: figures, differences in configuration, paired significance, curves
    #[command(after_help = "Examples:\n  stepladder compare runs/photos-m7-1 runs/photos-m13-1")]
    Compare(CompareArguments),
    /// List the rungs, or show one: layers, output shapes, parameters, multiply-adds
    Models(ModelsArguments),
    /// Measure how fast a rung trains and answers on this machine, on photos of noise
    Bench(BenchArguments),
}
