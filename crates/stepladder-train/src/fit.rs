//! The loop: epochs of steps with checkpoints on the way. What happens at the end of an epoch, at the end of all, when something
//! goes wrong, and what is watched, is in the files below.

mod epoch_end;
mod finish;
mod recovery;
mod timing;
mod watching;

use crate::checkpoint::{BeganWith, Checkpoint, Snapshot};
use crate::checkpoints::{Job, Restored, Writer, has_best};
use crate::course::Course;
use crate::error::TrainError;
use crate::log::Log;
use crate::meter::Clock;
use crate::preparation::{Prepared, TrainingRequest};
use crate::room::when_there_is_room;
use crate::schedule::learning_rate;
use crate::training::Observer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use stepladder_data::{Epoch, Loader};
use stepladder_nn::{Array, Model, StepOutcome, Trainer};
use stepladder_run::{Decided, Outcome, Requests, RunDirectory, RunRequest, StepRecord};

pub(crate) use finish::Fitted;
pub use recovery::Rescue;
pub(crate) use timing::Timing;

/// A training in progress.
pub(crate) struct Fit<'scope, 'env> {
    request: &'env TrainingRequest,
    prepared: &'env Prepared,
    run: &'env RunDirectory,
    decided: Decided,
    observer: &'env dyn Observer,
    interrupt: &'env AtomicBool,
    requests: Requests,
    course: Course,
    loader: Loader,
    trainer: Trainer,
    place: Checkpoint,
    /// Weights of the best epoch so far, in host memory, shared with the writer.
    best: Option<Arc<[Array]>>,
    /// Whether no checkpoint has taken them along yet.
    best_is_new: bool,
    steps: Log,
    epochs: Log,
    writer: Writer<'scope, 'env>,
    checkpointed: Instant,
    /// Under a budget, what is known of the time.
    timing: Option<Timing>,
    /// When this sitting began, and the seconds of those before.
    began: Instant,
    seconds_before: f64,
}

/// How an epoch, or what was left of it, went.
enum EpochOutcome {
    /// To its end, or to the end of all steps.
    Done,
    /// The user stopped it.
    Interrupted,
    /// Training was set back, and goes on from another place.
    SetBack,
}

/// Trains from the first step, or from where a checkpoint was taken, until the steps are done, early stopping ends it, or the user does.
pub(crate) fn fit(
    request: &TrainingRequest,
    prepared: &Prepared,
    run: &RunDirectory,
    decided: Decided,
    restored: Option<Restored>,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Fitted, TrainError> {
    let from = restored.as_ref().map(|restored| restored.snapshot.place.clone());
    std::thread::scope(|scope| {
        let writer = Writer::new(scope, run, observer, interrupt, from);
        let fit = Fit::new(
            request, prepared, run, decided, restored, observer, interrupt, writer,
        )?;
        fit.run()
    })
}

impl<'scope, 'env> Fit<'scope, 'env> {
    #[expect(clippy::too_many_arguments, reason = "all that a training is made of, once")]
    fn new(
        request: &'env TrainingRequest,
        prepared: &'env Prepared,
        run: &'env RunDirectory,
        decided: Decided,
        restored: Option<Restored>,
        observer: &'env dyn Observer,
        interrupt: &'env AtomicBool,
        writer: Writer<'scope, 'env>,
    ) -> Result<Fit<'scope, 'env>, TrainError> {
        let graph = prepared.graph.clone();
        let at_once = decided.photos_at_once;
        let (place, trainer, best, steps, epochs) = match restored {
            Some(restored) => {
                let (place, weights, optimizer) = restored.snapshot.into_parts();
                let model = Model::from_arrays(graph, weights, request.device)?;
                let mut trainer = request.trainer(model, at_once);
                trainer.restore(optimizer)?;
                observer.resumed(&place);
                (
                    place,
                    trainer,
                    restored.best.map(Arc::from),
                    restored.steps.go_on()?,
                    restored.epochs.go_on()?,
                )
            }
            None => (
                Checkpoint::default(),
                request.trainer(request.initial_model(prepared, request.seed)?, at_once),
                None,
                Log::begin(run, &run.steps())?,
                Log::begin(run, &run.epochs())?,
            ),
        };
        let timing = Timing::read(request, run)?;
        let course = prepared.course(decided.steps, request.rung.training.epochs);
        let course = timing
            .iter()
            .fold(course, |course, timing| timing.corrected(course, place.epoch));
        Ok(Fit {
            timing: timing.map(|timing| timing.from(&place)),
            course,
            request,
            prepared,
            run,
            decided,
            observer,
            interrupt,
            requests: Requests::new(run),
            loader: request.training_loader(prepared, decided.steps)?,
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
            // The last step may have been taken by a sitting that was stopped before the end of its epoch.
            if self.place.step >= self.course.steps() && self.place.batch == 0 {
                break Outcome::Finished;
            }
            match self.epoch()? {
                EpochOutcome::Interrupted => break Outcome::Interrupted,
                EpochOutcome::SetBack => self.restore_length(),
                EpochOutcome::Done => {}
            }
        };
        self.finish(outcome)
    }

    fn epoch(&mut self) -> Result<EpochOutcome, TrainError> {
        let started = Instant::now();
        let before = self.place.epoch_clock;
        let mut batches = self.begin_epoch();
        while self.place.step < self.course.steps()
            && let Some(batch) = batches.next()
        {
            let batch = batch?;
            let targets = self.prepared.targets(&batch);
            if self.place.step == 0 {
                self.look_before_the_first_step(&batch, &targets)?;
            }
            let rate = self.rate();
            let step = self.trainer.step(batch.images, targets, rate);
            if !step.loss.is_finite() {
                self.not_a_number(&step, rate, &batch.photos)?;
                return Ok(EpochOutcome::SetBack);
            }
            let photos = batch.labels.len();
            self.place.mean.add(photos, step.loss, step.correct);
            self.place.rate = rate;
            self.log_step(photos, &step, rate)?;
            self.place.epoch_clock = before.plus(this_sitting(started, &batches, &self.place, before));
            if self.look_at_steps(&step)? {
                return Ok(EpochOutcome::SetBack);
            }
            let asked = self.requests.poll();
            if asked == Some(RunRequest::Stop) {
                // As Ctrl-C would, so that a climb around this training stops, too.
                self.interrupt.store(true, Ordering::Relaxed);
            }
            if self.interrupt.load(Ordering::Relaxed) {
                self.checkpoint()?;
                return Ok(EpochOutcome::Interrupted);
            }
            let due = self.checkpointed.elapsed() >= self.request.checkpoint_every;
            if asked.is_some() || (due && !self.writer.is_busy()) {
                self.checkpoint()?;
            }
        }
        drop(batches);
        self.end_epoch(before.training, started)
    }

    /// The batches of the epoch that is next, or what is left of it, and the network for them.
    fn begin_epoch(&mut self) -> Epoch {
        let phase = self.course.phase(self.place.epoch);
        self.trainer.set_graph(Arc::clone(&phase.graph));
        self.loader
            .epoch_of(self.place.epoch as u64, self.place.batch, phase.shape())
    }

    /// The learning rate of the next step.
    fn rate(&self) -> f32 {
        let rung = &self.request.rung;
        let per_epoch = self.course.batches(self.place.epoch) as u64;
        let base = rung.optimizer.learning_rate();
        let Checkpoint {
            step, epoch, batch, ..
        } = self.place;
        let (at, of) = self.course.in_schedule(step, epoch, batch);
        let scheduled = learning_rate(&rung.schedule, base, at, of, per_epoch);
        scheduled * self.place.plateau.factor * self.place.rescue.rate_factor
    }

    fn log_step(&mut self, photos: usize, step: &StepOutcome, rate: f32) -> Result<(), TrainError> {
        let record = StepRecord {
            step: self.place.step,
            epoch: self.place.epoch + 1,
            loss: step.loss,
            accuracy: step.correct as f32 / photos as f32,
            learning_rate: rate,
        };
        self.place.step += 1;
        self.place.batch += 1;
        self.steps.push(&record)?;
        self.observer
            .step(&record, self.place.batch, self.course.batches(self.place.epoch));
        if self.steps.is_due() { self.flush() } else { Ok(()) }
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
        self.place.began_with = Some(BeganWith::new(self.request, self.decided));
        if self.place.batch == 0 {
            self.place.anchor = Some(self.place.step);
        }
        // One copy in memory at a time: the one before is on the disk before the next is made.
        self.writer.wait()?;
        // Where they were taken away, they are written once more.
        let there = self
            .place
            .best_epoch
            .is_some_and(|epoch| has_best(self.run, epoch));
        let best = self.best.as_ref().filter(|_| self.best_is_new || !there);
        let job = Job {
            snapshot: Snapshot::take(&self.place, &self.trainer),
            best: self.place.best_epoch.zip(best.map(Arc::clone)),
            logs: [self.steps.handle()?, self.epochs.handle()?],
        };
        self.best_is_new = false;
        self.checkpointed = Instant::now();
        self.writer.write(job)
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.began.elapsed().as_secs_f64()
    }
}

/// The time that an epoch has taken since this sitting took it up.
fn this_sitting(started: Instant, batches: &Epoch, place: &Checkpoint, before: Clock) -> Clock {
    Clock {
        training: started.elapsed().as_secs_f64(),
        waited: batches.waited().as_secs_f64(),
        photos: place.mean.photos as u64 - before.photos,
    }
}
