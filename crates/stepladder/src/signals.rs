//! What the system tells a training or a server: Ctrl-C and SIGTERM stop it at the next safe place, a second one at once. A closed terminal
//! (SIGHUP) changes nothing.

use anyhow::Context;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// A flag that the first request to stop sets; the second ends the program at once. It is one flag for the whole program.
pub(crate) fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(flag) = FLAG.get() {
        return Ok(Arc::clone(flag));
    }
    let flag = Arc::clone(FLAG.get_or_init(Arc::default));
    let set = Arc::clone(&flag);
    on_stop(move || set.store(true, Ordering::Relaxed))?;
    Ok(flag)
}

/// Calls `stop` at the first request to stop; the second ends the program at once.
pub(crate) fn on_stop(stop: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let seen = AtomicBool::new(false);
    listen(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(crate::INTERRUPTED));
        }
        // The terminal may be gone.
        let _ = writeln!(
            std::io::stderr(),
            "\nstopping at the next safe place; press Ctrl-C again to stop at once"
        );
        stop();
    })
    .context("cannot listen for Ctrl-C")
}

#[cfg(unix)]
fn listen(stop: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let wait = move || {
        for signal in signals.forever() {
            if signal != SIGHUP {
                stop();
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait)?;
    Ok(())
}

#[cfg(not(unix))]
fn listen(stop: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    Ok(ctrlc::set_handler(stop)?)
}
