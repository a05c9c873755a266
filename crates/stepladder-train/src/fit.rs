//! The loop: epochs of steps, validation after each, what the rung's callbacks make of it, and checkpoints on the way.

use crate::checkpoint::{Checkpoint, Snapshot};
use crate::checkpoints::{Job, Restored, Writer};
use crate::error::TrainError;
use crate::log::Log;
use crate::meter::Clock;
use crate::plateau::better;
use crate::preparation::{Prepared, TrainingRequest};
use crate::records::{EpochRecord, Outcome, StepRecord};
use crate::requests::{Requests, RunRequest};
use crate::room::when_there_is_room;
use crate::run_directory::RunDirectory;
use crate::schedule::learning_rate;
use crate::training::Observer;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use stepladder_classifier::{classify, write_arrays};
use stepladder_data::{Epoch, Loader};
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
    /// Seconds of earlier sittings and of this one, until now.
    pub seconds: f64,
}

/// A training in progress.
pub(crate) struct Fit<'scope, 'env> {
    request: &'env TrainingRequest,
    prepared: &'env Prepared,
    run: &'env RunDirectory,
    observer: &'env dyn Observer,
    interrupt: &'env AtomicBool,
    requests: Requests,
    loader: Loader,
    trainer: Trainer,
    place: Checkpoint,
    /// Weights of the best epoch so far, in host memory.
    best: Option<Vec<Array>>,
    /// Whether no checkpoint has taken them along yet.
    best_is_new: bool,
    steps: Log,
    epochs: Log,
    writer: Writer<'scope, 'env>,
    checkpointed: Instant,
    /// When this sitting began, and the seconds of those before.
    began: Instant,
    seconds_before: f64,
}

/// Trains from the first step, or from where a checkpoint was taken, until the epochs are done, early stopping ends it, or the user does.
pub(crate) fn fit(
    request: &TrainingRequest,
    prepared: &Prepared,
    run: &RunDirectory,
    restored: Option<Restored>,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Fitted, TrainError> {
    let from = restored.as_ref().map(|restored| {
        let place = &restored.snapshot.place;
        (place.step, place.best_epoch)
    });
    std::thread::scope(|scope| {
        let writer = Writer::new(scope, run, observer, interrupt, from);
        Fit::new(request, prepared, run, restored, observer, interrupt, writer)?.run()
    })
}

impl<'scope, 'env> Fit<'scope, 'env> {
    fn new(
        request: &'env TrainingRequest,
        prepared: &'env Prepared,
        run: &'env RunDirectory,
        restored: Option<Restored>,
        observer: &'env dyn Observer,
        interrupt: &'env AtomicBool,
        writer: Writer<'scope, 'env>,
    ) -> Result<Fit<'scope, 'env>, TrainError> {
        let rung = &request.rung;
        let network = prepared.network.clone();
        let trainer = |model: Model| {
            let model = model.with_precision(request.precision);
            let optimizer = rung.optimizer.clone();
            Trainer::new(model, optimizer, rung.training.label_smoothing, request.seed)
        };
        let (place, trainer, best, steps, epochs) = match restored {
            Some(restored) => {
                let (place, weights, optimizer) = restored.snapshot.into_parts();
                let mut trainer = trainer(Model::from_arrays(network, weights, request.device)?);
                trainer.restore(optimizer)?;
                observer.resumed(&place);
                (place, trainer, restored.best, restored.steps, restored.epochs)
            }
            None => (
                Checkpoint::default(),
                trainer(Model::new(network, request.seed, request.device)),
                None,
                Log::open(&run.steps(), 0)?,
                Log::open(&run.epochs(), 0)?,
            ),
        };
        Ok(Fit {
            request,
            prepared,
            run,
            observer,
            interrupt,
            requests: Requests::new(run),
            loader: request.training_loader(prepared)?,
            trainer,
            seconds_before: place.seconds,
            place,
            best,
            best_is_new: false,
            steps,
            epochs,
            writer,
            checkpointed: Instant::now(),
            began: Instant::now(),
        })
    }

    fn run(mut self) -> Result<Fitted, TrainError> {
        let outcome = loop {
            if let Some(ended) = self.place.ended {
                break ended;
            }
            if self.place.epoch >= self.request.rung.training.epochs {
                break Outcome::Finished;
            }
            if !self.epoch()? {
                break Outcome::Interrupted;
            }
        };
        self.finish(outcome)
    }

    /// One epoch, or what is left of it; false if the user stopped it.
    fn epoch(&mut self) -> Result<bool, TrainError> {
        let started = Instant::now();
        let before = self.place.epoch_clock;
        let mut batches = self.loader.epoch_from(self.place.epoch as u64, self.place.batch);
        while let Some(batch) = batches.next() {
            let batch = batch?;
            let rate = self.rate();
            let photos = batch.labels.len();
            let step = self.trainer.step(batch.images, &batch.labels, rate);
            self.place.mean.add(photos, step.loss, step.correct);
            self.place.rate = rate;
            self.log_step(photos, step.loss, step.correct, rate)?;
            self.place.epoch_clock = before.plus(this_sitting(started, &batches, &self.place, before));
            let asked = self.requests.next();
            if asked == Some(RunRequest::Stop) {
                // As Ctrl-C would, so that a climb around this training stops, too.
                self.interrupt.store(true, Ordering::Relaxed);
            }
            if self.interrupt.load(Ordering::Relaxed) {
                self.checkpoint()?;
                return Ok(false);
            }
            let due = self.checkpointed.elapsed() >= self.request.checkpoint_every;
            if asked.is_some() || (due && !self.writer.is_busy()) {
                self.checkpoint()?;
            }
        }
        drop(batches);
        self.end_epoch(before.training, started)?;
        Ok(true)
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
            return if self.steps.is_due() { self.flush() } else { Ok(()) };
        }
        self.flush()?;
        Err(TrainError::Diverged {
            step: record.step,
            epoch: record.epoch,
            loss,
            suggestion: rate / 10.0,
        })
    }

    /// Validates, asks the callbacks what is next, notes, keeps the best weights, and checkpoints.
    fn end_epoch(&mut self, seconds_before: f64, started: Instant) -> Result<(), TrainError> {
        let (val_loss, val_accuracy) = self.validate()?.unzip();
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
            self.best = Some(self.trainer.model().to_arrays());
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
        self.checkpoint()?;
        self.observer.epoch(&record, rung.training.epochs);
        Ok(())
    }

    /// Hands both logs to the operating system.
    fn flush(&mut self) -> Result<(), TrainError> {
        let (steps, epochs) = (&mut self.steps, &mut self.epochs);
        when_there_is_room(self.observer, self.interrupt, || {
            steps.flush()?;
            epochs.flush()
        })
    }

    /// Copies where training stands and has it written while training goes on.
    fn checkpoint(&mut self) -> Result<(), TrainError> {
        self.flush()?;
        self.place.steps_bytes = self.steps.length();
        self.place.epochs_bytes = self.epochs.length();
        self.place.seconds = self.seconds();
        // One copy in memory at a time: the one before is on the disk before the next is made.
        self.writer.wait()?;
        let best = self.best.as_ref().filter(|_| self.best_is_new);
        let job = Job {
            snapshot: Snapshot::take(&self.place, &self.trainer),
            best: self.place.best_epoch.zip(best.cloned()),
            logs: [self.steps.handle()?, self.epochs.handle()?],
        };
        self.best_is_new = false;
        self.checkpointed = Instant::now();
        self.writer.write(job)
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.began.elapsed().as_secs_f64()
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

    fn finish(mut self, outcome: Outcome) -> Result<Fitted, TrainError> {
        self.flush()?;
        self.writer.wait()?;
        let seconds = self.seconds();
        let last = self.trainer.into_model();
        let batches = self.loader.batches() as u64;
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
            write(&self.run.best_weights(), epoch, epoch as u64 * batches, best)?;
        }
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
            clock: self.place.clock.plus(self.place.epoch_clock),
            seconds,
        })
    }
}

/// When weights were so: the header of `best.safetensors` and `last.safetensors`. It holds no time, so that equal runs have equal files.
#[derive(serde::Serialize)]
struct Moment {
    /// Epochs that had ended.
    epoch: usize,
    /// Steps that had been taken.
    step: u64,
}

/// The time that an epoch has taken since this sitting took it up.
fn this_sitting(started: Instant, batches: &Epoch, place: &Checkpoint, before: Clock) -> Clock {
    Clock {
        training: started.elapsed().as_secs_f64(),
        waited: batches.waited().as_secs_f64(),
        photos: place.mean.photos as u64 - before.photos,
    }
}
