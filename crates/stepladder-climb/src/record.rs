//! `climb.json`: a climb in one document, written anew after each run.

use crate::error::ClimbError;
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use std::path::Path;
use stepladder_comparison::Comparison;
use stepladder_model::ImageSize;
use stepladder_run::write_atomically;
use stepladder_train::{Summary, Unsettled};

/// The name of the document in a climb's directory.
pub(crate) const FILE: &str = "climb.json";

/// The longest document that is read, in bytes: a thousand runs take less than one hundredth.
const LONGEST: u64 = 1 << 28;

/// The version of the document.
const FORMAT: u32 = 1;

/// A climb: settings, runs, figures, comparisons. Shares lie between 0 and 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClimbRecord {
    /// The version of this document.
    pub format: u32,
    /// The version of Stepladder that wrote it.
    pub stepladder: String,
    /// The directory.
    pub climb: String,
    /// What all runs have in common.
    pub settings: Settings,
    /// The seeds of each rung's trainings.
    pub seeds: Vec<u64>,
    /// Whether every rung was trained with every seed, or cannot be.
    pub complete: bool,
    /// Seconds spent on training so far, over all calls.
    pub spent_seconds: f64,
    /// One for each rung, in the order of training.
    pub rungs: Vec<RungRecord>,
    /// The rung with the best test accuracy; null before there are two to choose from.
    pub best: Option<Best>,
    /// The two rungs that are closest to each other without being equal; null without two such.
    pub closest: Option<Closest>,
}

/// One rung of a climb.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RungRecord {
    /// Its name.
    pub rung: String,
    /// Names of its parent, its parent's parent, and so on.
    pub ancestors: Vec<String>,
    /// What it changes of its parent, in its own words.
    pub change: String,
    /// What each of the ancestors changes of its own parent.
    #[serde(default)]
    pub ancestor_changes: Vec<String>,
    /// The test accuracy that the deck reports; null without.
    pub deck_test_accuracy: Option<f64>,
    /// Height and width of the network's input in pixels.
    pub size: ImageSize,
    /// Trainable parameters; null where it gives no network.
    pub parameters: Option<u64>,
    /// The most epochs of its trainings; null under a budget, before they are chosen.
    pub epoch_limit: Option<usize>,
    /// Under a budget, the measured seconds of its first epoch.
    pub epoch_seconds: Option<f64>,
    /// One for each seed, in their order.
    pub runs: Vec<RunRecord>,
    /// Means over the seeds that are done; null before there is one.
    pub figures: Option<Figures>,
    /// The rung against its parent, or the nearest ancestor that was trained; null where none was.
    pub against: Option<Against>,
}

impl RungRecord {
    /// Why the figures say little of the rung, where a training of it was cut short or still improving.
    pub fn unsettled(&self) -> Option<Unsettled> {
        let done = self.runs.iter().filter(|run| run.outcome == RunOutcome::Done);
        done.filter_map(|run| run.summary.as_ref()?.unsettled).next()
    }
}

/// One training of a rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its seed.
    pub seed: u64,
    /// Its directory within the climb's; null before it began.
    pub run: Option<String>,
    /// How far it came.
    pub outcome: RunOutcome,
    /// Why it failed; null otherwise.
    pub reason: Option<String>,
    /// Its figures; null before it is done.
    pub summary: Option<Summary>,
}

impl RunRecord {
    /// Not begun.
    pub(crate) fn waiting(seed: u64) -> RunRecord {
        RunRecord {
            seed,
            run: None,
            outcome: RunOutcome::Waiting,
            reason: None,
            summary: None,
        }
    }
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// It has not begun, or not ended.
    Waiting,
    /// It is done, by all its epochs or by early stopping.
    Done,
    /// It cannot be trained.
    Failed,
}

/// A rung's figures, in the mean over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Seeds that are done.
    pub seeds: usize,
    /// On the test part; null without one.
    pub test: Option<Share>,
    /// On the validation part; null without one.
    pub validation: Option<Share>,
    /// On the training part, without augmentation and dropout.
    pub train: Option<Share>,
    /// Epochs trained.
    pub epochs: f64,
    /// Seconds of one training.
    pub seconds: f64,
}

/// A share of photos that were right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The mean over the seeds.
    pub accuracy: f64,
    /// Wilson's 95% interval for this many photos.
    pub interval: [f64; 2],
    /// Photos in the part.
    pub photos: usize,
}

/// A rung against another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// The other.
    pub rung: String,
    /// Whether it is the parent, or an ancestor further up because the parent was not trained.
    pub parent: bool,
    /// What changed since then: of the rung, and of those between.
    #[serde(default)]
    pub change: String,
    /// Why there is no verdict, in a sentence; null where there is one.
    #[serde(default)]
    pub unsettled: Option<String>,
    /// The comparison; null where they cannot be compared.
    pub comparison: Option<Comparison>,
    /// Why they cannot; null otherwise.
    pub reason: Option<String>,
}

/// The rung with the best test accuracy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The rung.
    pub rung: String,
    /// Its test accuracy.
    pub test: Share,
    /// Whether some of the rungs were cut short or still improving, so that another may turn out to be the best.
    #[serde(default)]
    pub unsettled: bool,
    /// Rungs that are not told apart from it: their difference is within noise, or one of the two was cut short or still improving.
    pub not_told_apart: Vec<String>,
}

/// The two rungs whose test accuracies are closest to each other without being equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Closest {
    /// The lesser.
    pub lesser: String,
    /// The better.
    pub better: String,
    /// How much better.
    pub difference: f64,
    /// The share of photos that only one of the two gets right.
    pub discordant: f64,
    /// Test photos that would tell the two apart.
    pub photos_to_tell_apart: u64,
    /// Test photos that there were.
    pub photos: usize,
}

impl ClimbRecord {
    /// A climb that has trained nothing yet.
    pub(crate) fn new(directory: &Path, settings: Settings, seeds: &[u64]) -> ClimbRecord {
        ClimbRecord {
            format: FORMAT,
            stepladder: env!("CARGO_PKG_VERSION").to_string(),
            climb: directory.display().to_string(),
            settings,
            seeds: seeds.to_vec(),
            complete: false,
            spent_seconds: 0.0,
            rungs: Vec::new(),
            best: None,
            closest: None,
        }
    }

    /// Reads the document of the climb in `directory`; `None` where there is none.
    pub fn read(directory: &Path) -> Result<Option<ClimbRecord>, ClimbError> {
        let path = directory.join(FILE);
        let text = match stepladder_files::read(&path, LONGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ClimbError::Read { path, source }),
        };
        let damaged = |reason: String| ClimbError::Damaged {
            path: path.clone(),
            reason,
        };
        let record: ClimbRecord =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if record.format > FORMAT {
            return Err(damaged(format!(
                "made by Stepladder {}, in a newer format than this version reads",
                record.stepladder
            )));
        }
        Ok(Some(record))
    }

    /// Writes the document, atomically.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), ClimbError> {
        let path = directory.join(FILE);
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from);
        let written = text.and_then(|text| write_atomically(&path, (text + "\n").as_bytes()));
        written.map_err(ClimbError::write(&path))
    }

    /// The rung of that name.
    pub fn rung(&self, name: &str) -> Option<&RungRecord> {
        self.rungs.iter().find(|rung| rung.rung == name)
    }
}
