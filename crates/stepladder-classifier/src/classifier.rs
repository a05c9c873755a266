//! A trained classifier as one object and one file.

use crate::evaluation::Predictions;
use crate::predictor::Predictor;
use crate::temperature::Temperature;
use crate::weights::{WeightsError, WeightsFile, read_arrays, write_arrays};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use stepladder_data::{DataError, Loader, LoaderConfig, PhotoStore, RgbPhoto, prepare};
use stepladder_model::{Rung, RungCatalog};
use stepladder_nn::{Device, Model, ModelError, Precision, UnknownPrecision};

/// The version of the file's header; a reader refuses newer ones by name.
const FORMAT: u32 = 1;

/// A network with its weights, and all that it takes to ask it about a photo.
#[derive(Debug, Clone)]
pub struct Classifier {
    model: Model,
    rung: Rung,
    classes: Vec<String>,
    temperature: Option<Temperature>,
}

/// How a photo becomes the network's input, in words and numbers that another program can follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Side of the square input, in pixels.
    pub size: usize,
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
    fn new(size: usize) -> Preprocessing {
        Preprocessing {
            size,
            resize: "upright by EXIF; short side to size: Lanczos (3 lobes, antialiased) down, bilinear up"
                .into(),
            crop: "center".into(),
            channels: "RGB".into(),
            range: [0, 1],
        }
    }
}

/// The header of `model.safetensors`.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    /// The version of Stepladder that wrote the file.
    stepladder: String,
    classes: Vec<String>,
    preprocessing: Preprocessing,
    /// The rung in full, as TOML.
    rung: String,
    /// How activations were stored in training, and are when predicting; files without it are f32.
    #[serde(default = "f32_name")]
    precision: String,
    /// How probabilities become calibrated; absent where there were no validation photos to fit it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calibration: Option<Calibration>,
}

/// How probabilities become calibrated.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Calibration {
    /// What the logits are divided by.
    temperature: f64,
}

fn f32_name() -> String {
    Precision::F32.to_string()
}

/// Why a classifier cannot be loaded or saved.
#[derive(Debug, thiserror::Error)]
pub enum ClassifierError {
    /// The file cannot be read or written as weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file was written by a newer Stepladder.
    #[error("{}: made by Stepladder {version}, in a newer format than this version reads; update Stepladder", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that wrote it.
        version: String,
    },
    /// The header cannot be read or gives no network.
    #[error("{}: the rung inside the file is damaged: {reason}", path.display())]
    Rung {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The calibration is no number above zero.
    #[error("{}: the calibration inside the file is damaged: temperature {temperature} is not above 0; copy it again, or train again", path.display())]
    Temperature {
        /// The file.
        path: PathBuf,
        /// What it says.
        temperature: f64,
    },
    /// The arrays are not the network's parameters.
    #[error("{}: {source}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ModelError,
    },
}

impl Classifier {
    /// A classifier from its parts; class `i` of `classes` is the model's output `i`.
    ///
    /// # Panics
    ///
    /// If there are not as many names as outputs.
    pub fn new(model: Model, rung: Rung, classes: Vec<String>) -> Classifier {
        assert_eq!(model.network().classes, classes.len(), "one name for each output");
        Classifier {
            model,
            rung,
            classes,
            temperature: None,
        }
    }

    /// The same classifier with its probabilities calibrated by `temperature`, which [`Classifier::predictor`] applies.
    pub fn with_temperature(self, temperature: Option<Temperature>) -> Classifier {
        Classifier { temperature, ..self }
    }

    /// Reads a `model.safetensors`, which may come from anywhere: everything in it is checked.
    pub fn load(path: &Path, device: Device) -> Result<Classifier, ClassifierError> {
        let WeightsFile { document, arrays } = read_arrays::<Header>(path)?;
        if document.format > FORMAT {
            return Err(ClassifierError::Newer {
                path: path.to_path_buf(),
                version: document.stepladder,
            });
        }
        let damaged = |reason: String| ClassifierError::Rung {
            path: path.to_path_buf(),
            reason,
        };
        let rung = Rung::from_toml(&document.rung, "rung", &RungCatalog::shipped());
        let rung = rung.map_err(|error| damaged(error.to_string()))?;
        let network = rung.network(document.preprocessing.size, document.classes.len());
        let network = network.map_err(|error| damaged(error.to_string()))?;
        let precision: Precision = document
            .precision
            .parse()
            .map_err(|error: UnknownPrecision| damaged(error.to_string()))?;
        let model = Model::from_arrays(network, arrays, device).map_err(|source| ClassifierError::Model {
            path: path.to_path_buf(),
            source,
        })?;
        let temperature = match document.calibration {
            Some(Calibration { temperature }) => {
                Some(Temperature::new(temperature).ok_or(ClassifierError::Temperature {
                    path: path.to_path_buf(),
                    temperature,
                })?)
            }
            None => None,
        };
        Ok(Classifier {
            model: model.with_precision(precision),
            rung,
            classes: document.classes,
            temperature,
        })
    }

    /// Writes the classifier to one file, atomically. Equal classifiers give equal bytes.
    pub fn save(&self, path: &Path) -> Result<(), ClassifierError> {
        let header = Header {
            format: FORMAT,
            stepladder: env!("CARGO_PKG_VERSION").to_string(),
            classes: self.classes.clone(),
            preprocessing: Preprocessing::new(self.size()),
            rung: self.rung.to_toml(),
            precision: self.model.precision().to_string(),
            calibration: self.temperature.map(|temperature| Calibration {
                temperature: temperature.value(),
            }),
        };
        Ok(write_arrays(path, &header, &self.model.to_arrays())?)
    }

    /// Class names, in the order of the outputs.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Side of the square that the network sees, in pixels.
    pub fn size(&self) -> usize {
        self.model.network().input[0]
    }

    /// The rung that was trained.
    pub fn rung(&self) -> &Rung {
        &self.rung
    }

    /// The network with its parameters.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// How probabilities become calibrated; `None` where they are not.
    pub fn temperature(&self) -> Option<Temperature> {
        self.temperature
    }

    /// The classifier made ready to answer: faster than the model itself, and calibrated.
    pub fn predictor(&self) -> Predictor {
        Predictor::new(self)
    }

    /// Probabilities of each class for each photo, in the order of [`Classifier::classes`], as the network gives them: not
    /// calibrated.
    pub fn predict(&self, photos: &[RgbPhoto]) -> Vec<Vec<f32>> {
        if photos.is_empty() {
            return Vec::new();
        }
        let images = photos
            .iter()
            .flat_map(|photo| prepare(photo, self.size()))
            .collect();
        let probabilities = self.model.predict(images, photos.len());
        probabilities
            .chunks_exact(self.classes.len())
            .map(<[f32]>::to_vec)
            .collect()
    }

    /// Probabilities for the stored photos of these indices, `batch_size` at a time, beside their labels.
    ///
    /// `labels` holds the class of every photo of the store.
    pub fn classify(
        &self,
        store: &PhotoStore,
        labels: &[u32],
        photos: &[u32],
        batch_size: usize,
    ) -> Result<Predictions, DataError> {
        classify(&self.model, store, labels, photos, batch_size)
    }
}

/// [`Classifier::classify`] for a model that is still being trained.
pub fn classify(
    model: &Model,
    store: &PhotoStore,
    labels: &[u32],
    photos: &[u32],
    batch_size: usize,
) -> Result<Predictions, DataError> {
    let config = LoaderConfig {
        threads: rayon::current_num_threads(),
        ..LoaderConfig::new(batch_size, model.network().input[0])
    };
    let mut predictions = Predictions::new(model.network().classes);
    for batch in Loader::new(store, labels, photos, config)?.epoch(0) {
        let batch = batch?;
        let probabilities = model.predict(batch.images, batch.labels.len());
        predictions.extend(&batch.photos, &batch.labels, &probabilities);
    }
    Ok(predictions)
}
