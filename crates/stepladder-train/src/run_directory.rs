//! The run directory: which files a run has, and how they are written.
//!
//! Documents are replaced atomically; the two logs (`steps.jsonl`, `epochs.jsonl`) only ever grow, a whole line at a time.

use crate::error::TrainError;
use crate::records::Environment;
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stepladder_classifier::{Predictions, write_atomically};
use stepladder_data::{Dataset, Skipped, Split};

/// Where a run goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunPlace {
    /// A new directory `<data>-<model>-<n>` below this one.
    Below(PathBuf),
    /// This directory itself, which must be new or empty.
    Exactly(PathBuf),
}

/// The directory of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Makes the directory of a new run on `data` with `model`.
    pub fn create(place: &RunPlace, data: &str, model: &str) -> Result<RunDirectory, TrainError> {
        let path = match place {
            RunPlace::Below(parent) => numbered(parent, &format!("{}-{}", slug(data), slug(model)))?,
            RunPlace::Exactly(path) => {
                std::fs::create_dir_all(path).map_err(|source| write_error(path, source))?;
                let mut entries = std::fs::read_dir(path).map_err(|source| write_error(path, source))?;
                if entries.next().is_some() {
                    return Err(TrainError::OccupiedRun { path: path.clone() });
                }
                path.clone()
            }
        };
        let run = RunDirectory { path };
        let checkpoints = run.path.join("checkpoints");
        std::fs::create_dir_all(&checkpoints).map_err(|source| write_error(&checkpoints, source))?;
        Ok(run)
    }

    /// The directory of a run that exists.
    pub fn open(path: impl Into<PathBuf>) -> RunDirectory {
        RunDirectory { path: path.into() }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything needed to use the model again.
    pub fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// Weights of the best epoch.
    pub fn best_weights(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// Weights of the last epoch.
    pub fn last_weights(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    /// Where a training would go on.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoints").join("last.safetensors")
    }

    /// The part of each photo.
    pub fn split(&self) -> PathBuf {
        self.path.join("split.tsv")
    }

    /// What was asked for.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// The run in one object.
    pub fn summary(&self) -> PathBuf {
        self.path.join("summary.json")
    }

    /// One line for each epoch.
    pub fn epochs(&self) -> PathBuf {
        self.path.join("epochs.jsonl")
    }

    /// Writes a JSON document.
    pub(crate) fn write_json<T: Serialize>(&self, path: &Path, document: &T) -> Result<(), TrainError> {
        let text = serde_json::to_string_pretty(document).map_err(std::io::Error::from);
        self.write(path, text.map_err(|source| write_error(path, source))? + "\n")
    }

    /// Writes the resolved rung, complete and readable by `--model`.
    pub(crate) fn write_rung(&self, rung: &str) -> Result<(), TrainError> {
        self.write(&self.path.join("rung.toml"), rung)
    }

    /// Writes where and with what the run was made.
    pub(crate) fn write_environment(&self, environment: &Environment) -> Result<(), TrainError> {
        self.write_json(&self.path.join("environment.json"), environment)
    }

    /// Writes the part of each photo, in a form that `--table` accepts.
    pub(crate) fn write_split(&self, split: &Split, dataset: &Dataset) -> Result<(), TrainError> {
        let mut table = Vec::new();
        let path = self.split();
        split
            .write_tsv(dataset, &mut table)
            .map_err(|source| write_error(&path, source))?;
        self.write(&path, table)
    }

    /// Writes the files that could not be used, with the reason.
    pub(crate) fn write_skipped(&self, skipped: &[Skipped]) -> Result<(), TrainError> {
        let rows = skipped
            .iter()
            .map(|file| vec![file.name.clone(), file.reason.clone()]);
        self.write_table("skipped.tsv", &["file".into(), "reason".into()], rows)
    }

    /// Writes the test photos with what the model made of each: its class, the predicted one, and every probability.
    pub(crate) fn write_predictions(
        &self,
        predictions: &Predictions,
        dataset: &Dataset,
    ) -> Result<(), TrainError> {
        let mut header: Vec<String> = ["file", "class", "predicted", "probability"]
            .map(String::from)
            .into();
        header.extend(dataset.classes.iter().map(|class| format!("p({class})")));
        let rows = predictions.iter().map(|photo| {
            let mut row = vec![
                dataset.photos[photo.photo as usize].name.clone(),
                dataset.classes[photo.label as usize].clone(),
                dataset.classes[photo.predicted as usize].clone(),
                photo.probabilities[photo.predicted as usize].to_string(),
            ];
            row.extend(photo.probabilities.iter().map(f32::to_string));
            row
        });
        self.write_table("test_predictions.tsv", &header, rows)
    }

    /// Opens a log that grows by lines.
    pub(crate) fn log(&self, name: &str) -> Result<Log, TrainError> {
        let path = self.path.join(name);
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(|source| write_error(&path, source))?;
        Ok(Log {
            writer: BufWriter::new(file),
            path,
            flushed: Instant::now(),
        })
    }

    fn write_table(
        &self,
        name: &str,
        header: &[String],
        rows: impl Iterator<Item = Vec<String>>,
    ) -> Result<(), TrainError> {
        let path = self.path.join(name);
        let mut table = csv::WriterBuilder::new().delimiter(b'\t').from_writer(Vec::new());
        let written = table.write_record(header).and_then(|()| {
            for row in rows {
                table.write_record(row)?;
            }
            Ok(())
        });
        written.map_err(|error| write_error(&path, error.into()))?;
        let bytes = table
            .into_inner()
            .map_err(|error| write_error(&path, error.into_error()))?;
        self.write(&path, bytes)
    }

    fn write(&self, path: &Path, content: impl AsRef<[u8]>) -> Result<(), TrainError> {
        write_atomically(path, content.as_ref()).map_err(|source| write_error(path, source))
    }
}

/// A file of JSON lines, never more than [`FLUSH_INTERVAL`] of work behind.
pub(crate) struct Log {
    writer: BufWriter<File>,
    path: PathBuf,
    flushed: Instant,
}

/// How long a line may wait in memory: a kill costs at most this much of the log, and fast steps do not each cost a system call.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

impl Log {
    /// Adds a line.
    pub fn push<T: Serialize>(&mut self, record: &T) -> Result<(), TrainError> {
        let line = serde_json::to_string(record).map_err(std::io::Error::from);
        let written = line.and_then(|line| writeln!(self.writer, "{line}"));
        written.map_err(|source| write_error(&self.path, source))?;
        if self.flushed.elapsed() >= FLUSH_INTERVAL {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Hands everything to the operating system.
    pub fn flush(&mut self) -> Result<(), TrainError> {
        self.flushed = Instant::now();
        self.writer
            .flush()
            .map_err(|source| write_error(&self.path, source))
    }
}

/// Makes the first free `<name>-<n>` below `parent`, n from 1. Two processes at once get different ones.
fn numbered(parent: &Path, name: &str) -> Result<PathBuf, TrainError> {
    std::fs::create_dir_all(parent).map_err(|source| write_error(parent, source))?;
    for n in 1_u64.. {
        let path = parent.join(format!("{name}-{n}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(write_error(&path, source)),
        }
    }
    unreachable!("there is a free number below 2^64")
}

/// A name that is safe in any file system: letters, digits, `.`, `_` and `-`, at most 60 of them.
fn slug(name: &str) -> String {
    let safe = |c: char| {
        if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') {
            c
        } else {
            '_'
        }
    };
    let slug: String = name.chars().map(safe).take(60).collect();
    let slug = slug.trim_start_matches('.');
    if slug.is_empty() {
        "data".to_string()
    } else {
        slug.to_string()
    }
}

fn write_error(path: &Path, source: std::io::Error) -> TrainError {
    TrainError::Write {
        path: path.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_numbered_and_never_shared() {
        let folder = tempfile::tempdir().unwrap();
        let below = RunPlace::Below(folder.path().to_path_buf());
        let names: Vec<String> = (0..3)
            .map(|_| RunDirectory::create(&below, "my photos", "m5").unwrap())
            .map(|run| run.path().file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["my_photos-m5-1", "my_photos-m5-2", "my_photos-m5-3"]);
    }

    #[test]
    fn a_directory_in_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.tex"), "mine").unwrap();
        let place = RunPlace::Exactly(folder.path().to_path_buf());
        assert!(matches!(
            RunDirectory::create(&place, "d", "m"),
            Err(TrainError::OccupiedRun { .. })
        ));
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        assert_eq!(slug("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(slug(".."), "data");
        assert_eq!(slug("a/b\nc"), "a_b_c");
    }
}
