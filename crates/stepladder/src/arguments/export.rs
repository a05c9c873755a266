//! What a user can type behind `stepladder export`.

use super::CacheArguments;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// A run directory, or a model.safetensors
    pub run: PathBuf,

    /// What to write
    #[arg(long, value_enum, default_value_t = ExportFormat::Onnx)]
    pub format: ExportFormat,

    /// The file to write, which must not be there; for keras and figures, the folder [default: in the run, or beside the file]
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,

    /// What the input of an ONNX model holds
    #[arg(long, value_enum, default_value_t = ExportInput::Uint8Nhwc)]
    pub input: ExportInput,

    /// Write an ONNX model in 8-bit integers, a quarter of the size; its accuracy is measured on the test photos
    #[arg(long, value_enum, value_name = "TYPE")]
    pub quantize: Option<QuantizeTo>,

    /// The model's license, by name or address, for the file's metadata
    #[arg(long, value_name = "TEXT")]
    pub license: Option<String>,

    /// Who made the model, for the file's metadata
    #[arg(long, value_name = "TEXT")]
    pub author: Option<String>,

    /// Threads [default: one for each core]
    #[arg(long)]
    pub threads: Option<usize>,

    #[command(flatten)]
    pub cache: CacheArguments,
}

/// A form of a trained model, or of the figures of its training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One file from RGB pixels to probabilities, which ONNX Runtime, OpenVINO, rten and tract run
    Onnx,
    /// The weights alone, under Keras' names
    Safetensors,
    /// A folder with weights, the network as TOML, and scripts that build it in Keras and in PyTorch
    Keras,
    /// The run's figures as tables: epochs.csv and steps.csv in a folder
    Csv,
    /// The run's figures as event files; `train --tensorboard` writes them while it trains
    Tensorboard,
    /// The run's figures and settings as a run in MLflow's folder mlruns, which may hold others
    Mlflow,
}

impl ExportFormat {
    /// Whether it is of the figures of a run, not of its model.
    pub fn is_figures(self) -> bool {
        matches!(
            self,
            ExportFormat::Csv | ExportFormat::Tensorboard | ExportFormat::Mlflow
        )
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            ExportFormat::Onnx => "onnx",
            ExportFormat::Safetensors => "safetensors",
            ExportFormat::Keras => "keras",
            ExportFormat::Csv => "csv",
            ExportFormat::Tensorboard => "tensorboard",
            ExportFormat::Mlflow => "mlflow",
        }
    }
}

/// What the input of an ONNX model holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportInput {
    /// RGB bytes, [batch, height, width, 3]
    Uint8Nhwc,
    /// RGB from 0 to 1 in f32, [batch, 3, height, width]
    FloatNchw,
}

/// A number type to compute in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QuantizeTo {
    /// 8-bit integers, with ranges learned from the run's validation photos
    Int8,
}
