//! What a training would take, before it is paid for: memory by what it is for and by layer, arithmetic, time by a few real steps, disk.

use crate::budget::{Speeds, features_seconds, measure, steps_for};
use crate::error::TrainError;
use crate::memory::{MemoryPlan, free_bytes};
use crate::preparation::{Prepared, TrainingRequest};
use serde::Serialize;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use stepladder_model::ImageSize;

/// Everything that a training takes.
#[derive(Debug, Clone, Serialize)]
pub struct TrainingPlan {
    /// The rung.
    pub model: String,
    /// Height and width of the network's input in pixels.
    pub size: ImageSize,
    /// Photos of a step.
    pub batch_size: usize,
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-adds of one photo's way forward; a training step takes three times as many for each.
    pub multiply_adds: u64,
    /// The memory of the training.
    pub memory: MemoryPlan,
    /// Bytes that there are for it; null where the system does not say.
    pub free_bytes: Option<u64>,
    /// Whether it fits.
    pub fits: bool,
    /// Seconds of a step, by a few real ones; null where none was taken, and so the other times.
    pub step_seconds: Option<f64>,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// Seconds of an epoch with its validation.
    pub epoch_seconds: Option<f64>,
    /// Most epochs, the last of which may be a short one under a budget or a number of steps.
    pub epochs: usize,
    /// Steps in all, where a budget or a number of them is the bound and not epochs.
    pub steps: Option<u64>,
    /// Seconds of all of them and of the figures at the end; early stopping may end sooner.
    pub seconds: Option<f64>,
    /// Bytes of a finished run, and the most while it is trained.
    pub disk_bytes: [u64; 2],
}

/// The steps that are the bound of a training, if they are: those asked for, or those for which a budget is enough.
fn bound(request: &TrainingRequest, prepared: &Prepared, speeds: Option<&Speeds>) -> Option<u64> {
    match (request.controls.budget, speeds) {
        _ if request.is_exact() => None,
        (Some(budget), Some(speeds)) => Some(steps_for(budget.as_secs_f64(), request, prepared, speeds)),
        (Some(_), None) => None,
        (None, _) => request.controls.steps,
    }
}

/// Plans the training of `request`, and takes a few of its steps on a copy, within about `longest`; none where that is zero, or
/// where they do not fit.
pub fn plan(
    request: &TrainingRequest,
    prepared: &Prepared,
    longest: Duration,
    interrupt: &AtomicBool,
) -> Result<TrainingPlan, TrainError> {
    let graph = &prepared.graph;
    let split = &prepared.split;
    let photos = split.train.len();
    let free_bytes = request.controls.memory.or_else(free_bytes);
    let free = free_bytes.unwrap_or(u64::MAX);
    let memory = MemoryPlan::fitting(request, &prepared.phases, photos, free);
    let batch_size = request.rung.training.batch_size;
    let in_pieces = (memory.photos_at_once < batch_size.min(photos)).then_some(memory.photos_at_once);
    let fits = memory.takes() <= free;
    let speeds = match fits && !longest.is_zero() {
        true => Some(measure(request, prepared, in_pieces, longest, interrupt)?),
        false => None,
    };
    let steps_per_epoch = photos.div_ceil(batch_size);
    let steps = bound(request, prepared, speeds.as_ref());
    let epochs = prepared.course(steps, request.rung.training.epochs).epochs();
    let epoch = |speeds: &Speeds| speeds.epoch(split.validation.len());
    let all = (photos + split.validation.len() + split.test.len()) as f64;
    let state = memory.weights + memory.optimizer + memory.averages;
    // The model, the best and the last weights; while training, three checkpoints and two bests.
    let disk_bytes = [3 * memory.weights, 4 * state + 3 * memory.weights];
    Ok(TrainingPlan {
        model: request.rung.name.clone(),
        size: prepared.size,
        batch_size,
        parameters: graph.trainable_parameter_count(),
        multiply_adds: graph.multiply_adds(),
        fits,
        memory,
        free_bytes,
        step_seconds: speeds.as_ref().map(Speeds::step),
        steps_per_epoch,
        epoch_seconds: speeds.as_ref().map(epoch),
        epochs,
        steps,
        seconds: match (request.controls.budget.filter(|_| !request.is_exact()), &speeds) {
            (Some(budget), _) => Some(budget.as_secs_f64()),
            (None, None) => None,
            (None, Some(speeds)) if request.is_exact() => {
                let parts = [photos, split.validation.len(), split.test.len()];
                Some(features_seconds(request, speeds, parts))
            }
            (None, Some(speeds)) => {
                let whole = photos.div_ceil(batch_size).max(1) as f64;
                let epochs = steps.map_or(epochs as f64, |steps| steps as f64 / whole);
                Some(epoch(speeds) * epochs + all * speeds.answer)
            }
        },
        disk_bytes,
    })
}
