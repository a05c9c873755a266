//! A folder with made-up photos, where trainings are run, interrupted and compared.
#![allow(dead_code, reason = "each test file uses a part of it")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stepladder_data::{CacheConfig, DataRequest, NoProgress, Progress};
use stepladder_model::{Rung, RungCatalog};
use stepladder_nn::{Device, Precision};
use stepladder_train::{
    Controls, EpochRecord, Observer, Prepared, RunDirectory, RunPlace, StepRecord, Summary, TrainError,
    TrainingRequest, train_or_resume,
};

/// Sets the flag after a certain step, or after each.
pub struct Stopper {
    pub at: Option<u64>,
    pub each: bool,
    pub flag: AtomicBool,
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

pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
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

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn request(&self, run: &str, rung: &str) -> TrainingRequest {
        TrainingRequest {
            rung: Rung::from_toml(rung, "tiny.toml", &RungCatalog::shipped()).unwrap(),
            data: DataRequest::path(self.path("trees")),
            size: Some(16.into()),
            seed: 5,
            split_seed: None,
            group_duplicates: false,
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
    pub fn sit(&self, request: &TrainingRequest, at: Option<u64>, each: bool) -> Result<Summary, TrainError> {
        let stopper = Stopper {
            at,
            each,
            flag: AtomicBool::new(false),
        };
        train_or_resume(request, &stopper, &stopper.flag)
    }

    pub fn assert_same(&self, a: &str, b: &str) {
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
