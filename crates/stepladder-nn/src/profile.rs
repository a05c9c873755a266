//! Where the time of passes goes: by layer and pass, with the arithmetic and the bytes of each.
//!
//! Off unless asked for, by [`Model::start_profile`](crate::Model::start_profile) or the environment variable [`PROFILE_VARIABLE`];
//! then each call of a kernel is timed. A model's clones share their profile.

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stepladder_model::Graph;

/// Environment variable that turns profiling on, by any value but the empty one and `0`.
pub const PROFILE_VARIABLE: &str = "STEPLADDER_PROFILE";

/// The times of one model's passes; a clone notes into the same.
#[derive(Debug, Clone)]
pub(crate) struct Profile(Arc<Mutex<Option<Noted>>>);

/// By layer and pass; without a layer, what belongs to none: the optimizer.
type Noted = BTreeMap<(Option<usize>, &'static str), Times>;

#[derive(Debug, Clone, Copy, Default)]
struct Times {
    calls: u64,
    time: Duration,
    multiply_adds: u64,
    bytes: u64,
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

impl Profile {
    /// Off, unless the environment says otherwise.
    pub fn new() -> Profile {
        let set = std::env::var_os(PROFILE_VARIABLE).is_some_and(|value| !value.is_empty() && value != "0");
        Profile(Arc::new(Mutex::new(set.then(Noted::new))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Noted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns profiling on, and forgets what was noted.
    pub fn start(&self) {
        *self.lock() = Some(Noted::new());
    }

    /// Runs `kernel` for `layer`, and notes its time where profiling is on.
    pub fn timed<R>(&self, layer: Option<usize>, work: Work, kernel: impl FnOnce() -> R) -> R {
        if self.lock().is_none() {
            return kernel();
        }
        let start = Instant::now();
        let result = kernel();
        let time = start.elapsed();
        if let Some(noted) = &mut *self.lock() {
            let times = noted.entry((layer, work.pass)).or_default();
            times.calls += 1;
            times.time += time;
            times.multiply_adds += work.multiply_adds;
            times.bytes += work.bytes as u64;
        }
        result
    }

    /// What was noted since the start, by layer in the graph's order, what belongs to none last; `None` where profiling is off.
    pub fn rows(&self, graph: &Graph) -> Option<Vec<ProfileRow>> {
        let noted = self.lock();
        let row = |(&(layer, pass), times): (&(Option<usize>, &'static str), &Times)| ProfileRow {
            layer: layer.map_or_else(String::new, |layer| graph.layers[layer].name.clone()),
            pass,
            calls: times.calls,
            seconds: times.time.as_secs_f64(),
            operations: 2.0 * times.multiply_adds as f64,
            bytes: times.bytes as f64,
        };
        let mut rows: Vec<_> = noted.as_ref()?.iter().collect();
        rows.sort_by_key(|((layer, _), _)| layer.is_none());
        Some(rows.into_iter().map(row).collect())
    }
}

/// How many steps the rows are of: each runs some layer's pass once, and none less often.
pub fn steps(rows: &[ProfileRow]) -> u64 {
    let layers = rows.iter().filter(|row| !row.layer.is_empty());
    layers.map(|row| row.calls).min().unwrap_or(0).max(1)
}
