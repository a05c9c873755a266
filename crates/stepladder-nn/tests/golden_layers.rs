//! Small networks, about one for each kind of layer, against Keras, PyTorch and timm: outputs, gradients, and some steps
//! of Adam from the same weights and photos; outputs and gradients in bf16 too.
//!
//! The networks are in `tests/rungs/layers`. The expected values, computed in f64, are stored by `oracle/golden_layers.py`,
//! where `sources` says whose layers they are; weights and photos are made up on both sides (`oracle/fill.py`).

mod expected;
mod fill;

use expected::{Digest, Expected, descent, gradients};
use std::path::{Path, PathBuf};
use stepladder_model::{Graph, ParameterSpec, Rung, RungCatalog, fold_batch_norm};
use stepladder_nn::{Array, Device, Model, Precision, Trainer};

/// Of the learning rate at which a step of plain descent is read as a gradient: so large that the value before the step
/// costs even a gradient of 1e-8 no digits.
const RATE: f32 = (1 << 20) as f32;

/// Of differences, relative to the greater of the expected values' norm and, for samples of an array, the whole array's
/// scale. `rounding` is what imitated bf16 makes of the same number.
fn tolerance(precision: Precision, rounding: f64) -> f64 {
    match precision {
        Precision::F32 => 1e-4,
        Precision::Bf16 => 3e-2 + 2.0 * rounding,
    }
}

/// What differs, collected so that a failure tells at which layers.
struct Differences {
    precision: Precision,
    found: Vec<String>,
}

impl Differences {
    fn new(precision: Precision) -> Differences {
        Differences {
            precision,
            found: Vec::new(),
        }
    }

    /// Compares two vectors.
    fn vectors(&mut self, found: &[f32], expected: &[f32], what: &str) {
        self.samples(found, expected, 0.0, 0.0, what);
    }

    /// Compares samples of an array; `floor` is the least scale that errors are measured by.
    fn samples(&mut self, found: &[f32], expected: &[f32], floor: f64, rounding: f64, what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}: length");
        let differences = found.iter().zip(expected);
        let error = norm(differences.map(|(&a, &b)| f64::from(a) - f64::from(b)));
        let scale = norm(expected.iter().map(|&v| f64::from(v))).max(floor);
        if exceeds(error, tolerance(self.precision, rounding) * scale) {
            let [found, expected] = [found, expected].map(|values| &values[..values.len().min(4)]);
            let error = error / scale;
            self.found.push(format!(
                "{what}: relative error {error:.1e} (found {found:?} .., expected {expected:?} ..)"
            ));
        }
    }

    /// Compares an array with the digest of the expected one: the norm, and the samples.
    fn digest(&mut self, array: &Array, digest: &Digest, what: &str) {
        let what = format!("{what} {}", digest.name);
        assert_eq!(array.name, digest.name, "{what}: parameters come in Keras' order");
        let found = norm(array.values.iter().map(|&v| f64::from(v)));
        let limit = tolerance(self.precision, digest.bf16) * digest.norm;
        if exceeds((found - digest.norm).abs(), limit) {
            self.found
                .push(format!("{what}: norm {found}, expected {}", digest.norm));
        }
        let samples: Vec<f32> = digest.at.iter().map(|&i| array.values[i]).collect();
        // Samples of a mostly-zero gradient may all be zero: then the whole array's scale is what counts.
        let floor = digest.norm * (digest.at.len() as f64 / array.values.len() as f64).sqrt();
        self.samples(&samples, &digest.values, floor, digest.bf16, &what);
    }

    fn assert_none(self, name: &str) {
        assert!(self.found.is_empty(), "{name}:\n{}", self.found.join("\n"));
    }
}

/// Whether an error is greater than allowed, or NaN.
fn exceeds(error: f64, limit: f64) -> bool {
    error.is_nan() || error > limit
}

/// The Euclidean norm.
fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// A network with the oracle's weights and photos.
struct Case {
    golden: Expected,
    rung: Rung,
    graph: Graph,
    /// The graph with stochastic depths at rate 0: two generators never draw the same mask.
    training: Graph,
    images: Vec<f32>,
    labels: Vec<u32>,
    precision: Precision,
    device: Device,
}

impl Case {
    fn new(name: &str, precision: Precision, device: Device) -> Case {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let json = std::fs::read_to_string(tests.join(format!("golden/layers/{name}.json"))).unwrap();
        let golden: Expected = serde_json::from_str(&json).unwrap();
        let toml = std::fs::read_to_string(rungs().join(format!("{name}.toml"))).unwrap();
        let rung = rung(&toml);
        let rates: Vec<String> = rung
            .layers
            .iter()
            .zip(rung.layer_names())
            .filter(|(spec, _)| spec.layer.kind() == "StochasticDepth")
            .map(|(_, name)| format!("layers.{name}.rate"))
            .collect();
        let still = rung
            .with_overrides(rates.iter().map(|key| (key.as_str(), "0")))
            .unwrap();
        Case {
            graph: rung.graph(golden.size, golden.classes).unwrap(),
            training: still.graph(golden.size, golden.classes).unwrap(),
            images: fill::images(golden.batch, golden.size, golden.classes),
            labels: (0..golden.batch as u32)
                .map(|photo| photo % golden.classes as u32)
                .collect(),
            golden,
            rung,
            precision,
            device,
        }
    }

    fn model(&self, graph: &Graph, arrays: Vec<Array>) -> Model {
        let model = Model::from_arrays(graph.clone(), arrays, self.device).unwrap();
        model.with_precision(self.precision)
    }

    fn compare_logits(&self, model: &Model, expected: &[f32], what: &str, differences: &mut Differences) {
        let found = model.log_probabilities(self.images.clone(), self.golden.batch);
        let centered = |values: &[f32]| -> Vec<f32> {
            let rows = values.chunks_exact(self.golden.classes);
            rows.flat_map(centered).collect()
        };
        differences.vectors(&centered(&found), &centered(expected), what);
    }

    /// Compares the logits with the golden ones, as the network is and with its batch normalizations folded.
    fn compare_outputs(&self, differences: &mut Differences) {
        let arrays = filled(&self.graph);
        let values = arrays.iter().map(|array| array.values.clone()).collect();
        let model = self.model(&self.graph, arrays);
        self.compare_logits(&model, &self.golden.logits, "logits", differences);
        let (folded, values) = fold_batch_norm(&self.graph, values);
        let arrays = named(&folded, values);
        let model = self.model(&folded, arrays);
        self.compare_logits(&model, &self.golden.logits, "logits, folded", differences);
    }

    /// Compares the first step's gradients with the golden ones.
    fn compare_gradients(&self, differences: &mut Differences) {
        let model = self.model(&self.training, filled(&self.training));
        let found = gradients(model, &self.images, &self.labels, RATE, 0);
        let trainable = self.training.parameters.iter().zip(found);
        let found: Vec<Array> = trainable
            .filter(|(spec, _)| spec.trainable)
            .map(|(_, gradient)| gradient)
            .collect();
        assert_eq!(found.len(), self.golden.gradients.len(), "number of gradients");
        for (gradient, digest) in found.iter().zip(&self.golden.gradients) {
            differences.digest(gradient, digest, "gradient of");
        }
    }

    /// Compares the losses of some steps of the rung's optimizer, and what has become of the parameters.
    fn compare_training(&self, differences: &mut Differences) {
        let model = self.model(&self.training, filled(&self.training));
        let mut trainer = Trainer::new(model, self.rung.optimizer.clone(), 0.0, 0);
        let rate = self.golden.learning_rate;
        let steps = self.golden.losses.iter();
        let losses: Vec<f32> = steps
            .map(|_| trainer.step(self.images.clone(), &self.labels, rate).loss)
            .collect();
        differences.vectors(&losses, &self.golden.losses, "losses");
        let parameters = trainer.model().to_arrays();
        assert_eq!(parameters.len(), self.golden.after.len(), "number of parameters");
        for (parameter, digest) in parameters.iter().zip(&self.golden.after) {
            differences.digest(parameter, digest, "after training,");
        }
        self.compare_logits(
            trainer.model(),
            &self.golden.logits_after,
            "logits after training",
            differences,
        );
    }
}

/// The folder of the networks.
fn rungs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rungs/layers")
}

fn rung(toml: &str) -> Rung {
    Rung::from_toml(toml, "rung.toml", &RungCatalog::shipped()).unwrap()
}

/// Logits less their mean, which the softmax does not tell.
fn centered(logits: &[f32]) -> Vec<f32> {
    let mean = logits.iter().sum::<f32>() / logits.len() as f32;
    logits.iter().map(|logit| logit - mean).collect()
}

/// The graph's parameters, filled as the oracle fills them (`start` in `oracle/golden_layers.py`).
fn filled(graph: &Graph) -> Vec<Array> {
    let initial = Model::new(graph.clone(), 0, Device::Cpu).to_arrays();
    let specs = graph.parameters.iter().zip(initial);
    let value = |(spec, initial): (&ParameterSpec, Array)| {
        if spec.name.starts_with("initial") {
            return initial;
        }
        let mut values = fill::parameter(&spec.name, &spec.shape);
        let kind = spec.name.rsplit('/').next();
        if spec.name.starts_with("wide") && matches!(kind, Some("kernel" | "gamma")) {
            values.iter_mut().for_each(|value| *value *= 4.0);
        }
        Array::new(&spec.name, spec.shape.clone(), values)
    };
    specs.map(value).collect()
}

/// Values of the graph's parameters with their names and shapes.
fn named(graph: &Graph, values: Vec<Vec<f32>>) -> Vec<Array> {
    let specs = graph.parameters.iter().zip(values);
    specs
        .map(|(spec, values)| Array::new(&spec.name, spec.shape.clone(), values))
        .collect()
}

fn check_in_f32(name: &str, device: Device) {
    let case = Case::new(name, Precision::F32, device);
    let mut differences = Differences::new(case.precision);
    case.compare_outputs(&mut differences);
    case.compare_gradients(&mut differences);
    case.compare_training(&mut differences);
    differences.assert_none(name);
}

fn check_in_bf16(name: &str, device: Device) {
    let case = Case::new(name, Precision::Bf16, device);
    let mut differences = Differences::new(case.precision);
    case.compare_outputs(&mut differences);
    case.compare_gradients(&mut differences);
    differences.assert_none(name);
}

/// Two tests for each network, and the list of all.
macro_rules! networks {
    ($($test:ident: $name:literal,)*) => {
        const NETWORKS: &[&str] = &[$($name),*];

        $(mod $test {
            use super::{Device, check_in_bf16, check_in_f32};

            #[test]
            fn agrees_in_f32() {
                check_in_f32($name, Device::Cpu);
            }

            #[test]
            fn agrees_in_bf16() {
                check_in_bf16($name, Device::Cpu);
            }
        })*
    };
}

networks! {
    activation_elu: "activation-elu",
    activation_gelu: "activation-gelu",
    activation_hard_sigmoid: "activation-hard-sigmoid",
    activation_hard_swish: "activation-hard-swish",
    activation_relu6: "activation-relu6",
    activation_sigmoid: "activation-sigmoid",
    activation_tanh: "activation-tanh",
    average_pooling_padding: "average-pooling-padding",
    blur_max_pooling: "blur-max-pooling",
    blur_pooling: "blur-pooling",
    concatenate: "concatenate",
    conv_padding: "conv-padding",
    conv_padding_asymmetric: "conv-padding-asymmetric",
    convnext: "convnext",
    depthwise_multiplier: "depthwise-multiplier",
    depthwise_padding: "depthwise-padding",
    groups: "groups",
    groups_strides: "groups-strides",
    inverted_residual: "inverted-residual",
    layer_normalization: "layer-normalization",
    layer_normalization_vector: "layer-normalization-vector",
    max_pooling_padding: "max-pooling-padding",
    multiply: "multiply",
    normalization: "normalization",
    normalization_of_all: "normalization-of-all",
    resnext: "resnext",
    scale: "scale",
    separable_padding: "separable-padding",
    squeeze_excite: "squeeze-excite",
    stochastic_depth: "stochastic-depth",
    vectors: "vectors",
}

#[test]
fn every_network_of_the_folder_is_tested() {
    let files = std::fs::read_dir(rungs()).unwrap();
    let mut names: Vec<String> = files
        .map(|file| {
            file.unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    let mut tested = NETWORKS.to_vec();
    tested.sort_unstable();
    assert_eq!(names, tested);
}

#[test]
fn scales_start_as_the_rung_says() {
    let case = Case::new("scale", Precision::F32, Device::Cpu);
    let initial = Model::new(case.graph, 0, Device::Cpu).to_arrays();
    for (name, value) in [
        ("learned/gamma", 0.1),
        ("initial/gamma", 1e-6),
        ("scale/gamma", 1.0),
    ] {
        let gamma = values(&initial, name);
        assert!(gamma.iter().all(|&v| v == value), "{name}: {gamma:?}");
    }
}

/// The values of the array called `name`.
fn values<'a>(arrays: &'a [Array], name: &str) -> &'a [f32] {
    let array = arrays.iter().find(|array| array.name == name).unwrap();
    &array.values
}

/// Photos of the tests of stochastic depth in training.
const PHOTOS: usize = 3;

/// Whether a photo is in a set, written as bits.
fn passes(set: usize, photo: usize) -> bool {
    (set >> photo) & 1 == 1
}

/// The models of a convolution and a dense layer behind it, with a stochastic depth of rate 1/2 between them; where it lets a
/// photo through (the dense kernel doubled instead); and where it drops it (the kernel zero).
fn branch_models() -> (Model, Model, Model) {
    let toml = |between: &str| {
        format!(
            r#"
name = "branch"
change = "A branch that may be dropped"
layers = [
  {{ layer = "Conv2D", filters = 4, kernel_size = 3, strides = 2 }},
  {between}
  {{ layer = "Flatten" }},
  {{ layer = "Dense", units = "classes", activation = "softmax" }},
]
[input]
size = 9
[training]
epochs = 1
[optimizer]
type = "adam"
"#
        )
    };
    let graph = |between| rung(&toml(between)).graph(9, PHOTOS).unwrap();
    let model = |graph: Graph, factor: f32| {
        let mut arrays = filled(&graph);
        let kernel = arrays
            .iter_mut()
            .find(|array| array.name == "dense/kernel")
            .unwrap();
        kernel.values.iter_mut().for_each(|value| *value *= factor);
        Model::from_arrays(graph, arrays, Device::Cpu).unwrap()
    };
    (
        model(graph(r#"{ layer = "StochasticDepth", rate = 0.5 },"#), 1.0),
        model(graph(""), 2.0),
        model(graph(""), 0.0),
    )
}

#[test]
fn stochastic_depth_drops_or_doubles_each_photo() {
    let (model, doubled, dropped) = branch_models();
    let images = fill::images(PHOTOS, 9, PHOTOS);
    let labels: Vec<u32> = (0..PHOTOS as u32).collect();
    let losses = |model: &Model| -> Vec<f64> {
        let all = model.log_probabilities(images.clone(), PHOTOS);
        let photos = all.chunks_exact(PHOTOS).enumerate();
        photos.map(|(photo, row)| -f64::from(row[photo])).collect()
    };
    let (doubled, dropped) = (losses(&doubled), losses(&dropped));
    // The batch's loss for each set of photos that are let through, as bits.
    let loss = |set: usize| -> f64 {
        let photos = doubled.iter().zip(&dropped).enumerate();
        let losses = photos.map(|(photo, losses)| if passes(set, photo) { losses.0 } else { losses.1 });
        losses.sum::<f64>() / PHOTOS as f64
    };
    let mut counts = [0_u32; 1 << PHOTOS];
    let mut trainer = Trainer::new(model, descent(), 0.0, 7);
    for _ in 0..200 {
        // At rate 0 the weights stay, and only the mask changes.
        let found = f64::from(trainer.step(images.clone(), &labels, 0.0).loss);
        let sets: Vec<usize> = (0..counts.len())
            .filter(|&set| (loss(set) - found).abs() < 1e-5)
            .collect();
        assert_eq!(
            sets.len(),
            1,
            "loss {found} belongs to {sets:?} of {:?}",
            (0..8).map(loss).collect::<Vec<_>>()
        );
        counts[sets[0]] += 1;
    }
    // Each set is drawn 25 times on average, with a standard deviation of 4.7; a photo is let through 100 times, with one of 7.
    assert!(counts.iter().all(|&count| count >= 5), "{counts:?}");
    for photo in 0..PHOTOS {
        let through = counts.iter().enumerate().filter(|(set, _)| passes(*set, photo));
        let through: u32 = through.map(|(_, count)| count).sum();
        assert!(
            through.abs_diff(100) <= 35,
            "photo {photo} passes {through} times of 200"
        );
    }
}

#[test]
fn the_backward_pass_of_stochastic_depth_has_the_same_mask() {
    let (model, doubled, _) = branch_models();
    let images = fill::images(1, 9, PHOTOS);
    let expected = gradients(doubled, &images, &[0], RATE, 0);
    let mut seen = [0, 0];
    for seed in 0..20 {
        let found = gradients(model.clone(), &images, &[0], RATE, seed);
        let passed = values(&found, "dense/kernel").iter().any(|&v| v != 0.0);
        seen[usize::from(passed)] += 1;
        let factor = f32::from(u8::from(passed));
        let mut differences = Differences::new(Precision::F32);
        // The doubled values that the dense kernel sees, and the doubled kernel that the convolution sees.
        for (name, factor) in [("conv2d/kernel", factor), ("dense/kernel", 2.0 * factor)] {
            let expected: Vec<f32> = values(&expected, name).iter().map(|v| factor * v).collect();
            differences.vectors(values(&found, name), &expected, name);
        }
        differences.assert_none(&format!("seed {seed}"));
    }
    assert!(
        seen.iter().all(|&count| count > 0),
        "dropped and passed: {seen:?}"
    );
}

/// The networks on a GPU, or on Mesa's lavapipe: one test, as they share the device.
#[cfg(feature = "vulkan")]
#[test]
fn vulkan_agrees() {
    let case = Case::new("groups", Precision::F32, Device::Vulkan);
    let answers = std::panic::catch_unwind(|| {
        let model = case.model(&case.graph, filled(&case.graph));
        model.predict(case.images.clone(), case.golden.batch)
    });
    if answers.is_err() {
        eprintln!("skipped: no Vulkan device answers here");
        return;
    }
    for name in NETWORKS {
        check_in_f32(name, Device::Vulkan);
    }
}
