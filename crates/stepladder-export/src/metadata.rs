//! What an ONNX file says of itself, so that nothing but the file is needed to use it.

use crate::onnx::{InputForm, OnnxOptions};
use stepladder_classifier::Classifier;

/// Who made a model and what others may do with it; nothing is written of what is not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct License {
    /// Names.
    pub author: Option<String>,
    /// The license's name or its address.
    pub license: Option<String>,
}

/// The entries of `metadata_props`. `model_author` and `model_license` are the names that ONNX recommends.
pub(crate) fn metadata(classifier: &Classifier, options: &OnnxOptions) -> Vec<(&'static str, String)> {
    let preprocessing = classifier.preprocessing();
    let classes = serde_json::to_string(classifier.classes()).expect("texts are JSON");
    let mut entries = vec![
        ("classes", classes),
        (
            "size",
            serde_json::to_string(&preprocessing.size).expect("numbers are JSON"),
        ),
        ("resize", preprocessing.resize),
        ("crop", preprocessing.crop),
        ("channels", preprocessing.channels),
        (
            "range",
            match options.input {
                InputForm::Uint8Nhwc => "0 to 255; the model divides by 255".to_string(),
                InputForm::FloatNchw => "0 to 1".to_string(),
            },
        ),
        ("rung", classifier.rung().name.clone()),
    ];
    if let Some(training) = classifier.training() {
        entries.push((
            "training",
            serde_json::to_string(training).expect("figures are JSON"),
        ));
    }
    if let Some(temperature) = classifier.temperature() {
        entries.push(("temperature", temperature.value().to_string()));
    }
    if let Some(quantization) = &options.quantization {
        entries.push(("quantization", quantization.description()));
    }
    if let Some(author) = &options.license.author {
        entries.push(("model_author", author.clone()));
    }
    if let Some(license) = &options.license.license {
        entries.push(("model_license", license.clone()));
    }
    entries
}
