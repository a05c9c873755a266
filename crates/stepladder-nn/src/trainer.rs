//! Gradient steps: forward, loss, backward, optimizer, moving statistics. A batch may go through in pieces, whose gradients are
//! added up before the step.

use crate::array::{Array, Stored};
use crate::average::Average;
use crate::forward::{Mode, forward};
use crate::model::{Model, ModelError, flat, specs, to_host};
use crate::ops;
use crate::optimizer::{Optimizer, OptimizerState};
use crate::targets::Targets;
use burn::tensor::Tensor;
use stepladder_model::{OptimizerConfig, ParameterSpec};

/// A model being trained.
#[derive(Debug)]
pub struct Trainer {
    model: Model,
    optimizer: Optimizer,
    average: Option<Average>,
    label_smoothing: f32,
    seed: u64,
    /// The most photos that go through the network together.
    at_once: usize,
}

/// What one step says of its batch, measured before the step's update.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome {
    /// Mean loss over the batch, label smoothing and weights included. Where it is not a number, no step was taken.
    pub loss: f32,
    /// Photos whose greatest logit was the right class (of mixed photos, that with the greater share), with dropout and batch
    /// statistics in force.
    pub correct: usize,
    /// The class of the greatest logit of each photo.
    pub predicted: Vec<u32>,
}

impl Trainer {
    /// A trainer at its first step. `seed` keys the dropout masks; `label_smoothing` is in [0, 1).
    pub fn new(model: Model, optimizer: OptimizerConfig, label_smoothing: f32, seed: u64) -> Trainer {
        Trainer {
            model,
            optimizer: Optimizer::new(optimizer),
            average: None,
            label_smoothing,
            seed,
            at_once: usize::MAX,
        }
    }

    /// Keeps a moving average of the weights beside them, which then stands for the model wherever that is asked for: Keras'
    /// `use_ema` with this `ema_momentum`.
    pub fn with_average(self, momentum: Option<f32>) -> Trainer {
        Trainer {
            average: momentum.map(Average::new),
            ..self
        }
    }

    /// Lets at most this many photos through the network together, to save memory. The sum of the pieces' gradients is the
    /// batch's but for rounding; only batch normalizations see the difference: they normalize each piece by itself, and
    /// their moving statistics move once a piece.
    pub fn at_most_at_once(self, photos: usize) -> Trainer {
        Trainer {
            at_once: photos.max(1),
            ..self
        }
    }

    /// Share of the target spread over all classes.
    pub(crate) fn label_smoothing(&self) -> f32 {
        self.label_smoothing
    }

    /// The model whose weights steps move.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model to be evaluated and kept: with averaged weights where there is an average.
    pub fn evaluated(&self) -> Model {
        let mut model = self.model.clone();
        if let Some(average) = &self.average {
            let trainable: Vec<bool> = specs(model.network()).map(|spec| spec.trainable).collect();
            let values = model.parameters_mut().iter_mut().zip(&trainable);
            let values = values.filter(|(_, trainable)| **trainable);
            for ((value, _), average) in values.zip(average.values()) {
                *value = average.clone();
            }
        }
        model
    }

    /// Trains on one batch: `images` `[N, H, W, 3]` in [0, 1], with one target each.
    ///
    /// # Panics
    ///
    /// If `images` is not of the network's input size times the number of labels, or a label is not a class.
    pub fn step(
        &mut self,
        images: impl AsRef<[f32]> + Send + 'static,
        targets: impl Into<Targets>,
        learning_rate: f32,
    ) -> StepOutcome {
        let device = self.model.device();
        let targets = targets.into();
        device.together(|| self.step_in_pieces(images, &targets, learning_rate))
    }

    fn step_in_pieces(
        &mut self,
        images: impl AsRef<[f32]> + Send + 'static,
        targets: &Targets,
        learning_rate: f32,
    ) -> StepOutcome {
        let photos = targets.labels.len();
        let pieces = photos.div_ceil(self.at_once).max(1);
        let mut loss = 0.0;
        let mut predicted = Vec::with_capacity(photos);
        let mut gradients: Vec<Tensor<1>> = Vec::new();
        let mut images = Some(images);
        let mut end = 0;
        for piece in 0..pieces {
            // The larger pieces first: their buffers then serve the smaller ones.
            let start = end;
            end += photos / pieces + usize::from(piece < photos % pieces);
            let Some(all) = images.take() else { break };
            let of_piece = if pieces == 1 {
                self.model.images(all, photos)
            } else {
                let photo = all.as_ref().len() / photos.max(1);
                let some = all.as_ref()[start * photo..end * photo].to_vec();
                images = Some(all);
                self.model.images(some, end - start)
            };
            let found = self.pass(of_piece, &targets.piece(start, end), piece, photos);
            loss += f64::from(found.loss);
            predicted.extend(found.predicted);
            let Some(of_piece) = found.gradients else {
                break;
            };
            gradients = match gradients.is_empty() {
                true => of_piece,
                false => {
                    let sums = gradients.into_iter().zip(of_piece);
                    sums.map(|(sum, gradient)| sum + gradient).collect()
                }
            };
        }
        let right = predicted.iter().zip(targets.greatest());
        let outcome = StepOutcome {
            loss: loss as f32,
            correct: right.filter(|(predicted, label)| **predicted == *label).count(),
            predicted,
        };
        if outcome.loss.is_finite() {
            self.update(gradients, learning_rate);
        }
        outcome
    }

    /// Forward and backward for one of a batch's pieces. Moves the moving statistics.
    fn pass(&mut self, images: Tensor<4>, targets: &Targets, piece: usize, batch: usize) -> Passed {
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
            piece,
        };
        let pass = forward(
            self.model.network(),
            self.model.plan(),
            tracked.as_slice().into(),
            images.autodiff(),
            mode,
        );
        let loss = ops::cross_entropy(pass.logits.clone(), targets, self.label_smoothing, batch);
        let logits = to_host(pass.logits.inner());
        let classes = logits.len() / targets.labels.len().max(1);
        let rows = logits.chunks_exact(classes.max(1));
        let mut passed = Passed {
            loss: to_host(loss.clone().inner())[0],
            predicted: rows.map(|row| argmax(row) as u32).collect(),
            gradients: None,
        };
        if !passed.loss.is_finite() {
            return passed;
        }
        let mut gradients = loss.backward();
        let gradient_of = |parameter: &Tensor<1>| {
            let gradient = parameter.grad_remove(&mut gradients);
            gradient.unwrap_or_else(|| parameter.clone().inner().zeros_like())
        };
        let with_gradient = tracked
            .iter()
            .zip(&trainable)
            .filter(|(_, trainable)| **trainable);
        let found = with_gradient.map(|(parameter, _)| parameter).map(gradient_of);
        passed.gradients = Some(found.collect());
        drop(tracked);
        let values = self.model.parameters_mut();
        for (index, value) in pass.statistics {
            values[index] = value;
        }
        passed
    }

    /// Moves the parameters against their gradients, and the averages after them.
    fn update(&mut self, gradients: Vec<Tensor<1>>, learning_rate: f32) {
        let trainable: Vec<bool> = specs(self.model.network()).map(|spec| spec.trainable).collect();
        let values = self.model.parameters_mut();
        let mut moving: Vec<&mut Tensor<1>> = values
            .iter_mut()
            .zip(&trainable)
            .filter(|(_, trainable)| **trainable)
            .map(|(value, _)| value)
            .collect();
        self.optimizer.step(&mut moving, gradients, learning_rate);
        if let Some(average) = &mut self.average {
            average.observe(moving.iter().map(|value| &**value));
        }
    }

    /// A copy of the optimizer's state in host memory, with the averaged weights where there are any.
    pub fn state(&self) -> OptimizerState {
        let names = self.optimizer.slot_names();
        let of = |moment: &str, spec: &ParameterSpec, value: &Tensor<1>| {
            let name = format!("{moment}/{}", spec.name);
            Array::new(name, spec.shape.clone(), to_host(value.clone()))
        };
        let trainable = || specs(self.model.network()).filter(|spec| spec.trainable);
        let moments = trainable().zip(self.optimizer.slots()).flat_map(|(spec, slots)| {
            let slots = names.iter().zip(slots);
            slots.map(move |(name, slot)| of(name, spec, slot))
        });
        let averages = self.average.iter().flat_map(|average| {
            let averages = trainable().zip(average.values());
            averages.map(|(spec, value)| of(Average::NAME, spec, value))
        });
        OptimizerState {
            iterations: self.optimizer.iterations(),
            slots: moments.chain(averages).collect(),
        }
    }

    /// Goes on from a state that [`Trainer::state`] gave for the same network and optimizer.
    pub fn restore(&mut self, state: OptimizerState) -> Result<(), ModelError> {
        let device = self.model.device();
        let names = self.optimizer.slot_names();
        let mut stored = Stored::new(state.slots);
        // Before the first step there are no moments yet.
        let trainable = || specs(self.model.network()).filter(|spec| spec.trainable && state.iterations > 0);
        let mut take = |moment: &str, spec: &ParameterSpec| {
            let values = stored.take(&format!("{moment}/{}", spec.name), &spec.shape)?;
            Ok::<_, ModelError>(flat(values, device))
        };
        let mut slots = Vec::new();
        for spec in trainable() {
            let of_one: Result<Vec<_>, _> = names.iter().map(|name| take(name, spec)).collect();
            slots.push(of_one?);
        }
        if let Some(average) = &mut self.average {
            let averages: Result<Vec<_>, _> = trainable().map(|spec| take(Average::NAME, spec)).collect();
            average.restore(averages?);
        }
        stored.finish()?;
        self.optimizer.restore(state.iterations, slots);
        Ok(())
    }
}

/// What a pass found.
struct Passed {
    /// The piece's part of the batch's mean loss.
    loss: f32,
    /// The class of the greatest logit of each photo.
    predicted: Vec<u32>,
    /// By trainable parameter; none where the loss is not a number.
    gradients: Option<Vec<Tensor<1>>>,
}

/// A parameter ready for a pass: with gradients where it is trained, a constant where it is a moving statistic.
pub(crate) fn track((parameter, trainable): (&Tensor<1>, &bool)) -> Tensor<1> {
    let parameter = parameter.clone().autodiff();
    if *trainable {
        parameter.require_grad()
    } else {
        parameter
    }
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
}
