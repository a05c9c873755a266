//! How weights want their photos: what timm writes into `config.json` beside a file of weights.

use crate::error::WeightsError;
use serde::Deserialize;
use std::path::Path;
use stepladder_model::{Layer, Normalization, Rung};

/// The longest `config.json` that is read, in bytes; some list a thousand classes.
const LONGEST_CONFIG: usize = 4 << 20;

/// How photos were made ready for the training that weights come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessing {
    /// Subtracted from each channel of a photo in [0, 1].
    pub mean: [f32; 3],
    /// What the difference is divided by.
    pub deviation: [f32; 3],
    /// Side of the square that the network saw, in pixels.
    pub size: usize,
    /// How photos were scaled.
    pub interpolation: Interpolation,
    /// Side of the square that was cut out over the shorter side of the photo.
    pub crop_fraction: f32,
}

impl Preprocessing {
    /// The layer that does this to photos in [0, 1].
    pub fn normalization(&self) -> Normalization {
        Normalization {
            mean: self.mean.to_vec(),
            variance: self.deviation.map(|deviation| deviation * deviation).to_vec(),
        }
    }

    /// Gives a rung's `Normalization` layers, if it has any, these numbers.
    pub fn normalize_in(&self, rung: &mut Rung) {
        for spec in &mut rung.layers {
            if let Layer::Normalization(normalization) = &mut spec.layer {
                *normalization = self.normalization();
            }
        }
    }
}

/// How pixels are made of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of Pillow's filters")]
pub enum Interpolation {
    Bilinear,
    Bicubic,
    Lanczos,
    Nearest,
    Box,
    Hamming,
}

/// What is said beside the weights of a network of timm's.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// timm's name of the network: `resnet18`.
    pub architecture: String,
    /// What was trained, and how: `a1_in1k`.
    pub tag: Option<String>,
    /// The license, as a short name: `apache-2.0`.
    pub license: Option<String>,
    /// The module that makes the scores: `fc`.
    pub classifier: Option<String>,
    /// How it wants its photos.
    pub preprocessing: Preprocessing,
}

impl Config {
    /// Reads a `config.json` of timm's; `path` is what errors call it.
    ///
    /// # Errors
    ///
    /// Where it is not one, or its numbers cannot be.
    pub fn from_json(path: &Path, json: &[u8]) -> Result<Config, WeightsError> {
        let damaged = |reason: String| WeightsError::Damaged {
            path: path.to_owned(),
            reason,
        };
        if json.len() > LONGEST_CONFIG {
            return Err(damaged(format!("{} bytes of configuration", json.len())));
        }
        let file: ConfigFile = serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))?;
        let config = file.config();
        config.preprocessing.check().map_err(damaged)?;
        Ok(config)
    }
}

impl Preprocessing {
    fn check(&self) -> Result<(), String> {
        let Preprocessing {
            mean,
            deviation,
            size,
            crop_fraction,
            ..
        } = self;
        if !mean.iter().all(|mean| mean.is_finite())
            || !deviation.iter().all(|&value| value > 0.0 && value.is_finite())
        {
            return Err(format!(
                "photos cannot be normalized by a mean of {mean:?} and a deviation of {deviation:?}"
            ));
        }
        if !(1..=8192).contains(size) {
            return Err(format!("photos of {size} pixels a side"));
        }
        match *crop_fraction > 0.0 && *crop_fraction <= 1.0 {
            true => Ok(()),
            false => Err(format!("a crop of {crop_fraction} of the photo")),
        }
    }
}

/// As it is written. Older files have the inner table's keys outside.
#[derive(Deserialize)]
struct ConfigFile {
    architecture: String,
    #[serde(default)]
    pretrained_cfg: Option<Pretrained>,
    #[serde(flatten)]
    outer: Pretrained,
}

/// timm's defaults are those of `timm/models/_pretrained.py` and `timm/data/config.py`.
#[derive(Clone, Deserialize)]
struct Pretrained {
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    license: Option<String>,
    /// One name, or several of a network with several heads.
    #[serde(default)]
    classifier: Option<serde_json::Value>,
    #[serde(default = "imagenet_mean")]
    mean: [f32; 3],
    #[serde(default = "imagenet_deviation")]
    std: [f32; 3],
    #[serde(default = "usual_input")]
    input_size: [usize; 3],
    #[serde(default = "bicubic")]
    interpolation: Interpolation,
    #[serde(default = "usual_crop")]
    crop_pct: f32,
}

fn imagenet_mean() -> [f32; 3] {
    [0.485, 0.456, 0.406]
}

fn imagenet_deviation() -> [f32; 3] {
    [0.229, 0.224, 0.225]
}

fn usual_input() -> [usize; 3] {
    [3, 224, 224]
}

fn bicubic() -> Interpolation {
    Interpolation::Bicubic
}

fn usual_crop() -> f32 {
    0.875
}

impl ConfigFile {
    fn config(self) -> Config {
        let cfg = self.pretrained_cfg.unwrap_or(self.outer);
        Config {
            architecture: self.architecture,
            tag: cfg.tag.filter(|tag| !tag.is_empty()),
            license: cfg.license,
            classifier: cfg.classifier.and_then(|name| Some(name.as_str()?.to_owned())),
            preprocessing: Preprocessing {
                mean: cfg.mean,
                deviation: cfg.std,
                size: cfg.input_size[1],
                interpolation: cfg.interpolation,
                crop_fraction: cfg.crop_pct,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Result<Config, String> {
        Config::from_json(Path::new("config.json"), json.as_bytes()).map_err(|error| error.to_string())
    }

    /// As timm 1.0 writes it for `mobilenetv1_100.ra4_e3600_r224_in1k`.
    const MOBILENET: &str = r#"{
        "architecture": "mobilenetv1_100", "num_classes": 1000, "num_features": 1024,
        "pretrained_cfg": {
            "tag": "ra4_e3600_r224_in1k", "custom_load": false, "input_size": [3, 224, 224],
            "test_input_size": [3, 256, 256], "fixed_input_size": false, "interpolation": "bicubic", "crop_pct": 0.875,
            "test_crop_pct": 0.95, "crop_mode": "center", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
            "num_classes": 1000, "pool_size": [7, 7], "first_conv": "conv_stem", "classifier": "classifier",
            "license": "apache-2.0"
        }
    }"#;

    #[test]
    fn what_timm_writes_is_read() {
        let config = config(MOBILENET).unwrap();
        assert_eq!(config.architecture, "mobilenetv1_100");
        assert_eq!(config.classifier.as_deref(), Some("classifier"));
        assert_eq!(config.license.as_deref(), Some("apache-2.0"));
        assert_eq!(config.preprocessing.size, 224);
        let normalization = config.preprocessing.normalization();
        assert_eq!((normalization.mean[0], normalization.variance[2]), (0.5, 0.25));
    }

    #[test]
    fn the_keys_may_stand_outside_and_be_few() {
        let config =
            config(r#"{"architecture": "resnet18", "mean": [0, 0, 0], "interpolation": "bilinear"}"#)
                .unwrap();
        assert_eq!(config.preprocessing.mean, [0.0; 3]);
        assert_eq!(config.preprocessing.deviation, imagenet_deviation());
        assert_eq!(config.preprocessing.interpolation, Interpolation::Bilinear);
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        for (key, value) in [
            ("std", "[0, 1, 1]"),
            ("std", "[1, 1]"),
            ("input_size", "[3, 0, 0]"),
            ("crop_pct", "1.5"),
            ("interpolation", "\"magic\""),
        ] {
            let json = format!(r#"{{"architecture": "a", "{key}": {value}}}"#);
            let message = config(&json).unwrap_err();
            assert!(message.starts_with("config.json: damaged: "), "{message}");
        }
    }
}
