//! Where pretrained weights come from: the program itself, a model of one's own, or a file of another program.

use crate::error::TrainError;
use std::path::{Path, PathBuf};
use stepladder_classifier::{Classifier, ClassifierError, WeightsError};
use stepladder_nn::Device;
use stepladder_run::{RunDirectory, RunError};
use stepladder_weights::{Config, Tensor, Weights, open, sha256};

/// What `weights` of `[start]` begins with for a run of one's own.
const RUN: &str = "run:";

/// Weights as they were read.
#[derive(Debug)]
pub(super) struct Source {
    pub weights: Weights,
    /// The classes of its head; `None` where the weights do not say.
    pub classes: Option<Vec<String>>,
    /// What is said beside the weights of another program.
    pub config: Option<Config>,
    /// The sum of the file.
    pub sha256: String,
}

impl Source {
    /// Reads what the rung names.
    pub fn read(name: &str) -> Result<Source, TrainError> {
        if name == "shipped" {
            return shipped(name);
        }
        if let Some(run) = name.strip_prefix(RUN) {
            let path = RunDirectory::open(run).model();
            return own(&path, &Classifier::load(&path, Device::Cpu)?);
        }
        let path = PathBuf::from(name);
        let path = if path.is_dir() {
            RunDirectory::open(path).model()
        } else {
            path
        };
        if !path.is_file() {
            return other(name);
        }
        match Classifier::load(&path, Device::Cpu) {
            Ok(classifier) => own(&path, &classifier),
            // Of another program, which its own reader judges.
            Err(ClassifierError::Weights(WeightsError::Foreign { .. } | WeightsError::Damaged { .. })) => {
                other(name)
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(feature = "shipped")]
fn shipped(_: &str) -> Result<Source, TrainError> {
    Ok(Source {
        weights: stepladder_weights::shipped(),
        classes: None,
        config: None,
        sha256: sha256(&stepladder_weights::shipped_file()),
    })
}

#[cfg(not(feature = "shipped"))]
fn shipped(name: &str) -> Result<Source, TrainError> {
    Err(TrainError::Start {
        weights: name.to_string(),
        reason: "this program was built without them (feature `shipped`); give a file of weights".to_string(),
    })
}

/// A file, a folder or a model of Hugging Face's cache.
fn other(name: &str) -> Result<Source, TrainError> {
    let opened = open(name)?;
    Ok(Source {
        weights: opened.weights,
        classes: None,
        config: opened.config,
        sha256: opened.sha256,
    })
}

/// The largest file that is read, in bytes, as for any model.
const LARGEST: u64 = 16 << 30;

/// A model that was trained here: its arrays are called as parameters are.
fn own(path: &Path, classifier: &Classifier) -> Result<Source, TrainError> {
    let mut weights = Weights::default();
    for array in classifier.model().to_arrays() {
        weights.insert(array.name, Tensor::new(array.shape, array.values));
    }
    let content = stepladder_files::read(path, LARGEST)
        .map_err(|source| TrainError::Run(RunError::read(path, source)))?;
    Ok(Source {
        weights,
        classes: Some(classifier.classes().to_vec()),
        config: None,
        sha256: sha256(&content),
    })
}
