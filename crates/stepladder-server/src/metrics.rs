//! What the server counts, in Prometheus' text format (<https://prometheus.io/docs/instrumenting/exposition_formats>).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets of a request's time, in seconds.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Upper bounds of the buckets of a batch's size, in photos.
const PHOTOS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Counts since the server started.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    predict_seconds: Histogram,
    batch_photos: Histogram,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
}

/// What is read at the moment of asking.
pub(crate) struct Gauges {
    /// Photos that are decoded, computed or waiting.
    pub queued: usize,
    /// Open connections.
    pub connections: usize,
}

#[derive(Debug)]
struct Histogram {
    bounds: &'static [f64],
    /// How many values lie in each bucket, and above all of them.
    counts: Vec<AtomicU64>,
    /// The sum of values, in millionths.
    sum: AtomicU64,
}

impl Metrics {
    pub fn new() -> Metrics {
        Metrics {
            requests: Mutex::default(),
            predict_seconds: Histogram::new(&SECONDS),
            batch_photos: Histogram::new(&PHOTOS),
            reloads: AtomicU64::new(0),
            failed_reloads: AtomicU64::new(0),
        }
    }

    /// Counts an answered request.
    pub fn request(&self, path: &'static str, status: u16, time: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((path, status)).or_default() += 1;
        drop(requests);
        if path == "/v1/predict" {
            self.predict_seconds.note(time.as_secs_f64());
        }
    }

    /// Counts a batch of so many photos.
    pub fn batch(&self, photos: usize) {
        self.batch_photos.note(photos as f64);
    }

    /// Counts a model file that was loaded anew, or could not be.
    pub fn reload(&self, done: bool) {
        let counter = if done { &self.reloads } else { &self.failed_reloads };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Everything as text.
    pub fn text(&self, gauges: &Gauges) -> String {
        let mut text = String::new();
        head(
            &mut text,
            "stepladder_requests_total",
            "counter",
            "Answered requests",
        );
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for ((path, status), count) in requests.iter() {
            let _ = writeln!(
                text,
                "stepladder_requests_total{{path=\"{path}\",status=\"{status}\"}} {count}"
            );
        }
        drop(requests);
        self.predict_seconds.text(
            &mut text,
            "stepladder_predict_seconds",
            "Time from a prediction request's head to its answer",
        );
        self.batch_photos.text(
            &mut text,
            "stepladder_batch_photos",
            "Photos that went through the network at once",
        );
        let mut single = |name: &str, kind: &str, help: &str, value: u64| {
            head(&mut text, name, kind, help);
            let _ = writeln!(text, "{name} {value}");
        };
        single(
            "stepladder_queued_photos",
            "gauge",
            "Photos that are decoded, computed or waiting",
            gauges.queued as u64,
        );
        single(
            "stepladder_connections",
            "gauge",
            "Open connections",
            gauges.connections as u64,
        );
        single(
            "stepladder_model_reloads_total",
            "counter",
            "Model files that were loaded anew",
            self.reloads.load(Ordering::Relaxed),
        );
        single(
            "stepladder_failed_model_reloads_total",
            "counter",
            "Newer model files that could not be loaded",
            self.failed_reloads.load(Ordering::Relaxed),
        );
        if let Some(bytes) = resident_bytes() {
            single("process_resident_memory_bytes", "gauge", "Resident memory", bytes);
        }
        text
    }
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Histogram {
        Histogram {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    fn note(&self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add((value * 1e6) as u64, Ordering::Relaxed);
    }

    fn text(&self, text: &mut String, name: &str, help: &str) {
        head(text, name, "histogram", help);
        let mut below = 0;
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            below += count.load(Ordering::Relaxed);
            let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {below}");
        }
        below += self.counts[self.bounds.len()].load(Ordering::Relaxed);
        let sum = self.sum.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(
            text,
            "{name}_bucket{{le=\"+Inf\"}} {below}\n{name}_sum {sum}\n{name}_count {below}"
        );
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// The memory that this process holds: Linux' `VmRSS`. `None` on other systems.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_counts_agree() {
        let metrics = Metrics::new();
        for photos in [1, 2, 32, 33, 500] {
            metrics.batch(photos);
        }
        metrics.request("/v1/predict", 200, Duration::from_millis(3));
        metrics.request("/v1/predict", 422, Duration::from_millis(1));
        let text = metrics.text(&Gauges {
            queued: 7,
            connections: 2,
        });
        for line in [
            "stepladder_requests_total{path=\"/v1/predict\",status=\"422\"} 1",
            "stepladder_predict_seconds_bucket{le=\"0.001\"} 1",
            "stepladder_predict_seconds_bucket{le=\"0.005\"} 2",
            "stepladder_predict_seconds_sum 0.004",
            "stepladder_batch_photos_bucket{le=\"1\"} 1",
            "stepladder_batch_photos_bucket{le=\"32\"} 3",
            "stepladder_batch_photos_bucket{le=\"128\"} 4",
            "stepladder_batch_photos_bucket{le=\"+Inf\"} 5",
            "stepladder_batch_photos_count 5",
            "stepladder_queued_photos 7",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is missing from\n{text}"
            );
        }
    }
}
