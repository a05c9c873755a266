//! How a run stands.

use serde::Serialize;

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A process trains it.
    Training,
    /// All its epochs are trained.
    Finished,
    /// Early stopping ended it.
    StoppedEarly,
    /// Done: it stayed at chance, and was to stop then.
    Stuck,
    /// Its user stopped it; it can go on.
    Stopped,
    /// Its process ended without a word; it can go on.
    BrokenOff,
}

impl State {
    /// The state in words.
    pub fn words(self) -> &'static str {
        match self {
            State::Training => "training",
            State::Finished => "finished",
            State::StoppedEarly => "stopped early",
            State::Stuck => "stuck at chance",
            State::Stopped => "stopped, can go on",
            State::BrokenOff => "broken off, can go on",
        }
    }

    /// Whether there is nothing left to train.
    pub fn is_done(self) -> bool {
        matches!(self, State::Finished | State::StoppedEarly | State::Stuck)
    }
}
