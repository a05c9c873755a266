//! A run read back from its directory: what was asked for, the figures, the epochs, and which test photos were right.

use crate::config::Config;
use crate::directory::{LONGEST, RunDirectory};
use crate::records::{Environment, EpochRecord, StepRecord, Summary};
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use stepladder_files::Folder;
use stepladder_model::{Rung, RungCatalog, RungError};

/// A run that left a summary.
#[derive(Debug, Clone)]
pub struct RecordedRun {
    /// Where it lies.
    pub directory: RunDirectory,
    /// What was asked for.
    pub config: Config,
    /// The rung in full.
    pub rung: Rung,
    /// The figures.
    pub summary: Summary,
    /// One record for each epoch.
    pub epochs: Vec<EpochRecord>,
    /// What the model made of the test part; `None` without one, and for a run that was stopped.
    pub test: Option<TestAnswers>,
}

/// Which test photos a model got right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestAnswers {
    /// Each photo's name and class, in the order of the data.
    pub photos: Vec<(String, String)>,
    /// Whether each was right.
    pub right: Vec<bool>,
}

impl TestAnswers {
    /// Whether both are of the same photos, by name and class, in the same order.
    pub fn same_photos(&self, other: &TestAnswers) -> bool {
        self.photos == other.photos
    }
}

/// Why a run cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is no directory of that name.
    #[error("{} is no directory; give the directory of a run", path.display())]
    NoDirectory {
        /// As given.
        path: PathBuf,
    },
    /// A file is not there: the run is not done, or it is no run.
    #[error("{} holds no {file}; give the directory of a run that has ended", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
        /// The file.
        file: &'static str,
    },
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// A file is not what a run writes.
    #[error("{}: damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The run's rung cannot be read.
    #[error(transparent)]
    Rung(#[from] RungError),
}

impl RecordedRun {
    /// Reads the run in `path`, which may come from anywhere: nothing in it is trusted.
    pub fn read(path: &Path) -> Result<RecordedRun, RecordError> {
        if !path.is_dir() {
            return Err(RecordError::NoDirectory {
                path: path.to_path_buf(),
            });
        }
        let directory = RunDirectory::open(path);
        let summary = document(path, "summary.json")?;
        let config = document(path, "config.json")?;
        let rung = text(path, "rung.toml")?;
        let place = path.join("rung.toml").display().to_string();
        Ok(RecordedRun {
            config,
            summary,
            rung: Rung::from_toml(&rung, &place, &RungCatalog::shipped())?,
            epochs: lines(path, "epochs.jsonl")?,
            test: answers(&directory)?,
            directory,
        })
    }

    /// One record for each step. A run may have millions.
    ///
    /// # Errors
    ///
    /// `steps.jsonl` is missing, damaged, or cannot be read.
    pub fn steps(&self) -> Result<Vec<StepRecord>, RecordError> {
        lines(self.directory.path(), "steps.jsonl")
    }

    /// Where and with what the run was made.
    ///
    /// # Errors
    ///
    /// `environment.json` is missing, damaged, or cannot be read.
    pub fn environment(&self) -> Result<Environment, RecordError> {
        document(self.directory.path(), "environment.json")
    }
}

fn text(run: &Path, name: &'static str) -> Result<String, RecordError> {
    let path = run.join(name);
    let read = Folder::open(run).and_then(|run| run.read_all(name, LONGEST));
    let text = read.and_then(|text| {
        String::from_utf8(text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
    });
    match text {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(RecordError::Missing {
            path: run.to_path_buf(),
            file: name,
        }),
        Err(source) => Err(RecordError::Read { path, source }),
    }
}

fn document<T: DeserializeOwned>(run: &Path, name: &'static str) -> Result<T, RecordError> {
    serde_json::from_str(&text(run, name)?).map_err(|error| damaged(run, name, &error))
}

/// The records of a log. A last line without an end is one that a kill cut short, and is left out.
fn lines<T: DeserializeOwned>(run: &Path, name: &'static str) -> Result<Vec<T>, RecordError> {
    let text = text(run, name)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| damaged(run, name, &error)))
        .collect()
}

/// The columns `file`, `class` and `predicted` of `test_predictions.tsv`.
fn answers(run: &RunDirectory) -> Result<Option<TestAnswers>, RecordError> {
    const NAME: &str = "test_predictions.tsv";
    let path = run.path().join(NAME);
    let table = Folder::open(run.path()).and_then(|run| run.read_all(NAME, LONGEST));
    let table = match table {
        Ok(table) => table,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RecordError::Read { path, source }),
    };
    let mut table = csv::ReaderBuilder::new()
        .delimiter(b'\t')
        .from_reader(table.as_slice());
    let mut answers = TestAnswers::default();
    for row in table.records() {
        let row = row.map_err(|error| damaged(run.path(), NAME, &error))?;
        let (Some(photo), Some(class), Some(predicted)) = (row.get(0), row.get(1), row.get(2)) else {
            return Err(damaged(run.path(), NAME, &"a row lacks file, class or predicted"));
        };
        answers.photos.push((photo.to_string(), class.to_string()));
        answers.right.push(class == predicted);
    }
    Ok(Some(answers))
}

fn damaged(run: &Path, name: &str, reason: &dyn std::fmt::Display) -> RecordError {
    RecordError::Damaged {
        path: run.join(name),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        folder
    }

    #[test]
    fn answers_are_whether_class_and_prediction_agree() {
        let folder = run(&[(
            "test_predictions.tsv",
            "file\tclass\tpredicted\tprobability\tp(a)\tp(b)\nx.jpg\ta\ta\t0.9\t0.9\t0.1\ny.jpg\tb\ta\t0.8\t0.8\t0.2\n",
        )]);
        let answers = answers(&RunDirectory::open(folder.path())).unwrap().unwrap();
        assert_eq!(answers.right, [true, false]);
        assert_eq!(answers.photos[1], ("y.jpg".to_string(), "b".to_string()));
        let mut others = answers.clone();
        assert!(answers.same_photos(&others));
        others.photos[0].1 = "b".to_string();
        assert!(!answers.same_photos(&others));
    }

    #[test]
    fn a_run_that_did_not_end_is_said_by_file() {
        let folder = run(&[]);
        let message = RecordedRun::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("holds no summary.json"), "{message}");
        let message = RecordedRun::read(&folder.path().join("absent"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("absent is no directory"), "{message}");
    }

    #[test]
    fn damage_is_said_by_file() {
        let folder = run(&[
            ("summary.json", "{\"run\": 3"),
            ("test_predictions.tsv", "a\nb\n"),
        ]);
        let message = RecordedRun::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("summary.json: damaged"), "{message}");
        let message = answers(&RunDirectory::open(folder.path()))
            .unwrap_err()
            .to_string();
        assert!(message.contains("test_predictions.tsv: damaged"), "{message}");
    }

    #[test]
    fn a_line_cut_short_is_left_out() {
        let folder = run(&[("epochs.jsonl", "1\n2\n3")]);
        assert_eq!(lines::<u32>(folder.path(), "epochs.jsonl").unwrap(), [1, 2]);
    }
}
