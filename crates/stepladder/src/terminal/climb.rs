//! What `climb` shows on the way: a bar for the training at work, and a line for each one that is done.

use super::{Output, ProgressBar, duration, percent, remark_line};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stepladder_climb::{ClimbObserver, ClimbRecord, RunOutcome, RunRecord, RungRecord, Training};
use stepladder_data::{Progress, Remark};
use stepladder_train::{EpochRecord, Observer, Prepared, RunDirectory, StepRecord};

/// A climb on the terminal.
pub(crate) struct ClimbView {
    bar: ProgressBar,
    at: Mutex<At>,
}

/// Where the climb is.
#[derive(Default)]
struct At {
    /// The length of the longest name.
    width: usize,
    /// The training at work, in words.
    training: String,
    /// How its last epoch ended, in words.
    epoch: String,
    split_is_said: bool,
}

impl ClimbView {
    pub fn new(output: &Output, interrupt: &Arc<AtomicBool>) -> ClimbView {
        ClimbView {
            bar: ProgressBar::new(output).stopped_by(Arc::clone(interrupt)),
            at: Mutex::default(),
        }
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        self.bar.clear();
    }

    fn at(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for ClimbView {
    fn progress(&self) -> &dyn Progress {
        &self.bar
    }

    fn prepared(&self, prepared: &Prepared, _run: &RunDirectory) {
        if std::mem::replace(&mut self.at().split_is_said, true) {
            return;
        }
        let split = &prepared.split;
        self.bar.line(&format!(
            "split  {} training, {} validation, {} test",
            split.train.len(),
            split.validation.len(),
            split.test.len()
        ));
    }

    fn step(&self, record: &StepRecord, batch: usize, batches: usize) {
        if batch == 1 {
            let at = self.at();
            let message = format!("{} epoch {}{}", at.training, record.epoch, at.epoch);
            self.bar.begin(batches as u64, message);
        }
        self.bar.set(batch as u64);
    }

    fn epoch(&self, record: &EpochRecord, epochs: usize) {
        let val = record
            .val_accuracy
            .map_or(String::new(), |val| format!(" at {}", percent(f64::from(val))));
        self.at().epoch = format!(" of {epochs}, the last{val}");
    }
}

impl ClimbObserver for ClimbView {
    fn read(&self, remarks: &[Remark]) {
        for remark in remarks {
            let word = if remark.is_warning() { "warning" } else { "note" };
            self.bar.line(&format!("{word}: {}", remark_line(remark)));
        }
    }

    fn begin(&self, climb: &ClimbRecord) {
        let mut at = self.at();
        at.width = climb.rungs.iter().map(|rung| rung.rung.len()).max().unwrap_or(0);
        self.bar.line(&format!(
            "climb  {}: {} rungs, {}",
            climb.climb,
            climb.rungs.len(),
            match climb.seeds.len() {
                1 => "1 seed".to_string(),
                n => format!("{n} seeds"),
            }
        ));
    }

    fn training(&self, training: &Training<'_>) {
        let mut at = self.at();
        at.epoch.clear();
        at.training = format!(
            "{}/{} {} seed {}{}",
            training.number,
            training.of,
            training.rung,
            training.seed,
            if training.trial { ", a trial," } else { "," }
        );
    }

    fn ended(&self, rung: &RungRecord, run: &RunRecord, training: &Training<'_>, earlier: bool) {
        self.bar.clear();
        let width = self.at().width;
        let outcome = match (&run.summary, run.outcome) {
            (Some(summary), RunOutcome::Done) => {
                let share = |part: &str, accuracy: Option<f64>| {
                    accuracy.map_or(String::new(), |share| format!("{part} {:>6}  ", percent(share)))
                };
                format!(
                    "{}{}{:>2} epochs  {}",
                    share("test", summary.test_accuracy),
                    share("val", summary.val_accuracy),
                    summary.epochs,
                    duration(Duration::from_secs_f64(summary.seconds.clamp(0.0, 1e9)))
                )
            }
            _ => run.reason.clone().unwrap_or_default(),
        };
        let number = format!("{}/{}", training.number, training.of);
        self.bar.line(&format!(
            "{number:>5}  {:<width$}  seed {}  {outcome}{}",
            rung.rung,
            run.seed,
            if earlier { "  (done before)" } else { "" }
        ));
    }
}
