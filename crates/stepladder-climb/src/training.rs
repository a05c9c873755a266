//! One training of a climb: read where it is done, trained where it is not.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use stepladder_train::{
    Config, DataRecord, Observer, Outcome, RecordedRun, RunPlace, Summary, TrainError, TrainingRequest, train,
};

/// Trains as requested in the run directory that the request names, unless that run is already done: then its summary is
/// read. A run that was cut off begins anew.
pub(crate) fn train_or_read(
    request: &TrainingRequest,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Summary, TrainError> {
    if let RunPlace::Exactly(path) = &request.place {
        if let Some(summary) = done(path) {
            return Ok(summary);
        }
        clear(path).map_err(|source| TrainError::Write {
            path: path.clone(),
            source,
        })?;
    }
    // The most memory that the process has held is the run's only if it is counted from here (Linux). Where that is
    // refused, the figure is the climb's.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    train(request, observer, interrupt)
}

/// The summary of a run that has ended.
pub(crate) fn done(run: &Path) -> Option<Summary> {
    let summary = RecordedRun::read(run).ok()?.summary;
    (summary.outcome != Outcome::Interrupted).then_some(summary)
}

/// Whether the run in `directory` is one of this request, threads aside, which change no result. A run that was cut off
/// before it had written down what it is counts as one: there is nothing in it to lose.
pub(crate) fn is_of(directory: &Path, request: &TrainingRequest) -> io::Result<bool> {
    let read = |name: &str| match std::fs::read_to_string(directory.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let Some(config) = read("config.json")? else {
        return Ok(true);
    };
    let Ok(config) = serde_json::from_str::<Config>(&config) else {
        return Ok(false);
    };
    let same_rung = read("rung.toml")?.is_none_or(|rung| rung == request.rung.to_toml());
    Ok(same_rung
        && config.data == DataRecord::new(&request.data)
        && Some(config.size) == request.size
        && config.seed == request.seed
        && config.split_seed == request.split_seed.unwrap_or(request.seed)
        && config.device == request.device.to_string())
}

/// Files that a run leaves.
const FILES: [&str; 13] = [
    "checkpoints/last.safetensors",
    "best.safetensors",
    "last.safetensors",
    "model.safetensors",
    "config.json",
    "rung.toml",
    "environment.json",
    "split.tsv",
    "skipped.tsv",
    "steps.jsonl",
    "epochs.jsonl",
    "test_predictions.tsv",
    "summary.json",
];

/// How the names of files begin that are not yet whole.
const UNFINISHED: &str = ".stepladder-";

/// Takes away what a run that was cut off has left, by name: what someone else put there stays, and keeps the directory from
/// being used.
fn clear(run: &Path) -> io::Result<()> {
    let absent_is_fine = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    for file in FILES {
        absent_is_fine(std::fs::remove_file(run.join(file)))?;
    }
    for folder in [run.to_path_buf(), run.join("checkpoints")] {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                absent_is_fine(std::fs::remove_file(entry.path()))?;
            }
        }
    }
    match std::fs::remove_dir(run.join("checkpoints")) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        result => absent_is_fine(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_files_of_a_run_are_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
        for file in FILES.iter().chain(&["notes.txt", "checkpoints/.stepladder-x7"]) {
            std::fs::write(folder.path().join(file), "x").unwrap();
        }
        clear(folder.path()).unwrap();
        clear(folder.path()).unwrap();
        let left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["notes.txt"]);
    }
}
