//! The loop: epochs of steps, validation after each, and what the rung's callbacks make of it.

use crate::checkpoint::Checkpoint;
use crate::error::TrainError;
use crate::plateau::better;
use crate::preparation::{Prepared, TrainingRequest};
use crate::records::{EpochRecord, Outcome, StepRecord};
use crate::run_directory::{Log, RunDirectory};
use crate::schedule::learning_rate;
use crate::training::Observer;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stepladder_classifier::{classify, write_arrays};
use stepladder_data::Loader;
use stepladder_model::Monitor;
use stepladder_nn::{Array, Model, Trainer};

/// What the loop leaves behind.
pub(crate) struct Fitted {
    pub outcome: Outcome,
    pub epochs: usize,
    pub best_epoch: Option<usize>,
    /// The epoch at whose end `model` was, from 1; `None` if it was within one.
    pub exported_epoch: Option<usize>,
    /// The model to export: the best epoch's where the rung restores it, else the last.
    pub model: Model,
    pub clock: Clock,
}

/// Time and photos of the training itself, validation left out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock {
    pub training: Duration,
    pub waited: Duration,
    pub photos: u64,
}

impl Clock {
    pub fn images_per_second(&self) -> f64 {
        self.photos as f64 / self.training.as_secs_f64().max(1e-9)
    }

    pub fn input_wait_fraction(&self) -> f64 {
        self.waited.as_secs_f64() / self.training.as_secs_f64().max(1e-9)
    }

    fn add(&mut self, other: Clock) {
        self.training += other.training;
        self.waited += other.waited;
        self.photos += other.photos;
    }
}

/// Running means over the photos of one epoch.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    photos: usize,
    loss: f64,
    correct: usize,
}

impl Mean {
    fn add(&mut self, photos: usize, loss: f32, correct: usize) {
        self.photos += photos;
        self.loss += f64::from(loss) * photos as f64;
        self.correct += correct;
    }

    fn loss(&self) -> f32 {
        (self.loss / self.photos.max(1) as f64) as f32
    }

    fn accuracy(&self) -> f32 {
        self.correct as f32 / self.photos.max(1) as f32
    }
}

/// A training in progress.
pub(crate) struct Fit<'a> {
    request: &'a TrainingRequest,
    prepared: &'a Prepared,
    run: &'a RunDirectory,
    observer: &'a dyn Observer,
    interrupt: &'a AtomicBool,
    loader: Loader,
    trainer: Trainer,
    place: Checkpoint,
    /// Weights of the best epoch so far, in host memory.
    best: Option<Vec<Array>>,
    steps: Log,
    epochs: Log,
    clock: Clock,
}

impl<'a> Fit<'a> {
    pub fn new(
        request: &'a TrainingRequest,
        prepared: &'a Prepared,
        run: &'a RunDirectory,
        observer: &'a dyn Observer,
        interrupt: &'a AtomicBool,
    ) -> Result<Fit<'a>, TrainError> {
        let rung = &request.rung;
        let model = Model::new(prepared.network.clone(), request.seed, request.device)
            .with_precision(request.precision);
        Ok(Fit {
            request,
            prepared,
            run,
            observer,
            interrupt,
            loader: request.training_loader(prepared)?,
            trainer: Trainer::new(
                model,
                rung.optimizer.clone(),
                rung.training.label_smoothing,
                request.seed,
            ),
            place: Checkpoint::default(),
            best: None,
            steps: run.log("steps.jsonl")?,
            epochs: run.log("epochs.jsonl")?,
            clock: Clock::default(),
        })
    }

    /// Trains until the epochs are done, early stopping ends it, or the user does.
    pub fn run(mut self) -> Result<Fitted, TrainError> {
        let mut outcome = Outcome::Finished;
        while self.place.epoch < self.request.rung.training.epochs {
            match self.epoch()? {
                Next::Continue => {}
                Next::End(end) => {
                    outcome = end;
                    break;
                }
            }
        }
        self.finish(outcome)
    }

    /// One epoch, or the part of it before the user stopped.
    fn epoch(&mut self) -> Result<Next, TrainError> {
        let started = Instant::now();
        let mut batches = self.loader.epoch(self.place.epoch as u64);
        let mut mean = Mean::default();
        let mut rate = 0.0;
        while let Some(batch) = batches.next() {
            let batch = batch?;
            rate = self.rate();
            let photos = batch.labels.len();
            let step = self.trainer.step(batch.images, &batch.labels, rate);
            self.log_step(photos, step.loss, step.correct, rate)?;
            mean.add(photos, step.loss, step.correct);
            if self.interrupt.load(Ordering::Relaxed) {
                self.place.write(&self.run.checkpoint(), &self.trainer)?;
                self.clock.add(Clock {
                    training: started.elapsed(),
                    waited: batches.waited(),
                    photos: mean.photos as u64,
                });
                return Ok(Next::End(Outcome::Interrupted));
            }
        }
        let clock = Clock {
            training: started.elapsed(),
            waited: batches.waited(),
            photos: mean.photos as u64,
        };
        drop(batches);
        self.clock.add(clock);
        self.end_epoch(mean, rate, clock, started)
    }

    /// The learning rate of the next step.
    fn rate(&self) -> f32 {
        let rung = &self.request.rung;
        let per_epoch = self.loader.batches() as u64;
        let steps = per_epoch * rung.training.epochs as u64;
        let base = rung.optimizer.learning_rate();
        learning_rate(&rung.schedule, base, self.place.step, steps, per_epoch) * self.place.plateau.factor
    }

    fn log_step(&mut self, photos: usize, loss: f32, correct: usize, rate: f32) -> Result<(), TrainError> {
        let record = StepRecord {
            step: self.place.step,
            epoch: self.place.epoch + 1,
            loss,
            accuracy: correct as f32 / photos as f32,
            learning_rate: rate,
        };
        self.place.step += 1;
        self.place.batch += 1;
        self.steps.push(&record)?;
        self.observer
            .step(&record, self.place.batch, self.loader.batches());
        if loss.is_finite() {
            return Ok(());
        }
        self.steps.flush()?;
        Err(TrainError::Diverged {
            step: record.step,
            epoch: record.epoch,
            loss,
            suggestion: rate / 10.0,
        })
    }

    /// Validates, notes, keeps the best weights, checkpoints, and asks the callbacks what is next.
    fn end_epoch(
        &mut self,
        mean: Mean,
        rate: f32,
        clock: Clock,
        started: Instant,
    ) -> Result<Next, TrainError> {
        let validation = self.validate()?;
        let (val_loss, val_accuracy) = validation.unzip();
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

        let mut next = Next::Continue;
        if let Some(stopping) = &rung.early_stopping {
            let stop = figure(stopping.monitor)
                .is_some_and(|figure| self.place.stopping.observe(stopping, epoch, figure));
            if stop {
                next = Next::End(Outcome::StoppedEarly);
            }
        }
        if let Some(plateau) = &rung.reduce_lr_on_plateau
            && let Some(figure) = figure(plateau.monitor)
        {
            self.place.plateau.observe(plateau, rate, figure);
        }
        if let Some(figure) = best {
            self.keep_best(figure)?;
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
            seconds: started.elapsed().as_secs_f64(),
            best: best.is_some(),
        };
        self.epochs.push(&record)?;
        self.epochs.flush()?;
        self.steps.flush()?;
        self.place.write(&self.run.checkpoint(), &self.trainer)?;
        self.observer.epoch(&record, rung.training.epochs);
        Ok(next)
    }

    /// Loss and accuracy on the validation part; `None` without one.
    fn validate(&self) -> Result<Option<(f32, f32)>, TrainError> {
        let Prepared {
            store,
            labels,
            split,
            dataset,
            ..
        } = self.prepared;
        let batch_size = self.request.rung.training.batch_size;
        let predictions = classify(self.trainer.model(), store, labels, &split.validation, batch_size)?;
        let evaluation = predictions.evaluate(&dataset.classes);
        Ok(evaluation.map(|evaluation| (evaluation.loss as f32, evaluation.accuracy as f32)))
    }

    /// Keeps the weights of the epoch that just ended, in memory and in the run.
    fn keep_best(&mut self, figure: f32) -> Result<(), TrainError> {
        self.place.best_figure = Some(figure);
        self.place.best_epoch = Some(self.place.epoch);
        let weights = self.trainer.model().to_arrays();
        write_arrays(&self.run.best_weights(), &self.place, &weights)?;
        self.best = Some(weights);
        Ok(())
    }

    fn finish(mut self, outcome: Outcome) -> Result<Fitted, TrainError> {
        self.steps.flush()?;
        let last = self.trainer.into_model();
        write_arrays(&self.run.last_weights(), &self.place, &last.to_arrays())?;
        let restores = self
            .request
            .rung
            .early_stopping
            .as_ref()
            .is_some_and(|s| s.restore_best_weights);
        let best = self.best.filter(|_| restores);
        let (exported_epoch, model) = match (best, self.place.best_epoch) {
            (Some(best), Some(epoch)) => (
                Some(epoch),
                Model::from_arrays(self.prepared.network.clone(), best, self.request.device)?
                    .with_precision(self.request.precision),
            ),
            _ => ((self.place.batch == 0).then_some(self.place.epoch), last),
        };
        Ok(Fitted {
            outcome,
            epochs: self.place.epoch,
            best_epoch: self.place.best_epoch,
            exported_epoch,
            model,
            clock: self.clock,
        })
    }
}

/// What follows an epoch.
enum Next {
    Continue,
    End(Outcome),
}
