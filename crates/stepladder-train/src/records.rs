//! What a run writes down: one record a step, one an epoch, the environment, and the summary. All are JSON, and their
//! field names are what `--json` prints.

use crate::controls::{Decided, OnStuck};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use stepladder_data::DataRequest;

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
    /// Side of the square that the network sees, in pixels.
    pub size: usize,
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
}

/// What was asked for, with every default filled in: `config.json`. The rung itself is in `rung.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Where the photos came from.
    pub data: DataRecord,
    /// The rung's name.
    pub model: String,
    /// Side of the network's input in pixels.
    pub size: usize,
    /// Most epochs.
    pub epochs: usize,
    /// Photos per step.
    pub batch_size: usize,
    /// The optimizer's learning rate, before any schedule.
    pub learning_rate: f32,
    /// The seed of initial weights, order, augmentation and dropout.
    pub seed: u64,
    /// The seed of the split.
    pub split_seed: u64,
    /// Whether nearly equal photos stay in one part of the split.
    #[serde(default)]
    pub group_duplicates: bool,
    /// Where it computed.
    pub device: String,
    /// Number format of weights and activations.
    pub precision: String,
    /// Threads that computed and loaded.
    pub threads: usize,
    /// Seconds that the training was to take; null where the rung's epochs count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_seconds: Option<f64>,
    /// What to do where it is stuck.
    #[serde(default)]
    pub on_stuck: OnStuck,
    /// What the machine decided before the first step.
    #[serde(flatten)]
    pub decided: Decided,
}

/// The data of a run, as absolute paths, so that it is found again from any folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// The set inside the program, by name, instead of any path.
    pub shipped: Option<String>,
    /// Zip, folder, table or IDX files.
    pub path: Option<PathBuf>,
    /// The table that names files in `path`.
    pub table: Option<PathBuf>,
    /// Separate training photos.
    pub train: Option<PathBuf>,
    /// Separate validation photos.
    pub val: Option<PathBuf>,
    /// Separate test photos.
    pub test: Option<PathBuf>,
}

impl DataRecord {
    /// Writes a request down.
    pub fn new(request: &DataRequest) -> DataRecord {
        // Where the current folder is gone, the path as given is the best that is known.
        let absolute = |path: &Option<PathBuf>| {
            path.as_ref()
                .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
        };
        DataRecord {
            shipped: request.memory.as_ref().map(|(name, _)| name.clone()),
            path: absolute(&request.path),
            table: absolute(&request.table),
            train: absolute(&request.train),
            val: absolute(&request.val),
            test: absolute(&request.test),
        }
    }

    /// The request again. `shipped` gives the bytes of the set inside the program.
    pub fn request(&self, shipped: &'static [u8]) -> DataRequest {
        DataRequest {
            memory: self.shipped.clone().map(|name| (name, shipped)),
            path: self.path.clone(),
            table: self.table.clone(),
            train: self.train.clone(),
            val: self.val.clone(),
            test: self.test.clone(),
        }
    }
}
