//! Bars with the time left, on a terminal; nothing in a pipe.

use super::{Dashboard, Output};
use indicatif::{ProgressDrawTarget, ProgressStyle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepladder_data::Progress;

/// A bar on stderr for one piece of work after another.
pub(crate) struct ProgressBar {
    bar: indicatif::ProgressBar,
    /// Set when the user asks to stop.
    interrupt: Arc<AtomicBool>,
    /// Where everything is shown instead, if anywhere.
    dashboard: Option<Arc<Dashboard>>,
}

impl ProgressBar {
    /// A bar that shows nothing until work starts, and nothing at all where stderr is no terminal.
    pub fn new(output: &Output) -> ProgressBar {
        let bar = indicatif::ProgressBar::hidden();
        if output.draws_progress() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
        bar.set_style(style("{msg} {wide_bar} {pos}/{len}, {eta} left"));
        ProgressBar {
            bar,
            interrupt: Arc::default(),
            dashboard: None,
        }
    }

    /// The same, shown on a dashboard.
    pub fn on_dashboard(self, dashboard: Arc<Dashboard>) -> ProgressBar {
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
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
        // In this order: a reset draws the bar, which then has its length and message already.
        self.bar.set_length(total);
        self.bar.set_message(super::output::progress_text(&message));
        self.bar.reset();
    }

    /// The same for bytes; `total` is 0 where nobody knows how many.
    #[cfg(feature = "hub")]
    pub fn begin_bytes(&self, total: u64, message: String) {
        self.bar
            .set_style(style("{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left"));
        self.begin(total, message);
    }

    /// Says how far it is.
    pub fn set(&self, done: u64) {
        if let Some(dashboard) = &self.dashboard {
            dashboard.done(done);
        }
        self.bar.set_position(done);
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
        self.bar.finish_and_clear();
    }

    /// Writes a line above the bar.
    pub fn line(&self, line: &str) {
        match &self.dashboard {
            Some(dashboard) => dashboard.say(line),
            None => self.bar.suspend(|| super::output::progress_line(line)),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are this file's own; the fallback is indicatif's bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Progress for ProgressBar {
    fn start(&self, total: u64, what: &str) {
        self.begin(total, format!("reading {what}"));
    }

    fn advance(&self, n: u64) {
        self.bar.inc(n);
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
