//! Ways back: from a loss that is not a number to the last good state, once, at a lower learning rate; from a network that learns
//! nothing to other initial weights.
//!
//! What happens follows from the steps alone, and never from when a checkpoint was written: the last good state is that at the
//! epoch's start. So a run that is killed anywhere on the way takes the same turns again.

use super::Fit;
use crate::checkpoint::Checkpoint;
use crate::checkpoints::restore;
use crate::error::TrainError;
use crate::log::Log;
use crate::watch::{Cause, Diagnosis};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stepladder_nn::{Model, StepOutcome};

/// The learning rate after the way back, over that before.
const LOWER: f32 = 0.1;

/// How often a stuck training begins again.
const RESEEDS: u64 = 3;

/// What was done to save a training; part of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rescue {
    /// Whether it went back to an epoch's start because the loss was not a number.
    pub rolled_back: bool,
    /// What the learning rate is multiplied by since.
    #[serde(with = "crate::bits")]
    pub rate_factor: f32,
    /// How often it began again with other initial weights.
    pub reseeds: u64,
}

impl Default for Rescue {
    fn default() -> Rescue {
        Rescue {
            rolled_back: false,
            rate_factor: 1.0,
            reseeds: 0,
        }
    }
}

impl Fit<'_, '_> {
    /// The loss of a step is not a number: says where, and goes back, or gives up.
    pub(super) fn not_a_number(
        &mut self,
        step: &StepOutcome,
        rate: f32,
        photos: &[u32],
    ) -> Result<(), TrainError> {
        let layer = self.first_layer_off_the_numbers(photos)?;
        let names = photos
            .iter()
            .map(|&photo| &self.prepared.dataset.photos[photo as usize].name);
        let mut names: Vec<&str> = names.map(|name| &**name).collect();
        let more = names.len().saturating_sub(3);
        names.truncate(3);
        let seen = format!(
            "the loss became {} at step {}{}; the batch held {}{}",
            step.loss,
            self.place.step,
            layer
                .as_ref()
                .map_or(String::new(), |layer| format!(", first in layer {layer}")),
            names.join(", "),
            match more {
                0 => String::new(),
                more => format!(" and {more} more"),
            }
        );
        self.back_to_the_numbers(seen, layer, rate, step.loss)
    }

    /// Whether the epoch's last steps left weights that are no numbers, which no loss has shown yet. Goes back if so, or gives up.
    pub(super) fn weights_left_the_numbers(&mut self) -> Result<bool, TrainError> {
        let arrays = self.trainer.model().to_arrays();
        let broken = arrays.iter().find(|a| a.values.iter().any(|v| !v.is_finite()));
        let Some(name) = broken.map(|array| array.name.clone()) else {
            return Ok(false);
        };
        drop(arrays);
        let seen = format!("after step {}, {name} holds what is no number", self.place.step);
        let layer = name.split('/').next().map(str::to_string);
        self.back_to_the_numbers(seen, layer, self.place.rate, f32::NAN)?;
        Ok(true)
    }

    /// Validation got answers that are not finite, though weights and losses were. Goes back, or gives up.
    pub(super) fn answers_left_the_numbers(&mut self, photos: usize, asked: usize) -> Result<(), TrainError> {
        let seen = format!(
            "after step {}, the answers about {photos} of {asked} validation photos are not finite, though the weights are",
            self.place.step
        );
        self.back_to_the_numbers(seen, None, self.place.rate, f32::NAN)
    }

    fn back_to_the_numbers(
        &mut self,
        seen: String,
        layer: Option<String>,
        rate: f32,
        loss: f32,
    ) -> Result<(), TrainError> {
        let (step, epoch) = (self.place.step, self.place.epoch + 1);
        let again = self.place.rescue.rolled_back;
        let remedy = match again {
            true => format!(
                "this was the second time; give a lower learning rate, e.g. --lr {:.0e}",
                rate * LOWER
            ),
            false => format!(
                "training goes back to the start of epoch {epoch} and on at {} of the learning rate",
                LOWER
            ),
        };
        self.note_diagnosis(Diagnosis {
            cause: Cause::NotANumber,
            epoch,
            step,
            since: None,
            layer,
            seen,
            remedy,
        })?;
        if again {
            self.flush()?;
            return Err(TrainError::Diverged {
                step,
                epoch,
                loss,
                suggestion: rate * LOWER,
            });
        }
        let rescue = Rescue {
            rolled_back: true,
            rate_factor: self.place.rescue.rate_factor * LOWER,
            ..self.place.rescue
        };
        self.set_back(self.place.anchor.filter(|&anchor| anchor > 0), rescue)
    }

    /// Begins again with other initial weights, if it has not done so too often; whether it does.
    pub(super) fn reseed(&mut self) -> Result<bool, TrainError> {
        let reseeds = self.place.rescue.reseeds + 1;
        if reseeds > RESEEDS {
            return Ok(false);
        }
        let rescue = Rescue {
            reseeds,
            ..self.place.rescue
        };
        self.set_back(None, rescue)?;
        Ok(true)
    }

    /// Goes back to the checkpoint after `step` steps, or to before the first; what was found and done stays known.
    fn set_back(&mut self, step: Option<u64>, rescue: Rescue) -> Result<(), TrainError> {
        self.writer.wait()?;
        let watch = self.place.watch.clone();
        let seconds = self.seconds();
        let at_once = self.decided.photos_at_once;
        let graph = self.prepared.graph.clone();
        match step {
            Some(step) => {
                let restored = restore(self.run, step, self.observer)?;
                let (place, weights, optimizer) = restored.snapshot.into_parts();
                let model = Model::from_arrays(graph, weights, self.request.device)?;
                self.trainer = self.request.trainer(model, at_once);
                self.trainer.restore(optimizer)?;
                self.place = place;
                self.best = restored.best.map(Arc::from);
                (self.steps, self.epochs) = (restored.steps.go_on()?, restored.epochs.go_on()?);
            }
            None => {
                let seed = self.request.seed.wrapping_add(rescue.reseeds);
                let model = self.request.initial_model(self.prepared, seed)?;
                self.trainer = self.request.trainer(model, at_once);
                self.place = Checkpoint::default();
                self.best = None;
                self.steps = Log::begin(self.run, &self.run.steps())?;
                self.epochs = Log::begin(self.run, &self.run.epochs())?;
            }
        }
        self.place.watch = watch.after_setback(self.place.epoch);
        self.place.rescue = rescue;
        self.best_is_new = false;
        self.seconds_before = seconds;
        self.began = std::time::Instant::now();
        // What was written on the way that is left must not be gone on from.
        self.writer.forget();
        self.checkpoint()
    }
}
