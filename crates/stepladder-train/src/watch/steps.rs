//! The last steps: whether the network still gives one answer for all photos, and whether the loss moves.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use stepladder_comparison::wilson_interval;
use stepladder_nn::StepOutcome;

/// The most steps that are kept.
const KEPT: usize = 64;

/// Photos below which nothing is said.
const LEAST_PHOTOS: usize = 200;

/// The share of one answer from which a network counts as giving no other.
const CONSTANT: f64 = 0.95;

/// What a step gave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Seen {
    #[serde(with = "crate::bits")]
    loss: f32,
    photos: usize,
    correct: usize,
    /// Photos with the answer that most of the batch got.
    most: usize,
}

/// The last steps of this sitting of the weights.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Recent {
    steps: VecDeque<Seen>,
    /// The mean loss of the first few steps, once there are so many.
    #[serde(with = "crate::bits::option")]
    first: Option<f32>,
}

/// Steps that make up the beginning.
const FIRST: usize = 8;

impl Recent {
    pub(crate) fn push(&mut self, step: &StepOutcome) {
        let mut counts = BTreeMap::new();
        for class in &step.predicted {
            *counts.entry(*class).or_insert(0_usize) += 1;
        }
        self.steps.push_back(Seen {
            loss: step.loss,
            photos: step.predicted.len(),
            correct: step.correct,
            most: counts.into_values().max().unwrap_or(0),
        });
        if self.first.is_none() && self.steps.len() == FIRST {
            self.first = Some(self.loss() as f32);
        }
        if self.steps.len() > KEPT {
            self.steps.pop_front();
        }
    }

    fn sum(&self, of: impl Fn(&Seen) -> usize) -> usize {
        self.steps.iter().map(of).sum()
    }

    /// The mean loss.
    pub(crate) fn loss(&self) -> f64 {
        let sum: f64 = self.steps.iter().map(|step| f64::from(step.loss)).sum();
        sum / self.steps.len().max(1) as f64
    }

    /// The mean loss of the first steps; `None` before there are enough.
    pub(crate) fn first_loss(&self) -> Option<f64> {
        self.first.map(f64::from)
    }

    /// The share of photos with their batch's most frequent answer.
    pub(crate) fn constancy(&self) -> f64 {
        self.sum(|step| step.most) as f64 / self.sum(|step| step.photos).max(1) as f64
    }

    /// Photos of the steps that are kept.
    pub(crate) fn photos(&self) -> usize {
        self.sum(|step| step.photos)
    }

    /// Share of them that was right.
    pub(crate) fn accuracy(&self) -> f64 {
        self.sum(|step| step.correct) as f64 / self.photos().max(1) as f64
    }

    /// Whether there is enough to judge by: as many steps and photos as are kept, or an epoch's end with enough photos.
    pub(crate) fn is_enough(&self, epoch_ends: bool) -> bool {
        let steps = if epoch_ends { FIRST } else { KEPT };
        self.photos() >= LEAST_PHOTOS && self.steps.len() >= steps
    }

    /// Whether accuracy can be told from always answering a class that has this share of the photos.
    pub(crate) fn is_above(&self, share: f64) -> bool {
        let [low, _] = wilson_interval(self.sum(|step| step.correct), self.photos());
        low > share
    }

    /// Whether the network answers one class for next to all photos, and is no better than that.
    pub(crate) fn is_stuck(&self, greatest_share: f64, epoch_ends: bool) -> bool {
        self.is_enough(epoch_ends) && self.constancy() >= CONSTANT && !self.is_above(greatest_share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(predicted: &[u32], correct: usize, loss: f32) -> StepOutcome {
        StepOutcome {
            loss,
            correct,
            predicted: predicted.to_vec(),
        }
    }

    #[test]
    fn one_answer_for_all_is_stuck_and_many_answers_are_not() {
        let (mut constant, mut varied) = (Recent::default(), Recent::default());
        for n in 0..KEPT {
            constant.push(&step(&[3; 10], 2, 1.61));
            let answers: Vec<u32> = (0..10).map(|i| (i + n as u32) % 5).collect();
            varied.push(&step(&answers, 2, 1.61));
        }
        assert!(constant.is_stuck(0.25, false));
        assert!(!varied.is_stuck(0.25, false));
        // One answer that is right more often than chance is a data set of one class, nearly.
        let mut right = Recent::default();
        (0..KEPT).for_each(|_| right.push(&step(&[3; 10], 9, 0.3)));
        assert!(!right.is_stuck(0.25, false));
    }

    #[test]
    fn few_photos_say_nothing_before_the_epoch_ends() {
        let mut recent = Recent::default();
        (0..20).for_each(|_| recent.push(&step(&[0; 10], 2, 1.61)));
        assert!(!recent.is_stuck(0.25, false));
        assert!(recent.is_stuck(0.25, true));
        assert!((recent.first_loss().unwrap() - 1.61).abs() < 1e-6);
    }
}
