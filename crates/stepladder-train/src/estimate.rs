//! How long a training will take: roughly, by its arithmetic, before it is paid for; and by its own steps once there are some.

use crate::course::shares;
use crate::preparation::{Prepared, TrainingRequest};
use std::time::Duration;
use stepladder_kernels::{Context, Isa, peak};

/// Multiply-adds of a training step over those of the forward pass.
const TRAINING_PASSES: f64 = 3.0;

/// The share of the machine's peak that trainings reach, as a rule: networks of few filters less, large ones more.
const SHARE_OF_PEAK: f64 = 0.25;

/// How long the peak is measured.
const MEASURED_FOR: Duration = Duration::from_millis(10);

/// The arithmetic of a training, in multiply-adds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingWork {
    /// Of a first step.
    pub step: f64,
    /// Of all epochs with their validations, if none stops early.
    pub all: f64,
}

impl TrainingWork {
    /// Of `request` on its photos; `None` where it takes no gradient steps.
    pub fn of(request: &TrainingRequest, prepared: &Prepared) -> Option<TrainingWork> {
        if request.is_exact() {
            return None;
        }
        let photos = prepared.split.train.len();
        let first = prepared.phases.first()?;
        let batch = first.batch_size.min(photos) as f64;
        let validation = prepared.graph.multiply_adds() as f64 * prepared.split.validation.len() as f64;
        let of_phase = |(share, phase): (f64, &crate::TrainingPhase)| {
            share * TRAINING_PASSES * phase.graph.multiply_adds() as f64 * photos as f64
        };
        let epoch = shares(&prepared.phases).map(of_phase).sum::<f64>() + validation;
        let epochs = match request.controls.steps {
            Some(steps) => prepared.course(Some(steps), 0).epochs() as f64,
            None => request.rung.training.epochs as f64,
        };
        Some(TrainingWork {
            step: TRAINING_PASSES * first.graph.multiply_adds() as f64 * batch,
            all: epoch * epochs,
        })
    }

    /// Seconds of all of it on this machine, by a moment's measure of the machine alone: good to a factor of three or so. `None` on GPUs.
    pub fn rough_seconds(&self, request: &TrainingRequest) -> Option<f64> {
        request.device.instruction_set()?;
        let context = Context::on_callers_pool(Isa::from_environment().ok()?);
        let peak = peak::dot_product_peak(&context, false, MEASURED_FOR);
        Some(2.0 * self.all / (SHARE_OF_PEAK * peak).max(1.0))
    }

    /// Seconds of all of it where a first step takes so many.
    pub fn seconds_at(&self, step: f64) -> f64 {
        step * self.all / self.step.max(1.0)
    }
}
