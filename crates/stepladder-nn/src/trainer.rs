//! Gradient steps: forward, loss, backward, optimizer, moving statistics. A batch may go through in micro-batches, whose gradients
//! are added up before the step.

use crate::array::{Array, Stored};
use crate::average::Average;
use crate::backend::{Backend, Gradient, Noise, Operands, Tensor};
use crate::executor::forward;
use crate::model::{Model, ModelError};
use crate::optimizer::{Optimizer, OptimizerState, ParameterSettings};
use crate::program::{Program, Purpose};
use crate::targets::Targets;
use std::sync::Arc;
use stepladder_kernels::loss;
use stepladder_model::{Graph, OptimizerConfig, ParameterSpec};

/// A model being trained.
#[derive(Debug)]
pub struct Trainer {
    model: Model,
    optimizer: Optimizer,
    average: Option<Average>,
    label_smoothing: f32,
    seed: u64,
    /// The most photos of a batch that go through together.
    micro_batch: usize,
}

/// What one step says of its batch, measured before the step's update.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome {
    /// Mean loss over the batch, label smoothing and weights included. Where it is not finite, no step was taken.
    pub loss: f32,
    /// Photos whose greatest logit was the correct class (of mixed photos, that with the greater share), with dropout and batch
    /// statistics in force.
    pub correct: usize,
    /// The class of the greatest logit of each photo.
    pub predicted: Vec<u32>,
}

/// Sums of the gradients of a batch, by parameter; none of what is not trained.
type Gradients = Vec<Option<Tensor>>;

impl Trainer {
    /// A trainer at its first step. `seed` keys the dropout masks; `label_smoothing` is in [0, 1).
    pub fn new(model: Model, optimizer: OptimizerConfig, label_smoothing: f32, seed: u64) -> Trainer {
        Trainer {
            model,
            optimizer: Optimizer::new(optimizer),
            average: None,
            label_smoothing,
            seed,
            micro_batch: usize::MAX,
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

    /// Trains some parameters differently: settings for each parameter of the graph, in its order.
    pub fn with_settings(self, settings: Vec<ParameterSettings>) -> Trainer {
        Trainer {
            optimizer: self.optimizer.with_settings(settings),
            ..self
        }
    }

    /// Goes on with input of another size: `graph` is the same network for it.
    ///
    /// # Panics
    ///
    /// If `graph` has other parameters.
    pub fn set_graph(&mut self, graph: Arc<Graph>) {
        self.model = self.model.clone().with_graph(graph);
    }

    /// Lets batches go through in micro-batches of at most this many photos, to save memory. The sum of the micro-batches' gradients is the
    /// batch's but for rounding; only batch normalizations see the difference: they normalize each micro-batch by itself, and
    /// their moving statistics move once a micro-batch.
    pub fn with_micro_batches(self, photos: usize) -> Trainer {
        Trainer {
            micro_batch: photos.max(1),
            ..self
        }
    }

    /// The model whose weights steps move.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model to be evaluated and kept: with averaged weights where there is an average.
    pub fn evaluated(&self) -> Model {
        let mut model = self.model.clone();
        if let Some(average) = &self.average {
            for (index, value) in model.parameters_mut().iter_mut().enumerate() {
                if let Some(average) = average.value(index) {
                    *value = average.clone();
                }
            }
        }
        model
    }

    /// Trains on one batch: `images` `[N, H, W, 3]` in [0, 1], with one target each.
    ///
    /// # Panics
    ///
    /// If `images` is not of the graph's input size times the number of labels, or a label is not a class.
    pub fn step(
        &mut self,
        images: impl AsRef<[f32]>,
        targets: impl Into<Targets>,
        learning_rate: f32,
    ) -> StepOutcome {
        let executor = self.model.executor().clone();
        let (images, targets) = (images.as_ref(), targets.into());
        executor.run(|backend| self.step_on(backend, images, &targets, learning_rate))
    }

    fn step_on(
        &mut self,
        backend: &mut dyn Backend,
        images: &[f32],
        targets: &Targets,
        learning_rate: f32,
    ) -> StepOutcome {
        let photos = targets.labels.len();
        let micro_batches = photos.div_ceil(self.micro_batch).max(1);
        let image: usize = self.model.graph().input.iter().product();
        assert_eq!(images.len(), photos * image, "values of {photos} images");
        // Where nothing else has to be known first, a parameter moves as soon as its gradient is there.
        let moves_at_once = micro_batches == 1 && !self.optimizer.needs_all_gradients();
        let mut gradients = Gradients::new();
        let mut outcome = StepOutcome {
            loss: 0.0,
            correct: 0,
            predicted: Vec::with_capacity(photos),
        };
        let (mut loss, mut end) = (0.0, 0);
        let mut last = None;
        for micro_batch in 0..micro_batches {
            // The larger ones first, so that the smaller ones find their memory there.
            let start = end;
            end += photos / micro_batches + usize::from(micro_batch < photos % micro_batches);
            let pass = Pass {
                program: self.program(end - start),
                images: &images[start * image..end * image],
                noise: Noise {
                    seed: self.seed,
                    step: self.optimizer.iterations(),
                    micro_batch,
                },
            };
            let of_part = self.loss(backend, &pass, &targets.part(start, end), photos);
            loss += f64::from(of_part.loss);
            outcome.predicted.extend(of_part.predicted);
            last = Some(pass.program.clone());
            if !of_part.loss.is_finite() {
                break;
            }
            self.move_statistics(backend, &pass.program);
            match moves_at_once {
                true => self.backward_and_update(backend, &pass, learning_rate),
                false => self.backward_and_keep(backend, &pass, &mut gradients),
            }
        }
        outcome.loss = loss as f32;
        let greatest = outcome.predicted.iter().zip(targets.greatest());
        outcome.correct = greatest
            .filter(|(predicted, label)| **predicted == *label)
            .count();
        if let Some(program) = last.filter(|_| !moves_at_once && outcome.loss.is_finite()) {
            self.update(backend, &program, &gradients, learning_rate);
        }
        outcome
    }

    fn program(&self, photos: usize) -> Arc<Program> {
        let model = &self.model;
        model
            .executor()
            .program(model.graph(), Purpose::Training, photos, model.form())
    }

    /// The forward pass, and the gradient of the loss by the scores, from which the backward pass starts. `batch` is the number of
    /// photos in the whole batch.
    fn loss(
        &self,
        backend: &mut dyn Backend,
        pass: &Pass<'_>,
        targets: &Targets,
        batch: usize,
    ) -> PartOutcome {
        forward(backend, &pass.program, &self.operands(pass), &mut |_, _| {});
        let found = scores_and_loss(
            backend,
            &pass.program,
            pass.images,
            targets,
            self.label_smoothing,
            batch,
        );
        let rows = found.scores.chunks_exact(self.model.graph().classes);
        PartOutcome {
            loss: found.loss,
            predicted: rows.map(|row| argmax(row) as u32).collect(),
        }
    }

    fn operands<'a>(&'a self, pass: &Pass<'a>) -> Operands<'a> {
        Operands {
            images: pass.images,
            parameters: self.model.parameters(),
            packed: &[],
            noise: pass.noise,
        }
    }

    fn move_statistics(&mut self, backend: &mut dyn Backend, program: &Program) {
        for step in 0..program.forward.len() {
            backend.move_statistics(program, step, self.model.parameters_mut());
        }
    }

    /// The backward pass, in which each parameter moves when its gradient is final.
    fn backward_and_update(&mut self, backend: &mut dyn Backend, pass: &Pass<'_>, learning_rate: f32) {
        self.optimizer.begin(learning_rate);
        for (index, step) in pass.program.backward.iter().enumerate() {
            backend.backward(&pass.program, index, &self.operands(pass));
            for &(id, gradient) in &step.parameters {
                self.move_parameter(backend, &pass.program, id.0, Gradient::Value(gradient), 1.0);
            }
        }
    }

    /// The backward pass, whose gradients are added to `gradients`.
    fn backward_and_keep(&self, backend: &mut dyn Backend, pass: &Pass<'_>, gradients: &mut Gradients) {
        gradients.resize(self.model.graph().parameters.len(), None);
        for (index, step) in pass.program.backward.iter().enumerate() {
            backend.backward(&pass.program, index, &self.operands(pass));
            for &(id, gradient) in &step.parameters {
                backend.take_gradient(&pass.program, gradient, &mut gradients[id.0]);
            }
        }
    }

    /// Moves all parameters against the gradients of the whole batch.
    fn update(
        &mut self,
        backend: &mut dyn Backend,
        program: &Program,
        gradients: &Gradients,
        learning_rate: f32,
    ) {
        let kept = || gradients.iter().flatten().map(Gradient::Kept);
        let scale = match self.optimizer.needs_all_gradients() {
            true => {
                let squares = kept().map(|gradient| backend.squared_norm(program, gradient));
                self.optimizer.common_scale(squares.sum())
            }
            false => 1.0,
        };
        self.optimizer.begin(learning_rate);
        for (index, gradient) in gradients.iter().enumerate() {
            if let Some(gradient) = gradient {
                self.move_parameter(backend, program, index, Gradient::Kept(gradient), scale);
            }
        }
    }

    /// Moves one parameter, and its average after it.
    fn move_parameter(
        &mut self,
        backend: &mut dyn Backend,
        program: &Program,
        index: usize,
        gradient: Gradient<'_>,
        scale: f32,
    ) {
        let value = &mut self.model.parameters_mut()[index];
        self.optimizer
            .update(backend, program, (index, value), gradient, scale);
        if let Some(average) = &mut self.average {
            average.observe(backend, index, &self.model.parameters()[index]);
        }
    }

    /// A copy of the optimizer's state in host memory, with the averaged weights where there are any.
    pub fn state(&self) -> OptimizerState {
        self.model.executor().run(|backend| {
            let of = |moment: &str, spec: &ParameterSpec, value: &Tensor| {
                let name = format!("{moment}/{}", spec.name);
                Array::new(name, spec.shape.clone(), backend.to_host(value))
            };
            let specs = || self.model.graph().parameters.iter().enumerate();
            let moments = specs().flat_map(|(index, spec)| {
                let moments = self.optimizer.moments(index).iter();
                let named = self.optimizer.moment_names().iter().zip(moments);
                named.map(move |(name, moment)| of(name, spec, moment))
            });
            let averages = specs().filter_map(|(index, spec)| {
                let average = self.average.as_ref()?.value(index)?;
                Some(of(Average::NAME, spec, average))
            });
            OptimizerState {
                iterations: self.optimizer.iterations(),
                slots: moments.chain(averages).collect(),
            }
        })
    }

    /// Goes on from a state that [`Trainer::state`] gave for the same graph and optimizer.
    ///
    /// # Errors
    ///
    /// The state has other arrays than this training has.
    pub fn restore(&mut self, state: OptimizerState) -> Result<(), ModelError> {
        let executor = self.model.executor().clone();
        let mut stored = Stored::new(state.slots);
        // Before its first step a parameter has no moments yet: phases of the training may hold it.
        let names = self.optimizer.moment_names();
        let first = names
            .first()
            .copied()
            .or(self.average.is_some().then_some(Average::NAME));
        let has_moved = |stored: &Stored, spec: &ParameterSpec| {
            first.is_some_and(|first| stored.has(&format!("{first}/{}", spec.name)))
        };
        let is_kept: Vec<bool> = self
            .model
            .graph()
            .parameters
            .iter()
            .map(|spec| spec.trainable && state.iterations > 0 && has_moved(&stored, spec))
            .collect();
        let mut take = |moment: &str, spec: &ParameterSpec| {
            let values = stored.take(&format!("{moment}/{}", spec.name), &spec.shape)?;
            Ok::<_, ModelError>(executor.run(|backend| backend.tensor(values)))
        };
        let mut moments = Vec::new();
        for (spec, &is_kept) in self.model.graph().parameters.iter().zip(&is_kept) {
            let of_one = || {
                names
                    .iter()
                    .map(|name| take(name, spec))
                    .collect::<Result<Vec<_>, _>>()
            };
            moments.push(is_kept.then(of_one).transpose()?);
        }
        if let Some(average) = &mut self.average {
            let mut averages = Vec::new();
            for (spec, &is_kept) in self.model.graph().parameters.iter().zip(&is_kept) {
                averages.push(is_kept.then(|| take(Average::NAME, spec)).transpose()?);
            }
            average.restore(averages);
        }
        stored.finish()?;
        self.optimizer.restore(state.iterations, moments);
        Ok(())
    }

    /// Share of the target spread over all classes.
    pub(crate) fn label_smoothing(&self) -> f32 {
        self.label_smoothing
    }
}

/// One pass of a batch, or of a part of it.
struct Pass<'a> {
    program: Arc<Program>,
    images: &'a [f32],
    noise: Noise,
}

/// What a pass says of its photos.
struct PartOutcome {
    /// Their part of the batch's mean loss.
    loss: f32,
    /// The class of the greatest logit of each.
    predicted: Vec<u32>,
}

/// The scores of a pass and their loss.
pub(crate) struct ScoresAndLoss {
    /// `[photos, classes]`
    pub scores: Vec<f32>,
    /// The sum over the photos, over the photos of the batch.
    pub loss: f32,
}

/// Reads the scores of a forward pass, and leaves the gradient of their softmax cross-entropy for the backward pass: summed over the
/// photos with their weights, and divided by `batch`.
pub(crate) fn scores_and_loss(
    backend: &mut dyn Backend,
    program: &Program,
    images: &[f32],
    targets: &Targets,
    smoothing: f32,
    batch: usize,
) -> ScoresAndLoss {
    let scores = backend.read(program, program.output, images);
    let photos = targets.labels.len();
    assert_eq!(photos, program.photos, "one label for each photo");
    let of_rows = loss::Targets {
        labels: &targets.labels,
        mixed: &targets.mixed,
        weights: &targets.weights,
        smoothing,
        batch,
    };
    let mut losses = vec![0.0; photos];
    let mut gradient = vec![0.0; scores.len()];
    loss::cross_entropy(
        &scores,
        scores.len() / photos,
        of_rows,
        &mut losses,
        Some(&mut gradient),
    );
    if let Some(value) = program.output_gradient {
        backend.write(program, value, &gradient);
    }
    let sum: f64 = losses.iter().map(|loss| f64::from(*loss)).sum();
    ScoresAndLoss {
        scores,
        loss: (sum / batch.max(1) as f64) as f32,
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
