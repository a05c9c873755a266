//! Gradient steps: forward, loss, backward, optimizer, moving statistics.

use crate::array::{Array, Stored};
use crate::forward::{Mode, forward};
use crate::model::{Model, ModelError, flat, specs, to_host};
use crate::ops;
use crate::optimizer::{Optimizer, OptimizerState};
use burn::tensor::Tensor;
use stepladder_model::{OptimizerConfig, ParameterSpec};

/// A model being trained.
#[derive(Debug)]
pub struct Trainer {
    model: Model,
    optimizer: Optimizer,
    label_smoothing: f32,
    seed: u64,
}

/// What one step says of its batch, measured before the step's update.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome {
    /// Mean loss over the batch, label smoothing included.
    pub loss: f32,
    /// Photos whose greatest logit was the right class, with dropout and batch statistics in force.
    pub correct: usize,
}

impl Trainer {
    /// A trainer at its first step. `seed` keys the dropout masks; `label_smoothing` is in [0, 1).
    pub fn new(model: Model, optimizer: OptimizerConfig, label_smoothing: f32, seed: u64) -> Trainer {
        Trainer {
            model,
            optimizer: Optimizer::new(optimizer),
            label_smoothing,
            seed,
        }
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Ends the training.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// Trains on one batch: `images` `[N, H, W, 3]` in [0, 1], with one label each.
    ///
    /// # Panics
    ///
    /// If `images` is not of the network's input size times the number of labels, or a label is not a class.
    pub fn step(&mut self, images: Vec<f32>, labels: &[u32], learning_rate: f32) -> StepOutcome {
        let device = self.model.device();
        device.together(|| self.step_here(images, labels, learning_rate))
    }

    /// [`Trainer::step`] on this thread, with whatever others the pool has.
    fn step_here(&mut self, images: Vec<f32>, labels: &[u32], learning_rate: f32) -> StepOutcome {
        let trainable: Vec<bool> = specs(self.model.network()).map(|spec| spec.trainable).collect();
        let tracked: Vec<Tensor<1>> = self
            .model
            .parameters()
            .iter()
            .zip(&trainable)
            .map(track)
            .collect();
        let mode = Mode::Training {
            seed: self.seed,
            step: self.optimizer.iterations(),
        };
        let images = self.model.images(images, labels.len()).autodiff();
        let pass = forward(
            self.model.network(),
            self.model.plan(),
            tracked.as_slice().into(),
            images,
            mode,
        );
        let loss = ops::cross_entropy(pass.logits.clone(), labels, self.label_smoothing);
        let mut gradients = loss.backward();

        let outcome = StepOutcome {
            loss: to_host(loss.inner())[0],
            correct: correct(&to_host(pass.logits.inner()), labels),
        };
        let gradient_of = |parameter: &Tensor<1>| {
            let gradient = parameter.grad_remove(&mut gradients);
            gradient.unwrap_or_else(|| parameter.clone().inner().zeros_like())
        };
        let with_gradient = tracked
            .iter()
            .zip(&trainable)
            .filter(|(_, trainable)| **trainable);
        let gradients: Vec<Tensor<1>> = with_gradient
            .map(|(parameter, _)| parameter)
            .map(gradient_of)
            .collect();
        drop(tracked);

        let values = self.model.parameters_mut();
        for (index, value) in pass.statistics {
            values[index] = value;
        }
        let mut moving: Vec<&mut Tensor<1>> = values
            .iter_mut()
            .zip(&trainable)
            .filter(|(_, trainable)| **trainable)
            .map(|(value, _)| value)
            .collect();
        self.optimizer.step(&mut moving, gradients, learning_rate);
        outcome
    }

    /// A copy of the optimizer's state in host memory.
    pub fn state(&self) -> OptimizerState {
        let names = self.optimizer.slot_names();
        let specs = specs(self.model.network()).filter(|spec| spec.trainable);
        let slots = specs.zip(self.optimizer.slots()).flat_map(|(spec, slots)| {
            names.iter().zip(slots).map(move |(name, slot)| {
                Array::new(
                    format!("{name}/{}", spec.name),
                    spec.shape.clone(),
                    to_host(slot.clone()),
                )
            })
        });
        OptimizerState {
            iterations: self.optimizer.iterations(),
            slots: slots.collect(),
        }
    }

    /// Goes on from a state that [`Trainer::state`] gave for the same network and optimizer.
    pub fn restore(&mut self, state: OptimizerState) -> Result<(), ModelError> {
        let device = self.model.device();
        let names = self.optimizer.slot_names();
        let mut stored = Stored::new(state.slots);
        // Before the first step there are no moments yet.
        let trainable = specs(self.model.network()).filter(|spec| spec.trainable && state.iterations > 0);
        let mut take = |spec: &ParameterSpec| {
            let slot = |moment: &&str| {
                Ok(flat(
                    stored.take(&format!("{moment}/{}", spec.name), &spec.shape)?,
                    device,
                ))
            };
            names.iter().map(slot).collect::<Result<Vec<_>, ModelError>>()
        };
        let slots = trainable.map(&mut take).collect::<Result<Vec<_>, _>>()?;
        stored.finish()?;
        self.optimizer.restore(state.iterations, slots);
        Ok(())
    }
}

/// A parameter ready for a pass: with gradients where it is trained, a constant where it is a moving statistic.
fn track((parameter, trainable): (&Tensor<1>, &bool)) -> Tensor<1> {
    let parameter = parameter.clone().autodiff();
    if *trainable {
        parameter.require_grad()
    } else {
        parameter
    }
}

/// How many rows of `logits` are greatest at their label (the first of equals counts).
fn correct(logits: &[f32], labels: &[u32]) -> usize {
    let classes = logits.len() / labels.len().max(1);
    let rows = logits.chunks_exact(classes.max(1)).zip(labels);
    rows.filter(|(row, label)| argmax(row) == **label as usize)
        .count()
}

/// The index of the greatest value, the first of equals; NaN never wins, and an empty row gives 0.
pub fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] || row[best].is_nan() {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_first_and_nan_never_wins() {
        assert_eq!(argmax(&[0.4, 0.4, 0.2]), 0);
        assert_eq!(argmax(&[f32::NAN, 0.1, 0.2]), 2);
        assert_eq!(argmax(&[0.3, f32::NAN, 0.2]), 0);
        assert_eq!(argmax(&[]), 0);
    }

    #[test]
    fn right_answers_are_counted_by_row() {
        assert_eq!(correct(&[0.1, 0.9, 0.8, 0.2, 0.3, 0.7], &[1, 0, 0]), 2);
    }
}
