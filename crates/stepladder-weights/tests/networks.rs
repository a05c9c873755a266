//! The shipped networks beside timm's: a file of timm's, made up by both sides, fits whole, and gives the same outputs, the same
//! loss and the same gradients.

#[path = "../../stepladder-nn/tests/fill/mod.rs"]
mod fill;

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use stepladder_model::{Graph, OptimizerConfig, ParameterSpec, RungCatalog, networks};
use stepladder_nn::{Array, Device, Model, Trainer};
use stepladder_weights::{Fitted, Tensor, Weights, fit};

/// How far outputs, the loss, and gradients on average may lie from timm's in f64, relatively.
const CLOSE: f64 = 1e-4;

/// How far a single gradient may.
const CLOSE_ALONE: f64 = 2e-4;

/// The step of which gradients are read off: so large that the values before it cost small gradients no digits.
const RATE: f32 = 1024.0;

/// What `oracle/golden_networks.py` stores.
#[derive(Deserialize)]
struct Golden {
    size: usize,
    batch: usize,
    classes: usize,
    /// The names and shapes of timm's file; what its made-up values are multiplied by, and what is added.
    tensors: Vec<(String, Vec<usize>, f32, f32)>,
    /// In inference, [batch, classes].
    logits: Vec<f32>,
    /// Of a step of training.
    loss: f32,
    gradients: Vec<Digest>,
}

/// The norm of a gradient and some of its values, in timm's layout.
#[derive(Deserialize)]
struct Digest {
    name: String,
    norm: f64,
    values: Vec<f32>,
}

fn golden(rung: &str) -> Golden {
    let path = folder().join(format!("{rung}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/networks")
}

/// A tensor as `tensor` of the script makes it up.
fn made_up(name: &str, shape: &[usize], factor: f32, shift: f32) -> Tensor {
    let part = match name.rsplit_once('.').unwrap().1 {
        _ if shape.len() > 1 => "kernel",
        "weight" | "gamma" => "gamma",
        "running_var" => "moving_variance",
        _ => "bias",
    };
    // The last axis counts as outputs there, where PyTorch has the first.
    let turned = [&shape[1..], &shape[..1]].concat();
    let values = fill::parameter(&format!("{name}/{part}"), &turned).into_iter();
    Tensor::new(
        shape.to_vec(),
        values.map(|value| value * factor + shift).collect(),
    )
}

fn file(golden: &Golden) -> Weights {
    let mut weights = Weights::default();
    for (name, shape, factor, shift) in &golden.tensors {
        weights.insert(name, made_up(name, shape, *factor, *shift));
    }
    weights
}

fn arrays(graph: &Graph, fitted: Fitted) -> Vec<Array> {
    assert_eq!(fitted.missing, Vec::<String>::new(), "missing");
    assert_eq!(fitted.unused, Vec::<String>::new(), "unused");
    assert_eq!(fitted.misfits, Vec::new(), "misfits");
    let specs = graph.parameters.iter().zip(fitted.parameters);
    specs
        .map(|(spec, values)| Array::new(&spec.name, spec.shape.clone(), values.unwrap()))
        .collect()
}

/// The distance of two vectors over the length of the second.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let difference = found
        .iter()
        .zip(expected)
        .map(|(found, value)| f64::from(found - value).powi(2));
    let length: f64 = expected.iter().map(|&value| f64::from(value).powi(2)).sum();
    (difference.sum::<f64>() / length).sqrt()
}

/// Logits less their mean, which the softmax does not tell.
fn centered(logits: &[f32], classes: usize) -> Vec<f32> {
    let row = |row: &[f32]| -> Vec<f32> {
        let mean = row.iter().sum::<f32>() / classes as f32;
        row.iter().map(|logit| logit - mean).collect()
    };
    logits.chunks_exact(classes).flat_map(row).collect()
}

/// The gradients of one step, by the names of timm's tensors, in timm's layout.
fn gradients(
    graph: &Graph,
    model: Model,
    golden: &Golden,
    images: &[f32],
) -> (f32, BTreeMap<String, Vec<f32>>) {
    let before = model.to_arrays();
    let descent = OptimizerConfig::Sgd {
        learning_rate: 1.0,
        momentum: 0.0,
        nesterov: false,
        weight_decay: None,
        clipping: None,
    };
    let labels: Vec<u32> = (0..golden.batch)
        .map(|photo| (photo % golden.classes) as u32)
        .collect();
    let mut trainer = Trainer::new(model, descent, 0.0, 0);
    let loss = trainer.step(images, &labels, RATE).loss;
    let after = trainer.model().to_arrays();
    let steps = before.into_iter().zip(after).zip(&graph.parameters);
    let gradient = |((before, after), spec): ((Array, Array), &ParameterSpec)| {
        let values = before.values.iter().zip(&after.values);
        let values: Vec<f32> = values.map(|(before, after)| (before - after) / RATE).collect();
        (timm_name(spec), timm_layout(graph, spec, &values))
    };
    (
        loss,
        steps.filter(|(_, spec)| spec.trainable).map(gradient).collect(),
    )
}

/// What the rule for names makes of a parameter's.
fn timm_name(spec: &ParameterSpec) -> String {
    let (layer, part) = spec.name.rsplit_once('/').unwrap();
    let module = layer.replace('-', ".");
    match part {
        "gamma" if module.ends_with(".gamma") => module,
        "kernel" | "gamma" => format!("{module}.weight"),
        _ => format!("{module}.bias"),
    }
}

/// (height, width, in, out), or (in, out), as (out, in, height, width).
fn timm_layout(graph: &Graph, spec: &ParameterSpec, values: &[f32]) -> Vec<f32> {
    let (pixels, from, to) = match *spec.shape.as_slice() {
        [height, width, channels, 1] if is_depthwise(graph, spec) => (height * width, 1, channels),
        [height, width, from, to] => (height * width, from, to),
        [from, to] => (1, from, to),
        _ => return values.to_vec(),
    };
    let mut turned = Vec::new();
    for filter in 0..to {
        for channel in 0..from {
            turned.extend((0..pixels).map(|pixel| values[(pixel * from + channel) * to + filter]));
        }
    }
    turned
}

fn is_depthwise(graph: &Graph, spec: &ParameterSpec) -> bool {
    let layer = graph.layer_index(spec.name.rsplit_once('/').unwrap().0).unwrap();
    graph.layers[layer].kind == "DepthwiseConv2D"
}

fn check(rung: &str) {
    let golden = golden(rung);
    let graph = RungCatalog::shipped().get(rung).unwrap();
    let graph = graph.graph(golden.size, golden.classes).unwrap();
    let images = fill::images(golden.batch, golden.size, golden.classes);
    let arrays = arrays(&graph, fit(&file(&golden), &graph));
    let model = Model::from_arrays(graph.clone(), arrays, Device::Cpu).unwrap();

    let mut distances = Distances::default();
    for (what, model) in [("output", model.clone()), ("output, folded", model.folded())] {
        let logits = model.log_probabilities(&images, golden.batch);
        let [found, expected] = [&logits, &golden.logits].map(|logits| centered(logits, golden.classes));
        distances.note(what, distance(&found, &expected), CLOSE);
    }
    let (loss, gradients) = gradients(&graph, model, &golden, &images);
    distances.note("loss", distance(&[loss], &[golden.loss]), CLOSE);
    assert_eq!(gradients.len(), golden.gradients.len(), "gradients of {rung}");
    let norms = golden.gradients.iter().map(|gradient| gradient.norm);
    // Where a normalization follows, the gradient of an offset is 0, and rounding leaves a little of what was summed up.
    let floor = norms.fold(0.0, f64::max) / 100.0;
    let mut squares = 0.0;
    for digest in &golden.gradients {
        let distance = digest.distance(&gradients[&digest.name], floor);
        distances.note(&format!("gradient of {}", digest.name), distance, CLOSE_ALONE);
        squares += distance.powi(2);
    }
    let typical = (squares / golden.gradients.len() as f64).sqrt();
    distances.note("gradient, root mean square of all,", typical, CLOSE);
    distances.assert_none(rung);
}

/// What is further away from timm's than it may be.
#[derive(Default)]
struct Distances {
    wrong: Vec<String>,
}

impl Distances {
    fn note(&mut self, what: &str, distance: f64, most: f64) {
        if distance.is_nan() || distance > most {
            self.wrong.push(format!("{what} is {distance:.2e} away"));
        }
    }

    fn assert_none(self, rung: &str) {
        let (count, wrong) = (self.wrong.len(), self.wrong.join("\n"));
        assert!(count == 0, "{rung}, {count}:\n{wrong}");
    }
}

impl Digest {
    /// The distance of a gradient from it, in its norm or its samples, relative to its norm or to `floor`, whichever is greater.
    fn distance(&self, found: &[f32], floor: f64) -> f64 {
        let squares =
            |values: &mut dyn Iterator<Item = f32>| values.map(|value| f64::from(value).powi(2)).sum::<f64>();
        let (count, samples) = (found.len(), self.values.len());
        let scale = self.norm.max(floor);
        let length = squares(&mut found.iter().copied()).sqrt();
        let sampled = (0..samples).map(|i| found[i * count / samples] - self.values[i]);
        let sampled = squares(&mut sampled.into_iter()).sqrt();
        // Samples that are all small are compared with what values of that norm have on average.
        let typical = scale * (samples as f64 / count as f64).sqrt();
        ((length - self.norm).abs() / scale).max(sampled / typical)
    }
}

/// A test for each network, and the list of all.
macro_rules! networks {
    ($($test:ident: $name:literal,)*) => {
        const TESTED: &[&str] = &[$($name),*];

        $(#[test]
        fn $test() {
            check($name);
        })*
    };
}

networks! {
    convnext_atto: "convnext-atto",
    efficientnet_lite0: "efficientnet-lite0",
    mobilenetv1: "mobilenetv1",
    mobilenetv2: "mobilenetv2",
    mobilenetv3_large: "mobilenetv3-large",
    mobilenetv3_small: "mobilenetv3-small",
    mobilenetv4_small: "mobilenetv4-small",
    regnetx_002: "regnetx-002",
    regnetx_004: "regnetx-004",
    repvgg_a0: "repvgg-a0",
    resnet18: "resnet18",
    resnet18d: "resnet18d",
    resnet34: "resnet34",
    resnet50: "resnet50",
}

#[test]
fn every_network_is_tested() {
    let mut names: Vec<&str> = networks().iter().map(|rung| rung.name).collect();
    names.sort_unstable();
    assert_eq!(names, TESTED);
}

#[test]
fn a_head_for_other_classes_is_a_misfit_and_all_else_fits() {
    let golden = golden("resnet18");
    let rung = RungCatalog::shipped().get("resnet18").unwrap();
    let graph = rung.graph(golden.size, golden.classes + 1).unwrap();
    let fitted = fit(&file(&golden), &graph);
    let misfits: Vec<String> = fitted.misfits.iter().map(ToString::to_string).collect();
    assert_eq!(
        misfits,
        [
            "fc.weight is 5 x 512 where fc/kernel takes 6 x 512",
            "fc.bias is 5 where fc/bias takes 6"
        ]
    );
    assert!(fitted.missing.is_empty() && fitted.unused.is_empty());
}

#[test]
fn another_networks_file_is_told_by_what_is_missing() {
    let rung = RungCatalog::shipped().get("mobilenetv1").unwrap();
    let fitted = fit(&file(&golden("resnet18")), &rung.graph(64, 5).unwrap());
    assert!(fitted.missing.len() > 80, "{:?}", fitted.missing);
    assert!(fitted.unused.len() > 80, "{:?}", fitted.unused);
}

#[test]
fn wrappers_around_the_names_are_seen_through() {
    let golden = golden("resnet18");
    let rung = RungCatalog::shipped().get("resnet18").unwrap();
    let graph = rung.graph(golden.size, golden.classes).unwrap();
    let plain = file(&golden);
    let mut wrapped = Weights::default();
    for (name, tensor) in &plain.tensors {
        wrapped.insert(format!("module.{name}"), tensor.clone());
    }
    assert_eq!(fit(&wrapped, &graph), fit(&plain, &graph));
}

#[test]
fn names_and_layout_of_stepladders_own_files_are_taken_as_they_are() {
    let rung = RungCatalog::shipped().get("m10").unwrap();
    let graph = rung.graph(32, 3).unwrap();
    let model = Model::new(graph.clone(), 7, Device::Cpu);
    let mut weights = Weights::default();
    for array in model.to_arrays() {
        weights.insert(
            array.name.clone(),
            Tensor::new(array.shape.clone(), array.values.clone()),
        );
    }
    let again =
        Model::from_arrays(graph.clone(), arrays(&graph, fit(&weights, &graph)), Device::Cpu).unwrap();
    assert_eq!(again.to_arrays(), model.to_arrays());
}
