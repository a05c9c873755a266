//! How fast a training is, seen from outside: by when its log grew and by how much.

use std::collections::VecDeque;

/// What is looked back on, in seconds.
const SPAN: f64 = 20.0;

/// The least time that a pace is told after, in seconds: the log grows once a second.
const LEAST: f64 = 2.5;

/// Times and steps of the epoch at work.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace {
    seen: VecDeque<(f64, u64)>,
    epoch: u64,
}

impl Pace {
    /// The log grew to `steps` steps at `time`, in seconds since 1970, within `epoch`.
    pub fn saw(&mut self, time: f64, steps: u64, epoch: u64) {
        let back = self
            .seen
            .back()
            .is_some_and(|&(before, least)| time < before || steps < least);
        // The validation between two epochs is no training.
        if epoch != self.epoch || back {
            self.seen.clear();
            self.epoch = epoch;
        }
        if self.seen.back().is_none_or(|&(_, before)| steps > before) {
            self.seen.push_back((time, steps));
        }
        while self.seen.len() > 2 && self.seen.front().is_some_and(|&(first, _)| time - first > SPAN) {
            self.seen.pop_front();
        }
    }

    /// Steps a second; `None` before enough was seen.
    pub fn steps_per_second(&self) -> Option<f64> {
        let (&(first, from), &(last, to)) = (self.seen.front()?, self.seen.back()?);
        (last - first >= LEAST).then(|| (to - from) as f64 / (last - first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_of_the_epoch_at_work() {
        let mut pace = Pace::default();
        assert_eq!(pace.steps_per_second(), None);
        for second in 0..60 {
            pace.saw(f64::from(second), 10 * second as u64, 1);
        }
        assert_eq!(pace.steps_per_second(), Some(10.0));
        pace.saw(100.0, 600, 2);
        assert_eq!(pace.steps_per_second(), None);
        pace.saw(110.0, 620, 2);
        assert_eq!(pace.steps_per_second(), Some(2.0));
        // Looks without news change nothing, and neither does a clock that was set back.
        pace.saw(120.0, 620, 2);
        assert_eq!(pace.steps_per_second(), Some(2.0));
        pace.saw(50.0, 630, 2);
        assert_eq!(pace.steps_per_second(), None);
    }
}
