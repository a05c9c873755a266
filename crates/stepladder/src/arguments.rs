//! What a user can type. Nothing here decides anything: defaults that need thought are the commands' business.

mod controls;
mod explain;
mod export;
mod inspect;
mod plan;
mod report;
mod serve;
mod shown;
mod watch;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use stepladder_nn::Device;

pub(crate) use controls::{ControlArguments, Epochs, Patience, weights_file};
pub(crate) use explain::ExplainArguments;
pub(crate) use export::{ExportArguments, ExportFormat, ExportInput};
pub(crate) use inspect::InspectArguments;
pub(crate) use plan::PlanArguments;
pub(crate) use report::ReportArguments;
pub(crate) use serve::ServeArguments;
pub(crate) use shown::{ShownArguments, ShownTrainArguments};
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
    /// Compare runs: figures, differences in configuration, paired significance, curves
    Compare(CompareArguments),
    /// List the rungs, or show one: layers, output shapes, parameters, multiply-adds
    Models(ModelsArguments),
    /// Measure how fast a rung trains and answers on this machine, on photos of noise
    Bench(BenchArguments),
}

#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    /// A zip, a folder, a CSV or TSV table, or MNIST's IDX files; without it, the photos that Stepladder ships
    pub data: Option<PathBuf>,

    #[command(flatten)]
    pub parts: DataArguments,

    /// The rung: a name from `stepladder models`, or a TOML file of your own
    #[arg(long, default_value = "baseline")]
    pub model: String,

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

    /// Number format of activations; weights and sums are f32 in both
    #[arg(long, value_enum, default_value_t = Precision::Auto)]
    pub precision: Precision,

    /// Threads that compute and load [default: one for each core]; the result does not depend on it
    #[arg(long)]
    pub threads: Option<usize>,

    /// Where to compute: cpu, cuda, cuda:1, vulkan or metal
    #[arg(long, default_value = "cpu")]
    pub device: Device,

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

/// How often a training notes where it stands.
#[derive(Debug, Args)]
pub(crate) struct CheckpointArguments {
    /// Seconds between checkpoints; there is one after each epoch as well. The result does not depend on it
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub checkpoint_every: f64,
}

#[derive(Debug, Args)]
pub(crate) struct FindLrArguments {
    #[command(flatten)]
    pub train: TrainArguments,

    /// The first step's learning rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-7)]
    pub from: f64,

    /// The last step's learning rate; the test ends before, where the loss diverges
    #[arg(long, value_name = "RATE", default_value_t = 10.0)]
    pub to: f64,

    /// Steps of the test
    #[arg(long, default_value_t = 200)]
    pub steps: usize,

    /// Train at each of these rates instead, and compare the validation accuracies: 1e-4,3e-4,1e-3
    #[arg(long, value_name = "RATES", value_delimiter = ',')]
    pub study: Vec<f32>,

    /// The plot to write; an older one is replaced
    #[arg(long, value_name = "FILE", default_value = "find-lr.svg")]
    pub plot: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// The directory of the run
    pub run: PathBuf,

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

/// Where photos come from beside the first argument.
#[derive(Debug, Args)]
pub(crate) struct DataArguments {
    /// A table with the columns file, class and, if you like, split, that names photos inside the data
    #[arg(long, value_name = "FILE")]
    pub table: Option<PathBuf>,

    /// Training photos, where the parts are separate archives or folders
    #[arg(long, value_name = "DATA", conflicts_with = "data")]
    pub train: Option<PathBuf>,

    /// Validation photos, beside --train
    #[arg(long, value_name = "DATA", requires = "train")]
    pub val: Option<PathBuf>,

    /// Test photos, beside --train
    #[arg(long, value_name = "DATA", requires = "train")]
    pub test: Option<PathBuf>,
}

/// Where decoded photos are kept.
#[derive(Debug, Args)]
pub(crate) struct CacheArguments {
    /// Folder of decoded photos, safe to delete [default: STEPLADDER_CACHE, or stepladder in your cache folder]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,

    /// What the folder may hold, in GiB; what was used longest ago goes first
    #[arg(long, value_name = "GIB")]
    pub cache_limit: Option<f64>,
}

/// A number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Precision {
    /// What is fastest and equally accurate on this machine; the output says which
    Auto,
    /// 16-bit floats with the range of f32
    Bf16,
    /// 32-bit floats throughout
    F32,
}

impl Precision {
    /// The precision that this means on `device`.
    pub fn on(self, device: Device) -> stepladder_nn::Precision {
        match self {
            Precision::Auto => device.default_precision(),
            Precision::Bf16 => stepladder_nn::Precision::Bf16,
            Precision::F32 => stepladder_nn::Precision::F32,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateArguments {
    /// A run directory, or a model.safetensors (which needs --data)
    pub run: PathBuf,

    /// Other photos, in class folders of the same names: a zip, a folder or a table [default: the run's own]
    #[arg(long)]
    pub data: Option<PathBuf>,

    /// A table that names photos inside --data
    #[arg(long, value_name = "FILE", requires = "data")]
    pub table: Option<PathBuf>,

    /// Which part [default: test; with --data, the test part where it has parts, else all of it]
    #[arg(long, value_enum)]
    pub part: Option<PartName>,

    /// Photos per pass
    #[arg(long, default_value_t = 32)]
    pub batch: usize,

    /// Threads [default: one for each core]
    #[arg(long)]
    pub threads: Option<usize>,

    /// Where to compute: cpu, cuda, cuda:1, vulkan or metal
    #[arg(long, default_value = "cpu")]
    pub device: Device,

    #[command(flatten)]
    pub cache: CacheArguments,
}

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartName {
    Train,
    Val,
    Test,
    All,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// A run directory, or a model.safetensors
    pub run: PathBuf,

    /// Photos, folders, zips, or patterns in quotes ('photos/**/*.jpg'); - reads a list of them, one a line
    #[arg(required = true, value_name = "PHOTO")]
    pub photos: Vec<PathBuf>,

    /// Classes to show for each photo
    #[arg(long, default_value_t = 2, value_name = "K")]
    pub top: usize,

    /// Print CSV: a line for each photo as soon as it is known
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,

    /// Ask about each photo's mirror image too, and average; takes twice as long
    #[arg(long)]
    pub tta: bool,

    /// Say "unsure" instead of a class whose probability is below this, e.g. 0.6
    #[arg(long, value_name = "PROBABILITY")]
    pub unsure: Option<f32>,

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

#[derive(Debug, Args)]
pub(crate) struct ClimbArguments {
    /// A zip, a folder, a CSV or TSV table, or MNIST's IDX files; without it, the photos that Stepladder ships
    pub data: Option<PathBuf>,

    #[command(flatten)]
    pub parts: DataArguments,

    /// The rungs: names from `stepladder models`, or TOML files of your own [default: all that are shipped]
    #[arg(long, value_name = "RUNG,..", value_delimiter = ',')]
    pub rungs: Vec<String>,

    /// Trainings of each rung, with the seeds 0, 1, ..; the split is the same for all
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seeds: u64,

    /// Side of the network's input in pixels [default: the rung's, but no more than the photos have]
    #[arg(long)]
    pub size: Option<usize>,

    /// Most epochs of each training [default: the rung's]
    #[arg(long)]
    pub epochs: Option<usize>,

    /// Time for the whole climb, e.g. 20m or 1h30m, divided evenly over the rungs
    #[arg(long, value_name = "TIME", conflicts_with = "epochs", value_parser = crate::span::parse)]
    pub budget: Option<Duration>,

    /// Number format of activations; weights and sums are f32 in both
    #[arg(long, value_enum, default_value_t = Precision::Auto)]
    pub precision: Precision,

    /// Threads that compute and load [default: one for each core]; the result does not depend on it
    #[arg(long)]
    pub threads: Option<usize>,

    /// Where to compute: cpu, cuda, cuda:1, vulkan or metal
    #[arg(long, default_value = "cpu")]
    pub device: Device,

    /// The climb's directory, to start or to go on with [default: climbs/<data>-<n>]
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,

    #[command(flatten)]
    pub cache: CacheArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// Run directories; the first is what the others are compared with
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    pub runs: Vec<PathBuf>,

    /// Print the table of runs as CSV
    #[arg(long, conflicts_with_all = ["json", "markdown"])]
    pub csv: bool,

    /// Print all tables in Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,

    /// Write a page with the tables and the curves over each other, too; an older one is replaced
    #[arg(long, value_name = "PAGE.html")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ModelsArguments {
    #[command(subcommand)]
    pub command: Option<ModelsCommand>,

    /// A rung's name, or a TOML file [default: list all]
    pub model: Option<String>,

    /// Show what differs from the rung's parent
    #[arg(long, requires = "model")]
    pub diff: bool,

    /// Print the rung in full, parents' values included, as TOML
    #[arg(long, requires = "model", conflicts_with = "diff")]
    pub toml: bool,

    /// Side of the input in pixels [default: the rung's]
    #[arg(long)]
    pub size: Option<usize>,

    /// Number of classes
    #[arg(long, default_value_t = 5)]
    pub classes: usize,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// The rung: a name from `stepladder models`, or a TOML file
    #[arg(long, default_value = "baseline")]
    pub model: String,

    /// Side of the input in pixels [default: the rung's, but no more than 128]
    #[arg(long)]
    pub size: Option<usize>,

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
    #[arg(long, default_value_t = 5.0)]
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

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Start a rung of your own: a commented TOML file that is its parent until you change it
    New(NewArguments),
}

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// The file to make, e.g. my.toml; one that is there is never overwritten
    pub file: PathBuf,

    /// The rung to start from: a name from `stepladder models`, or a TOML file
    #[arg(long, default_value = "baseline", value_name = "RUNG")]
    pub from: String,
}
