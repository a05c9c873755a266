//! How a training is steered beside what its rung says: a time to keep to, what to do where it is stuck, the memory that it may
//! take.

use std::time::{Duration, Instant};
use stepladder_run::OnStuck;

/// What a user asks of one training.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Controls {
    /// Time for the training from its first step to its last figure; the rung's epochs and its schedule are stretched or
    /// shortened to it. The only thing in a run that depends on the speed of the machine.
    pub budget: Option<Duration>,
    /// When that time began; by default, when the photos are ready.
    pub began: Option<Instant>,
    /// Steps in all, instead of the rung's epochs; a budget goes before it.
    pub steps: Option<u64>,
    /// What to do where the network learns nothing at all.
    pub on_stuck: OnStuck,
    /// What was asked for of a rung that was chosen, in words that say the same only where the same was asked; empty of others.
    pub asked: Vec<String>,
    /// Whether the moving averages of batch normalization are evaluated as they are, even where they lag behind the weights, as Keras does.
    pub moving_statistics: bool,
    /// Bytes of memory that training may take; by default, what the machine or the container has left.
    pub memory: Option<u64>,
}
