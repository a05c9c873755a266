//! The terminal itself: taken as a whole, drawn on, and given back whatever happens.

use anyhow::Context;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal};
use std::io::{Stdout, stdout};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What panics said while the terminal was taken. Most are caught, such as those of a decoder, which cost one photo: they
/// must not end the drawing, and their words belong below it.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A terminal that is taken.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal.
    pub fn open() -> anyhow::Result<Screen> {
        let taken = || -> std::io::Result<Screen> {
            enable_raw_mode()?;
            execute!(stdout(), EnterAlternateScreen)?;
            let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
            Ok(Screen { terminal })
        };
        let screen = taken().inspect_err(|_| give_back());
        let screen = screen.context("the terminal cannot be drawn on; leave out --tui")?;
        std::panic::set_hook(Box::new(|panic| {
            let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
            panics.push(panic.to_string());
        }));
        Ok(screen)
    }

    /// Draws. Its size is asked for each time, so that it follows the window's.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) {
        // A terminal that went away is no reason to end a training.
        let _ = self.terminal.draw(draw);
    }

    /// Forgets what is on it.
    pub fn clear(&mut self) {
        let _ = self.terminal.clear();
    }

    /// Whether the user asks to stop within `wait`.
    pub fn asks_to_stop(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match event::poll(left) {
                Ok(true) => match event::read() {
                    Ok(Event::Key(key)) if is_stop(key) => return true,
                    // A new size is drawn at once.
                    Ok(Event::Resize(..)) => return false,
                    Ok(_) => {}
                    Err(_) => break,
                },
                Ok(false) => return false,
                Err(_) => break,
            }
        }
        // Without keys, time must pass all the same.
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        false
    }
}

/// q, or Ctrl-C, which reaches the program as a key now.
fn is_stop(key: KeyEvent) -> bool {
    let is_control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (key.code == KeyCode::Char('q') || is_control_c)
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.terminal.show_cursor();
        give_back();
        let _ = std::panic::take_hook();
        for panic in PANICS.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            crate::terminal::note(&panic.to_string());
        }
    }
}

fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keys_stop_a_training() {
        let pressed = |code, modifiers| is_stop(KeyEvent::new(code, modifiers));
        assert!(pressed(KeyCode::Char('q'), KeyModifiers::NONE));
        assert!(pressed(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(!pressed(KeyCode::Char('c'), KeyModifiers::NONE));
        assert!(!pressed(KeyCode::Enter, KeyModifiers::NONE));
    }
}
