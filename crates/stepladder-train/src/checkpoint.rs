//! Where a training stands: weights, optimizer, callbacks, the place within the epochs and the length of the logs, in one safetensors
//! file with a blake3 sum over all of it.

use crate::error::TrainError;
use crate::fit::Rescue;
use crate::meter::{Clock, Mean};
use crate::plateau::{PlateauState, StoppingState};
use crate::watch::Watch;
use serde::{Deserialize, Serialize};
use std::path::Path;
use stepladder_classifier::{read_arrays, write_arrays};
use stepladder_nn::{Array, OptimizerState, Trainer};
use stepladder_run::Outcome;

/// A prefix of the names of weights in the file.
const MODEL: &str = "model/";

/// A prefix of the names of optimizer moments in the file.
const OPTIMIZER: &str = "optimizer/";

/// Everything but the arrays: the header of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Checkpoint {
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
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        write_sealed(path, &self.place, &self.arrays)
    }

    /// Reads it. A file that is not exactly what was written is an error.
    pub fn read(path: &Path) -> Result<Snapshot, TrainError> {
        let (place, arrays) = read_sealed(path)?;
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
#[derive(Serialize, Deserialize)]
struct Sealed<D> {
    content: D,
    blake3: String,
}

/// Writes a document and arrays, atomically, with their sum.
pub(crate) fn write_sealed<D: Serialize>(
    path: &Path,
    content: &D,
    arrays: &[Array],
) -> Result<(), TrainError> {
    let blake3 = sum(path, content, arrays)?;
    Ok(write_arrays(path, &Sealed { content, blake3 }, arrays)?)
}

/// Reads what [`write_sealed`] wrote, arrays sorted by name. A changed bit anywhere in it is an error.
pub(crate) fn read_sealed<D: Serialize + for<'de> Deserialize<'de>>(
    path: &Path,
) -> Result<(D, Vec<Array>), TrainError> {
    let file = read_arrays::<Sealed<D>>(path)?;
    if sum(path, &file.document.content, &file.arrays)? != file.document.blake3 {
        return Err(TrainError::DamagedCheckpoint {
            path: path.to_path_buf(),
        });
    }
    Ok((file.document.content, file.arrays))
}

/// The sum over a document and arrays in the order of their names: names, shapes and bytes, each with its length in front.
fn sum<D: Serialize>(path: &Path, content: &D, arrays: &[Array]) -> Result<String, TrainError> {
    let document = serde_json::to_vec(content).map_err(|error| TrainError::write(path, error.into()))?;
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    part(&document);
    let mut sorted: Vec<&Array> = arrays.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    for array in sorted {
        part(array.name.as_bytes());
        part(format!("{:?}", array.shape).as_bytes());
        part(bytemuck::cast_slice(&array.values));
    }
    Ok(hasher.finalize().to_hex().to_string())
}
