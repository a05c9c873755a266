//! What a dashboard has seen of a training, in bounded memory.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};
use stepladder_run::{StepCurve, StepFigures};
use stepladder_train::{EpochRecord, StepRecord};

/// The most lines that are kept.
const LINES: usize = 1000;

/// A piece of work that is not training, or one epoch of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    pub what: String,
    pub done: u64,
    pub total: u64,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub model: String,
    pub data: String,
    pub run: String,
    pub epochs: usize,
    pub work: Option<Work>,
    pub records: Vec<EpochRecord>,
    pub curve: StepCurve,
    pub step: Option<StepRecord>,
    /// The batches of an epoch.
    pub batches: usize,
    pub batch: usize,
    /// When this sitting's first step was.
    pub began: Option<Instant>,
    /// Batches a second since then.
    steps: u64,
    /// The time that was left when the last epoch ended, and when that was.
    left: Option<(Duration, Instant)>,
    pub stopping: bool,
    lines: VecDeque<String>,
}

impl Seen {
    pub fn prepare(&mut self, model: &str, data: &str, run: &Path, epochs: usize) {
        self.model = model.to_string();
        self.data = data.to_string();
        self.run = run.display().to_string();
        self.epochs = epochs;
    }

    pub fn begin(&mut self, total: u64, what: &str) {
        self.work = Some(Work {
            what: what.to_string(),
            done: 0,
            total,
        });
    }

    pub fn done(&mut self, done: u64) {
        if let Some(work) = &mut self.work {
            work.done = done;
        }
    }

    pub fn end(&mut self) {
        self.work = None;
    }

    pub fn step(&mut self, record: &StepRecord, batch: usize, batches: usize) {
        self.began.get_or_insert_with(Instant::now);
        self.steps += 1;
        (self.batch, self.batches) = (batch, batches);
        self.curve.push(&StepFigures {
            step: record.step,
            epoch: record.epoch as u64,
            loss: Some(record.loss.into()),
            accuracy: Some(record.accuracy.into()),
            learning_rate: Some(record.learning_rate.into()),
        });
        self.step = Some(record.clone());
    }

    pub fn epoch(&mut self, record: &EpochRecord, left: Duration) {
        self.left = Some((left, Instant::now()));
        self.records.push(record.clone());
    }

    pub fn say(&mut self, line: &str) {
        self.lines.extend(line.lines().map(String::from));
        self.lines.drain(..self.lines.len().saturating_sub(LINES));
    }

    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// The lines so far, the oldest first.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Epochs done, with the share of the one at work.
    pub fn progress(&self) -> f64 {
        let whole = self.records.last().map_or(0.0, |record| record.epoch as f64);
        let steps = self.step.as_ref().map_or(0.0, |step| {
            (step.epoch.saturating_sub(1)) as f64 + self.batch as f64 / self.batches.max(1) as f64
        });
        steps.max(whole)
    }

    /// How long it has been training, and will be.
    pub fn times(&self) -> (Option<Duration>, Option<Duration>) {
        let since = self.began.map(|began| began.elapsed());
        let left = match (self.left, since) {
            (Some((left, then)), _) => Some(left.saturating_sub(then.elapsed())),
            // Within the first epoch, at its pace.
            (None, Some(since)) if self.steps > 0 => {
                let of_all = (self.epochs * self.batches) as f64 - self.steps as f64;
                let seconds = since.as_secs_f64() / self.steps as f64 * of_all.max(0.0);
                Some(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
            }
            _ => None,
        };
        (since, left)
    }
}
