//! The watch: cheap looks at a training that say what goes wrong while there is still time, with the cause and what to do.
//!
//! Before the first step, [`start`] looks at each layer's values and gradients on a few photos. During an epoch, [`steps`] keeps
//! what the last steps gave; at its end, [`epochs`] compares epochs. All of it is part of a checkpoint and follows from the steps
//! alone, so that a run which was killed finds the same.

mod epochs;
mod start;
mod steps;

use serde::{Deserialize, Serialize};
use std::fmt;

pub(crate) use epochs::{Bound, EpochSeen, Training};
pub(crate) use start::{at_the_start, why_stuck};
pub(crate) use steps::Recent;

/// What can be wrong with a training, or worth knowing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Values grow from layer to layer before anything is learned.
    ExplodingActivations,
    /// Values shrink from layer to layer until photos cannot be told apart.
    VanishingActivations,
    /// Next to no gradient comes back to the first layers.
    VanishingGradients,
    /// Units that give 0 whatever the photo, and so never learn.
    DeadUnits,
    /// The network gives the same answer for every photo.
    StuckAtChance,
    /// The loss, or a weight, is not a number.
    NotANumber,
    /// Training gets better and validation worse.
    Overfitting,
    /// Not even the training photos are learned.
    Underfitting,
    /// The last epoch was still better than those before.
    StillImproving,
    /// Nothing changes any more.
    Plateau,
    /// Steps so large that the loss grows.
    RateTooHigh,
    /// Steps so small that the loss hardly moves.
    RateTooLow,
    /// The validation figure is better than the training one.
    ValidationAboveTraining,
    /// The same photos are told apart in training mode and not in evaluation.
    StaleStatistics,
}

impl Cause {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Cause::ExplodingActivations => "exploding-activations",
            Cause::VanishingActivations => "vanishing-activations",
            Cause::VanishingGradients => "vanishing-gradients",
            Cause::DeadUnits => "dead-units",
            Cause::StuckAtChance => "stuck-at-chance",
            Cause::NotANumber => "not-a-number",
            Cause::Overfitting => "overfitting",
            Cause::Underfitting => "underfitting",
            Cause::StillImproving => "still-improving",
            Cause::Plateau => "plateau",
            Cause::RateTooHigh => "rate-too-high",
            Cause::RateTooLow => "rate-too-low",
            Cause::ValidationAboveTraining => "validation-above-training",
            Cause::StaleStatistics => "stale-statistics",
        }
    }

    /// Whether it is no trouble: it explains figures that may surprise, or says that there is more to be had.
    pub fn is_note(self) -> bool {
        matches!(self, Cause::ValidationAboveTraining | Cause::StillImproving)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that the watch found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// What it is.
    pub cause: Cause,
    /// The epoch in which it was found, from 1.
    pub epoch: usize,
    /// Steps that had been taken.
    pub step: u64,
    /// The epoch in which it began, from 1, where that is an earlier one.
    #[serde(default)]
    pub since: Option<usize>,
    /// The layer where it shows, if it is one.
    pub layer: Option<String>,
    /// What was seen, with figures.
    pub seen: String,
    /// What to do, or what was done.
    pub remedy: String,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}; {} [{}]",
            self.place(),
            self.seen,
            self.remedy,
            self.cause
        )
    }
}

impl Diagnosis {
    /// When it was found, in words.
    fn place(&self) -> String {
        match self.step {
            0 => "before the first step".to_string(),
            step => format!("epoch {}, step {step}", self.epoch),
        }
    }
}

/// What the watch remembers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Watch {
    /// What it found, in this order.
    pub(crate) diagnoses: Vec<Diagnosis>,
    /// Causes that have been said, and are not said again.
    told: Vec<Cause>,
    /// Whether it has looked before the first step.
    pub(crate) has_begun: bool,
    /// How often it has asked the model in both modes.
    pub(crate) asked_both_modes: usize,
    pub(crate) recent: Recent,
    pub(crate) epochs: Vec<EpochSeen>,
}

impl Watch {
    /// Notes what was found; false if its cause is known already.
    pub(crate) fn note(&mut self, diagnosis: &Diagnosis) -> bool {
        let known = self.told.contains(&diagnosis.cause);
        if !known || diagnosis.cause == Cause::NotANumber {
            self.told.push(diagnosis.cause);
            self.diagnoses.push(diagnosis.clone());
            return true;
        }
        false
    }

    /// Whether something was found.
    pub(crate) fn has_found(&self, cause: Cause) -> bool {
        self.diagnoses.iter().any(|found| found.cause == cause)
    }

    /// What it knows after training went back to the end of `epoch`.
    pub(crate) fn after_setback(mut self, epoch: usize) -> Watch {
        self.recent = Recent::default();
        self.epochs.truncate(epoch);
        self.told.retain(|cause| *cause != Cause::StuckAtChance);
        self
    }
}
