//! What the system tells a training or a server: Ctrl-C and SIGTERM stop it at the next safe place, a second one at once. A closed terminal
//! (SIGHUP) changes nothing for a training, and stops a server, unless it was started with `nohup`.

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
    on_stop(Hangup::Ignored, move || set.store(true, Ordering::Relaxed))?;
    Ok(flag)
}

/// What a closed terminal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(any(feature = "serve", feature = "watch")), allow(dead_code))]
pub(crate) enum Hangup {
    /// Nothing: hours of training go on.
    Ignored,
    /// The end: nobody would find what still serves.
    Stops,
}

/// Calls `stop` at the first request to stop; the second ends the program at once.
pub(crate) fn on_stop(hangup: Hangup, stop: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let seen = AtomicBool::new(false);
    listen(hangup, move |again_ends| {
        if seen.swap(true, Ordering::Relaxed) {
            if again_ends {
                std::process::exit(i32::from(crate::INTERRUPTED));
            }
            return;
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

/// Calls `stop` at each signal to stop, with whether a second one of its kind ends the program at once: a closed terminal says so twice.
#[cfg(unix)]
fn listen(hangup: Hangup, stop: impl Fn(bool) + Send + 'static) -> anyhow::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let hangup_stops = hangup == Hangup::Stops && !hangup_is_ignored();
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let wait = move || {
        for signal in signals.forever() {
            if signal != SIGHUP {
                stop(true);
            } else if hangup_stops {
                stop(false);
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait)?;
    Ok(())
}

/// Whether whoever started the program has SIGHUP ignored, as `nohup` does. Where the system does not say, it is not.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The first bit is of signal 1, SIGHUP.
    ignored.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(not(unix))]
fn listen(_: Hangup, stop: impl Fn(bool) + Send + 'static) -> anyhow::Result<()> {
    Ok(ctrlc::set_handler(move || stop(true))?)
}
