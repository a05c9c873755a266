//! MLflow's folder (`mlruns`): an experiment with a run, its metrics by epoch, its settings as parameters. The form is that of
//! MLflow's `FileStore`: a document `meta.yaml` for each, and a file for each metric, parameter and tag.

use crate::MetricsError;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use stepladder_run::{EpochRecord, Outcome, RecordedRun};

/// The experiment that all runs go to. MLflow takes any digits for the number.
const EXPERIMENT: &str = "stepladder";
const EXPERIMENT_ID: &str = "783370523";

/// How MLflow numbers the ways that runs end.
const FINISHED: u8 = 3;
const KILLED: u8 = 5;

/// Writes a run into the folder `mlruns`, which other runs may be in, and returns the run's own folder. `started` is in seconds since 1970.
/// The same run gets the same number, so that writing it again replaces it.
///
/// # Errors
///
/// The folder cannot be written to.
pub fn write_mlflow(
    run: &RecordedRun,
    name: &str,
    started: u64,
    mlruns: &Path,
) -> Result<PathBuf, MetricsError> {
    let experiment = mlruns.join(EXPERIMENT_ID);
    let id = run_id(&format!("{name} {started} {}", run.config.seed));
    let folder = experiment.join(&id);
    let started = started.saturating_mul(1000);
    // A run is as long as it says, and a hostile one may say anything.
    let ended = started.saturating_add((run.summary.seconds.clamp(0.0, 1e12) * 1000.0) as u64);
    write(
        &experiment.join("meta.yaml"),
        &yaml(&[
            ("artifact_location", quoted(&uri(&experiment))),
            ("creation_time", started.to_string()),
            ("experiment_id", quoted(EXPERIMENT_ID)),
            ("last_update_time", ended.to_string()),
            ("lifecycle_stage", "active".into()),
            ("name", quoted(EXPERIMENT)),
        ]),
    )?;
    let status = match run.summary.outcome {
        Outcome::Interrupted => KILLED,
        _ => FINISHED,
    };
    write(
        &folder.join("meta.yaml"),
        &yaml(&[
            ("artifact_uri", quoted(&uri(&folder.join("artifacts")))),
            ("end_time", ended.to_string()),
            ("entry_point_name", quoted("")),
            ("experiment_id", quoted(EXPERIMENT_ID)),
            ("lifecycle_stage", "active".into()),
            ("run_id", quoted(&id)),
            ("run_name", quoted(name)),
            ("run_uuid", quoted(&id)),
            ("source_name", quoted("stepladder")),
            ("source_type", "4".into()),
            ("source_version", quoted("")),
            ("start_time", started.to_string()),
            ("status", status.to_string()),
            ("tags", "[]".into()),
            ("user_id", quoted("stepladder")),
        ]),
    )?;
    for folder in ["artifacts", "metrics", "params", "tags"].map(|name| folder.join(name)) {
        std::fs::create_dir_all(&folder).map_err(MetricsError::io(&folder))?;
    }
    for (metric, lines) in metrics(run, started, ended) {
        write(&folder.join("metrics").join(metric), &lines)?;
    }
    for (parameter, value) in parameters(run) {
        write(&folder.join("params").join(parameter), &value)?;
    }
    for (tag, value) in [("mlflow.runName", name), ("mlflow.source.name", "stepladder")] {
        write(&folder.join("tags").join(tag), value)?;
    }
    Ok(folder)
}

/// A figure of an epoch; none where the run has no such part.
type Figure = fn(&EpochRecord) -> Option<f64>;

/// Each metric with its lines: milliseconds since 1970, value, epoch.
fn metrics(run: &RecordedRun, started: u64, ended: u64) -> Vec<(&'static str, String)> {
    let figures: [(&str, Figure); 6] = [
        ("loss", |epoch| Some(epoch.loss.into())),
        ("accuracy", |epoch| Some(epoch.accuracy.into())),
        ("val_loss", |epoch| epoch.val_loss.map(f64::from)),
        ("val_accuracy", |epoch| epoch.val_accuracy.map(f64::from)),
        ("learning_rate", |epoch| Some(epoch.learning_rate.into())),
        ("images_per_second", |epoch| Some(epoch.images_per_second)),
    ];
    let by_epoch = figures.into_iter().map(|(name, figure)| {
        let mut lines = String::new();
        let mut time = started as f64;
        for epoch in &run.epochs {
            time += epoch.seconds * 1000.0;
            if let Some(value) = figure(epoch) {
                let _ = writeln!(lines, "{} {value} {}", time as u64, epoch.epoch);
            }
        }
        (name, lines)
    });
    let summary = &run.summary;
    let at_end = [
        ("test_accuracy", summary.test_accuracy),
        ("test_loss", summary.test_loss),
    ];
    let at_end = at_end
        .into_iter()
        .filter_map(|(name, value)| Some((name, format!("{ended} {} {}\n", value?, summary.epochs))));
    by_epoch
        .filter(|(_, lines)| !lines.is_empty())
        .chain(at_end)
        .collect()
}

fn parameters(run: &RecordedRun) -> Vec<(&'static str, String)> {
    let config = &run.config;
    vec![
        ("model", config.model.clone()),
        ("size", config.size.to_string()),
        ("epochs", config.epochs.to_string()),
        ("batch_size", config.batch_size.to_string()),
        ("learning_rate", config.learning_rate.to_string()),
        ("optimizer", run.rung.optimizer.name().to_string()),
        ("seed", config.seed.to_string()),
        ("split_seed", config.split_seed.to_string()),
        ("device", config.device.clone()),
        ("precision", config.precision.clone()),
        ("parameters", run.summary.parameters.to_string()),
    ]
}

fn write(path: &Path, text: &str) -> Result<(), MetricsError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(MetricsError::io(folder))?;
    }
    stepladder_run::write_atomically(path, text.as_bytes()).map_err(MetricsError::io(path))
}

/// A document of scalars.
fn yaml(pairs: &[(&str, String)]) -> String {
    pairs.iter().fold(String::new(), |mut text, (key, value)| {
        let _ = writeln!(text, "{key}: {value}");
        text
    })
}

/// A text as YAML, of which JSON is a part.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A path as an address.
fn uri(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut uri = String::from("file://");
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => {
                uri.push(byte.into())
            }
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

/// 32 hexadecimal digits that follow from a text: FNV-1a with 128 bits.
fn run_id(text: &str) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = text
        .bytes()
        .fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_break_the_documents() {
        assert_eq!(
            yaml(&[("name", quoted("a: 'b'\n- \"c\""))]),
            "name: \"a: 'b'\\n- \\\"c\\\"\"\n"
        );
        assert_eq!(uri(Path::new("/my runs/ä")), "file:///my%20runs/%C3%A4");
    }

    #[test]
    fn numbers_follow_from_the_run() {
        assert_eq!(run_id("a"), run_id("a"));
        assert_ne!(run_id("a"), run_id("b"));
        assert_eq!(run_id("").len(), 32);
    }
}
