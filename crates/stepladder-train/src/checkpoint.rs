//! Where a training stands: weights, optimizer, callbacks and the place within the epochs, in one safetensors file.

use crate::error::TrainError;
use crate::plateau::{PlateauState, StoppingState};
use serde::{Deserialize, Serialize};
use std::path::Path;
use stepladder_classifier::{read_arrays, write_arrays};
use stepladder_nn::{Array, OptimizerState, Trainer};

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
    /// The epoch of the best weights, from 1.
    pub best_epoch: Option<usize>,
    /// The figure of that epoch.
    pub best_figure: Option<f32>,
    /// Early stopping.
    pub stopping: StoppingState,
    /// Reduction of the learning rate on a plateau.
    pub plateau: PlateauState,
}

impl Checkpoint {
    /// Writes this place and the trainer's arrays, atomically.
    pub fn write(&self, path: &Path, trainer: &Trainer) -> Result<(), TrainError> {
        let prefixed = |prefix: &'static str| {
            move |a: Array| Array {
                name: format!("{prefix}{}", a.name),
                ..a
            }
        };
        let mut arrays: Vec<Array> = trainer
            .model()
            .to_arrays()
            .into_iter()
            .map(prefixed(MODEL))
            .collect();
        arrays.extend(trainer.state().slots.into_iter().map(prefixed(OPTIMIZER)));
        Ok(write_arrays(path, self, &arrays)?)
    }

    /// Reads a place, the weights and the optimizer's state.
    pub fn read(path: &Path) -> Result<(Checkpoint, Vec<Array>, OptimizerState), TrainError> {
        let file = read_arrays::<Checkpoint>(path)?;
        let (mut weights, mut slots) = (Vec::new(), Vec::new());
        for array in file.arrays {
            let stripped = |name: &str| Array {
                name: name.to_string(),
                ..array.clone()
            };
            if let Some(name) = array.name.strip_prefix(MODEL) {
                weights.push(stripped(name));
            } else if let Some(name) = array.name.strip_prefix(OPTIMIZER) {
                slots.push(stripped(name));
            }
        }
        let iterations = file.document.step;
        Ok((file.document, weights, OptimizerState { iterations, slots }))
    }
}
