//! How a training is steered beside what its rung says: a time to keep to, what to do where it is stuck, the memory that it may
//! take. And what was decided of it once, before the first step, so that a run that goes on does as it began.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a user asks of one training.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Controls {
    /// Time for the training from its first step to its last figure; the rung's epochs and its schedule are stretched or
    /// shortened to it. The only thing in a run that depends on the speed of the machine.
    pub budget: Option<Duration>,
    /// What to do where the network learns nothing at all.
    pub on_stuck: OnStuck,
    /// Bytes of memory that training may take; by default, what the machine or the container has left.
    pub memory: Option<u64>,
}

/// What happens when a training is found to be stuck at chance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStuck {
    /// It is said, and training goes on.
    #[default]
    Warn,
    /// Training ends.
    Stop,
    /// Training begins again with other initial weights, a few times at most.
    Reseed,
}

/// What was decided before the first step of a run, by the machine that it began on; part of `config.json`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Steps in all, where a budget of time decides them and not the rung's epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// The most photos that go through the network together, where the batch is too large for the memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photos_at_once: Option<usize>,
}
