//! What a model file says of itself: format, classes, preprocessing, rung, calibration, training. Old formats are read
//! into the same header; a newer one is refused by the version that wrote it.

use crate::temperature::Temperature;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use stepladder_comparison::wilson_interval;
use stepladder_data::{Scaling, printable};
use stepladder_model::ImageSize;
use stepladder_nn::Precision;

/// The newest format. 2 added `blake3`, `calibration` and `training`; 3 has a size of `[height, width]`.
pub(crate) const FORMAT: u32 = 3;

/// The format of files with input of this size: the oldest that says it, so that older versions read what they can.
pub(crate) fn format_for(size: ImageSize) -> u32 {
    if size.is_square() { 2 } else { FORMAT }
}

/// The first format whose files carry a checksum.
pub(crate) const FIRST_SEALED: u32 = 2;

/// The keys that every format has and will have, to say who wrote a file that cannot be read otherwise.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    pub format: u32,
    /// The version of Stepladder that wrote the file.
    pub stepladder: String,
}

/// The header of `model.safetensors`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub format: u32,
    pub stepladder: String,
    /// The checksum, which [`crate::seal`] puts in; format 1 has none.
    #[serde(default)]
    pub blake3: String,
    pub classes: Vec<String>,
    pub preprocessing: Preprocessing,
    /// The rung in full, as TOML.
    pub rung: String,
    /// How activations were stored in training, and are when predicting; files without it are f32.
    #[serde(default = "f32_name")]
    pub precision: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingRecord>,
}

fn f32_name() -> String {
    Precision::F32.to_string()
}

/// How a photo becomes the network's input, in words and numbers that another program can follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Height and width of the input in pixels; one number for a square.
    pub size: ImageSize,
    /// How the photo is scaled.
    pub resize: String,
    /// What is cut from it.
    pub crop: String,
    /// Order of the channels, which come last.
    pub channels: String,
    /// The values of black and white.
    pub range: [u8; 2],
}

impl Preprocessing {
    /// What [`stepladder_data::prepare`] does at `size`.
    pub(crate) fn new(size: ImageSize, scaling: Scaling) -> Preprocessing {
        let resize = match scaling {
            Scaling::Bilinear if !size.is_square() => {
                "upright by EXIF; largest central part of size's shape to size: bilinear, antialiased where it shrinks"
            }
            Scaling::Pad if !size.is_square() => {
                "upright by EXIF; as large as fits into size, centered on gray of 128 in 255: bilinear, antialiased where it shrinks"
            }
            Scaling::Bilinear => {
                "upright by EXIF; central square to size: bilinear, antialiased where it shrinks"
            }
            Scaling::Lanczos => {
                "upright by EXIF; short side to size: Lanczos (3 lobes, antialiased) down, bilinear up"
            }
            Scaling::Pad => {
                "upright by EXIF; long side to size, centered on gray of 128 in 255: bilinear, antialiased where it shrinks"
            }
            Scaling::Stretch => "upright by EXIF; both sides to size: bilinear, antialiased where it shrinks",
        };
        let crop = match scaling {
            Scaling::Bilinear | Scaling::Lanczos => "center",
            Scaling::Pad | Scaling::Stretch => "none",
        };
        Preprocessing {
            size,
            resize: resize.into(),
            crop: crop.into(),
            channels: "RGB".into(),
            range: [0, 1],
        }
    }

    /// The rule that this is; none where it is no rule that we know.
    pub(crate) fn scaling(&self) -> Option<Scaling> {
        let known = [
            Scaling::Bilinear,
            Scaling::Lanczos,
            Scaling::Pad,
            Scaling::Stretch,
        ];
        known
            .into_iter()
            .find(|scaling| *self == Preprocessing::new(self.size, *scaling))
    }
}

/// How probabilities become calibrated.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Calibration {
    /// What the logits are divided by.
    pub temperature: f64,
}

/// The training that a model comes from, in figures that are the same whenever and wherever it is repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// The name of the data set.
    pub data: String,
    /// Photos trained on.
    pub train_images: usize,
    /// Epochs trained.
    pub epochs: usize,
    /// Epoch at whose end these weights were, from 1; null if they were within one.
    pub exported_epoch: Option<usize>,
    /// The seed of initial weights, order, augmentation and dropout.
    pub seed: u64,
    /// The seed of the split.
    pub split_seed: u64,
    /// On the validation part; null without one, and where the training was interrupted.
    pub validation: Option<Score>,
    /// On the test part; null as above.
    pub test: Option<Score>,
}

/// How many of some photos a model got right. Counts, because they are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Photos that were right.
    pub right: usize,
    /// Photos asked about.
    pub images: usize,
}

impl Score {
    /// Share that was right.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.images as f64
    }

    /// The 95% interval of the accuracy ([`wilson_interval`]).
    pub fn interval(&self) -> [f64; 2] {
        wilson_interval(self.right, self.images)
    }
}

impl Header {
    /// The calibration of a header that was checked.
    pub fn temperature(&self) -> Option<Temperature> {
        Temperature::new(self.calibration?.temperature)
    }

    /// What is wrong with a header that may come from anywhere, beyond its form.
    pub fn check(&self) -> Result<(), String> {
        let distinct: BTreeSet<&String> = self.classes.iter().collect();
        if distinct.len() < self.classes.len() {
            return Err("a class occurs twice".to_string());
        }
        if self
            .classes
            .iter()
            .any(|class| class.is_empty() || printable(class) != class.as_str())
        {
            return Err("a class has no name that can be shown".to_string());
        }
        if self.preprocessing.scaling().is_none() {
            return Err(
                "photos would have to be prepared in a way that this version does not know".to_string(),
            );
        }
        match self.calibration {
            Some(Calibration { temperature }) if Temperature::new(temperature).is_none() => {
                Err(format!("a temperature of {temperature} calibrates nothing"))
            }
            _ => self.check_training(),
        }
    }

    fn check_training(&self) -> Result<(), String> {
        let Some(training) = &self.training else {
            return Ok(());
        };
        if printable(&training.data) != training.data.as_str() {
            return Err("the data set has no name that can be shown".to_string());
        }
        let mut scores = [training.validation, training.test].into_iter().flatten();
        if scores.any(|score| score.images == 0 || score.right > score.images) {
            return Err("a score counts more photos right than there were".to_string());
        }
        Ok(())
    }
}
