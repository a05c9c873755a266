//! How long a training will take: said roughly before it begins, and again when a few steps have shown it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stepladder_model::ImageSize;
use stepladder_train::{Prepared, TrainingRequest, TrainingWork};

/// Steps that show the pace; the first is not counted, as it finds no memory yet.
const STEPS: u32 = 5;

/// Fewer are enough where they take this long.
const LONG_STEPS: Duration = Duration::from_secs(5);

/// Seconds below which nothing is said after the first steps: the end is near.
const SOON: f64 = 30.0;

/// Seconds from which on a training is long, and what would shorten it is said.
const LONG: f64 = 3600.0;

/// What is known of the length.
#[derive(Debug, Default)]
pub(super) struct Length {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of a training whose length is not given as a time.
    work: Option<TrainingWork>,
    size: Option<ImageSize>,
    /// Steps so far, and when the first ended.
    steps: u32,
    first: Option<Instant>,
}

impl Length {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to say before the first step, if anything: a budget has said it.
    pub fn prepared(&self, request: &TrainingRequest, prepared: &Prepared) -> Option<String> {
        let mut state = self.state();
        state.work = TrainingWork::of(request, prepared).filter(|_| request.controls.budget.is_none());
        state.size = Some(prepared.size);
        let seconds = state.work?.rough_seconds(request)?;
        Some(format!(
            "roughly {} in all, by the network's arithmetic; a few steps will tell",
            span(seconds)
        ))
    }

    /// A run that goes on shows the time that is left after its next epoch.
    pub fn resumed(&self) {
        self.state().work = None;
    }

    /// A step is done. What is to be said now, if anything.
    pub fn step(&self) -> Option<String> {
        let mut state = self.state();
        let work = state.work?;
        let first = *state.first.get_or_insert_with(Instant::now);
        state.steps += 1;
        let since = first.elapsed();
        if state.steps < 2 || (state.steps < STEPS && since < LONG_STEPS) {
            return None;
        }
        state.work = None;
        let step = since.as_secs_f64() / f64::from(state.steps - 1);
        said(work.seconds_at(step), state.size?)
    }
}

/// What is said of a training of so many seconds on photos of `size` pixels.
fn said(seconds: f64, size: ImageSize) -> Option<String> {
    match seconds {
        seconds if seconds >= LONG => Some(format!(
            "warning: this training will take about {} if nothing stops it early; --size {} takes about a quarter, and --budget 30m as \
             long as it says. Ctrl-C stops it",
            span(seconds),
            size.map(|side| (side / 2).max(16))
        )),
        seconds if seconds >= SOON => Some(format!(
            "{:<10}  about {} in all at this pace",
            "time",
            span(seconds)
        )),
        _ => None,
    }
}

/// A time as it is spoken of, for it is no measure: `40 s`, `12 min`, `9 h`.
fn span(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 90.0 => format!("{:.0} s", seconds.max(1.0)),
        seconds if seconds < 90.0 * 60.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds < 48.0 * 3600.0 => format!("{:.1} h", seconds / 3600.0),
        seconds => format!("{:.0} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_a_warning_with_ways_out() {
        let said = said(9.0 * 3600.0, 512.into()).unwrap();
        for part in ["warning", "9.0 h", "--size 256", "--budget"] {
            assert!(said.contains(part), "{said}");
        }
        assert_eq!(super::said(5.0, 512.into()), None);
        assert!(
            super::said(600.0, 64.into())
                .unwrap()
                .contains("about 10 min in all")
        );
    }

    #[test]
    fn spans_are_round() {
        assert_eq!(
            [0.2, 40.0, 720.0, 32_400.0, 864_000.0].map(span),
            ["1 s", "40 s", "12 min", "9.0 h", "10 days"]
        );
    }
}
