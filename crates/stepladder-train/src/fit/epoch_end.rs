//! The end of an epoch: validation, what the rung's callbacks and the watch make of it, the log, the best weights.

use super::{EpochOutcome, Fit};
use crate::checkpoint::Checkpoint;
use crate::error::TrainError;
use crate::plateau::better;
use crate::preparation::Prepared;
use std::time::Instant;
use stepladder_classifier::{ClassifyError, Evaluation, classify};
use stepladder_model::Monitor;
use stepladder_run::{EpochRecord, Outcome};

impl Fit<'_, '_> {
    /// Validates, asks the callbacks what is next, notes, keeps the best weights, and checkpoints.
    pub(super) fn end_epoch(
        &mut self,
        seconds_before: f64,
        started: Instant,
    ) -> Result<EpochOutcome, TrainError> {
        if self.weights_left_the_numbers()? {
            return Ok(EpochOutcome::SetBack);
        }
        let validation = match self.validate() {
            Err(TrainError::Classify(ClassifyError::NotFinite { photos, asked })) => {
                self.answers_left_the_numbers(photos, asked)?;
                return Ok(EpochOutcome::SetBack);
            }
            validation => validation?,
        };
        let (val_loss, val_accuracy) = validation
            .as_ref()
            .map(|evaluation| (evaluation.loss as f32, evaluation.accuracy as f32))
            .unzip();
        let Checkpoint { mean, rate, .. } = self.place;
        let clock = std::mem::take(&mut self.place.epoch_clock);
        let figure = |monitor: Monitor| match monitor {
            Monitor::ValLoss => val_loss,
            Monitor::ValAccuracy => val_accuracy,
            Monitor::Loss => Some(mean.loss()),
            Monitor::Accuracy => Some(mean.accuracy()),
        };
        let rung = &self.request.rung;
        // A rung without early stopping is watched as Keras' default would, so that its best weights are kept too.
        let watched = rung.early_stopping.clone().unwrap_or_default();
        let best = figure(watched.monitor).filter(|&figure| {
            let more_is_better = watched.monitor.more_is_better();
            better(self.place.best_figure, figure, watched.min_delta, more_is_better)
        });
        let epoch = self.place.epoch;
        self.place.epoch += 1;
        self.place.batch = 0;
        self.place.mean = Default::default();
        self.place.clock = self.place.clock.plus(clock);

        if let Some(stopping) = &rung.early_stopping {
            let stop = figure(stopping.monitor)
                .is_some_and(|figure| self.place.stopping.observe(stopping, epoch, figure));
            if stop {
                self.place.ended = Some(Outcome::StoppedEarly);
            }
        }
        if let Some(plateau) = &rung.reduce_lr_on_plateau
            && let Some(figure) = figure(plateau.monitor)
        {
            self.place.plateau.observe(plateau, rate, figure);
        }
        if best.is_some() {
            self.place.best_figure = best;
            self.place.best_epoch = Some(self.place.epoch);
            self.best = Some(self.trainer.evaluated().to_arrays().into());
            self.best_is_new = true;
        }

        let record = EpochRecord {
            epoch: self.place.epoch,
            loss: mean.loss(),
            accuracy: mean.accuracy(),
            val_loss,
            val_accuracy,
            learning_rate: rate,
            images_per_second: clock.images_per_second(),
            input_wait_fraction: clock.input_wait_fraction(),
            seconds: seconds_before + started.elapsed().as_secs_f64(),
            best: best.is_some(),
        };
        self.epochs.push(&record)?;
        self.observer.epoch(&record, self.course.epochs());
        if self.look_at_epoch(mean, validation.as_ref())? {
            return Ok(EpochOutcome::SetBack);
        }
        self.correct_the_length()?;
        self.checkpoint()?;
        Ok(EpochOutcome::Done)
    }

    /// Figures on the validation part; `None` without one.
    fn validate(&self) -> Result<Option<Evaluation>, TrainError> {
        let Prepared {
            store,
            labels,
            split,
            dataset,
            ..
        } = self.prepared;
        let at_once = self.request.answers_at_once(self.decided.photos_at_once);
        let model = self.trainer.evaluated();
        let predictions = classify(&model, store, labels, &split.validation, at_once)?;
        Ok(predictions.evaluate(&dataset.classes))
    }
}
