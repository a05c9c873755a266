//! What a run writes down: one record a step, one an epoch, the environment, and the summary. All are JSON, and their
//! field names are what `--json` prints.

use serde::{Deserialize, Serialize};
use stepladder_model::ImageSize;

/// One optimizer step, a line of `steps.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Steps before this one, over all epochs.
    pub step: u64,
    /// Epoch, from 1.
    pub epoch: usize,
    /// Mean loss of the batch, label smoothing included.
    pub loss: f32,
    /// Share of the batch that was right, with augmentation and dropout in force.
    pub accuracy: f32,
    /// The step's learning rate.
    pub learning_rate: f32,
}

/// One epoch, a line of `epochs.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Mean training loss over the epoch's photos, as the weights moved.
    pub loss: f32,
    /// Share of the training photos that were right, as the weights moved, with augmentation and dropout in force.
    pub accuracy: f32,
    /// Loss on the validation part after the epoch; null without one.
    pub val_loss: Option<f32>,
    /// Accuracy on the validation part after the epoch; null without one.
    pub val_accuracy: Option<f32>,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f32,
    /// Training photos per second, validation left out.
    pub images_per_second: f64,
    /// Share of the training time spent waiting for batches.
    pub input_wait_fraction: f64,
    /// Seconds of the epoch, validation included.
    pub seconds: f64,
    /// Whether this is the best epoch so far.
    pub best: bool,
}

/// Where and with what a run was made: `environment.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Stepladder's version.
    pub stepladder: String,
    /// Operating system and architecture, e.g. `linux x86_64`.
    pub platform: String,
    /// The processor's name; null where it cannot be read.
    pub cpu: Option<String>,
    /// Logical processors.
    pub cores: usize,
    /// Threads that compute.
    pub threads: usize,
    /// Where tensors lived: `cpu`, `cuda:0`, ...
    pub device: String,
    /// Vector instructions of the kernels: `avx512`, `avx2`, ...; null on a GPU.
    pub instruction_set: Option<String>,
    /// Number format of weights and activations: `f32`.
    pub precision: String,
    /// Seconds since 1970 at the start.
    pub started: u64,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All epochs were trained.
    Finished,
    /// The watched figure did not improve for as long as the rung's patience.
    StoppedEarly,
    /// It was stuck at chance, and was to stop then.
    Stuck,
    /// The user stopped it; the last checkpoint holds everything.
    Interrupted,
}

/// The whole of a run in one object: `summary.json`, and what `train --json` prints.
///
/// The figures are the exported weights': those of the best epoch where the rung restores them, the last ones otherwise. A figure
/// of a part that the data does not have is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The run's directory.
    pub run: String,
    /// The rung.
    pub model: String,
    /// How the run ended.
    pub outcome: Outcome,
    /// Class names, in the order of the model's outputs.
    pub classes: Vec<String>,
    /// Height and width of the network's input in pixels.
    pub size: ImageSize,
    /// Photos trained on.
    pub train_images: usize,
    /// Photos of the validation part.
    pub val_images: usize,
    /// Photos of the test part.
    pub test_images: usize,
    /// Epochs trained.
    pub epochs: usize,
    /// Epoch with the best watched figure, from 1; null where nothing is watched (no validation part).
    pub best_epoch: Option<usize>,
    /// Epoch at whose end the weights in `model.safetensors` were, from 1; null if they were within one, when the user stopped.
    pub exported_epoch: Option<usize>,
    /// Accuracy on the training photos, without augmentation and dropout.
    pub train_accuracy: Option<f64>,
    /// Accuracy on the validation part.
    pub val_accuracy: Option<f64>,
    /// Accuracy on the test part.
    pub test_accuracy: Option<f64>,
    /// Mean cross-entropy on the test part.
    pub test_loss: Option<f64>,
    /// Seconds from the first step to the last figure.
    pub seconds: f64,
    /// Training photos per second over the whole run, validation left out.
    pub images_per_second: f64,
    /// Share of the training time spent waiting for batches.
    pub input_wait_fraction: f64,
    /// Most memory that the process has held, in bytes; null where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// The seed of initial weights, order, augmentation and dropout.
    pub seed: u64,
    /// Number format of weights and activations.
    pub precision: String,
    /// Threads that computed.
    pub threads: usize,
    /// Trainable parameters.
    pub parameters: u64,
    /// Files that could not be used, listed in `skipped.tsv`.
    pub skipped_images: usize,
    /// Why its figures say little of what the rung can do; absent where nothing speaks against them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Unsettled>,
    /// Training photos from which the moving statistics of the exported model were computed anew, as those of so few steps lag behind the
    /// weights; absent where they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recomputed_statistics: Option<usize>,
}

/// Why a run's figures say little of what its rung can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unsettled {
    /// It was stopped before its end.
    Stopped,
    /// It ended after a few steps of one or two epochs.
    FewEpochs,
    /// Its last epoch was still better than those before.
    StillImproving,
}

impl Unsettled {
    /// What the run was, in words.
    pub fn words(self) -> &'static str {
        match self {
            Unsettled::Stopped => "was stopped before its end",
            Unsettled::FewEpochs => "was trained for a moment only",
            Unsettled::StillImproving => "was still improving at its end",
        }
    }
}
