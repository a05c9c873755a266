//! A training that is interrupted at any step, or at each, and goes on leaves what an uninterrupted one leaves.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stepladder_data::{CacheConfig, DataRequest, NoProgress, Progress};
use stepladder_model::{Rung, RungCatalog};
use stepladder_nn::{Device, Precision};
use stepladder_train::{
    Controls, EpochRecord, Observer, Outcome, Prepared, RunDirectory, RunPlace, StepRecord, Summary, TrainError,
    TrainingRequest, train, train_or_resume,
};

/// Everything that has a state: moments, dropout, batch statistics, a schedule, both callbacks, augmentation.
const RUNG: &str = r#"
name = "tiny"
parent = "baseline"
change = "Small, with everything that a checkpoint must hold"
layers = [
  { layer = "Conv2D", filters = 4, kernel_size = 3, activation = "relu" },
  { layer = "BatchNormalization" },
  { layer = "GlobalAveragePooling2D" },
  { layer = "Dropout", rate = 0.2 },
  { layer = "Dense", units = "classes", activation = "softmax" },
]
schedule = { type = "cosine" }
training = { epochs = 4, batch_size = 8 }
early_stopping = { monitor = "val_loss", patience = 3, restore_best_weights = true }
reduce_lr_on_plateau = { monitor = "loss", patience = 1, factor = 0.5, min_delta = 0.5 }
augmentation = { horizontal_flip = true, rotation_range = 20 }
"#;

/// Sets the flag after a certain step, or after each.
struct Stopper {
    at: Option<u64>,
    each: bool,
    flag: AtomicBool,
}

impl Observer for Stopper {
    fn progress(&self) -> &dyn Progress {
        &NoProgress
    }
    fn prepared(&self, _: &Prepared, _: &RunDirectory) {}
    fn step(&self, record: &StepRecord, _: usize, _: usize) {
        if self.each || self.at == Some(record.step) {
            self.flag.store(true, Ordering::Relaxed);
        }
    }
    fn epoch(&self, _: &EpochRecord, _: usize) {}
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        for (class, red) in [("ash", 30), ("birch", 120), ("cedar", 220)] {
            let photos = folder.path().join("trees").join(class);
            std::fs::create_dir_all(&photos).unwrap();
            for n in 0..14_u8 {
                let pixel = |x: u32, y: u32| image::Rgb([red, (x * 11) as u8 ^ n, (y * 7) as u8 + n]);
                image::RgbImage::from_fn(16, 16, pixel)
                    .save(photos.join(format!("{n}.png")))
                    .unwrap();
            }
        }
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn request(&self, run: &str) -> TrainingRequest {
        TrainingRequest {
            rung: Rung::from_toml(RUNG, "tiny.toml", &RungCatalog::shipped()).unwrap(),
            data: DataRequest::path(self.path("trees")),
            size: Some(16),
            seed: 5,
            split_seed: None,
            device: Device::Cpu,
            precision: Precision::F32,
            threads: 2,
            place: RunPlace::Exactly(self.path(run)),
            cache: CacheConfig::new(self.path("cache")),
            checkpoint_every: Duration::ZERO,
            controls: Controls::default(),
        }
    }

    /// One sitting.
    fn sit(&self, run: &str, at: Option<u64>, each: bool) -> Result<Summary, TrainError> {
        let stopper = Stopper {
            at,
            each,
            flag: AtomicBool::new(false),
        };
        train_or_resume(&self.request(run), &stopper, &stopper.flag)
    }

    fn assert_same(&self, a: &str, b: &str) {
        for file in [
            "model.safetensors",
            "best.safetensors",
            "last.safetensors",
            "test_predictions.tsv",
            "steps.jsonl",
        ] {
            let bytes = |run: &str| std::fs::read(self.path(run).join(file)).unwrap();
            assert!(bytes(a) == bytes(b), "{file} of {b} differs");
        }
        assert_eq!(timeless(&self.path(a)), timeless(&self.path(b)), "{b}");
    }
}

/// `epochs.jsonl` without what depends on time.
fn timeless(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("epochs.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|mut line| {
            for key in ["seconds", "images_per_second", "input_wait_fraction"] {
                line.as_object_mut().unwrap().remove(key);
            }
            line
        })
        .collect()
}

#[test]
fn interrupted_at_any_step_it_goes_on_exactly() {
    let place = Place::new();
    let whole = place.sit("whole", None, false).unwrap();
    assert_ne!(whole.outcome, Outcome::Interrupted);
    let text = std::fs::read_to_string(place.path("whole/steps.jsonl")).unwrap();
    let steps = text.lines().count() as u64;
    assert!(steps >= 12, "{steps} steps show too little");
    for step in 0..steps {
        let run = format!("at-{step}");
        assert_eq!(
            place.sit(&run, Some(step), false).unwrap().outcome,
            Outcome::Interrupted
        );
        let summary = place.sit(&run, None, false).unwrap();
        assert_eq!(
            (summary.outcome, summary.test_loss),
            (whole.outcome, whole.test_loss)
        );
        place.assert_same("whole", &run);
    }
    // One step a sitting.
    while place.sit("each", None, true).unwrap().outcome == Outcome::Interrupted {}
    place.assert_same("whole", "each");
}

#[test]
fn a_finished_run_is_returned_and_not_trained_again() {
    let place = Place::new();
    let first = place.sit("run", None, false).unwrap();
    let before = std::fs::metadata(place.path("run/model.safetensors"))
        .unwrap()
        .modified()
        .unwrap();
    // As JSON gives numbers back, which may be one digit at the end away.
    let first: Summary = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
    assert_eq!(place.sit("run", Some(0), false).unwrap(), first);
    let after = std::fs::metadata(place.path("run/model.safetensors"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(before, after);
    assert!(!place.path("run/checkpoints").exists());
    // `train` is for new runs.
    let stopper = Stopper {
        at: None,
        each: false,
        flag: AtomicBool::new(false),
    };
    let again = train(&place.request("run"), &stopper, &stopper.flag);
    assert!(matches!(again, Err(TrainError::OccupiedRun { .. })));
}

#[test]
fn a_run_killed_while_it_was_set_up_begins_anew_and_foreign_files_are_left_alone() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("half/checkpoints")).unwrap();
    std::fs::write(place.path("half/rung.toml"), "half").unwrap();
    std::fs::write(place.path("half/.stepladder-x7"), "half").unwrap();
    place.sit("half", None, false).unwrap();

    std::fs::create_dir_all(place.path("thesis")).unwrap();
    std::fs::write(place.path("thesis/chapter.txt"), "mine").unwrap();
    assert!(matches!(
        place.sit("thesis", None, false),
        Err(TrainError::OccupiedRun { .. })
    ));
    assert_eq!(std::fs::read_dir(place.path("thesis")).unwrap().count(), 1);
}
