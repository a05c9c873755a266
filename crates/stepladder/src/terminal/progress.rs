//! Bars with the time left, on a terminal; nothing in a pipe.

use super::bar::Bar;
use super::{Dashboard, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepladder_data::Progress;

/// A bar on stderr for one piece of work after another.
pub(crate) struct ProgressBar {
    bar: Bar,
    /// Set when the user asks to stop.
    interrupt: Arc<AtomicBool>,
    /// Where everything is shown instead, if anywhere.
    dashboard: Option<Arc<Dashboard>>,
}

impl ProgressBar {
    /// A bar that shows nothing until work starts, and nothing at all where stderr is no terminal.
    pub fn new(output: &Output) -> ProgressBar {
        ProgressBar {
            bar: Bar::new(output.draws_progress()),
            interrupt: Arc::default(),
            dashboard: None,
        }
    }

    /// The same, shown on a dashboard.
    pub fn on_dashboard(mut self, dashboard: Arc<Dashboard>) -> ProgressBar {
        self.bar.hide();
        ProgressBar {
            dashboard: Some(dashboard),
            ..self
        }
    }

    /// The same, where work stops once `interrupt` is set.
    pub fn stopped_by(self, interrupt: Arc<AtomicBool>) -> ProgressBar {
        ProgressBar { interrupt, ..self }
    }

    /// Starts a piece of work of `total` steps.
    pub fn begin(&self, total: u64, message: String) {
        if let Some(dashboard) = &self.dashboard {
            dashboard.begin(total, &message);
        }
        self.bar.begin(total, message);
    }

    /// Says how far it is.
    pub fn set(&self, done: u64) {
        if let Some(dashboard) = &self.dashboard {
            dashboard.done(done);
        }
        self.bar.set(done);
    }

    /// Does something that writes to stderr above the bar.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        if let Some(dashboard) = &self.dashboard {
            dashboard.end();
        }
        self.bar.clear();
    }

    /// Writes a line above the bar.
    pub fn line(&self, line: &str) {
        match &self.dashboard {
            Some(dashboard) => dashboard.say(line),
            None => self.bar.suspend(|| super::output::progress_line(line)),
        }
    }
}

impl Progress for ProgressBar {
    fn start(&self, total: u64, what: &str) {
        self.begin(total, format!("reading {what}"));
    }

    fn advance(&self, n: u64) {
        self.bar.advance(n);
        if let Some(dashboard) = &self.dashboard {
            dashboard.done(self.bar.position());
        }
    }

    fn finish(&self) {
        self.clear();
    }

    fn is_cancelled(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }
}
