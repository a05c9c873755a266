//! A bar of one line on stderr: what is done, how much of it, and the time left.

use super::duration;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often it is drawn at most.
const FRAME: Duration = Duration::from_millis(100);

/// Columns where the terminal does not say how many it has.
const USUAL_WIDTH: usize = 80;

/// The narrowest bar that is drawn, in columns.
const LEAST_BAR: usize = 4;

/// A bar. Threads may all move it.
pub(super) struct Bar {
    /// Whether it is ever drawn.
    is_drawn: bool,
    done: AtomicU64,
    state: Mutex<State>,
}

struct State {
    message: String,
    total: u64,
    began: Instant,
    /// When it was drawn last; `None` where it is not on the screen and not wanted there.
    drawn: Option<Instant>,
    /// Whether its line is on the screen.
    is_shown: bool,
}

impl Bar {
    /// A bar that waits for work; one that is not drawn only counts.
    pub fn new(is_drawn: bool) -> Bar {
        Bar {
            is_drawn,
            done: AtomicU64::new(0),
            state: Mutex::new(State {
                message: String::new(),
                total: 0,
                began: Instant::now(),
                drawn: None,
                is_shown: false,
            }),
        }
    }

    /// Takes it off the screen for good.
    pub fn hide(&mut self) {
        self.clear();
        self.is_drawn = false;
    }

    /// Starts a piece of work of `total` parts.
    pub fn begin(&self, total: u64, message: String) {
        let mut state = self.state();
        self.done.store(0, Ordering::Relaxed);
        (state.message, state.total, state.began) = (message, total, Instant::now());
        self.draw(&mut state);
    }

    /// So many parts are done.
    pub fn set(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.draw_if_due();
    }

    /// So many more parts are done.
    pub fn advance(&self, parts: u64) {
        self.done.fetch_add(parts, Ordering::Relaxed);
        self.draw_if_due();
    }

    /// Parts done.
    pub fn position(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Does something that writes to the terminal, with the bar out of the way.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        let mut state = self.state();
        let was_shown = state.is_shown;
        self.erase(&mut state);
        let outcome = write();
        if was_shown {
            self.draw(&mut state);
        }
        outcome
    }

    /// Takes it off the screen until work begins again.
    pub fn clear(&self) {
        let mut state = self.state();
        self.erase(&mut state);
        state.drawn = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw_if_due(&self) {
        if !self.is_drawn {
            return;
        }
        // Whoever has the bar at the moment draws it.
        if let Ok(mut state) = self.state.try_lock()
            && state.drawn.is_some_and(|drawn| drawn.elapsed() >= FRAME)
        {
            self.draw(&mut state);
        }
    }

    fn draw(&self, state: &mut State) {
        if !self.is_drawn {
            return;
        }
        let width = terminal_size::terminal_size_of(std::io::stderr())
            .map_or(USUAL_WIDTH, |(width, _)| usize::from(width.0));
        let line = line(
            &state.message,
            self.position(),
            state.total,
            state.began.elapsed(),
            width,
        );
        // A terminal that is gone is no error of ours.
        let _ = write!(anstream::stderr(), "\r\x1b[2K{line}");
        let _ = std::io::stderr().flush();
        (state.drawn, state.is_shown) = (Some(Instant::now()), true);
    }

    fn erase(&self, state: &mut State) {
        if std::mem::take(&mut state.is_shown) {
            let _ = write!(anstream::stderr(), "\r\x1b[2K");
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

/// `reading photos ████░░░░ 40/100, 0:12 left`, in fewer columns than `width`, so that no terminal breaks it.
fn line(message: &str, done: u64, total: u64, since: Duration, width: usize) -> String {
    let left = match done {
        0 => String::from("-"),
        done => {
            let pace = since.as_secs_f64() / done as f64;
            duration(Duration::from_secs_f64(
                (pace * total.saturating_sub(done) as f64).min(1e9),
            ))
        }
    };
    let numbers = format!("{done}/{total}, {left} left");
    let room = width.saturating_sub(message.chars().count() + numbers.chars().count() + 3);
    let text = if room < LEAST_BAR {
        format!("{message} {numbers}")
    } else {
        let share = (done as f64 / total.max(1) as f64).min(1.0);
        let full = (room as f64 * share) as usize;
        format!(
            "{message} {}{} {numbers}",
            "█".repeat(full),
            "░".repeat(room - full)
        )
    };
    text.chars().take(width.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_and_says_what_is_left() {
        let text = line("epoch 3", 10, 40, Duration::from_secs(5), 40);
        assert_eq!(text, "epoch 3 ███░░░░░░░░░░ 10/40, 0:15 left");
        for width in 0..120 {
            let text = line("reading photos", 7, 9000, Duration::from_secs(1), width);
            assert!(text.chars().count() <= width.saturating_sub(1), "{width}: {text}");
        }
        assert!(line("x", 0, 0, Duration::ZERO, 40).contains("0/0, - left"));
        assert!(line("x", 50, 40, Duration::from_secs(1), 40).contains("50/40, 0:00 left"));
    }

    #[test]
    fn a_bar_that_is_not_drawn_counts() {
        let bar = Bar::new(false);
        bar.begin(10, "work".into());
        bar.advance(3);
        assert_eq!(bar.position(), 3);
        bar.set(9);
        assert_eq!((bar.position(), bar.suspend(|| 7)), (9, 7));
        bar.begin(4, "more".into());
        assert_eq!(bar.position(), 0);
    }
}
