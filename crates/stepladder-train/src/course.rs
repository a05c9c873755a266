//! The course of a training: how many steps there are, and the input size and batch size of each epoch. It follows from the rung's
//! phases, the number of photos, and either the epochs or the steps in all; under a budget, these are corrected on the way.

use crate::start::frozen;
use std::sync::Arc;
use stepladder_data::BatchShape;
use stepladder_model::{Frozen, Graph, GraphError, ImageSize, Rung};

/// A part of a training with input of one size.
#[derive(Debug, Clone)]
pub struct TrainingPhase {
    /// The share of the epochs at which it ends; the last one's is 1.
    pub until: f64,
    /// The network for its input.
    pub graph: Arc<Graph>,
    /// Photos per step.
    pub batch_size: usize,
}

impl TrainingPhase {
    /// Size of the input and photos per step.
    pub fn shape(&self) -> BatchShape {
        BatchShape {
            size: self.graph.image_size(),
            batch_size: self.batch_size,
        }
    }
}

/// The phases of a rung that is trained for input of `size`; theirs are in proportion to the rung's own. A rung without phases has
/// one.
///
/// # Errors
///
/// Where a layer does not fit a size, or the outputs do not fit the classes.
pub fn training_phases(
    rung: &Rung,
    size: impl Into<ImageSize>,
    classes: usize,
) -> Result<Vec<TrainingPhase>, GraphError> {
    let size = size.into();
    let usual = rung.training.batch_size;
    let own = rung.input.size;
    let phase = |until: f32, size: ImageSize, batch_size: Option<usize>, held: Option<&Frozen>| {
        Ok(TrainingPhase {
            until: f64::from(until),
            graph: Arc::new(frozen(rung, rung.graph(size, classes)?, held)),
            batch_size: batch_size.unwrap_or(usual),
        })
    };
    if rung.phases.is_empty() {
        return Ok(vec![phase(1.0, size, None, None)?]);
    }
    let scaled = |of: ImageSize| ImageSize {
        height: in_proportion(of.height, size.height, own.height),
        width: in_proportion(of.width, size.width, own.width),
    };
    let phases = rung.phases.iter();
    phases
        .map(|of| phase(of.until, scaled(of.size), of.batch_size, of.frozen.as_ref()))
        .collect()
}

/// A side that is `of` where the whole one is `own`, where that is `side`.
fn in_proportion(of: usize, side: usize, own: usize) -> usize {
    ((of * side + own / 2) / own).max(1)
}

/// No correction makes a training longer than this: what a file says is not believed without bounds.
const MOST_EPOCHS: f64 = 1e7;

/// Which steps a training takes.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    phases: Vec<TrainingPhase>,
    photos: usize,
    /// Epochs in all, the last of which may be a short one.
    epochs: f64,
    steps: u64,
    /// Where the length was corrected: epochs, and the share of the training that was done by then.
    corrections: Vec<(usize, f64)>,
    /// Steps as they were first planned, over which the schedule runs.
    planned: u64,
}

impl Course {
    /// A training of so many whole epochs.
    pub fn of_epochs(phases: &[TrainingPhase], photos: usize, epochs: usize) -> Course {
        let mut course = Course {
            phases: phases.to_vec(),
            photos,
            epochs: epochs as f64,
            steps: 0,
            corrections: Vec::new(),
            planned: 0,
        };
        course.steps = course.steps_before(epochs);
        course.planned = course.steps;
        course
    }

    /// A training of so many steps.
    pub fn of_steps(phases: &[TrainingPhase], photos: usize, steps: u64) -> Course {
        Course {
            phases: phases.to_vec(),
            photos,
            epochs: steps as f64 / steps_per_epoch(phases, photos).max(1e-9),
            steps,
            corrections: Vec::new(),
            planned: steps,
        }
    }

    /// The same, but of what is left after so many epochs only a part, or more.
    pub fn corrected(mut self, epoch: usize, part: f64) -> Course {
        let done = epoch as f64;
        let share = self.share(done);
        let left = ((self.epochs - done).max(0.0) * part).min(MOST_EPOCHS);
        self.corrections.push((epoch, share));
        self.epochs = done + left;
        let whole = self.epochs as usize;
        let rest = (self.epochs.fract() * self.batches(whole) as f64).round() as u64;
        // Something is left to do, so that the last epoch is as any other.
        self.steps = (self.steps_before(whole) + rest).max(self.steps_before(epoch) + 1);
        self
    }

    /// The share of the training that is done after so many epochs.
    fn share(&self, epoch: f64) -> f64 {
        let (from, done) = match self.corrections.last() {
            None => return epoch / self.epochs,
            Some(_) => {
                let before = self.corrections.iter().rev().find(|(at, _)| *at as f64 <= epoch);
                before.map_or((0.0, 0.0), |&(at, share)| (at as f64, share))
            }
        };
        let next = self.corrections.iter().find(|(at, _)| *at as f64 > epoch);
        let (to, then) = next.map_or((self.epochs, 1.0), |&(at, share)| (at as f64, share));
        done + (then - done) * (epoch - from) / (to - from).max(1e-9)
    }

    /// Where a step stands in the schedule, and of how many: `batch` of them were taken in `epoch`, from 0.
    pub fn in_schedule(&self, step: u64, epoch: usize, batch: usize) -> (u64, u64) {
        if self.corrections.is_empty() {
            return (step, self.steps);
        }
        let epochs = epoch as f64 + batch as f64 / self.batches(epoch).max(1) as f64;
        let at = (self.share(epochs) * self.planned as f64).round() as u64;
        (at.min(self.planned.saturating_sub(1)), self.planned)
    }

    /// Epochs in all with the part of the last.
    pub fn length(&self) -> f64 {
        self.epochs
    }

    /// Steps from the first to the last.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Epochs that these are, the last of which may be a short one.
    pub fn epochs(&self) -> usize {
        let (mut epoch, mut before) = (0, 0);
        while before < self.steps {
            before += self.batches(epoch).max(1) as u64;
            epoch += 1;
        }
        epoch
    }

    /// The phase of an epoch, from 0: phases change between epochs.
    pub fn phase(&self, epoch: usize) -> &TrainingPhase {
        &self.phases[self.phase_number(epoch)]
    }

    /// The number of the phase of an epoch, both from 0.
    pub fn phase_number(&self, epoch: usize) -> usize {
        let share = self.share(epoch as f64);
        let last = self.phases.len() - 1;
        self.phases
            .iter()
            .position(|phase| share < phase.until)
            .unwrap_or(last)
    }

    /// Epochs from the first on that begin before a share of the training; all of them, however many there will be, for a share of 1.
    pub fn epochs_until(&self, share: f32) -> u64 {
        match share {
            1.0 => u64::MAX,
            share => (f64::from(share) * self.epochs).round() as u64,
        }
    }

    /// Steps of an epoch, from 0, that is not cut short.
    pub fn batches(&self, epoch: usize) -> usize {
        self.photos.div_ceil(self.phase(epoch).batch_size)
    }

    /// Steps before an epoch, from 0.
    pub fn steps_before(&self, epoch: usize) -> u64 {
        match self.phases.as_slice() {
            [_] => epoch as u64 * self.batches(0) as u64,
            _ => (0..epoch).map(|epoch| self.batches(epoch) as u64).sum(),
        }
    }
}

/// Steps of an epoch in the mean over the phases.
pub(crate) fn steps_per_epoch(phases: &[TrainingPhase], photos: usize) -> f64 {
    shares(phases)
        .map(|(share, phase)| share * photos.div_ceil(phase.batch_size) as f64)
        .sum()
}

/// Each phase with its share of the epochs.
pub(crate) fn shares(phases: &[TrainingPhase]) -> impl Iterator<Item = (f64, &TrainingPhase)> {
    let starts = std::iter::once(0.0).chain(phases.iter().map(|phase| phase.until));
    let shares = phases.iter().zip(starts);
    shares.map(|(phase, start)| (phase.until - start, phase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_model::RungCatalog;

    /// Phases of m10's network, each with its end, size and batch size.
    fn phases(of: &[(f64, usize, usize)]) -> Vec<TrainingPhase> {
        let rung = RungCatalog::shipped().get("m10").unwrap();
        let phase = |&(until, size, batch_size): &(f64, usize, usize)| TrainingPhase {
            until,
            graph: Arc::new(rung.graph(size, 3).unwrap()),
            batch_size,
        };
        of.iter().map(phase).collect()
    }

    #[test]
    fn without_phases_every_epoch_is_alike() {
        let course = Course::of_epochs(&phases(&[(1.0, 32, 32)]), 100, 7);
        assert_eq!((course.steps(), course.epochs()), (28, 7));
        assert_eq!(course.steps_before(3), 12);
        let course = Course::of_steps(&phases(&[(1.0, 32, 32)]), 100, 27);
        assert_eq!((course.steps(), course.epochs()), (27, 7));
    }

    #[test]
    fn a_turn_stretches_what_is_left_and_nothing_before() {
        let of = phases(&[(0.5, 32, 32), (1.0, 64, 16)]);
        let course = Course::of_steps(&of, 128, Course::of_epochs(&of, 128, 10).steps());
        let longer = course.clone().corrected(3, 2.0);
        // 3 epochs, and 14 where there were 7.
        assert_eq!(longer.epochs(), 17);
        assert_eq!(longer.length(), 17.0);
        let sizes: Vec<usize> = (0..17)
            .map(|epoch| longer.phase(epoch).shape().size.height)
            .collect();
        assert_eq!(sizes, [[32; 7].as_slice(), &[64; 10]].concat());
        assert_eq!(longer.steps(), 7 * 4 + 10 * 8);
        let schedule = |epoch: usize| longer.in_schedule(0, epoch, 0).0 as f64 / course.steps() as f64;
        assert!((schedule(3) - 0.3).abs() < 0.02 && (schedule(10) - 0.65).abs() < 0.02);
        assert_eq!(longer.in_schedule(0, 16, 8), (course.steps() - 1, course.steps()));
        // Again, and to less than an epoch.
        let shorter = longer.corrected(10, 0.05);
        assert_eq!(shorter.epochs(), 11);
        assert!((1..8).contains(&(shorter.steps() - shorter.steps_before(10))));
        assert!((shorter.share(10.0) - 0.65).abs() < 0.01);
        // As it is, a course counts its steps.
        assert_eq!(course.in_schedule(5, 1, 1), (5, course.steps()));
    }

    #[test]
    fn phases_change_between_epochs_at_their_shares() {
        let of = phases(&[(0.3, 32, 64), (0.7, 48, 32), (1.0, 64, 16)]);
        let course = Course::of_epochs(&of, 128, 10);
        let sizes: Vec<ImageSize> = (0..10).map(|epoch| course.phase(epoch).shape().size).collect();
        assert_eq!(
            sizes,
            [32, 32, 32, 48, 48, 48, 48, 64, 64, 64].map(ImageSize::square)
        );
        assert_eq!(course.steps(), 3 * 2 + 4 * 4 + 3 * 8);
        assert_eq!(course.epochs(), 10);
        assert_eq!(course.steps_before(4), 10);
        // The same steps make the same course.
        let again = Course::of_steps(&of, 128, course.steps());
        assert!((0..10).all(|epoch| again.phase(epoch).shape() == course.phase(epoch).shape()));
        assert_eq!(again.epochs(), 10);
    }

    #[test]
    fn a_training_shorter_than_its_phases_still_ends() {
        let of = phases(&[(0.5, 32, 32), (1.0, 64, 32)]);
        let course = Course::of_steps(&of, 1000, 1);
        assert_eq!((course.steps(), course.epochs()), (1, 1));
        assert_eq!(course.phase(0).shape().size, 32.into());
        assert_eq!(course.phase(9).shape().size, 64.into());
    }
}
