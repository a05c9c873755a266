//! The export for Python against what Keras and PyTorch made of it (`bench/check-loader`), byte for byte and in its
//! probabilities. With `STEPLADDER_UPDATE_GOLDEN=1` the folder is written anew, and `bench/check-loader` has to follow.

mod support;

use safetensors::SafeTensors;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use stepladder_classifier::{Classifier, Temperature};
use stepladder_export::{PYTHON_FILES, write_python, write_weights};
use stepladder_model::RungCatalog;
use support::{CLASSES, fill, layer_rungs};

/// What Python needs beside the scripts.
const FILES: [&str; 3] = ["model.json", "rung.toml", "weights.safetensors"];

#[derive(Deserialize)]
struct Golden {
    batch: usize,
    probabilities: Vec<f32>,
}

/// Each kind of layer, in two classifiers.
fn classifiers() -> [Classifier; 2] {
    layer_rungs()
        .map(|rung| support::classifier(&rung, rung.input.size).with_temperature(Temperature::new(1.25)))
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

#[test]
fn the_folders_are_those_that_keras_and_pytorch_agreed_on() {
    for classifier in classifiers() {
        let name = &classifier.rung().name;
        if std::env::var_os("STEPLADDER_UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            write_python(&classifier, &golden(name)).unwrap();
            for (script, _) in PYTHON_FILES {
                std::fs::remove_file(golden(name).join(script)).unwrap();
            }
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/keras");
        write_python(&classifier, &folder).unwrap();
        for file in FILES {
            let expected = std::fs::read(golden(name).join(file)).unwrap();
            assert!(
                std::fs::read(folder.join(file)).unwrap() == expected,
                "{name}: {file} has changed"
            );
        }
        for (script, text) in PYTHON_FILES {
            assert_eq!(std::fs::read_to_string(folder.join(script)).unwrap(), text);
        }
        agrees_with_python(&classifier, &golden(&format!("{name}.json")));
    }
}

/// Networks of each family: one with TensorFlow's padding and ReLU6, one with a map of 1 x 1 behind its pooling, one with shortcuts.
const NETWORKS: [&str; 3] = ["efficientnet-lite0", "mobilenetv4-small", "resnet18"];

/// The folders have the whole weights, so that Python's answers alone are kept.
#[test]
fn known_networks_give_what_keras_and_pytorch_agreed_on() {
    for name in NETWORKS {
        let rung = RungCatalog::shipped().get(name).unwrap();
        let classifier = support::calm(&rung, 64).with_temperature(Temperature::new(1.25));
        if std::env::var_os("STEPLADDER_UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            write_python(&classifier, &golden("networks").join(name)).unwrap();
            continue;
        }
        agrees_with_python(&classifier, &golden("networks").join(format!("{name}.json")));
    }
}

fn agrees_with_python(classifier: &Classifier, golden: &Path) {
    let golden: Golden = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    let photos = fill::images(golden.batch, classifier.size(), CLASSES);
    let found = classifier.model().predict(photos, golden.batch);
    let rows = found
        .chunks_exact(CLASSES)
        .zip(golden.probabilities.chunks_exact(CLASSES));
    for (row, expected) in rows {
        let row = classifier.temperature().unwrap().apply(row);
        for (probability, expected) in row.iter().zip(expected) {
            assert!(
                (probability - expected).abs() < 1e-5,
                "{row:?}, Python has {expected:?}"
            );
        }
    }
}

#[test]
fn plain_weights_are_the_parameters() {
    let [classifier, _] = classifiers();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    write_weights(&classifier, &file).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let arrays = classifier.model().to_arrays();
    assert_eq!(tensors.len(), arrays.len());
    for array in arrays {
        let tensor = tensors.tensor(&array.name).unwrap();
        assert_eq!(tensor.shape(), array.shape);
        let values: Vec<u8> = array
            .values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert_eq!(tensor.data(), values);
    }
}
