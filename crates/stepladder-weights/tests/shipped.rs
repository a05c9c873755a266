//! The shipped weights on the rung that they are of, beside PyTorch on the same photo.

#![cfg(feature = "shipped")]

use serde::Deserialize;
use std::path::{Path, PathBuf};
use stepladder_model::{Graph, RungCatalog};
use stepladder_nn::{Array, Device, Model};
use stepladder_weights::{
    Fitted, SHIPPED_RUNG, fit, from_bytes, shipped, shipped_file, shipped_preprocessing,
};

/// What `oracle/golden_shipped.py` stores.
#[derive(Deserialize)]
struct Golden {
    /// Of the weights as they were trained.
    original: Digest,
    /// Of the weights that are shipped.
    shipped: Digest,
}

#[derive(Deserialize)]
struct Digest {
    norm: f64,
    values: Vec<f32>,
}

impl Digest {
    /// The distance from its values, relative to what values of that norm have on average.
    fn distance(&self, features: &[f32]) -> f64 {
        let (count, samples) = (features.len(), self.values.len());
        let found = (0..samples).map(|i| features[i * count / samples]);
        let squares = found
            .zip(&self.values)
            .map(|(found, value)| f64::from(found - value).powi(2));
        let typical = self.norm * (samples as f64 / count as f64).sqrt();
        squares.sum::<f64>().sqrt() / typical
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/shipped")
}

fn graph(size: usize) -> Graph {
    let rung = RungCatalog::shipped().get(SHIPPED_RUNG).unwrap();
    rung.graph(size, 5).unwrap()
}

/// The model with all that was fitted, and its head as it is made.
fn model(graph: &Graph, fitted: Fitted) -> Model {
    let mut arrays: Vec<Array> = Model::new(graph.clone(), 0, Device::Cpu).to_arrays();
    for (array, values) in arrays.iter_mut().zip(fitted.parameters) {
        if let Some(values) = values {
            array.values = values;
        }
    }
    Model::from_arrays(graph.clone(), arrays, Device::Cpu).unwrap()
}

#[test]
fn all_but_the_head_is_there_and_nothing_else() {
    let fitted = fit(&shipped(), &graph(64));
    assert_eq!(fitted.missing, ["classifier/kernel", "classifier/bias"]);
    assert!(fitted.unused.is_empty(), "{:?}", fitted.unused);
    assert!(fitted.misfits.is_empty(), "{:?}", fitted.misfits);
}

#[test]
fn its_features_are_those_of_pytorch() {
    let golden: Golden =
        serde_json::from_str(&std::fs::read_to_string(folder().join("features.json")).unwrap()).unwrap();
    let photo = image::open(folder().join("photo.png")).unwrap().into_rgb8();
    let values: Vec<f32> = photo
        .as_raw()
        .iter()
        .map(|&byte| f32::from(byte) / 255.0)
        .collect();
    let graph = graph(64);
    let features = model(&graph, fit(&shipped(), &graph)).features(&values, 1);
    let distance = golden.shipped.distance(&features);
    assert!(distance < 1e-4, "{distance} from the shipped weights in PyTorch");
    // What it costs to round the kernels to 16 bits.
    let distance = golden.original.distance(&features);
    assert!(distance < 5e-3, "{distance} from the original weights in PyTorch");
}

#[test]
fn its_preprocessing_is_the_first_layer_of_the_rung() {
    let normalization = shipped_preprocessing().normalization();
    let graph = graph(64);
    let stepladder_model::Op::Normalization { mean, variance } = &graph.operations[0].op else {
        panic!("the rung does not begin with a normalization");
    };
    for (found, expected) in mean
        .iter()
        .chain(variance)
        .zip(normalization.mean.iter().chain(&normalization.variance))
    {
        assert!(
            (found - expected).abs() < 1e-7,
            "{found} where the weights want {expected}"
        );
    }
}

#[test]
fn the_file_is_read_as_any_other() {
    assert_eq!(
        from_bytes(Path::new("shipped"), &shipped_file()).unwrap(),
        shipped()
    );
}
