//! The climb itself: rung after rung and seed after seed, with everything written down after each.

use crate::budget::{self, Trial};
use crate::error::ClimbError;
use crate::evaluation::{self, AnswersByRun};
use crate::ladder::{Step, steps};
use crate::place::{ClimbDirectory, Names};
use crate::record::{ClimbRecord, RunOutcome, RunRecord, RungRecord};
use crate::request::{ClimbRequest, Length};
use crate::settings::Photos;
use crate::training::{done, is_of, train_or_read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use stepladder_data::{DataError, Remark};
use stepladder_model::{Rung, shipped};
use stepladder_train::{
    Controls, MemoryPlan, Observer, Outcome, RecordedRun, RunPlace, TrainError, TrainingRequest, free_bytes,
    train, training_phases,
};

/// Told what happens while it happens: as an [`Observer`] of each training, and of the climb as a whole.
pub trait ClimbObserver: Observer {
    /// The photos have been read, and this is to be known of how.
    fn read(&self, _remarks: &[Remark]) {}
    /// The photos are ready, and the first training is next.
    fn begin(&self, climb: &ClimbRecord);
    /// A training is next.
    fn training(&self, training: &Training<'_>);
    /// A run is done or has failed; `earlier`, where it was so before this call.
    fn ended(&self, rung: &RungRecord, run: &RunRecord, training: &Training<'_>, earlier: bool);
}

/// A training that is about to begin.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// The rung.
    pub rung: &'a str,
    /// The seed.
    pub seed: u64,
    /// Its number among those of the climb, from 1.
    pub number: usize,
    /// Trainings of the climb.
    pub of: usize,
    /// Whether it only measures how long an epoch takes.
    pub trial: bool,
}

/// Climbs as requested, and leaves a complete climb directory.
///
/// A rung that cannot be built or does not fit, or whose loss leaves the numbers, becomes a row that says so, and the
/// climb goes on. Setting `interrupt` ends it after the current step; the same request then goes on from there.
pub fn climb(
    request: &ClimbRequest,
    observer: &dyn ClimbObserver,
    interrupt: &AtomicBool,
) -> Result<ClimbRecord, ClimbError> {
    let steps = steps(&request.rungs)?;
    let photos = Photos::open(request, &steps, observer.progress())?;
    observer.read(&photos.remarks);
    let names = Names {
        rungs: steps.iter().map(|step| step.rung.name.as_str()).collect(),
        seeds: &request.seeds,
    };
    let directory = ClimbDirectory::open(&request.place, &photos.name, &photos.settings, &names)?;
    let mut climb = Climb {
        record: ClimbRecord::new(&directory.path, photos.settings.clone(), &request.seeds),
        answers: AnswersByRun::new(),
        request,
        observer,
        interrupt,
        photos,
        directory,
    };
    climb.lay_out(&steps)?;
    climb.train_all(&steps)?;
    climb.finish()
}

struct Climb<'a> {
    request: &'a ClimbRequest,
    observer: &'a dyn ClimbObserver,
    interrupt: &'a AtomicBool,
    photos: Photos,
    directory: ClimbDirectory,
    record: ClimbRecord,
    answers: AnswersByRun,
}

impl Climb<'_> {
    /// Writes down what will be trained, and takes over what an earlier call has left: its rungs that are not asked for
    /// now, the epochs that it chose, and what it spent.
    fn lay_out(&mut self, steps: &[Step]) -> Result<(), ClimbError> {
        for step in steps {
            let graph = step.rung.graph(self.photos.size(step), self.photos.classes);
            let deck = step.rung.deck.as_ref().and_then(|deck| deck.test_accuracy);
            self.record.rungs.push(RungRecord {
                rung: step.rung.name.clone(),
                ancestors: step.ancestors.clone(),
                change: step.rung.change.clone(),
                ancestor_changes: step.ancestor_changes.clone(),
                // By way of its decimal digits: 0.56 as f64 is 0.56, where the f32 behind it is 0.5600000023841858.
                deck_test_accuracy: deck.and_then(|deck| deck.to_string().parse().ok()),
                size: self.photos.size(step),
                parameters: graph.ok().map(|graph| graph.trainable_parameter_count()),
                epoch_limit: match self.request.length {
                    Length::Rung => Some(step.rung.training.epochs),
                    Length::Epochs(epochs) => Some(epochs),
                    Length::Budget(_) => None,
                },
                epoch_seconds: None,
                runs: self
                    .request
                    .seeds
                    .iter()
                    .copied()
                    .map(RunRecord::waiting)
                    .collect(),
                figures: None,
                against: None,
            });
        }
        if let Some(earlier) = self.directory.earlier.take() {
            self.record.spent_seconds = earlier.spent_seconds;
            for rung in earlier.rungs {
                self.take_over(rung, steps)?;
            }
            // A stable sort, as that of the steps.
            self.record.rungs.sort_by_key(|rung| {
                let place = shipped().iter().position(|known| known.name == rung.rung);
                place.unwrap_or(usize::MAX)
            });
        }
        self.save()?;
        self.observer.begin(&self.record);
        Ok(())
    }

    /// Takes over a rung of an earlier call.
    fn take_over(&mut self, earlier: RungRecord, steps: &[Step]) -> Result<(), ClimbError> {
        let Some(step) = steps.iter().find(|step| step.rung.name == earlier.rung) else {
            if earlier.figures.is_some() {
                for run in earlier.runs.iter().filter(|run| run.outcome == RunOutcome::Done) {
                    self.read_answers(&earlier.rung, run)?;
                }
                self.record.rungs.push(earlier);
            }
            return Ok(());
        };
        let at = self.index(&earlier.rung);
        for run in earlier.runs {
            // Only of the same rung: it may have been edited since.
            let limit = self.record.rungs[at].epoch_limit.or(earlier.epoch_limit);
            let (Some(limit), Some(name)) = (limit, &run.run) else {
                continue;
            };
            let request = self.training(step, limit, run.seed, RunPlace::Exactly(name.into()));
            let path = self.directory.path.join(name);
            let same = path.is_dir() && is_of(&path, &request).map_err(ClimbError::read(&path))?;
            if !same {
                continue;
            }
            self.record.rungs[at].epoch_limit = Some(limit);
            self.record.rungs[at].epoch_seconds = earlier.epoch_seconds;
            let place = self.record.seeds.iter().position(|&seed| seed == run.seed);
            if let Some(place) = place
                && run.outcome == RunOutcome::Failed
            {
                self.record.rungs[at].runs[place] = run;
            }
        }
        Ok(())
    }

    /// Where a rung is in the record.
    fn index(&self, rung: &str) -> usize {
        let place = self.record.rungs.iter().position(|known| known.rung == rung);
        place.unwrap_or(self.record.rungs.len())
    }

    fn train_all(&mut self, steps: &[Step]) -> Result<(), ClimbError> {
        let of = steps.len() * self.request.seeds.len();
        let mut number = 0;
        for (done, step) in steps.iter().enumerate() {
            let at = self.index(&step.rung.name);
            for run in 0..self.request.seeds.len() {
                number += 1;
                let training = Training {
                    rung: &step.rung.name,
                    seed: self.request.seeds[run],
                    number,
                    of,
                    trial: false,
                };
                let earlier = self.run(step, at, run, training, &steps[done..])?;
                self.record.rungs[at].figures = evaluation::figures(&self.record.rungs[at]);
                self.compare_with_ancestor(at);
                self.save()?;
                let rung = &self.record.rungs[at];
                if rung.runs[run].outcome != RunOutcome::Waiting {
                    self.observer.ended(rung, &rung.runs[run], &training, earlier);
                }
                if self.interrupt.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// One run: read, trained, or failed. Gives whether it was so before.
    fn run(
        &mut self,
        step: &Step,
        at: usize,
        run: usize,
        training: Training<'_>,
        left: &[Step],
    ) -> Result<bool, ClimbError> {
        if self.record.rungs[at].runs[run].outcome == RunOutcome::Failed {
            return Ok(true);
        }
        if let Some(reason) = self.cannot(step) {
            self.fail(at, run, reason);
            return Ok(false);
        }
        match self.train(step, at, run, training, left) {
            Ok(earlier) => Ok(earlier),
            Err(ClimbError::Train(error)) => {
                let reason = reason(error)?;
                if let Some(reason) = reason {
                    self.fail(at, run, reason);
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn fail(&mut self, at: usize, run: usize, reason: String) {
        let run = &mut self.record.rungs[at].runs[run];
        run.outcome = RunOutcome::Failed;
        run.reason = Some(reason);
    }

    /// Why a rung cannot be trained, known before it is tried.
    fn cannot(&self, step: &Step) -> Option<String> {
        let phases = training_phases(&step.rung, self.photos.size(step), self.photos.classes);
        let phases = match phases {
            Ok(phases) => phases,
            Err(error) => return Some(error.to_string()),
        };
        let free = free_bytes()?;
        // The seed and the length matter to nobody here.
        let request = self.training(step, 1, 0, RunPlace::Exactly(".".into()));
        let plan = MemoryPlan::fitting(&request, &phases, self.photos.settings.photos, free);
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        (plan.takes() > free).then(|| {
            format!(
                "does not fit in memory: takes {:.1} GiB even with one photo at a time, and {:.1} are free",
                gib(plan.takes()),
                gib(free)
            )
        })
    }

    /// Trains a run, or reads it where it is done.
    fn train(
        &mut self,
        step: &Step,
        at: usize,
        run: usize,
        training: Training<'_>,
        left: &[Step],
    ) -> Result<bool, ClimbError> {
        let limit = match self.record.rungs[at].epoch_limit {
            Some(limit) => limit,
            None => match self.try_out(step, at, training, left)? {
                Some(limit) => limit,
                None => return Ok(false),
            },
        };
        // The place is known once the rest is.
        let mut request = self.training(step, limit, training.seed, RunPlace::Exactly(".".into()));
        let (name, path) = self.directory.run(&request)?;
        request.place = RunPlace::Exactly(path.clone());
        self.record.rungs[at].runs[run].run = Some(name);
        self.save()?;

        let earlier = done(&path).is_some();
        if !earlier {
            self.observer.training(&training);
        }
        let started = Instant::now();
        let trained = train_or_read(&request, self.observer, self.interrupt);
        if !earlier {
            self.record.spent_seconds += started.elapsed().as_secs_f64();
        }
        let summary = trained?;
        if summary.outcome == Outcome::Interrupted {
            return Ok(false);
        }
        // As it is written, so that a climb that goes on has the same figures to the last digit.
        let summary = done(&path).unwrap_or(summary);
        let record = &mut self.record.rungs[at].runs[run];
        record.outcome = RunOutcome::Done;
        record.summary = Some(summary);
        let record = record.clone();
        self.read_answers(&step.rung.name, &record)?;
        Ok(earlier)
    }

    /// Under a budget: measures an epoch of a rung and chooses how many its trainings have; `None` if the user stopped it.
    fn try_out(
        &mut self,
        step: &Step,
        at: usize,
        training: Training<'_>,
        left: &[Step],
    ) -> Result<Option<usize>, ClimbError> {
        let most = step.rung.training.epochs;
        let Length::Budget(budget) = self.request.length else {
            return Ok(Some(most));
        };
        self.observer.training(&Training {
            trial: true,
            ..training
        });
        let folder = tempfile::Builder::new()
            .prefix(".trial-")
            .tempdir_in(&self.directory.path);
        let folder = folder.map_err(ClimbError::write(&self.directory.path))?;
        let place = RunPlace::Exactly(folder.path().to_path_buf());
        // Two epochs, so that the first is not followed by the final figures.
        let request = self.training(step, 2, training.seed, place);
        let share = budget::share(budget.as_secs_f64(), self.record.spent_seconds, left.len());
        let trial = Trial::new(self.observer, self.interrupt, share);
        let started = Instant::now();
        let tried = train(&request, &trial, &trial.stop);
        let seconds = started.elapsed().as_secs_f64();
        self.record.spent_seconds += seconds;
        tried?;
        if self.interrupt.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let epoch_seconds = trial.epoch_seconds().unwrap_or(seconds);
        let limit = budget::epochs(share - seconds, self.request.seeds.len(), epoch_seconds, most);
        self.record.rungs[at].epoch_seconds = Some(epoch_seconds);
        self.record.rungs[at].epoch_limit = Some(limit);
        Ok(Some(limit))
    }

    /// The request of one training.
    fn training(&self, step: &Step, epochs: usize, seed: u64, place: RunPlace) -> TrainingRequest {
        let mut rung: Rung = step.rung.clone();
        rung.training.epochs = epochs;
        // One test part for all. What is left may be divided as each rung says.
        rung.split.test = self.photos.settings.test_fraction;
        TrainingRequest {
            group_duplicates: false,
            rung,
            data: self.request.data.clone(),
            size: Some(self.photos.size(step)),
            seed,
            split_seed: Some(self.photos.settings.split_seed),
            device: self.request.device,
            precision: self.request.precision,
            checkpoint_every: TrainingRequest::CHECKPOINT_EVERY,
            threads: self.request.threads,
            place,
            cache: self.request.cache.clone(),
            controls: Controls {
                moving_statistics: self.request.moving_statistics,
                ..Controls::default()
            },
        }
    }

    /// Reads what a run that is done made of the test photos.
    fn read_answers(&mut self, rung: &str, run: &RunRecord) -> Result<(), ClimbError> {
        if let Some(name) = &run.run {
            let recorded = RecordedRun::read(&self.directory.path.join(Path::new(name)))?;
            if let Some(test) = recorded.test {
                self.answers.insert((rung.to_string(), run.seed), test);
            }
        }
        Ok(())
    }

    fn compare_with_ancestor(&mut self, at: usize) {
        let against = evaluation::against(&self.record, &self.record.rungs[at], &self.answers);
        self.record.rungs[at].against = against;
    }

    /// Compares what there is, and writes it down.
    fn finish(mut self) -> Result<ClimbRecord, ClimbError> {
        for at in 0..self.record.rungs.len() {
            self.compare_with_ancestor(at);
        }
        self.record.best = evaluation::best(&self.record, &self.answers);
        self.record.closest = evaluation::closest(&self.record, &self.answers);
        let mut runs = self.record.rungs.iter().flat_map(|rung| &rung.runs);
        self.record.complete = runs.all(|run| run.outcome != RunOutcome::Waiting);
        self.save()?;
        Ok(self.record)
    }

    fn save(&self) -> Result<(), ClimbError> {
        self.record.write(&self.directory.path)
    }
}

/// What a failed training says in its row; `None` if the user stopped it; an error if it was not the rung's fault.
fn reason(error: TrainError) -> Result<Option<String>, ClimbError> {
    match error {
        TrainError::Data(DataError::Cancelled) => Ok(None),
        TrainError::Diverged {
            step, epoch, loss, ..
        } => Ok(Some(format!(
            "diverged: the loss became {loss} at step {step} (epoch {epoch})"
        ))),
        TrainError::Graph(_) | TrainError::Rung(_) | TrainError::Data(DataError::Fractions { .. }) => {
            Ok(Some(error.to_string()))
        }
        error => Err(error.into()),
    }
}
