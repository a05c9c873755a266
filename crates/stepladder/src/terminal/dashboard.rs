//! `train --tui`: the whole terminal as a dashboard. A thread draws what was seen of the training and reads the keys; the training itself
//! only leaves figures in memory.
//!
//! The terminal is given back when the dashboard is closed or dropped, also while a panic unwinds, and what was said meanwhile is
//! then printed as it would have been without a dashboard.

mod drawing;
mod screen;
mod seen;

use screen::Screen;
use seen::Seen;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use stepladder_train::{EpochRecord, StepRecord};

/// How often it is drawn.
const FRAME: Duration = Duration::from_millis(100);

/// A training on the whole terminal.
pub(crate) struct Dashboard {
    seen: Arc<Mutex<Seen>>,
    closing: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Dashboard {
    /// Takes the terminal. The first q or Ctrl-C sets `interrupt`; the second ends the program at once.
    pub fn open(interrupt: &Arc<AtomicBool>) -> anyhow::Result<Dashboard> {
        anyhow::ensure!(
            std::io::stdout().is_terminal() && std::io::stdin().is_terminal(),
            "--tui needs a terminal to draw on; leave it out, or watch the training in a browser with stepladder watch"
        );
        let screen = Screen::open()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let closing = Arc::new(AtomicBool::new(false));
        let thread = {
            let (seen, closing, interrupt) = (Arc::clone(&seen), Arc::clone(&closing), Arc::clone(interrupt));
            std::thread::Builder::new()
                .name("dashboard".into())
                .spawn(move || show(screen, &seen, &closing, &interrupt))?
        };
        Ok(Dashboard {
            seen,
            closing,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// What will be trained, and where.
    pub fn prepared(&self, model: &str, data: &str, run: &Path, epochs: usize) {
        self.seen().prepare(model, data, run, epochs);
    }

    /// A piece of work of `total` parts begins.
    pub fn begin(&self, total: u64, what: &str) {
        self.seen().begin(total, what);
    }

    /// So many parts of it are done.
    pub fn done(&self, done: u64) {
        self.seen().done(done);
    }

    /// The piece of work is over.
    pub fn end(&self) {
        self.seen().end();
    }

    /// A step was taken: `batch` of `batches` in its epoch.
    pub fn step(&self, record: &StepRecord, batch: usize, batches: usize) {
        self.seen().step(record, batch, batches);
    }

    /// An epoch is over; the rest will take about as long as `left`.
    pub fn epoch(&self, record: &EpochRecord, left: Duration) {
        self.seen().epoch(record, left);
    }

    /// A line that the user should see.
    pub fn say(&self, line: &str) {
        self.seen().say(line);
    }

    /// Gives the terminal back, and prints what was said.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
            for line in self.seen().lines() {
                super::note(line);
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.close();
    }
}

/// Draws and reads keys until the dashboard closes. A terminal that cannot be drawn on any more stops neither.
fn show(mut screen: Screen, seen: &Mutex<Seen>, closing: &AtomicBool, interrupt: &AtomicBool) {
    let mut stopping = false;
    while !closing.load(Ordering::Relaxed) {
        if interrupt.load(Ordering::Relaxed) && !stopping {
            stopping = true;
            seen.lock().unwrap_or_else(PoisonError::into_inner).stop();
            // A signal says so on the terminal, too, where it does not belong.
            screen.clear();
        }
        let now = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        screen.draw(|frame| drawing::draw(frame, &now));
        if screen.asks_to_stop(FRAME) && interrupt.swap(true, Ordering::Relaxed) {
            drop(screen);
            std::process::exit(i32::from(crate::INTERRUPTED));
        }
    }
}
