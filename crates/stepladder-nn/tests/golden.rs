//! Whole rungs against Keras: outputs, gradients and ten optimizer steps from the same weights and photos.
//!
//! The expected values are Keras' answers, stored by `oracle/golden_rungs.py`; weights and photos are made up on both
//! sides by the same integer arithmetic (`oracle/fill.py`), so that nothing large is stored.

mod expected;
mod fill;

use expected::{Digest, Expected, gradients};
use std::path::Path;
use stepladder_model::{Graph, Rung, RungCatalog};
use stepladder_nn::{Array, Device, Model, Trainer};

/// Relative to the greatest magnitude (logits) or the norm (parameters and gradients).
const TOLERANCE: f64 = 1e-4;

/// Of the step of plain descent that gradients are read off.
const RATE: f32 = 1024.0;

/// Asserts that `array` has this digest: the norm, and the sampled values as a vector.
fn assert_close(digest: &Digest, array: &Array, what: &str) {
    assert_eq!(digest.name, array.name, "{what}: parameters come in Keras' order");
    let norm = array
        .values
        .iter()
        .map(|&v| f64::from(v).powi(2))
        .sum::<f64>()
        .sqrt();
    assert!(
        (norm - digest.norm).abs() <= TOLERANCE * digest.norm.max(1e-6),
        "{what} {}: norm {norm}, Keras has {}",
        digest.name,
        digest.norm
    );
    let found: Vec<f32> = digest.at.iter().map(|&i| array.values[i]).collect();
    // Samples of a mostly-zero gradient may all be zero: then the whole array's scale is what counts.
    let floor = digest.norm / (array.values.len() as f64).sqrt() * (digest.at.len() as f64).sqrt();
    assert_vectors_close(&found, &digest.values, floor, &format!("{what} {}", digest.name));
}

/// Asserts |found - expected| <= tolerance * max(|expected|, floor), in the Euclidean norm.
fn assert_vectors_close(found: &[f32], expected: &[f32], floor: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let scale = norm(&mut expected.iter().map(|&v| f64::from(v))).max(floor);
    let error = norm(
        &mut found
            .iter()
            .zip(expected)
            .map(|(&a, &b)| f64::from(a) - f64::from(b)),
    );
    assert!(
        error <= TOLERANCE * scale,
        "{what}: relative error {:.2e} (found {:?} .., Keras {:?} ..)",
        error / scale,
        &found[..found.len().min(4)],
        &expected[..expected.len().min(4)]
    );
}

/// The graph's parameters, filled as the oracle fills them.
fn filled(graph: &Graph) -> Vec<Array> {
    let specs = graph.parameters.iter();
    specs
        .map(|s| Array::new(&s.name, s.shape.clone(), fill::parameter(&s.name, &s.shape)))
        .collect()
}

fn check(name: &str, device: Device) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let json = std::fs::read_to_string(tests.join(format!("golden/{name}.json"))).unwrap();
    let golden: Expected = serde_json::from_str(&json).unwrap();
    let file = tests.join(format!("rungs/{name}.toml"));
    let catalog = RungCatalog::shipped();
    let rung = if file.exists() {
        Rung::from_path(&file, &catalog)
    } else {
        catalog.get(name)
    }
    .unwrap();
    // Two generators never draw the same mask, so neither side drops anything.
    let dropouts = rung
        .layer_names()
        .into_iter()
        .filter(|name| name.starts_with("dropout"));
    let rung = dropouts.fold(rung.clone(), |rung, name| {
        rung.with_override(&format!("layers.{name}.rate"), "0").unwrap()
    });
    let graph = rung.graph(golden.size, golden.classes).unwrap();
    let images = fill::images(golden.batch, golden.size, golden.classes);
    let labels: Vec<u32> = (0..golden.batch as u32)
        .map(|i| i % golden.classes as u32)
        .collect();

    let trainable: Vec<bool> = graph.parameters.iter().map(|spec| spec.trainable).collect();
    let model = Model::from_arrays(graph.clone(), filled(&graph), device).unwrap();
    let found = gradients(model, &images, &labels, RATE, 0);
    let found: Vec<&Array> = found
        .iter()
        .zip(&trainable)
        .filter(|(_, t)| **t)
        .map(|(a, _)| a)
        .collect();
    assert_eq!(found.len(), golden.gradients.len());
    for (digest, gradient) in golden.gradients.iter().zip(found) {
        assert_close(digest, gradient, "gradient of");
    }

    let model = Model::from_arrays(graph.clone(), filled(&graph), device).unwrap();
    assert_logits_close(&model, &images, &golden, &golden.logits, "outputs at the start");

    let mut trainer = Trainer::new(model, rung.optimizer.clone(), 0.0, 0);
    let losses: Vec<f32> = golden
        .losses
        .iter()
        .map(|_| trainer.step(images.clone(), &labels, golden.learning_rate).loss)
        .collect();
    assert_vectors_close(&losses, &golden.losses, 0.0, "losses of ten steps");
    for (digest, parameter) in golden.after.iter().zip(trainer.model().to_arrays()) {
        assert_close(digest, &parameter, "after ten steps");
    }
    assert_logits_close(
        trainer.model(),
        &images,
        &golden,
        &golden.logits_after,
        "outputs after ten steps",
    );
}

/// Compares what the model predicts with the softmax of Keras' logits.
fn assert_logits_close(model: &Model, images: &[f32], golden: &Expected, logits: &[f32], what: &str) {
    let found = model.predict(images, golden.batch);
    let expected: Vec<f32> = logits.chunks_exact(golden.classes).flat_map(softmax).collect();
    assert_vectors_close(&found, &expected, 0.0, what);
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|l| (l - greatest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

#[test]
fn baseline_agrees_with_keras() {
    check("baseline", Device::Cpu);
}

#[test]
fn m5_agrees_with_keras() {
    check("m5", Device::Cpu);
}

#[test]
fn every_layer_with_adam_agrees_with_keras() {
    check("every-layer", Device::Cpu);
}

#[test]
fn every_layer_with_adamw_agrees_with_keras() {
    check("every-layer-adamw", Device::Cpu);
}

#[test]
fn every_layer_with_sgd_agrees_with_keras() {
    check("every-layer-sgd", Device::Cpu);
}

/// The composed operations on a GPU, or on Mesa's lavapipe: one test, as they share the device.
#[cfg(feature = "vulkan")]
#[test]
fn vulkan_agrees_with_keras() {
    let catalog = RungCatalog::shipped();
    let graph = catalog.get("baseline").unwrap().graph(16, 2).unwrap();
    let answers = std::panic::catch_unwind(|| {
        let model = Model::from_arrays(graph.clone(), filled(&graph), Device::Vulkan).unwrap();
        model.predict(fill::images(1, 16, 2), 1)
    });
    if answers.is_err() {
        eprintln!("skipped: no Vulkan device answers here");
        return;
    }
    for name in [
        "baseline",
        "m5",
        "every-layer",
        "every-layer-adamw",
        "every-layer-sgd",
    ] {
        check(name, Device::Vulkan);
    }
}
