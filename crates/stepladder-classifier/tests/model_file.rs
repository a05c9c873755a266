//! `model.safetensors` across versions and under attack: one small file of each format stays readable, and what is not
//! exactly what was written is an error.
//!
//! The files are of one training: `tiny`, a convolution of three filters at 8 px, three epochs on the shipped photos.

use proptest::prelude::*;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use stepladder_classifier::{Classifier, Temperature};
use stepladder_data::RgbPhoto;
use stepladder_model::ImageSize;
use stepladder_nn::Device;

/// The format that this version writes.
const NEWEST: u32 = 3;

fn stored(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/models/format-{format}.safetensors"))
}

fn load(path: &Path) -> Result<Classifier, String> {
    Classifier::load(path, Device::Cpu).map_err(|error| error.to_string())
}

/// What `bytes` give as a model file.
fn loaded(bytes: &[u8]) -> Result<Classifier, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, bytes).unwrap();
    load(&path)
}

/// The file of format 1, which has no checksum, with its document changed.
fn changed(change: impl Fn(&mut Value)) -> Vec<u8> {
    let bytes = std::fs::read(stored(1)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let document = &metadata.metadata().as_ref().unwrap()["stepladder"];
    let mut document: Value = serde_json::from_str(document).unwrap();
    change(&mut document);
    let header = HashMap::from([("stepladder".to_string(), document.to_string())]);
    safetensors::serialize(tensors.tensors(), Some(header)).unwrap()
}

#[test]
fn every_format_is_read() {
    let pixels = (0..12 * 10 * 3).map(|value| (value * 7 % 256) as u8).collect();
    let photo = RgbPhoto::new(12, 10, pixels).unwrap();
    let mut answers = Vec::new();
    for format in 1..=NEWEST {
        let classifier = load(&stored(format)).unwrap();
        assert_eq!(classifier.rung().name, "tiny");
        assert_eq!(
            classifier.classes(),
            ["daisy", "dandelion", "roses", "sunflowers", "tulips"]
        );
        // The first format whose size may be no square's.
        let size = if format < 3 {
            ImageSize::square(8)
        } else {
            ImageSize::new(8, 12)
        };
        assert_eq!(classifier.size(), size);
        assert_eq!(classifier.temperature().is_some(), format > 2, "format {format}");
        assert_eq!(classifier.training().is_some(), format > 1, "format {format}");
        answers.push(classifier.predict(std::slice::from_ref(&photo)));
    }
    assert_eq!(answers[0], answers[1]);
}

/// What older versions can read is left to them.
#[test]
fn a_square_is_written_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.safetensors");
    load(&stored(2)).unwrap().save(&copy).unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(stored(2)).unwrap());
}

#[test]
fn the_newest_format_holds_its_training_and_is_written_as_it_was_read() {
    let path = stored(NEWEST);
    let classifier = load(&path).unwrap();
    let training = classifier.training().unwrap();
    assert_eq!(training.data, "small_flowers5");
    assert_eq!((training.epochs, training.seed, training.split_seed), (3, 0, 0));
    let test = training.test.unwrap();
    assert!(test.right <= test.images && test.images > 0, "{test:?}");
    let [low, high] = test.interval();
    assert!(low <= test.accuracy() && test.accuracy() <= high);

    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.safetensors");
    classifier.save(&copy).unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&path).unwrap());

    let temperature = Temperature::new(1.5);
    classifier.with_temperature(temperature).save(&copy).unwrap();
    assert_eq!(load(&copy).unwrap().temperature(), temperature);
}

#[test]
fn no_bit_changes_unnoticed_and_no_byte_goes_missing() {
    let bytes = std::fs::read(stored(NEWEST)).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(loaded(&changed).is_err(), "byte {at}");
    }
    for length in (0..bytes.len()).step_by(13) {
        assert!(loaded(&bytes[..length]).is_err(), "cut to {length} bytes");
    }
    assert!(loaded(&[&bytes[..], b"more"].concat()).is_err());
}

#[test]
fn what_cannot_be_right_is_said() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 14] = [
        (|d| d["format"] = json!(NEWEST + 1), "update Stepladder"),
        (
            |d| *d = json!({"format": 9, "stepladder": "7.0.0"}),
            "made by Stepladder 7.0.0",
        ),
        (|d| d["format"] = json!(2), "does not match its checksum"),
        (|d| d["format"] = json!(-1), "damaged"),
        (|d| d["classes"][1] = json!("daisy"), "a class occurs twice"),
        (
            |d| d["classes"][0] = json!("\u{1b}[2J"),
            "no name that can be shown",
        ),
        (|d| d["classes"] = json!(["daisy"]), "classes"),
        (
            |d| d["classes"] = json!(["a", "b", "c", "d", "e", "f"]),
            "bytes of weights where",
        ),
        (
            |d| d["preprocessing"]["crop"] = json!("none"),
            "prepared in a way",
        ),
        (|d| d["preprocessing"]["size"] = json!(0), "size"),
        (|d| d["precision"] = json!("f16"), "f16"),
        (
            |d| d["calibration"] = json!({"temperature": 0.0}),
            "a temperature of 0",
        ),
        (
            |d| d["rung"] = json!("name = \"tiny\"\nparent = \"/etc/passwd\"\nchange = \"x\""),
            "rung inside the file",
        ),
        (
            |d| {
                let rung = d["rung"]
                    .as_str()
                    .unwrap()
                    .replace("filters = 3", "filters = 300000000");
                d["rung"] = json!(rung);
            },
            "damaged",
        ),
    ];
    for (change, words) in cases {
        let document = changed(change);
        let message = match loaded(&document) {
            Ok(_) => panic!("{words}: loaded"),
            Err(message) => message,
        };
        assert!(message.contains(words), "{message}");
        assert!(message.contains("model.safetensors"), "{message}");
    }
    assert!(loaded(&changed(|d| d["calibration"] = json!({"temperature": 2.0}))).is_ok());
}

proptest! {
    #[test]
    fn a_hostile_header_is_an_error_or_a_classifier_never_a_panic(
        at in 0_usize..2400,
        text in "[ -~]{0,12}",
        cut in 0_usize..12,
    ) {
        let mut bytes = std::fs::read(stored(1)).unwrap();
        let at = at % bytes.len();
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, text.bytes());
        // The length in front is mended, so that the parser gets to the header.
        let header = (bytes.len() as u64).saturating_sub(8 + 464);
        if at > 8 {
            bytes[..8].copy_from_slice(&header.to_le_bytes());
        }
        let _ = loaded(&bytes);
    }
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut bytes = changed(|_| {});
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&value.to_le_bytes());
        let refusal = loaded(&bytes).unwrap_err();
        assert!(refusal.contains("not finite"), "{refusal}");
    }
}

#[test]
fn a_network_that_takes_more_memory_than_there_is_is_refused_before_it_is_built() {
    match loaded(&bomb()) {
        Ok(_) => assert!(stepladder_classifier::free_bytes().is_none_or(|free| free > 8 << 30)),
        Err(refusal) => assert!(refusal.contains("GiB for one photo"), "{refusal}"),
    }
}

/// A model of 3 KB with sixteen filters at 8192 px.
fn bomb() -> Vec<u8> {
    const RUNG: &str = r#"
name = "bomb"
input = { size = 8192 }
optimizer = { type = "adam" }
training = { epochs = 1 }
layers = [
  { layer = "Conv2D", filters = 16, kernel_size = 1 },
  { layer = "Conv2D", filters = 16, kernel_size = 1 },
  { layer = "GlobalAveragePooling2D" },
  { layer = "Dense", units = "classes", activation = "softmax" },
]
"#;
    let (_, metadata) = {
        let bytes = std::fs::read(stored(1)).unwrap();
        SafeTensors::read_metadata(&bytes).unwrap()
    };
    let mut document: Value =
        serde_json::from_str(&metadata.metadata().as_ref().unwrap()["stepladder"]).unwrap();
    let classes = document["classes"].as_array().unwrap().len();
    document["rung"] = json!(RUNG);
    document["preprocessing"]["size"] = json!(8192);
    let arrays = [
        ("conv2d/bias", vec![16]),
        ("conv2d/kernel", vec![1, 1, 3, 16]),
        ("conv2d_1/bias", vec![16]),
        ("conv2d_1/kernel", vec![1, 1, 16, 16]),
        ("dense/bias", vec![classes]),
        ("dense/kernel", vec![16, classes]),
    ];
    let zeros = vec![0_u8; 4 * 16 * 16];
    let views = arrays.map(|(name, shape)| {
        let bytes = 4 * shape.iter().product::<usize>();
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &zeros[..bytes]);
        (name, view.unwrap())
    });
    let header = HashMap::from([("stepladder".to_string(), document.to_string())]);
    safetensors::serialize(views, Some(header)).unwrap()
}
