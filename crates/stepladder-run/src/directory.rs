//! The run directory: which files a run has, and how they are written.
//!
//! Documents are replaced atomically, and no link in the directory, which may come from anywhere, is followed. `config.json` is the last one written before the first step, and says that all others are there.

use crate::error::RunError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use stepladder_files::Folder;

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
    ///
    /// # Errors
    ///
    /// It cannot be made, or [`RunPlace::Exactly`] names a directory that holds more than a run that was killed while it was being set up.
    pub fn create(place: &RunPlace, data: &str, model: &str) -> Result<RunDirectory, RunError> {
        let path = match place {
            RunPlace::Below(parent) => numbered(parent, &run_name(data, model))?,
            RunPlace::Exactly(path) => {
                std::fs::create_dir_all(path).map_err(|source| RunError::write(path, source))?;
                if !unbegun(path)? {
                    return Err(RunError::Occupied { path: path.clone() });
                }
                path.clone()
            }
        };
        let run = RunDirectory { path };
        run.checkpoint_folder()?;
        Ok(run)
    }

    /// The runs on `data` with `model` below `parent`, the latest first.
    pub fn numbered(parent: &Path, data: &str, model: &str) -> Vec<RunDirectory> {
        let prefix = format!("{}-", run_name(data, model));
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        let number = |entry: &std::fs::DirEntry| -> Option<u64> {
            let name = entry.file_name();
            name.to_str()?.strip_prefix(&prefix)?.parse().ok()
        };
        let mut found: Vec<(u64, PathBuf)> = entries
            .filter_map(|entry| Some((number(&entry)?, entry.path())))
            .collect();
        found.sort();
        let runs = found.into_iter().rev();
        runs.map(|(_, path)| RunDirectory { path }).collect()
    }

    /// Takes the run for this process alone, until the guard is dropped or the process ends, however it does.
    ///
    /// # Errors
    ///
    /// Another process has it, or the lock's file cannot be opened.
    pub fn lock(&self) -> Result<RunLock, RunError> {
        let path = self.path.join(LOCK);
        let folder = self.folder()?;
        for _ in 0..LOCK_TRIES {
            let file = folder.append(LOCK);
            let file = file.map_err(|source| RunError::write(&path, source))?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                // A file system without locks: the user is trusted to train a run once at a time.
                Ok(()) | Err(TryLockError::Error(_)) if folder.holds(LOCK, &file) => {
                    self.forget_requests();
                    return Ok(RunLock { _file: file });
                }
                // The file was replaced meanwhile, and another process may have locked the new one.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
        }
        Err(RunError::Busy {
            path: self.path.clone(),
        })
    }

    /// Whether a process trains the run at this moment; `None` where the file system has no locks. Changes nothing.
    pub fn is_training(&self) -> Option<bool> {
        let lock = match self.folder().ok()?.read(LOCK) {
            Ok(lock) => lock,
            // Nobody trains with a lock that is not there, or is no file.
            Err(error) => return (!is_refused(&error)).then_some(false),
        };
        // Shared, so that two who look do not see each other. Whoever begins to train meanwhile tries again.
        match lock.try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        }
    }

    /// The directory of a run that exists.
    pub fn open(path: impl Into<PathBuf>) -> RunDirectory {
        RunDirectory { path: path.into() }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory, opened: its files are reached through it, and nothing else is.
    ///
    /// # Errors
    ///
    /// It is not there, or the system refuses.
    pub fn folder(&self) -> Result<Folder, RunError> {
        Folder::open(&self.path).map_err(|source| RunError::read(&self.path, source))
    }

    /// The folder of the checkpoints, opened, and made where it was lost.
    ///
    /// # Errors
    ///
    /// It is a link, or the system refuses.
    pub fn checkpoint_folder(&self) -> Result<Folder, RunError> {
        let folder = self.folder()?.make_folder(CHECKPOINTS);
        folder.map_err(|source| RunError::write(&self.checkpoints(), source))
    }

    /// A folder in the directory, and whether it is one: none is made, and no link is taken for one.
    ///
    /// # Errors
    ///
    /// There is a link or a file of that name.
    pub fn own_folder(&self, name: &str) -> Result<PathBuf, RunError> {
        let path = self.path.join(name);
        match self.folder()?.folder(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RunError::write(&path, error)),
            _ => Ok(path),
        }
    }

    /// Whether the run was begun: it has its last document from before the first step.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn has_begun(&self) -> Result<bool, RunError> {
        let path = self.config();
        path.try_exists().map_err(|source| RunError::read(&path, source))
    }

    /// An error if the directory holds more than a run that was killed while it was being set up.
    ///
    /// # Errors
    ///
    /// [`RunError::Occupied`], and what the system refuses.
    pub fn expect_unbegun(&self) -> Result<(), RunError> {
        match unbegun(&self.path)? {
            true => Ok(()),
            false => Err(RunError::Occupied {
                path: self.path.clone(),
            }),
        }
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

    /// The folder of the places from which a training would go on.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// The content of each photo.
    pub fn content(&self) -> PathBuf {
        self.path.join("content.tsv")
    }

    /// The rung, complete.
    pub fn rung(&self) -> PathBuf {
        self.path.join("rung.toml")
    }

    /// Where and with what the run was made.
    pub fn environment(&self) -> PathBuf {
        self.path.join("environment.json")
    }

    /// One line for each step.
    pub fn steps(&self) -> PathBuf {
        self.path.join("steps.jsonl")
    }

    /// The part of each photo.
    pub fn split(&self) -> PathBuf {
        self.path.join("split.tsv")
    }

    /// What was asked for.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// What the watch found; absent where it found nothing.
    pub fn diagnoses(&self) -> PathBuf {
        self.path.join("diagnoses.json")
    }

    /// The run in one object.
    pub fn summary(&self) -> PathBuf {
        self.path.join("summary.json")
    }

    /// One line for each epoch.
    pub fn epochs(&self) -> PathBuf {
        self.path.join("epochs.jsonl")
    }

    /// What a reader should know of the model.
    pub fn model_card(&self) -> PathBuf {
        self.path.join("MODEL_CARD.md")
    }

    /// The pretrained weights that it began with; absent without.
    pub fn start(&self) -> PathBuf {
        self.path.join("start.json")
    }

    /// Under a budget: the speeds by which it was planned, and how its length was corrected; absent without.
    pub fn timing(&self) -> PathBuf {
        self.path.join("timing.json")
    }

    /// The files that could not be used, with the reason.
    pub fn skipped(&self) -> PathBuf {
        self.path.join("skipped.tsv")
    }

    /// The test photos with the model's answer to each; absent without a test part.
    pub fn predictions(&self) -> PathBuf {
        self.path.join("test_predictions.tsv")
    }

    /// Writes a file of the run, atomically.
    ///
    /// # Errors
    ///
    /// The file system refuses; an older file is untouched then.
    pub fn write(&self, path: &Path, content: impl AsRef<[u8]>) -> Result<(), RunError> {
        let written = self
            .folder()?
            .replace(name_of(path), |file| file.write_all(content.as_ref()));
        written.map_err(|source| RunError::write(path, source))
    }

    /// The content of a file of the run.
    ///
    /// # Errors
    ///
    /// It is not there, is a link or no file, is longer than anything that a run writes, or cannot be read.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, RunError> {
        let read = self.folder()?.read_all(name_of(path), LONGEST);
        read.map_err(|source| RunError::read(path, source))
    }

    /// As [`RunDirectory::read`], for text.
    ///
    /// # Errors
    ///
    /// As [`RunDirectory::read`], and bytes that are no UTF-8.
    pub fn read_text(&self, path: &Path) -> Result<String, RunError> {
        let text = String::from_utf8(self.read(path)?);
        text.map_err(|error| {
            RunError::read(
                path,
                io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()),
            )
        })
    }

    /// Writes a JSON document of the run, atomically.
    ///
    /// # Errors
    ///
    /// As [`RunDirectory::write`].
    pub fn write_json<T: Serialize>(&self, path: &Path, document: &T) -> Result<(), RunError> {
        let text = serde_json::to_string_pretty(document).map_err(io::Error::from);
        self.write(path, text.map_err(|source| RunError::write(path, source))? + "\n")
    }

    /// Writes a table of the run, tab-separated, atomically.
    ///
    /// # Errors
    ///
    /// As [`RunDirectory::write`].
    pub fn write_table(
        &self,
        path: &Path,
        header: &[String],
        rows: impl Iterator<Item = Vec<String>>,
    ) -> Result<(), RunError> {
        let mut table = csv::WriterBuilder::new().delimiter(b'\t').from_writer(Vec::new());
        let written = table.write_record(header).and_then(|()| {
            for row in rows {
                table.write_record(row)?;
            }
            Ok(())
        });
        written.map_err(|error| RunError::write(path, error.into()))?;
        let bytes = table
            .into_inner()
            .map_err(|error| RunError::write(path, error.into_error()))?;
        self.write(path, bytes)
    }

    /// Reads a JSON document of the run.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not what the run writes.
    pub fn read_json<T: DeserializeOwned>(&self, path: &Path) -> Result<T, RunError> {
        let text = self.read(path)?;
        serde_json::from_slice(&text).map_err(|error| RunError::read(path, error.into()))
    }
}

/// A run taken by this process, until it is dropped ([`RunDirectory::lock`]).
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// The file whose lock says that a run is being trained.
const LOCK: &str = ".lock";

/// The folder of the checkpoints.
const CHECKPOINTS: &str = "checkpoints";

/// The longest document that is read, in bytes. An epoch takes about 300, a test photo of 1000 classes about 12,000.
pub(crate) const LONGEST: u64 = 1 << 30;

/// How often a lock is tried, and how long apart: whoever looks whether a run is trained holds it for a moment.
const LOCK_TRIES: usize = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// What a run has before `config.json`, beside unfinished files, whose names begin with a dot.
const SET_UP: [&str; 8] = [
    "timing.json",
    "checkpoints",
    "start.json",
    "rung.toml",
    "environment.json",
    "split.tsv",
    "content.tsv",
    "skipped.tsv",
];

/// Whether a directory is empty, or holds no more than a run that was killed while it was being set up.
fn unbegun(path: &Path) -> Result<bool, RunError> {
    let entries = std::fs::read_dir(path).map_err(|source| RunError::read(path, source))?;
    for entry in entries {
        let name = entry.map_err(|source| RunError::read(path, source))?.file_name();
        let name = name.to_string_lossy();
        if name != LOCK && !name.starts_with(".stepladder-") && !SET_UP.contains(&&*name) {
            return Ok(false);
        }
    }
    holds_no_checkpoint(path)
}

/// A run whose documents were lost has its checkpoints still, and they are not a new run's.
fn holds_no_checkpoint(path: &Path) -> Result<bool, RunError> {
    let checkpoints = path.join(CHECKPOINTS);
    let entries = match std::fs::read_dir(&checkpoints) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(source) => return Err(RunError::read(&checkpoints, source)),
    };
    for entry in entries {
        let name = entry
            .map_err(|source| RunError::read(&checkpoints, source))?
            .file_name();
        if !name.to_string_lossy().starts_with(".stepladder-") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The name of a file that lies in the directory itself.
fn name_of(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

/// Whether an error of opening leaves it open what the file is: everything but that it is not there, or is a link or a pipe.
fn is_refused(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, IsADirectory, NotFound};
    !matches!(error.kind(), NotFound | InvalidInput | IsADirectory)
}

/// The name of a run on `data` with `model`, without its number.
fn run_name(data: &str, model: &str) -> String {
    format!("{}-{}", slug(data), slug(model))
}

/// Makes the first free `<name>-<n>` below `parent`, n from 1. Two processes at once get different ones.
fn numbered(parent: &Path, name: &str) -> Result<PathBuf, RunError> {
    std::fs::create_dir_all(parent).map_err(|source| RunError::write(parent, source))?;
    for n in 1_u64.. {
        let path = parent.join(format!("{name}-{n}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(RunError::write(&path, source)),
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
            Err(RunError::Occupied { .. })
        ));
    }

    #[test]
    fn checkpoints_whose_run_was_lost_are_in_use() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
        let run = RunDirectory::open(folder.path());
        run.expect_unbegun().unwrap();
        std::fs::write(
            folder.path().join("checkpoints/step-000000001.safetensors"),
            "hours",
        )
        .unwrap();
        assert!(matches!(run.expect_unbegun(), Err(RunError::Occupied { .. })));
    }

    #[test]
    fn a_run_in_training_is_seen_and_looking_does_not_disturb() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(folder.path());
        assert_eq!(run.is_training(), Some(false));
        let lock = run.lock().unwrap();
        assert_eq!(run.is_training(), Some(true));
        assert!(matches!(run.lock(), Err(RunError::Busy { .. })));
        drop(lock);
        assert_eq!(run.is_training(), Some(false));
        run.lock().unwrap();
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        assert_eq!(slug("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(slug(".."), "data");
        assert_eq!(slug("a/b\nc"), "a_b_c");
    }
}
