//! A training that ends when a time does: a few real steps on a copy say how many fit, and the schedule runs over that number. From
//! then on nothing depends on time any more.

use crate::error::TrainError;
use crate::preparation::{Prepared, TrainingRequest};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The trial takes no more than this part of the budget, unless a single step does.
const TRIAL: f64 = 0.05;

/// Steps of the trial, at least and at most. The first is not counted: it finds no memory yet.
const STEPS: [usize; 2] = [3, 40];

/// Batches of the trial's validation.
const ANSWERS: usize = 3;

/// Part of the time that the steps may take by the trial's measure: a machine is never as quiet as in a trial.
const FILLED: f64 = 0.95;

/// Speeds that a trial found, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Speeds {
    /// A step of training.
    pub step: f64,
    /// An answer on one photo.
    pub answer: f64,
}

/// How many steps fit into `budget`, which began at `began`; at least one.
pub(crate) fn steps_within(
    budget: Duration,
    began: Instant,
    request: &TrainingRequest,
    prepared: &Prepared,
    at_once: Option<usize>,
    interrupt: &AtomicBool,
) -> Result<u64, TrainError> {
    let speeds = measure(request, prepared, at_once, budget.mul_f64(TRIAL), interrupt)?;
    let left = budget.saturating_sub(began.elapsed()).as_secs_f64();
    let split = &prepared.split;
    let parts = [split.train.len(), split.validation.len(), split.test.len()];
    let batches = parts[0].div_ceil(request.rung.training.batch_size);
    Ok(steps(left, speeds, parts, batches))
}

/// Steps in `left` seconds, with a validation after each `batches` of them and the figures of all `parts` (training,
/// validation, test) at the end.
fn steps(left: f64, speeds: Speeds, parts: [usize; 3], batches: usize) -> u64 {
    let figures = parts.iter().sum::<usize>() as f64 * speeds.answer;
    let validation = parts[1] as f64 * speeds.answer;
    // The last epoch, however short, ends with a validation.
    let for_steps = (left - figures - validation) * FILLED;
    let a_step = speeds.step + validation / batches.max(1) as f64;
    // The conversion saturates, and a number that is none becomes 0.
    ((for_steps / a_step.max(1e-9)) as u64).max(1)
}

/// Takes a few real steps and answers on a copy, which is thrown away.
pub(crate) fn measure(
    request: &TrainingRequest,
    prepared: &Prepared,
    at_once: Option<usize>,
    longest: Duration,
    interrupt: &AtomicBool,
) -> Result<Speeds, TrainError> {
    let loader = request.training_loader(prepared)?;
    let model = request.initial_model(prepared, request.seed)?;
    let mut trainer = request.trainer(model, at_once);
    let began = Instant::now();
    let (mut taken, mut counted, mut spent) = (0, 0_usize, 0.0);
    let mut size = 0;
    'trial: for epoch in 0.. {
        for batch in loader.epoch(epoch) {
            let batch = batch?;
            let full = batch.labels.len() >= size;
            size = size.max(batch.labels.len());
            let started = Instant::now();
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
    let model = trainer.evaluated();
    let photos = &prepared.split.train;
    let count = photos.len().min(ANSWERS * request.answers_at_once(at_once));
    let started = Instant::now();
    stepladder_classifier::classify(
        &model,
        &prepared.store,
        &prepared.labels,
        &photos[..count],
        request.answers_at_once(at_once),
    )?;
    Ok(Speeds {
        step: spent / counted.max(1) as f64,
        answer: started.elapsed().as_secs_f64() / count.max(1) as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fill_what_validation_and_figures_leave() {
        let speeds = Speeds {
            step: 0.1,
            answer: 0.01,
        };
        // 1000 s, less 130 * 0.01 for the figures and 20 * 0.01 for the last validation; a step takes 0.1 s and a tenth of 0.2 s.
        let expected = (998.5 * FILLED / 0.12) as u64;
        assert_eq!(steps(1000.0, speeds, [100, 20, 10], 10), expected);
        assert_eq!(steps(0.1, speeds, [100, 20, 10], 10), 1);
        assert_eq!(steps(-5.0, speeds, [100, 20, 10], 0), 1);
    }
}
