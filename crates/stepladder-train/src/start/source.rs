//! Where pretrained weights come from: the program itself, a model of one's own, or a file of another program.

use crate::error::TrainError;
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use stepladder_classifier::{Classifier, ClassifierError, WeightsError};
use stepladder_nn::Device;
use stepladder_run::{RunDirectory, RunError};
use stepladder_weights::{Tensor, Weights};

/// What `weights` of `[start]` begins with for a run of one's own, and for the Hugging Face hub.
const RUN: &str = "run:";
const HUB: &str = "hf:";

/// Weights as they were read.
#[derive(Debug)]
pub(super) struct Source {
    pub weights: Weights,
    /// The classes of its head; `None` where the weights do not say.
    pub classes: Option<Vec<String>>,
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
            let classifier = Classifier::load(&path, Device::Cpu)?;
            return own(&path, &classifier);
        }
        if let Some(hub) = name.strip_prefix(HUB) {
            return Err(TrainError::Start {
                weights: name.to_string(),
                reason: format!(
                    "weights are not fetched from the hub; `hf download {hub}` and give the path of its model.safetensors"
                ),
            });
        }
        let path = PathBuf::from(name);
        let path = if path.is_dir() {
            RunDirectory::open(path).model()
        } else {
            path
        };
        match Classifier::load(&path, Device::Cpu) {
            Ok(classifier) => own(&path, &classifier),
            // Of another program, which its own reader judges.
            Err(ClassifierError::Weights(WeightsError::Foreign { .. } | WeightsError::Damaged { .. })) => {
                Ok(Source {
                    weights: stepladder_weights::read(&path)?,
                    classes: None,
                    sha256: sum(&path)?,
                })
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
        sha256: hexadecimal(&Sha256::digest(stepladder_weights::SHIPPED_BYTES)),
    })
}

#[cfg(not(feature = "shipped"))]
fn shipped(name: &str) -> Result<Source, TrainError> {
    Err(TrainError::Start {
        weights: name.to_string(),
        reason: "this program was built without them (feature `shipped`); give a file of weights".to_string(),
    })
}

/// A model that was trained here: its arrays are called as parameters are.
fn own(path: &Path, classifier: &Classifier) -> Result<Source, TrainError> {
    let mut weights = Weights::default();
    for array in classifier.model().to_arrays() {
        weights.insert(array.name, Tensor::new(array.shape, array.values));
    }
    Ok(Source {
        weights,
        classes: Some(classifier.classes().to_vec()),
        sha256: sum(path)?,
    })
}

/// The sha256 of a file, as `sha256sum` prints it.
fn sum(path: &Path) -> Result<String, TrainError> {
    let failed = |source: io::Error| TrainError::Run(RunError::read(path, source));
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut part = vec![0; 1 << 20];
    loop {
        match io::Read::read(&mut file, &mut part).map_err(failed)? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            read => hasher.update(&part[..read]),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
