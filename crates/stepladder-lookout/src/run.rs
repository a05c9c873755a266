//! A run as it is seen from outside: what was asked for, its epochs and steps so far, how it stands, and how fast it is.

use crate::follow::Followed;
use crate::pace::Pace;
use crate::search::Found;
use crate::state::State;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stepladder_model::ImageSize;
use stepladder_run::{EpochRecord, Outcome, RunDirectory, RunRequest, StepCurve, StepFigures};

/// The longest document that is read, in bytes.
const DOCUMENT: u64 = 1 << 20;

/// The longest table of a split that is read, in bytes; a photo takes about 40.
const SPLIT: u64 = 256 << 20;

/// The most epochs that are kept.
const MOST_EPOCHS: usize = 20_000;

/// Where locks do not work, a run whose log grew so recently is in training.
const RECENT: Duration = Duration::from_secs(30);

/// `config.json`, of which anything may be missing.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    pub model: String,
    pub size: Option<ImageSize>,
    pub epochs: u64,
    pub batch_size: u64,
    pub learning_rate: f64,
    pub seed: u64,
    pub device: String,
    pub precision: String,
    pub data: AskedData,
}

/// Where the photos came from.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct AskedData {
    shipped: Option<String>,
    path: Option<PathBuf>,
    table: Option<PathBuf>,
    train: Option<PathBuf>,
}

impl AskedData {
    /// The data's name, as `train` would call it.
    pub fn name(&self) -> String {
        let paths = [&self.path, &self.table, &self.train];
        let path = paths.into_iter().flatten().next();
        let stem = path.and_then(|path| path.file_stem());
        match (&self.shipped, stem) {
            (Some(name), _) => name.clone(),
            (None, Some(stem)) => stem.to_string_lossy().into_owned(),
            (None, None) => String::new(),
        }
    }
}

/// `summary.json`, of which anything may be missing.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Reached {
    pub outcome: Option<Outcome>,
    pub test_accuracy: Option<f64>,
    pub seconds: Option<f64>,
}

/// When and where: `environment.json`.
#[derive(Deserialize)]
struct Begun {
    started: u64,
}

/// What the page shows of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunView {
    /// Stays the same as long as the directory is where it is.
    pub id: String,
    pub name: String,
    pub path: PathBuf,
    pub state: State,
    pub asked: Arc<Asked>,
    pub reached: Option<Reached>,
    /// Seconds since 1970.
    pub started: Option<u64>,
    pub epochs: Arc<Vec<EpochRecord>>,
    pub steps: Arc<StepCurve>,
    /// Steps done, and the epoch of the last one.
    pub at: Option<(u64, u64)>,
    pub steps_per_epoch: Option<u64>,
    pub steps_per_second: Option<f64>,
    /// The newest checkpoint, by the steps before it.
    pub checkpoint: Option<u64>,
    /// What the training is asked for and has not taken up yet.
    pub request: Option<RunRequest>,
}

impl RunView {
    /// Epochs done, with the share of the one at work.
    pub fn progress(&self) -> f64 {
        let whole = self.epochs.last().map_or(0.0, |epoch| epoch.epoch as f64);
        let steps = self
            .at
            .zip(self.steps_per_epoch)
            .map_or(0.0, |((steps, _), of)| steps as f64 / of.max(1) as f64);
        // The last step of an epoch is followed by its validation, and then by its record.
        steps.max(whole)
    }

    /// The best figure so far of a kind.
    pub fn best(&self, of: impl Fn(&EpochRecord) -> Option<f32>) -> Option<f64> {
        let figures = self.epochs.iter().filter_map(of).map(f64::from);
        figures.filter(|figure| figure.is_finite()).reduce(f64::max)
    }

    /// Seconds until all epochs are done, if it goes on like this.
    pub fn seconds_left(&self) -> Option<f64> {
        if self.state != State::Training {
            return None;
        }
        let left = (self.asked.epochs as f64 - self.progress()).max(0.0);
        let recent = self.epochs.iter().rev().take(3).map(|epoch| epoch.seconds);
        let (sum, count) = recent.fold((0.0, 0.0), |(sum, count), seconds| (sum + seconds, count + 1.0));
        let epoch = match count > 0.0 {
            true => sum / count,
            false => self.steps_per_epoch? as f64 / self.steps_per_second.filter(|&pace| pace > 0.0)?,
        };
        Some(left * epoch).filter(|seconds| seconds.is_finite())
    }

    /// Training photos a second: of the epoch at work, or of the last one.
    pub fn photos_per_second(&self) -> Option<f64> {
        let now = self
            .steps_per_second
            .filter(|_| self.state == State::Training)
            .map(|steps| steps * self.asked.batch_size as f64);
        now.or(self.epochs.last().map(|epoch| epoch.images_per_second))
    }
}

/// A run that is looked at again and again.
pub(crate) struct WatchedRun {
    directory: RunDirectory,
    made: Option<SystemTime>,
    view: RunView,
    epochs: Followed,
    steps: Followed,
    pace: Pace,
    /// Whether the number of steps in an epoch was looked for.
    counted: bool,
}

impl WatchedRun {
    pub fn new(found: &Found) -> WatchedRun {
        let directory = RunDirectory::open(&found.path);
        WatchedRun {
            view: RunView {
                id: id(&found.path),
                name: found.name.clone(),
                path: found.path.clone(),
                state: State::BrokenOff,
                asked: Arc::default(),
                reached: None,
                started: None,
                epochs: Arc::default(),
                steps: Arc::default(),
                at: None,
                steps_per_epoch: None,
                steps_per_second: None,
                checkpoint: None,
                request: None,
            },
            epochs: Followed::new(directory.epochs()),
            steps: Followed::new(directory.steps()),
            pace: Pace::default(),
            counted: false,
            made: found.made,
            directory,
        }
    }

    /// When it was begun.
    pub fn made(&self) -> Option<SystemTime> {
        self.made
    }

    /// How it was at the last look.
    pub fn view(&self) -> &RunView {
        &self.view
    }

    /// Looks again. With `closely`, it reads the steps, too, and where the checkpoints are. True if there is more to read at once.
    pub fn look(&mut self, closely: bool) -> bool {
        if self.view.asked.epochs == 0 {
            self.view.asked = Arc::new(document(&self.directory.config()).unwrap_or_default());
            let begun: Option<Begun> = document(&self.directory.path().join("environment.json"));
            self.view.started = begun.map(|begun| begun.started);
        }
        self.look_at_state();
        let mut more = self.look_at_epochs();
        if closely {
            more |= self.look_at_steps();
            self.view.checkpoint = newest_checkpoint(&self.directory.checkpoints());
            self.view.request = self.directory.asked();
        }
        more
    }

    fn look_at_state(&mut self) {
        if self.view.state.is_done() {
            return;
        }
        // In this order: a training that ends between the two leaves a summary that is read at the next look.
        let is_training = self.directory.is_training().unwrap_or_else(|| self.is_recent());
        self.view.reached = document(&self.directory.summary());
        let outcome = self.view.reached.as_ref().and_then(|reached| reached.outcome);
        self.view.state = match outcome {
            Some(Outcome::Finished) => State::Finished,
            Some(Outcome::StoppedEarly) => State::StoppedEarly,
            Some(Outcome::Stuck) => State::Stuck,
            _ if is_training => State::Training,
            Some(Outcome::Interrupted) => State::Stopped,
            None => State::BrokenOff,
        };
    }

    fn is_recent(&self) -> bool {
        let modified = self.directory.steps().metadata().and_then(|log| log.modified());
        modified.is_ok_and(|time| time.elapsed().is_ok_and(|since| since < RECENT))
    }

    fn look_at_epochs(&mut self) -> bool {
        let news = self.epochs.look::<EpochRecord>();
        if news.anew {
            self.view.epochs = Arc::default();
        }
        if !news.lines.is_empty() {
            let epochs = Arc::make_mut(&mut self.view.epochs);
            let room = MOST_EPOCHS.saturating_sub(epochs.len());
            epochs.extend(news.lines.into_iter().take(room));
        }
        news.more
    }

    fn look_at_steps(&mut self) -> bool {
        let news = self.steps.look::<StepFigures>();
        if news.anew {
            self.view.steps = Arc::default();
            self.view.at = None;
            self.pace = Pace::default();
        }
        if let Some(last) = news.lines.last() {
            let steps = Arc::make_mut(&mut self.view.steps);
            for step in &news.lines {
                steps.push(step);
            }
            let done = last.step.saturating_add(1);
            self.view.at = Some((done, last.epoch));
            let modified = self.directory.steps().metadata().and_then(|log| log.modified());
            let time = modified.unwrap_or_else(|_| SystemTime::now());
            let time = time
                .duration_since(UNIX_EPOCH)
                .map_or(0.0, |time| time.as_secs_f64());
            if !news.more {
                self.pace.saw(time, done, last.epoch);
            }
        }
        self.view.steps_per_second = self.pace.steps_per_second();
        if !std::mem::replace(&mut self.counted, true) {
            self.view.steps_per_epoch = steps_per_epoch(&self.directory.split(), self.view.asked.batch_size);
        }
        news.more
    }
}

/// Steps in an epoch: the photos of the training part, in batches of which the last may be smaller.
fn steps_per_epoch(split: &Path, batch_size: u64) -> Option<u64> {
    let table = csv::ReaderBuilder::new()
        .delimiter(b'\t')
        .flexible(true)
        .from_reader(regular(split)?.take(SPLIT));
    let rows = table.into_byte_records().map_while(Result::ok);
    let photos = rows.filter(|row| row.get(2) == Some(b"train".as_slice())).count() as u64;
    (photos > 0 && batch_size > 0).then(|| photos.div_ceil(batch_size))
}

/// The largest number of steps in the name of a checkpoint.
fn newest_checkpoint(folder: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(folder).ok()?.flatten().take(1000);
    let steps = entries.filter_map(|entry| {
        let name = entry.file_name();
        let steps = name.to_str()?.strip_prefix("step-")?;
        steps.strip_suffix(".safetensors")?.parse().ok()
    });
    steps.max()
}

/// A JSON document, if it is there and what it should be.
fn document<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let mut text = Vec::new();
    regular(path)?.take(DOCUMENT).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// A file to read. Anything else, such as a pipe, might never answer.
fn regular(path: &Path) -> Option<File> {
    stepladder_files::open(path).ok()
}

/// A short name that follows from the path: FNV-1a. Where two runs had the same, the first would be shown for both.
fn id(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let bytes = path.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(files: &[(&str, &str)]) -> (tempfile::TempDir, WatchedRun) {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let found = Found {
            path: folder.path().to_path_buf(),
            name: "a".into(),
            made: None,
        };
        (folder, WatchedRun::new(&found))
    }

    const EPOCH: &str = "{\"epoch\":1,\"loss\":1.5,\"accuracy\":0.5,\"val_loss\":1.25,\"val_accuracy\":0.75,\"learning_rate\":0.1,\
                         \"images_per_second\":50.0,\"input_wait_fraction\":0.0,\"seconds\":4.0,\"best\":true}\n";

    #[test]
    fn a_run_is_followed_from_its_files() {
        let (folder, mut run) = run(&[
            (
                "config.json",
                "{\"model\":\"m5\",\"epochs\":4,\"batch_size\":2,\"data\":{\"path\":\"/x/flowers.zip\"}}",
            ),
            ("environment.json", "{\"started\":7}"),
            (
                "split.tsv",
                "file\tclass\tpart\na\tx\ttrain\nb\tx\ttrain\nc\tx\ttrain\nd\tx\ttest\n",
            ),
            (
                "steps.jsonl",
                "{\"step\":0,\"epoch\":1,\"loss\":2.0,\"accuracy\":0.5,\"learning_rate\":0.1}\n",
            ),
        ]);
        run.look(true);
        let view = run.view();
        assert_eq!(
            (view.state, view.started, view.at),
            (State::BrokenOff, Some(7), Some((1, 1)))
        );
        assert_eq!(view.asked.data.name(), "flowers");
        assert_eq!((view.steps_per_epoch, view.progress()), (Some(2), 0.5));
        std::fs::write(folder.path().join("epochs.jsonl"), EPOCH).unwrap();
        std::fs::write(
            folder.path().join("summary.json"),
            "{\"outcome\":\"interrupted\"}",
        )
        .unwrap();
        std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
        for step in ["step-2", "step-10", "best-99"] {
            std::fs::write(folder.path().join(format!("checkpoints/{step}.safetensors")), "").unwrap();
        }
        run.look(true);
        let view = run.view();
        assert_eq!((view.state, view.checkpoint), (State::Stopped, Some(10)));
        assert_eq!(
            (view.progress(), view.best(|epoch| epoch.val_accuracy)),
            (1.0, Some(0.75))
        );
        assert_eq!(view.photos_per_second(), Some(50.0));
        assert_eq!(view.seconds_left(), None, "nobody trains it");
    }

    #[test]
    fn a_training_knows_how_long_it_will_take() {
        let (folder, mut run) = run(&[
            ("config.json", "{\"epochs\":4,\"batch_size\":2}"),
            ("epochs.jsonl", EPOCH),
            (".lock", ""),
        ]);
        let lock = File::options()
            .append(true)
            .open(folder.path().join(".lock"))
            .unwrap();
        lock.try_lock().unwrap();
        run.look(true);
        assert_eq!(run.view().state, State::Training);
        assert_eq!(run.view().seconds_left(), Some(12.0));
    }

    #[test]
    fn whatever_lies_there_is_survived() {
        for nonsense in [
            "",
            "null",
            "[[[",
            "{\"epochs\":18446744073709551615,\"batch_size\":0}",
            "{\"epochs\":-1}",
            "\u{0}",
        ] {
            let mut files = vec![];
            for name in [
                "config.json",
                "summary.json",
                "environment.json",
                "split.tsv",
                "steps.jsonl",
                "epochs.jsonl",
            ] {
                files.push((name, nonsense));
            }
            let (_folder, mut run) = run(&files);
            run.look(true);
            let view = run.view();
            assert!(view.progress() >= 0.0 && view.seconds_left().is_none());
        }
        let (_folder, mut run) = run(&[(
            "steps.jsonl",
            "{\"step\":18446744073709551615,\"loss\":null}\n{\"step\":0,\"loss\":1e999}\n",
        )]);
        run.look(true);
        assert_eq!(run.view().steps.loss(), []);
    }
}
