//! The end of a training: the weights of the last and of the best epoch, and the model that is exported.

use super::Fit;
use crate::error::TrainError;
use crate::meter::Clock;
use crate::precise::{photos_for_lagging, with_precise_statistics};
use crate::room::when_there_is_room;
use crate::watch::Cause;
use std::path::Path;
use std::sync::Arc;
use stepladder_classifier::write_arrays;
use stepladder_nn::profile::ProfileRow;
use stepladder_nn::{Array, Model};
use stepladder_run::Outcome;

/// What the loop leaves behind.
pub(crate) struct Fitted {
    pub outcome: Outcome,
    pub epochs: usize,
    pub best_epoch: Option<usize>,
    /// The epoch at whose end `model` was, from 1; `None` if it was within one.
    pub exported_epoch: Option<usize>,
    /// The model to export: the best epoch's where the rung restores it, else the last.
    pub model: Model,
    /// Steps that were taken.
    pub steps: u64,
    /// Whether the last epoch was still better than those before.
    pub still_improving: bool,
    /// Photos from which moving statistics were computed anew, as they lagged behind the weights.
    pub recomputed_statistics: Option<usize>,
    /// Where the time of the steps went, where that was noted.
    pub profile: Option<Vec<ProfileRow>>,
    pub clock: Clock,
    /// Seconds of earlier sittings and of this one, until now.
    pub seconds: f64,
}

/// When weights were so: the header of `best.safetensors` and `last.safetensors`. It holds no time, so that equal runs have equal files.
#[derive(serde::Serialize)]
struct Moment {
    /// Epochs that had ended.
    epoch: usize,
    /// Steps that had been taken.
    step: u64,
}

impl Fit<'_, '_> {
    pub(super) fn finish(mut self, outcome: Outcome) -> Result<Fitted, TrainError> {
        if outcome == Outcome::Finished {
            self.look_at_the_end()?;
        }
        self.write_diagnoses()?;
        self.flush()?;
        self.writer.wait()?;
        let seconds = self.seconds();
        let last = self
            .trainer
            .evaluated()
            .with_graph(Arc::new(self.prepared.graph.clone()));
        let profile = last.profile();
        let steps = self.course.steps();
        let write = |path: &Path, epoch: usize, step: u64, arrays: &[Array]| {
            when_there_is_room(self.observer, self.interrupt, || {
                Ok(write_arrays(path, &Moment { epoch, step }, arrays)?)
            })
        };
        let last_arrays = last.to_arrays();
        write(
            &self.run.last_weights(),
            self.place.epoch,
            self.place.step,
            &last_arrays,
        )?;
        if let (Some(best), Some(epoch)) = (&self.best, self.place.best_epoch) {
            let step = self.course.steps_before(epoch).min(steps);
            write(&self.run.best_weights(), epoch, step, best)?;
        }
        let restores = self
            .request
            .rung
            .early_stopping
            .as_ref()
            .is_some_and(|s| s.restore_best_weights);
        let best = self.best.filter(|_| restores);
        // What training has held makes room for what is done with the weights.
        drop(self.trainer);
        let (exported_epoch, model) = match (best, self.place.best_epoch) {
            (Some(best), Some(epoch)) => {
                drop(last);
                let model =
                    Model::from_arrays(self.prepared.graph.clone(), best.to_vec(), self.request.device)?;
                (Some(epoch), model.with_precision(self.request.precision))
            }
            _ => ((self.place.batch == 0).then_some(self.place.epoch), last),
        };
        let at_once = self.request.answers_at_once(self.decided.photos_at_once);
        let taken = match exported_epoch {
            Some(epoch) => self.course.steps_before(epoch).min(self.place.step),
            None => self.place.step,
        };
        let lagging = photos_for_lagging(&model, self.request, self.prepared, taken);
        let (model, recomputed_statistics) = match outcome {
            // Someone who stops a run does not want to wait.
            Outcome::Interrupted => (model, None),
            Outcome::Finished | Outcome::StoppedEarly | Outcome::Stuck => {
                let photos = lagging.unwrap_or(self.request.rung.training.precise_batch_norm);
                let precise = with_precise_statistics(model, self.request, self.prepared, at_once, photos)?;
                (precise, lagging)
            }
        };
        if let Some(photos) = recomputed_statistics {
            self.observer.note(&format!(
                "after {taken} steps, the moving averages of batch normalization are still near their start and not at the weights' own \
                 statistics: the model and its figures have them computed anew, from {photos} training photos; \
                 --moving-statistics keeps them as Keras does"
            ));
        }
        Ok(Fitted {
            outcome,
            epochs: self.place.epoch,
            best_epoch: self.place.best_epoch,
            exported_epoch,
            model,
            steps: self.place.step,
            still_improving: self.place.watch.has_found(Cause::StillImproving),
            recomputed_statistics,
            profile,
            clock: self.place.clock.plus(self.place.epoch_clock),
            seconds,
        })
    }
}
