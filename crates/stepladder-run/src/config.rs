//! What was asked of a run, and what was decided of it once, before the first step, so that a run that goes on does as it began:
//! `config.json`.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use stepladder_model::ImageSize;

/// What was asked for, with every default filled in: `config.json`. The rung itself is in `rung.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Where the photos came from.
    pub data: DataRecord,
    /// The rung's name.
    pub model: String,
    /// Height and width of the network's input in pixels.
    pub size: ImageSize,
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
    /// Whether moving averages are evaluated as they are, even where they lag behind the weights.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moving_statistics: bool,
    /// What was asked for where the rung was chosen (`auto`), in words; absent of rungs that were named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Vec<String>>,
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
    /// How folders and names were read, where that was asked for.
    #[serde(default, skip_serializing_if = "ReadingRecord::is_usual")]
    pub reading: ReadingRecord,
}

/// How the names of folders and files were read; what is absent was read as usual.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingRecord {
    /// What each level of folders means, as in `group/class`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// The pattern by which files' names hold the classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_from: Option<String>,
    /// What photos are kept together by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_by: Option<String>,
    /// Whether symbolic links were followed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follow_links: bool,
    /// The classes that were taken; all where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The encoding of a zip's names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zip_names: Option<String>,
}

impl ReadingRecord {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What happens when a training is found to be stuck at chance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStuck {
    /// It is said, and training goes on.
    #[default]
    Warn,
    /// Training ends.
    Stop,
    /// Training begins again with other initial weights, a few times at most.
    Reseed,
}

/// What was decided before the first step of a run, by the machine that it began on; part of `config.json`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Steps in all, where a budget of time decides them and not the rung's epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// The most photos that go through the network together, where the batch is too large for the memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photos_at_once: Option<usize>,
}
