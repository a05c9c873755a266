//! A folded model answers as the model itself does.

mod fill;

use std::path::Path;
use stepladder_model::{Graph, Op, Rung, RungCatalog};
use stepladder_nn::{Array, Device, Model};

const PHOTOS: usize = 3;

fn filled(graph: Graph) -> Model {
    let specs = graph.parameters.iter();
    let arrays = specs.map(|s| Array::new(&s.name, s.shape.clone(), fill::parameter(&s.name, &s.shape)));
    let arrays = arrays.collect();
    Model::from_arrays(graph, arrays, Device::Cpu).unwrap()
}

fn norms(model: &Model) -> usize {
    let operations = model.graph().operations.iter();
    operations
        .filter(|operation| matches!(operation.op, Op::BatchNormalization { .. }))
        .count()
}

/// Checks the probabilities of the rung at `size`, and that `left` normalizations could not be folded.
fn check(rung: &Rung, size: usize, left: usize) {
    let model = filled(rung.graph(size, 5).unwrap());
    assert!(norms(&model) > 0, "{} has something to fold", rung.name);
    let folded = model.folded();
    assert_eq!(norms(&folded), left, "{}", rung.name);
    let images = fill::images(PHOTOS, size, 5);
    let expected = model.predict(images.clone(), PHOTOS);
    let found = folded.predict(images, PHOTOS);
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (found - expected).abs() < 1e-5,
            "{}: {found} instead of {expected}",
            rung.name
        );
    }
}

#[test]
fn rungs_of_the_ladder_answer_the_same() {
    let catalog = RungCatalog::shipped();
    for name in ["m6", "m10", "m13", "m17"] {
        // The stem's activation comes before its normalization.
        check(&catalog.get(name).unwrap(), 32, 1);
    }
}

#[test]
fn what_has_an_activation_of_its_own_is_left_alone() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rungs/every-layer.toml");
    check(&Rung::from_path(&file, &RungCatalog::shipped()).unwrap(), 29, 2);
}

#[test]
fn every_kind_of_layer_takes_a_normalization_with_and_without_bias() {
    let toml = r#"
name = "kinds"
change = "test"
layers = [
  { layer = "Conv2D", filters = 6, kernel_size = 3, use_bias = false },
  { layer = "BatchNormalization", scale = false },
  { layer = "Activation", activation = "relu" },
  { layer = "SeparableConv2D", filters = 8, kernel_size = 3, depth_multiplier = 2, use_bias = false },
  { layer = "BatchNormalization", center = false, name = "trunk" },
  { layer = "DepthwiseConv2D", kernel_size = 3, padding = "same", depth_multiplier = 2 },
  { layer = "BatchNormalization" },
  { layer = "Conv2D", filters = 8, kernel_size = 1, name = "main" },
  { layer = "BatchNormalization", scale = false, center = false, name = "main_norm" },
  { layer = "Add", inputs = ["trunk", "main_norm"] },
  { layer = "GlobalAveragePooling2D" },
  { layer = "Dense", units = 7 },
  { layer = "BatchNormalization" },
  { layer = "Activation", activation = "tanh" },
  { layer = "Dense", units = "classes", activation = "softmax" },
]
[input]
size = 16
[training]
epochs = 1
[optimizer]
type = "adam"
"#;
    let rung = Rung::from_toml(toml, "kinds.toml", &RungCatalog::shipped()).unwrap();
    check(&rung, 16, 0);
}
