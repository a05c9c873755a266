//! Where the time of training steps goes: by layer and pass, with the arithmetic and the bytes of each.
//!
//! Off unless asked for, by [`start`] or the environment variable [`PROFILE_VARIABLE`]; then each call of a kernel is
//! timed. The layer is known from the thread: a pass enters a layer, and operations take its number along to their backward
//! pass.

use serde::Serialize;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};
use stepladder_model::Network;

/// Environment variable that turns profiling on, by any value but the empty one and `0`.
pub const PROFILE_VARIABLE: &str = "STEPLADDER_PROFILE";

static ON: AtomicBool = AtomicBool::new(false);
static FROM_ENVIRONMENT: Once = Once::new();
static TIMES: Mutex<BTreeMap<(usize, &str), Times>> = Mutex::new(BTreeMap::new());

thread_local! {
    static CURRENT: Cell<Layer> = const { Cell::new(Layer::NONE) };
}

/// A layer by the index of its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layer(usize);

impl Layer {
    /// What belongs to no layer: the loss, the optimizer.
    const NONE: Layer = Layer(usize::MAX);

    pub fn of(index: usize) -> Layer {
        Layer(index)
    }

    /// What this thread does is the layer's, until the guard goes.
    pub fn enter(self) -> Entered {
        Entered(CURRENT.replace(self))
    }
}

/// Ends a layer, and goes back to what was before.
#[must_use]
pub(crate) struct Entered(Layer);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// The layer that this thread is in.
pub(crate) fn layer() -> Layer {
    CURRENT.get()
}

/// What a call of a kernel does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// Its name in the report.
    pub pass: &'static str,
    /// Multiplications with addition of a matrix product; 0 for all else.
    pub multiply_adds: u64,
    /// What it must at least read and write.
    pub bytes: usize,
}

impl Work {
    /// Work that is bounded by memory.
    pub fn passing(pass: &'static str, bytes: usize) -> Work {
        Work {
            pass,
            multiply_adds: 0,
            bytes,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Times {
    calls: u64,
    time: Duration,
    multiply_adds: u64,
    bytes: u64,
}

fn is_on() -> bool {
    FROM_ENVIRONMENT.call_once(|| {
        let set = std::env::var_os(PROFILE_VARIABLE).is_some_and(|value| !value.is_empty() && value != "0");
        if set {
            ON.store(true, Ordering::Relaxed);
        }
    });
    ON.load(Ordering::Relaxed)
}

/// Runs `kernel`, and notes its time where profiling is on.
pub(crate) fn timed<R>(work: Work, kernel: impl FnOnce() -> R) -> R {
    if !is_on() {
        return kernel();
    }
    let start = Instant::now();
    let result = kernel();
    let time = start.elapsed();
    let mut all = TIMES.lock().unwrap_or_else(PoisonError::into_inner);
    let times = all.entry((layer().0, work.pass)).or_default();
    times.calls += 1;
    times.time += time;
    times.multiply_adds += work.multiply_adds;
    times.bytes += work.bytes as u64;
    result
}

/// Turns profiling on, and forgets what was noted.
pub fn start() {
    ON.store(true, Ordering::Relaxed);
    TIMES.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// One line of a profile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProfileRow {
    /// The layer's name; empty for what belongs to none.
    pub layer: String,
    /// `forward`, `input gradient`, `weight gradient`, `epilogue forward`, ...
    pub pass: &'static str,
    /// How often it ran.
    pub calls: u64,
    /// All calls together.
    pub seconds: f64,
    /// Floating-point operations of matrix products in all calls, a multiply-add counted as two.
    pub operations: f64,
    /// Bytes that all calls must at least read and write.
    pub bytes: f64,
}

/// How many steps the rows are of: each runs some layer's pass once, and none less often.
pub fn steps(rows: &[ProfileRow]) -> u64 {
    let layers = rows.iter().filter(|row| !row.layer.is_empty());
    layers.map(|row| row.calls).min().unwrap_or(0).max(1)
}

/// What was noted since [`start`] (or since the process began), by layer in the network's order; `None` where profiling is
/// off.
pub fn report(network: &Network) -> Option<Vec<ProfileRow>> {
    if !is_on() {
        return None;
    }
    let all = TIMES.lock().unwrap_or_else(PoisonError::into_inner);
    let row = |(&(layer, pass), times): (&(usize, &'static str), &Times)| ProfileRow {
        layer: network
            .nodes
            .get(layer)
            .map_or_else(String::new, |node| node.name.clone()),
        pass,
        calls: times.calls,
        seconds: times.time.as_secs_f64(),
        operations: 2.0 * times.multiply_adds as f64,
        bytes: times.bytes as f64,
    };
    Some(all.iter().map(row).collect())
}
