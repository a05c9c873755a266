//! The networks of `bench/` against PyTorch and Keras: the same logits from the same file, weights and photos.
//!
//! The expected values are what both agree on, stored by `bench/check`.

mod fill;

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use stepladder_model::{Rung, RungCatalog};
use stepladder_nn::{Array, Device, Model};

#[derive(Deserialize)]
struct Golden {
    size: usize,
    batch: usize,
    classes: usize,
    logits: BTreeMap<String, Vec<f32>>,
}

#[test]
fn every_network_of_the_benchmark_agrees_with_pytorch_and_keras() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden = std::fs::read_to_string(here.join("tests/peers.json")).unwrap();
    let golden: Golden = serde_json::from_str(&golden).unwrap();
    assert_eq!(golden.logits.len(), 4);
    for (name, logits) in &golden.logits {
        let file = here.join(format!("../../bench/networks/{name}.toml"));
        let rung = Rung::from_path(&file, &RungCatalog::shipped()).unwrap();
        let graph = rung.graph(golden.size, golden.classes).unwrap();
        let specs = graph.parameters.iter();
        let arrays = specs.map(|spec| {
            let values = fill::parameter(&spec.name, &spec.shape);
            Array::new(&spec.name, spec.shape.clone(), values)
        });
        let arrays = arrays.collect();
        let model = Model::from_arrays(graph, arrays, Device::Cpu).unwrap();
        let images = fill::images(golden.batch, golden.size, golden.classes);
        let found = model.predict(images, golden.batch);
        let rows = found
            .chunks_exact(golden.classes)
            .zip(logits.chunks_exact(golden.classes));
        for (photo, (row, logits)) in rows.enumerate() {
            let powers: Vec<f32> = logits.iter().map(|logit| logit.exp()).collect();
            let sum: f32 = powers.iter().sum();
            for (probability, power) in row.iter().zip(powers) {
                let expected = power / sum;
                assert!(
                    (probability - expected).abs() < 1e-4,
                    "{name}, photo {photo}: {probability}, the peers have {expected}"
                );
            }
        }
    }
}
