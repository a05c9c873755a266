//! A folder from which Python builds the network again, in Keras or in PyTorch: weights, the rung as TOML, a description, and
//! the scripts that read them. The benchmarks and the oracle build their networks with the same scripts.

use crate::error::ExportError;
use crate::weights::write_weights;
use serde::Serialize;
use std::path::Path;
use stepladder_classifier::{Classifier, Preprocessing, Temperature, TrainingRecord};
use stepladder_run::write_atomically;

/// The scripts, by name.
pub const PYTHON_FILES: [(&str, &str); 3] = [
    (
        "stepladder_files.py",
        include_str!("../python/stepladder_files.py"),
    ),
    (
        "stepladder_keras.py",
        include_str!("../python/stepladder_keras.py"),
    ),
    (
        "stepladder_torch.py",
        include_str!("../python/stepladder_torch.py"),
    ),
];

/// `model.json`: what the rung does not say.
#[derive(Serialize)]
struct Description<'a> {
    stepladder: &'static str,
    classes: &'a [String],
    preprocessing: Preprocessing,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    training: Option<&'a TrainingRecord>,
}

/// Writes the folder `path`, which is made where it is missing. Files of these names in it are replaced.
pub fn write_python(classifier: &Classifier, path: &Path) -> Result<(), ExportError> {
    std::fs::create_dir_all(path).map_err(|source| ExportError::write(path, source))?;
    let description = Description {
        stepladder: env!("CARGO_PKG_VERSION"),
        classes: classifier.classes(),
        preprocessing: classifier.preprocessing(),
        temperature: classifier.temperature().map(Temperature::value),
        training: classifier.training(),
    };
    let mut description =
        serde_json::to_string_pretty(&description).map_err(|error| ExportError::write(path, error.into()))?;
    description.push('\n');
    write_weights(classifier, &path.join("weights.safetensors"))?;
    let rung = classifier.rung().to_toml();
    let texts = [("model.json", description.as_str()), ("rung.toml", rung.as_str())];
    for (name, text) in texts.into_iter().chain(PYTHON_FILES) {
        let file = path.join(name);
        write_atomically(&file, text.as_bytes()).map_err(|source| ExportError::write(&file, source))?;
    }
    Ok(())
}
