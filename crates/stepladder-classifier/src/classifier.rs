//! A trained classifier as one object and one file.

use crate::evaluation::Predictions;
use crate::header::{
    Calibration, FIRST_SEALED, FORMAT, Header, Preprocessing, TrainingRecord, Version, format_for,
};
use crate::machine::free_bytes;
use crate::predictor::{Predictor, mirrored};
use crate::seal::{self, UNSEALED};
use crate::temperature::Temperature;
use crate::weights::{ArraysFile, OpenedWeights, WeightsError, arrays};
use std::path::{Path, PathBuf};
use stepladder_data::{DataError, Loader, LoaderConfig, PhotoStore, RgbPhoto, Scaling, prepare, printable};
use stepladder_model::{ImageSize, Rung, RungCatalog};
use stepladder_nn::{Device, Model, ModelError, Precision, UnknownPrecision, inference_bytes};

/// Answers take longer than photos: little needs to be made ahead of them.
const AHEAD: usize = 4 << 20;

/// A network with its weights, and all that it takes to ask it about a photo.
#[derive(Debug, Clone)]
pub struct Classifier {
    model: Model,
    rung: Rung,
    classes: Vec<String>,
    temperature: Option<Temperature>,
    scaling: Scaling,
    training: Option<TrainingRecord>,
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
    /// The header is well formed and cannot be right.
    #[error("{}: damaged: {reason}; copy it again, or train again", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A byte of the file is not what was written.
    #[error("{}: damaged: its content does not match its checksum; copy it again, or train again", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
    },
    /// The rung in the header cannot be read or gives no network.
    #[error("{}: the rung inside the file is damaged: {reason}", path.display())]
    Rung {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The network takes more memory than there is.
    #[error(
        "{}: its network takes {:.1} GiB for one photo of {size} px, and {:.1} GiB are free; ask where there is more memory",
        path.display(), gib(*takes), gib(*free)
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Height and width of the photo.
        size: ImageSize,
        /// Bytes.
        takes: u64,
        /// Bytes.
        free: u64,
    },
    /// A weight is NaN or infinite.
    #[error("{}: {array} holds values that are not finite, so that its answers would be none; train again with a lower learning rate", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Where.
        array: String,
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

/// Why photos cannot be classified.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    /// The photos.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network.
    #[error(
        "the network's answers about {photos} of {asked} photos are not finite; it needs to be trained again, with a lower learning rate"
    )]
    NotFinite {
        /// Photos without an answer.
        photos: usize,
        /// Of so many.
        asked: usize,
    },
}

impl ClassifierError {
    /// Whether loading the file again would end the same way, for as long as it is the same file.
    pub fn is_final(&self) -> bool {
        match self {
            ClassifierError::Weights(WeightsError::Io { source, .. }) => {
                !stepladder_files::is_passing(source)
            }
            ClassifierError::TooLarge { .. } => false,
            ClassifierError::Weights(_)
            | ClassifierError::Newer { .. }
            | ClassifierError::Header { .. }
            | ClassifierError::Checksum { .. }
            | ClassifierError::Rung { .. }
            | ClassifierError::NotFinite { .. }
            | ClassifierError::Model { .. } => true,
        }
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

impl Classifier {
    /// A classifier from its parts; class `i` of `classes` is the model's output `i`.
    ///
    /// # Panics
    ///
    /// If there are not as many names as outputs.
    pub fn new(model: Model, rung: Rung, classes: Vec<String>) -> Classifier {
        assert_eq!(model.graph().classes, classes.len(), "one name for each output");
        Classifier {
            model,
            scaling: rung.input.fit.into(),
            rung,
            classes,
            temperature: None,
            training: None,
        }
    }

    /// The same classifier, with the record of its training.
    pub fn with_training(self, training: TrainingRecord) -> Classifier {
        Classifier {
            training: Some(training),
            ..self
        }
    }

    /// The same classifier with its probabilities calibrated by `temperature`, which [`Classifier::predictor`] applies.
    pub fn with_temperature(self, temperature: Option<Temperature>) -> Classifier {
        Classifier { temperature, ..self }
    }

    /// The same classifier, computing at another precision than it was trained with.
    pub fn with_precision(&self, precision: Precision) -> Classifier {
        Classifier {
            model: self.model.clone().with_precision(precision),
            ..self.clone()
        }
    }

    /// Reads a `model.safetensors` of this format or an older one. The file may come from anywhere: everything in it is
    /// checked, and no more memory is taken than the network in it has a use for.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, is damaged, was written by a newer Stepladder, or holds another network's weights.
    pub fn load(path: &Path, device: Device) -> Result<Classifier, ClassifierError> {
        let opened = OpenedWeights::open(path)?;
        let version: Version = opened.document()?;
        if version.format > FORMAT {
            return Err(ClassifierError::Newer {
                path: path.to_path_buf(),
                version: version.stepladder,
            });
        }
        let header: Header = opened.document()?;
        header.check().map_err(|reason| ClassifierError::Header {
            path: path.to_path_buf(),
            reason,
        })?;
        let damaged = |reason: String| ClassifierError::Rung {
            path: path.to_path_buf(),
            reason,
        };
        let rung = Rung::from_toml(&header.rung, "rung", &RungCatalog::shipped());
        let rung = rung.map_err(|error| damaged(error.to_string()))?;
        let graph = rung.graph(header.preprocessing.size, header.classes.len());
        let graph = graph.map_err(|error| damaged(error.to_string()))?;
        let precision = header.precision.parse();
        let precision = precision.map_err(|error: UnknownPrecision| damaged(error.to_string()))?;

        let (found, expected) = (opened.data_bytes(), graph.parameter_count().saturating_mul(4));
        if found != expected {
            let reason = format!("{found} bytes of weights where its network has {expected}");
            return Err(WeightsError::damaged(path, reason).into());
        }
        if let (Device::Cpu, Some(free)) = (device, free_bytes()) {
            let takes = inference_bytes(&graph, precision, rayon::current_num_threads());
            if takes > free {
                return Err(ClassifierError::TooLarge {
                    path: path.to_path_buf(),
                    size: header.preprocessing.size,
                    takes,
                    free,
                });
            }
        }
        let mut bytes = opened.read()?;
        if version.format >= FIRST_SEALED && !seal::is_intact(&mut bytes) {
            return Err(ClassifierError::Checksum {
                path: path.to_path_buf(),
            });
        }
        let arrays = arrays(path, &bytes)?;
        drop(bytes);
        if let Some(array) = arrays.iter().find(|array| !array.is_finite()) {
            return Err(ClassifierError::NotFinite {
                path: path.to_path_buf(),
                array: printable(&array.name).into_owned(),
            });
        }
        let model = Model::from_arrays(graph, arrays, device).map_err(|source| ClassifierError::Model {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(Classifier {
            model: model.with_precision(precision),
            rung,
            temperature: header.temperature(),
            scaling: header.preprocessing.scaling().unwrap_or_default(),
            classes: header.classes,
            training: header.training,
        })
    }

    /// Writes the classifier to one file, atomically. Equal classifiers give equal bytes.
    pub fn save(&self, path: &Path) -> Result<(), ClassifierError> {
        let header = Header {
            format: format_for(self.size()),
            stepladder: env!("CARGO_PKG_VERSION").to_string(),
            blake3: UNSEALED.to_string(),
            classes: self.classes.clone(),
            preprocessing: self.preprocessing(),
            rung: self.rung.to_toml(),
            precision: self.model.precision().to_string(),
            calibration: self.temperature.map(|temperature| Calibration {
                temperature: temperature.value(),
            }),
            training: self.training.clone(),
        };
        let arrays = self.model.to_arrays();
        let mut file = ArraysFile::new(path, &header, &arrays)?;
        file.seal();
        Ok(file.write()?)
    }

    /// Class names, in the order of the outputs.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Height and width of what the network sees, in pixels.
    pub fn size(&self) -> ImageSize {
        self.model.graph().image_size()
    }

    /// The rule by which photos are scaled for it.
    pub fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// How a photo becomes the network's input.
    pub fn preprocessing(&self) -> Preprocessing {
        Preprocessing::new(self.size(), self.scaling)
    }

    /// How probabilities become calibrated; `None` where they are not.
    pub fn temperature(&self) -> Option<Temperature> {
        self.temperature
    }

    /// The training that it comes from; `None` in files of format 1.
    pub fn training(&self) -> Option<&TrainingRecord> {
        self.training.as_ref()
    }

    /// The rung that was trained.
    pub fn rung(&self) -> &Rung {
        &self.rung
    }

    /// The network with its parameters.
    pub fn model(&self) -> &Model {
        &self.model
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
        let images: Vec<f32> = photos
            .iter()
            .flat_map(|photo| prepare(photo, self.size(), self.scaling))
            .collect();
        let probabilities = self.probabilities(&images, photos.len());
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
    ) -> Result<Predictions, ClassifyError> {
        let ask = |images: &[f32], photos| self.probabilities(images, photos);
        answers(&self.model, ask, store, labels, photos, batch_size)
    }

    /// Probabilities of each class for `photos` images, in the mean with their mirror images where the rung says so.
    fn probabilities(&self, images: &[f32], photos: usize) -> Vec<f32> {
        let mut probabilities = self.model.predict(images, photos);
        if self.rung.evaluation.flips {
            let mirrored = self.model.predict(mirrored(images, self.size().width), photos);
            for (probability, other) in probabilities.iter_mut().zip(mirrored) {
                *probability = (*probability + other) / 2.0;
            }
        }
        probabilities
    }
}

/// [`Classifier::classify`] for a model that is still being trained, whatever its rung says of mirror images.
///
/// # Errors
///
/// A photo cannot be read, or an answer is not finite: such an answer is no figure.
pub fn classify(
    model: &Model,
    store: &PhotoStore,
    labels: &[u32],
    photos: &[u32],
    batch_size: usize,
) -> Result<Predictions, ClassifyError> {
    let ask = |images: &[f32], photos| model.predict(images, photos);
    answers(model, ask, store, labels, photos, batch_size)
}

fn answers(
    model: &Model,
    ask: impl Fn(&[f32], usize) -> Vec<f32>,
    store: &PhotoStore,
    labels: &[u32],
    photos: &[u32],
    batch_size: usize,
) -> Result<Predictions, ClassifyError> {
    let config = LoaderConfig {
        threads: rayon::current_num_threads(),
        prefetch_bytes: AHEAD,
        ..LoaderConfig::new(batch_size, model.graph().image_size())
    };
    let classes = model.graph().classes;
    let mut predictions = Predictions::new(classes);
    let mut not_finite = 0;
    for batch in Loader::new(store, labels, photos, config)?.epoch(0) {
        let batch = batch?;
        let probabilities = ask(&batch.images, batch.labels.len());
        let rows = probabilities.chunks_exact(classes.max(1));
        not_finite += rows.filter(|row| row.iter().any(|p| !p.is_finite())).count();
        predictions.extend(&batch.photos, &batch.labels, &probabilities);
    }
    match not_finite {
        0 => Ok(predictions),
        photos_without => Err(ClassifyError::NotFinite {
            photos: photos_without,
            asked: photos.len(),
        }),
    }
}
