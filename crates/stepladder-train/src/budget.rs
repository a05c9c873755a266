//! A training that ends when a time does: a few real steps on a copy say how many fit, and the schedule runs over that number. As a machine
//! is never as quick as in a trial, or as slow, [`crate::fit`] corrects it on the way.

use crate::course::shares;
use crate::error::TrainError;
use crate::preparation::{Prepared, TrainingRequest};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stepladder_classifier::classify;
use stepladder_data::{BatchShape, Loader};
use stepladder_nn::{Model, Trainer};

/// The trial takes no more than this part of the budget, unless a single step does.
const TRIAL: f64 = 0.05;

/// Steps of each phase's trial, at least and at most. The first is not counted: it finds no memory yet.
const STEPS: [usize; 2] = [3, 40];

/// Batches of the trial's validation.
const ANSWERS: usize = 3;

/// Part of the time that the steps may take by the trial's measure: a machine is never as quiet as in a trial.
const FILLED: f64 = 0.95;

/// Time of the features and the head over that of the features.
const HEAD: f64 = 1.3;

/// Speeds that a trial found, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Speeds {
    /// Of each phase of the training, in order.
    pub phases: Vec<PhaseSpeed>,
    /// An answer of the trained model on one photo.
    pub answer: f64,
}

/// Speeds of one phase, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct PhaseSpeed {
    /// Its share of the epochs.
    pub share: f64,
    /// Steps of an epoch.
    pub batches: usize,
    /// A step of training.
    pub step: f64,
    /// An answer on one photo, in validation.
    pub answer: f64,
}

impl Speeds {
    /// A whole epoch, in the mean over the phases, with a validation on so many photos.
    pub fn epoch(&self, validation: usize) -> f64 {
        let of_phase = |phase: &PhaseSpeed| {
            phase.share * (phase.batches as f64 * phase.step + validation as f64 * phase.answer)
        };
        self.phases.iter().map(of_phase).sum()
    }

    /// Steps of an epoch, in the mean over the phases.
    fn steps_per_epoch(&self) -> f64 {
        let steps = self.phases.iter().map(|phase| phase.share * phase.batches as f64);
        steps.sum()
    }

    /// A step, in the mean over the steps.
    pub fn step(&self) -> f64 {
        self.epoch(0) / self.steps_per_epoch().max(1e-9)
    }
}

/// How many steps fit into `budget`, which began at `began`, at least one; and the speeds by which they do.
pub(crate) fn steps_within(
    budget: Duration,
    began: Instant,
    request: &TrainingRequest,
    prepared: &Prepared,
    at_once: Option<usize>,
    interrupt: &AtomicBool,
) -> Result<(u64, Speeds), TrainError> {
    let speeds = measure(request, prepared, at_once, budget.mul_f64(TRIAL), interrupt)?;
    let left = budget.saturating_sub(began.elapsed()).as_secs_f64();
    Ok((steps_for(left, request, prepared, &speeds), speeds))
}

/// How many steps fit into so many seconds at these speeds; at least one.
pub(crate) fn steps_for(left: f64, request: &TrainingRequest, prepared: &Prepared, speeds: &Speeds) -> u64 {
    let split = &prepared.split;
    let parts = [split.train.len(), split.validation.len(), split.test.len()];
    let figures = figures(request, parts);
    let left = left - features_seconds(request, speeds, parts);
    steps(left, speeds, parts[1], figures)
}

/// Answers at the end, for the figures and for statistics that are computed anew.
pub(crate) fn figures(request: &TrainingRequest, parts: [usize; 3]) -> usize {
    parts.iter().sum::<usize>() + request.rung.training.precise_batch_norm.min(parts[0])
}

/// Seconds of the features and the head from which fine-tuning begins, where it does.
pub(crate) fn features_seconds(request: &TrainingRequest, speeds: &Speeds, parts: [usize; 3]) -> f64 {
    if !request.has_exact_head() {
        return 0.0;
    }
    // Training photos are seen mirrored, too; an answer is about both sides already where the rung says so.
    let images = parts.iter().sum::<usize>() + parts[0];
    let sides = if request.rung.evaluation.flips { 2.0 } else { 1.0 };
    HEAD * images as f64 * speeds.answer / sides
}

/// Steps in `left` seconds, with a validation after each epoch and `figures` answers at the end.
fn steps(left: f64, speeds: &Speeds, validation: usize, figures: usize) -> u64 {
    // The last epoch, however short, ends with a validation.
    let at_the_end = (figures + validation) as f64 * speeds.answer;
    let for_epochs = (left - at_the_end) * FILLED;
    let epochs = for_epochs / speeds.epoch(validation).max(1e-9);
    // The conversion saturates, and NaN becomes 0.
    ((epochs * speeds.steps_per_epoch()) as u64).max(1)
}

/// Takes a few real steps of each phase and answers on a copy, which is thrown away.
pub(crate) fn measure(
    request: &TrainingRequest,
    prepared: &Prepared,
    at_once: Option<usize>,
    longest: Duration,
    interrupt: &AtomicBool,
) -> Result<Speeds, TrainError> {
    let loader = request.training_loader(prepared, None)?;
    let model = request.initial_model(prepared, request.seed)?;
    let mut trainer = request.trainer(model, at_once);
    let longest = longest / prepared.phases.len() as u32;
    let answers = |model: &Model| answer_seconds(model, request, prepared, at_once);
    let mut phases = Vec::new();
    for (share, phase) in shares(&prepared.phases) {
        trainer.set_graph(Arc::clone(&phase.graph));
        phases.push(PhaseSpeed {
            share,
            batches: prepared.split.train.len().div_ceil(phase.batch_size),
            step: step_seconds(&mut trainer, &loader, phase.shape(), prepared, longest, interrupt)?,
            answer: answers(&trainer.evaluated())?,
        });
    }
    let trained = trainer.evaluated().with_graph(Arc::new(prepared.graph.clone()));
    let images = if request.rung.evaluation.flips { 2.0 } else { 1.0 };
    Ok(Speeds {
        phases,
        answer: images * answers(&trained)?,
    })
}

/// Seconds of a training step in the mean over a few.
fn step_seconds(
    trainer: &mut Trainer,
    loader: &Loader,
    shape: BatchShape,
    prepared: &Prepared,
    longest: Duration,
    interrupt: &AtomicBool,
) -> Result<f64, TrainError> {
    let began = Instant::now();
    let (mut taken, mut counted, mut spent) = (0, 0_usize, 0.0);
    let mut size = 0;
    'trial: for epoch in 0.. {
        let mut batches = loader.epoch_of(epoch, 0, shape);
        loop {
            // The wait for a batch belongs to a step.
            let started = Instant::now();
            let Some(batch) = batches.next() else { break };
            let batch = batch?;
            let full = batch.labels.len() >= size;
            size = size.max(batch.labels.len());
            let targets = prepared.targets(&batch);
            trainer.step(batch.images, targets, 0.0);
            // A last batch that is smaller says little of the others.
            if taken > 0 && full {
                spent += started.elapsed().as_secs_f64();
                counted += 1;
            }
            taken += 1;
            let enough = taken >= STEPS[0] && began.elapsed() >= longest;
            if enough || taken >= STEPS[1] || interrupt.load(Ordering::Relaxed) {
                break 'trial;
            }
        }
    }
    Ok(spent / counted.max(1) as f64)
}

/// Seconds of an answer on one photo in the mean over a few.
fn answer_seconds(
    model: &Model,
    request: &TrainingRequest,
    prepared: &Prepared,
    at_once: Option<usize>,
) -> Result<f64, TrainError> {
    let at_once = request.answers_at_once(at_once);
    let photos = &prepared.split.train;
    let count = photos.len().min(ANSWERS * at_once);
    let started = Instant::now();
    classify(
        model,
        &prepared.store,
        &prepared.labels,
        &photos[..count],
        at_once,
    )?;
    Ok(started.elapsed().as_secs_f64() / count.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fill_what_validation_and_figures_leave() {
        let phase = PhaseSpeed {
            share: 1.0,
            batches: 10,
            step: 0.1,
            answer: 0.01,
        };
        let one = Speeds {
            phases: vec![phase],
            answer: 0.01,
        };
        // 1000 s, less 130 * 0.01 for the figures and 20 * 0.01 for the last validation; a step takes 0.1 s and a tenth of 0.2 s.
        let expected = (998.5 * FILLED / 0.12) as u64;
        assert_eq!(steps(1000.0, &one, 20, 130), expected);
        assert_eq!(steps(0.1, &one, 20, 130), 1);
        assert_eq!(steps(-5.0, &one, 20, 130), 1);
        // Half of the epochs at a tenth of the price.
        let cheap = PhaseSpeed {
            share: 0.5,
            step: 0.01,
            ..phase
        };
        let two = Speeds {
            phases: vec![cheap, PhaseSpeed { share: 0.5, ..phase }],
            answer: 0.01,
        };
        assert!((two.epoch(0) - 0.55).abs() < 1e-12);
        assert!((two.step() - 0.055).abs() < 1e-12);
    }
}
