//! A training that keeps to a time: how its epochs really went says, a few times on the way, how many more there are to be.
//!
//! Each correction is in the run's `timing.json` before a step follows from it, and a run that goes on makes those that were made, so that
//! what was killed comes to the same weights.

use super::Fit;
use crate::budget::{Speeds, figures};
use crate::checkpoint::Checkpoint;
use crate::course::Course;
use crate::error::TrainError;
use crate::preparation::TrainingRequest;
use crate::room::when_there_is_room;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use stepladder_run::RunDirectory;

/// The share of the time after which the length is looked at again.
const EACH: f64 = 0.08;

/// The share of the time that is left free for what is written at the end.
const FREE: f64 = 0.015;

/// A change by less than this, in millionths of what is left, is none.
const LEAST: u64 = 10_000;

/// What is left is neither cut nor stretched by more at once.
const BOUNDS: [f64; 2] = [0.05, 8.0];

/// A million: corrections are whole numbers of millionths, so that a file holds them exactly.
const WHOLE: f64 = 1e6;

/// What is known of the time of a training under a budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timing {
    /// Seconds of the budget that were over before the first step.
    before: f64,
    /// As the trial found them.
    speeds: Speeds,
    corrections: Vec<Correction>,
    /// When the length was last looked at: the epoch, and the seconds of training by then.
    #[serde(skip)]
    looked: (usize, f64),
}

/// A correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Correction {
    /// Epochs that were done.
    epoch: usize,
    /// What is left, in millionths of what was to be left.
    millionths: u64,
}

impl Timing {
    /// Of a training whose time began at `began`, and whose first step is next.
    pub fn new(began: Instant, speeds: Speeds) -> Timing {
        Timing {
            before: began.elapsed().as_secs_f64(),
            speeds,
            corrections: Vec::new(),
            looked: (0, 0.0),
        }
    }

    /// That of a run; `None` without a budget, and of a run of an earlier version.
    pub fn read(request: &TrainingRequest, run: &RunDirectory) -> Result<Option<Timing>, TrainError> {
        if request.controls.budget.is_none() || request.is_exact() || !run.timing().exists() {
            return Ok(None);
        }
        let timing: Timing = run.read_json(&run.timing())?;
        let damaged = |reason: &str| TrainError::DamagedConfig {
            path: run.timing(),
            reason: reason.to_string(),
        };
        let within = |correction: &Correction| {
            BOUNDS
                .map(|bound| (bound * WHOLE) as u64)
                .map(|bound| correction.millionths.cmp(&bound))
        };
        let is_sound =
            |correction: &Correction| within(correction)[0].is_ge() && within(correction)[1].is_le();
        if !timing.before.is_finite() || !timing.corrections.iter().all(is_sound) {
            return Err(damaged("its corrections are none that a training makes"));
        }
        if !timing
            .corrections
            .is_sorted_by(|one, next| one.epoch < next.epoch)
        {
            return Err(damaged("its corrections are not in their order"));
        }
        Ok(Some(timing))
    }

    pub fn write(&self, run: &RunDirectory) -> Result<(), TrainError> {
        Ok(run.write_json(&run.timing(), self)?)
    }

    /// The same for a session that begins at `place`.
    pub fn from(self, place: &Checkpoint) -> Timing {
        Timing {
            looked: (place.epoch, place.seconds),
            ..self
        }
    }

    /// The course with the corrections that were made up to an epoch.
    pub fn corrected(&self, course: Course, epoch: usize) -> Course {
        let made = self
            .corrections
            .iter()
            .filter(|correction| correction.epoch <= epoch);
        made.fold(course, |course, correction| {
            course.corrected(correction.epoch, correction.part())
        })
    }

    /// Seconds that the trial would give to an epoch, from 0, with its validation.
    fn epoch(&self, course: &Course, epoch: usize, validation: usize) -> f64 {
        let phase = course.phase_number(epoch);
        let speed = self.speeds.phases.get(phase).or(self.speeds.phases.last());
        speed.map_or(0.0, |speed| {
            speed.batches as f64 * speed.step + validation as f64 * speed.answer
        })
    }

    /// The part of what is left of `course` after `epoch` epochs, `seconds` of training and `budget`, in which the time ends; `None` where
    /// it is no time to look.
    fn part(&self, course: &Course, at: Position) -> Option<f64> {
        let Position {
            epoch,
            seconds,
            budget,
            validation,
            at_the_end,
        } = at;
        let (from, then) = self.looked;
        let spent = seconds - then;
        if spent < EACH * budget {
            return None;
        }
        let trial = |epochs: std::ops::Range<usize>| -> f64 {
            epochs.map(|epoch| self.epoch(course, epoch, validation)).sum()
        };
        let slower = spent / trial(from..epoch).max(1e-9);
        let whole = course.length() as usize;
        let last = course.length().fract() * self.epoch(course, whole, validation);
        let to_do = slower * (trial(epoch..whole.max(epoch)) + last);
        let figures = slower * (at_the_end as f64) * self.speeds.answer;
        let left = budget * (1.0 - FREE) - self.before - seconds - figures;
        (to_do > 0.0).then(|| (left / to_do).clamp(BOUNDS[0], BOUNDS[1]))
    }
}

/// Where a training stands in its time.
#[derive(Debug, Clone, Copy)]
struct Position {
    /// Epochs that are done.
    epoch: usize,
    /// Seconds since the first step.
    seconds: f64,
    /// Seconds of the whole.
    budget: f64,
    /// Validation photos.
    validation: usize,
    /// Answers at the end.
    at_the_end: usize,
}

impl Correction {
    fn part(self) -> f64 {
        self.millionths as f64 / WHOLE
    }
}

impl Fit<'_, '_> {
    /// Looks at the end of an epoch whether the rest fits the time, and makes it fit.
    pub(super) fn correct_the_length(&mut self) -> Result<(), TrainError> {
        let (Some(timing), Some(budget)) = (&self.timing, self.request.controls.budget) else {
            return Ok(());
        };
        if self.place.ended.is_some() || self.place.step >= self.course.steps() {
            return Ok(());
        }
        let epoch = self.place.epoch;
        // What was decided before this session is done again, and nothing else.
        let last = timing.corrections.last().map_or(0, |correction| correction.epoch);
        if let Some(correction) = timing
            .corrections
            .iter()
            .find(|correction| correction.epoch == epoch)
        {
            self.course = self.course.clone().corrected(epoch, correction.part());
            return Ok(());
        }
        let split = &self.prepared.split;
        let parts = [split.train.len(), split.validation.len(), split.test.len()];
        let at = Position {
            epoch,
            seconds: self.seconds(),
            budget: budget.as_secs_f64(),
            validation: parts[1],
            at_the_end: figures(self.request, parts),
        };
        let Some(part) = timing.part(&self.course, at).filter(|_| epoch > last) else {
            return Ok(());
        };
        let mut timing = timing.clone();
        timing.looked = (epoch, at.seconds);
        let millionths = (part * WHOLE).round() as u64;
        if millionths.abs_diff(WHOLE as u64) >= LEAST {
            let correction = Correction { epoch, millionths };
            timing.corrections.push(correction);
            when_there_is_room(self.observer, self.interrupt, || timing.write(self.run))?;
            self.course = self.course.clone().corrected(epoch, correction.part());
        }
        self.timing = Some(timing);
        Ok(())
    }

    /// After a setback, the course is again what it was at that place.
    pub(super) fn restore_length(&mut self) {
        if let Some(timing) = &mut self.timing {
            let course = self
                .prepared
                .course(self.decided.steps, self.request.rung.training.epochs);
            self.course = timing.corrected(course, self.place.epoch);
            timing.looked = (
                self.place.epoch,
                self.seconds_before + self.began.elapsed().as_secs_f64(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::PhaseSpeed;
    use crate::course::training_phases;
    use stepladder_model::RungCatalog;

    /// 100 epochs of ten steps, for which the trial gave half a second each.
    fn timing() -> (Timing, Course) {
        let rung = RungCatalog::shipped().get("m3").unwrap();
        let phases = training_phases(&rung, 32, 2).unwrap();
        let photos = 10 * rung.training.batch_size;
        let phase = PhaseSpeed {
            share: 1.0,
            batches: 10,
            step: 0.05,
            answer: 0.0,
        };
        let speeds = Speeds {
            phases: vec![phase],
            answer: 0.01,
        };
        let timing = Timing {
            before: 2.0,
            speeds,
            corrections: Vec::new(),
            looked: (0, 0.0),
        };
        (timing, Course::of_steps(&phases, photos, 1000))
    }

    fn at(epoch: usize, seconds: f64) -> Position {
        Position {
            epoch,
            seconds,
            budget: 60.0,
            validation: 0,
            at_the_end: 50,
        }
    }

    #[test]
    fn what_goes_quicker_than_the_trial_gets_more_epochs_and_ends_on_time() {
        let (timing, course) = timing();
        // 20 epochs in 8 s, where the trial had 10.
        let part = timing.part(&course, at(20, 8.0)).unwrap();
        let course = timing.corrected(course, 0).corrected(20, part);
        let end = timing.before + 0.4 * course.length() + 50.0 * 0.01 * 0.8;
        assert!((58.0..60.0).contains(&end), "{end}");
        assert!(course.length() > 110.0);
    }

    #[test]
    fn it_looks_after_a_while_and_from_where_it_looked_last() {
        let (mut timing, course) = timing();
        assert_eq!(timing.part(&course, at(4, 2.0)), None);
        timing.looked = (20, 30.0);
        // A slow beginning says nothing of what came after it.
        let part = timing.part(&course, at(40, 36.0)).unwrap();
        let left: f64 = 60.0 * (1.0 - FREE) - 2.0 - 36.0 - 0.3;
        assert!((part - left / (60.0 * 0.3)).abs() < 0.02, "{part}");
    }

    #[test]
    fn time_that_is_over_leaves_little() {
        let (timing, course) = timing();
        assert_eq!(timing.part(&course, at(20, 70.0)), Some(BOUNDS[0]));
    }
}
