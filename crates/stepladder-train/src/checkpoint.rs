//! Where a training stands: weights, optimizer, callbacks, the place within the epochs and the length of the logs, in one safetensors
//! file with a blake3 sum over all of it.

use crate::error::TrainError;
use crate::fit::Rescue;
use crate::meter::{Clock, Mean};
use crate::plateau::{PlateauState, StoppingState};
use crate::preparation::TrainingRequest;
use crate::watch::Watch;
use serde::{Deserialize, Serialize};
use stepladder_classifier::{read_arrays_in, write_arrays_in};
use stepladder_nn::{Array, OptimizerState, Trainer};
use stepladder_run::{Decided, Folder, Outcome};

/// A prefix of the names of weights in the file.
const MODEL: &str = "model/";

/// A prefix of the names of optimizer moments in the file.
const OPTIMIZER: &str = "optimizer/";

/// Everything but the arrays: the header of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Checkpoint {
    /// What the run began with; unknown in checkpoints of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_with: Option<BeganWith>,
    /// Epochs that ended.
    pub epoch: usize,
    /// Batches of the next epoch that are done.
    pub batch: usize,
    /// Steps that the optimizer took.
    pub step: u64,
    /// Means over those batches.
    pub mean: Mean,
    /// The learning rate of the last step.
    #[serde(with = "crate::bits")]
    pub rate: f32,
    /// The epoch of the best weights, from 1.
    pub best_epoch: Option<usize>,
    /// The figure of that epoch.
    #[serde(with = "crate::bits::option")]
    pub best_figure: Option<f32>,
    /// Early stopping.
    pub stopping: StoppingState,
    /// Reduction of the learning rate on a plateau.
    pub plateau: PlateauState,
    /// What the watch has seen.
    pub watch: Watch,
    /// What was done to save it.
    pub rescue: Rescue,
    /// Steps before the last epoch's end, whose checkpoint is kept to go back to.
    pub anchor: Option<u64>,
    /// How training ended, where only the figures are left to do.
    pub ended: Option<Outcome>,
    /// Bytes of `steps.jsonl` so far.
    pub steps_bytes: u64,
    /// Bytes of `epochs.jsonl` so far.
    pub epochs_bytes: u64,
    /// Time of the epochs that ended.
    pub clock: Clock,
    /// Time of the epoch in progress.
    pub epoch_clock: Clock,
    /// Seconds from the first step, over all sittings.
    #[serde(with = "crate::bits")]
    pub seconds: f64,
}

/// What decides a run's bytes and stands in its `config.json` alone, so that an edit of that is noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeganWith {
    /// The seed of initial weights, order, augmentation and dropout.
    pub seed: u64,
    /// Number format of activations.
    pub precision: String,
    /// Steps in all, under a budget.
    pub steps: Option<u64>,
    /// The most photos that go through the network together.
    pub photos_at_once: Option<usize>,
}

impl BeganWith {
    /// What a request and the decisions on it come to.
    pub(crate) fn new(request: &TrainingRequest, decided: Decided) -> BeganWith {
        BeganWith {
            seed: request.seed,
            precision: request.precision.to_string(),
            steps: decided.steps,
            photos_at_once: decided.photos_at_once,
        }
    }

    /// In what it differs from what is asked for now, in words.
    pub(crate) fn difference(&self, now: &BeganWith) -> Option<String> {
        let number = |number: Option<u64>| number.map_or("none".to_string(), |number| number.to_string());
        let photos = |photos: Option<usize>| number(photos.map(|photos| photos as u64));
        let differences: Vec<String> = [
            ("seed", self.seed.to_string(), now.seed.to_string()),
            ("precision", self.precision.clone(), now.precision.clone()),
            ("steps", number(self.steps), number(now.steps)),
            (
                "photos_at_once",
                photos(self.photos_at_once),
                photos(now.photos_at_once),
            ),
        ]
        .into_iter()
        .filter(|(_, then, now)| then != now)
        .map(|(what, then, now)| format!("{what} was {then} and is {now}"))
        .collect();
        (!differences.is_empty()).then(|| differences.join(", "))
    }
}

/// A checkpoint with its arrays, in host memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    pub place: Checkpoint,
    /// Weights and moments, told apart by a prefix of their names.
    arrays: Vec<Array>,
}

impl Snapshot {
    /// A copy of where `trainer` stands.
    pub fn take(place: &Checkpoint, trainer: &Trainer) -> Snapshot {
        let prefixed = |prefix: &'static str| {
            move |mut array: Array| {
                array.name.insert_str(0, prefix);
                array
            }
        };
        let weights = trainer.model().to_arrays().into_iter().map(prefixed(MODEL));
        let moments = trainer.state().slots.into_iter().map(prefixed(OPTIMIZER));
        Snapshot {
            place: place.clone(),
            arrays: weights.chain(moments).collect(),
        }
    }

    /// Writes it, atomically.
    pub fn write(&self, folder: &Folder, name: &str) -> Result<(), TrainError> {
        write_sealed(folder, name, &self.place, &self.arrays)
    }

    /// Reads it. A file that is not exactly what was written is an error.
    pub fn read(folder: &Folder, name: &str) -> Result<Snapshot, TrainError> {
        let (place, arrays) = read_sealed(folder, name)?;
        Ok(Snapshot { place, arrays })
    }

    /// The place, the weights and the optimizer's state.
    pub fn into_parts(self) -> (Checkpoint, Vec<Array>, OptimizerState) {
        let (mut weights, mut slots) = (Vec::new(), Vec::new());
        for mut array in self.arrays {
            if let Some(name) = array.name.strip_prefix(MODEL) {
                array.name = name.to_string();
                weights.push(array);
            } else if let Some(name) = array.name.strip_prefix(OPTIMIZER) {
                array.name = name.to_string();
                slots.push(array);
            }
        }
        let iterations = self.place.step;
        (self.place, weights, OptimizerState { iterations, slots })
    }
}

/// A document with the blake3 sum of itself and the arrays beside it.
#[derive(Serialize)]
struct Sealed<D> {
    content: D,
    blake3: String,
}

/// Writes a document and arrays, atomically, with their sum.
pub(crate) fn write_sealed<D: Serialize>(
    folder: &Folder,
    name: &str,
    content: &D,
    arrays: &[Array],
) -> Result<(), TrainError> {
    let text = serde_json::to_vec(content);
    let text = text.map_err(|error| TrainError::write(&folder.path().join(name), error.into()))?;
    let blake3 = sum(&text, arrays);
    Ok(write_arrays_in(
        folder,
        name,
        &Sealed { content, blake3 },
        arrays,
    )?)
}

/// Reads what [`write_sealed`] wrote, arrays sorted by name. A changed bit anywhere in it is [`TrainError::DamagedCheckpoint`]; a whole
/// file that this version does not understand is [`TrainError::OtherVersion`].
pub(crate) fn read_sealed<D: for<'de> Deserialize<'de>>(
    folder: &Folder,
    name: &str,
) -> Result<(D, Vec<Array>), TrainError> {
    let file = read_arrays_in(folder, name)?;
    let path = || folder.path().join(name);
    let content =
        unsealed(&file.document).filter(|(content, blake3)| sum(content.as_bytes(), &file.arrays) == *blake3);
    let (content, _) = content.ok_or_else(|| TrainError::DamagedCheckpoint { path: path() })?;
    let content = serde_json::from_str(content).map_err(|error| TrainError::OtherVersion {
        path: path(),
        reason: error.to_string(),
    })?;
    Ok((content, file.arrays))
}

/// The content and the sum of a [`Sealed`], as they were written.
fn unsealed(document: &str) -> Option<(&str, &str)> {
    let document = document.strip_prefix("{\"content\":")?.strip_suffix("\"}")?;
    document.rsplit_once(",\"blake3\":\"")
}

/// The sum over a document and arrays in the order of their names: names, shapes and bytes, each with its length in front.
fn sum(document: &[u8], arrays: &[Array]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    part(document);
    let mut sorted: Vec<&Array> = arrays.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    for array in sorted {
        part(array.name.as_bytes());
        part(format!("{:?}", array.shape).as_bytes());
        part(bytemuck::cast_slice(&array.values));
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_read_back_and_damage_is_told_from_another_version() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let arrays = [Array::new("a", vec![2], vec![1.0, -0.0])];
        write_sealed(&folder, "file", &7_usize, &arrays).unwrap();
        assert_eq!(
            read_sealed::<usize>(&folder, "file").unwrap(),
            (7, arrays.to_vec())
        );
        // Whole, and of a form that another version might write.
        let other = read_sealed::<String>(&folder, "file");
        assert!(matches!(other, Err(TrainError::OtherVersion { .. })));
        let path = place.path().join("file");
        let bytes = std::fs::read(&path).unwrap();
        for at in 8..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            let read = read_sealed::<usize>(&folder, "file");
            assert!(read.is_err_and(|error| error.is_damage()), "byte {at}");
        }
    }
}
