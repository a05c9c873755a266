//! The kernels against Burn's own back end: on both, the same model answers and trains alike. Rungs are those of this crate's tests and
//! some in which values have several readers.

#[path = "../../tests/fill/mod.rs"]
mod fill;

use crate::{Array, Device, Model, Precision, Trainer};
use std::path::Path;
use stepladder_model::{Clipping, Graph, ImageSize, OptimizerConfig, Rung, RungCatalog};

/// Of differences, relative to an array's Euclidean norm, or to a share of that of all arrays of its kind.
const TOLERANCE: f64 = 1e-4;
const SHARE: f64 = 1e-3;

/// At which a step of plain descent is read as a gradient: so large that the value before it costs no digits.
const RATE: f32 = (1 << 20) as f32;

const PHOTOS: usize = 5;
const CLASSES: usize = 3;

/// A graph, and what goes in.
struct Case {
    name: String,
    graph: Graph,
    images: Vec<f32>,
    labels: Vec<u32>,
}

impl Case {
    fn new(name: &str, rung: &Rung) -> Case {
        Case::sized(name, rung, rung.input.size)
    }

    fn sized(name: &str, rung: &Rung, size: ImageSize) -> Case {
        Case {
            name: name.to_string(),
            graph: rung.graph(size, CLASSES).unwrap(),
            images: fill::images(PHOTOS, size, CLASSES),
            labels: (0..PHOTOS).map(|photo| (photo % CLASSES) as u32).collect(),
        }
    }

    fn of(name: &str, layers: &str, size: ImageSize) -> Case {
        let toml = format!(
            "name = \"{name}\"\nchange = \"test\"\nlayers = [{layers}]\n[input]\nsize = {}\n[training]\nepochs = 1\n[optimizer]\ntype = \"adam\"\n",
            size.to_toml()
        );
        let rung = Rung::from_toml(&toml, &format!("{name}.toml"), &RungCatalog::shipped());
        Case::new(name, &rung.unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// The same with the first `layers` layers frozen.
    fn frozen(mut self, layers: usize, frozen_statistics: bool) -> Case {
        self.name = format!("{}, {layers} layers frozen", self.name);
        self.graph = self.graph.freeze(layers, frozen_statistics);
        self
    }

    /// The same model on the CPU's kernels and on the reference.
    fn models(&self) -> [Model; 2] {
        [Device::Cpu, Device::Reference].map(|device| {
            let specs = self.graph.parameters.iter();
            let arrays = specs.map(|spec| {
                Array::new(
                    &spec.name,
                    spec.shape.clone(),
                    fill::parameter(&spec.name, &spec.shape),
                )
            });
            Model::from_arrays(self.graph.clone(), arrays.collect(), device).unwrap()
        })
    }

    fn trainers(&self, optimizer: &OptimizerConfig) -> [Trainer; 2] {
        self.models()
            .map(|model| Trainer::new(model, optimizer.clone(), 0.1, 7))
    }

    fn assert_vectors(&self, [found, expected]: [Vec<f32>; 2], what: &str) {
        let array = |values: Vec<f32>| vec![Array::new(what, vec![values.len()], values)];
        self.assert_arrays([array(found), array(expected)], "");
    }

    /// Asserts that what the kernels gave is what the reference gave.
    fn assert_arrays(&self, [found, expected]: [Vec<Array>; 2], what: &str) {
        let norm =
            |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
        let all = norm(
            &mut expected
                .iter()
                .flat_map(|array| &array.values)
                .map(|value| f64::from(*value)),
        );
        assert_eq!(found.len(), expected.len(), "{}: {what}", self.name);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(
                found.shape, expected.shape,
                "{}: {what} {}",
                self.name, expected.name
            );
            let differences = found.values.iter().zip(&expected.values);
            let error = norm(&mut differences.map(|(a, b)| f64::from(*a) - f64::from(*b)));
            let scale = norm(&mut expected.values.iter().map(|value| f64::from(*value))).max(SHARE * all);
            assert!(
                error <= TOLERANCE * scale,
                "{}: {what} {}: relative error {:.1e} (kernels {:?}, reference {:?})",
                self.name,
                expected.name,
                error / scale,
                &found.values[..found.values.len().min(6)],
                &expected.values[..expected.values.len().min(6)],
            );
        }
    }

    /// Scores of all kinds, and what is looked at.
    fn check_answers(&self) {
        let images = &self.images;
        let each = |ask: &dyn Fn(Model) -> Vec<f32>| self.models().map(ask);
        self.assert_vectors(each(&|model| model.predict(images, PHOTOS)), "probabilities");
        self.assert_vectors(
            each(&|model| model.folded().predict(images, PHOTOS)),
            "probabilities, folded",
        );
        self.assert_vectors(
            each(&|model| model.predict_by_batch_statistics(images, PHOTOS)),
            "probabilities by batch statistics",
        );
        self.assert_vectors(each(&|model| model.features(images, PHOTOS)), "features");
        let image = images[..images.len() / PHOTOS].to_vec();
        let maps = self.models().map(|model| model.map_gradient(image.clone(), 1));
        assert_eq!(maps[0].is_some(), maps[1].is_some());
        if let [Some(found), Some(expected)] = maps {
            self.assert_vectors([found.map, expected.map], "map");
            self.assert_vectors([found.gradient, expected.gradient], "gradient by the map");
        }
    }

    fn check_inspection(&self) {
        let inspections = self
            .trainers(&descent(0.0, None))
            .map(|trainer| trainer.inspect(self.images.clone(), &self.labels));
        let dead = inspections
            .each_ref()
            .map(|of| of.layers.iter().map(|layer| layer.dead).collect::<Vec<_>>());
        assert_eq!(dead[0], dead[1], "{}: dead units", self.name);
        let figures = inspections.map(|of| {
            let layers = of.layers.into_iter();
            let of_layers = layers.flat_map(|layer| {
                [Some(layer.rms), layer.weight_rms, layer.gradient_rms].map(Option::unwrap_or_default)
            });
            of_layers.chain([of.loss, of.logit_spread]).collect::<Vec<f32>>()
        });
        self.assert_vectors(figures, "figures of an inspection");
    }

    /// Gradients, read off a step of plain descent, and the moving statistics after it.
    fn check_gradients(&self, micro_batch: usize, clipping: Option<Clipping>) {
        let before = self.models()[0].to_arrays();
        let stepped = self.trainers(&descent(0.0, clipping)).map(|trainer| {
            let mut trainer = trainer.with_micro_batches(micro_batch);
            let loss = trainer.step(&self.images, &self.labels, RATE).loss;
            let specs = self.graph.parameters.iter().map(|spec| spec.trainable);
            let after = trainer.model().to_arrays().into_iter().zip(&before).zip(specs);
            let (trained, moved): (Vec<_>, Vec<_>) = after.partition(|(_, is_trained)| *is_trained);
            let gradients: Vec<Array> = trained
                .into_iter()
                .map(|((after, before), _)| {
                    let values = before
                        .values
                        .iter()
                        .zip(&after.values)
                        .map(|(before, after)| (before - after) / RATE);
                    Array::new(after.name, after.shape, values.collect())
                })
                .collect();
            let statistics: Vec<Array> = moved.into_iter().map(|((after, _), _)| after).collect();
            (vec![loss], gradients, statistics)
        });
        let [(found_loss, found, found_moved), (loss, gradients, moved)] = stepped;
        self.assert_vectors([found_loss, loss], "loss");
        self.assert_arrays([found, gradients], "gradient by");
        self.assert_arrays([found_moved, moved], "moved");
    }

    /// Parameters, averages and moments after three steps.
    fn check_training(&self, optimizer: &OptimizerConfig, micro_batch: usize) {
        let trained = self.trainers(optimizer).map(|trainer| {
            let mut trainer = trainer.with_micro_batches(micro_batch).with_average(Some(0.7));
            let losses = [(); 3].map(|()| {
                trainer
                    .step(&self.images, &self.labels, optimizer.learning_rate())
                    .loss
            });
            let state = trainer.state();
            assert_eq!(state.iterations, 3);
            (
                losses.to_vec(),
                trainer.model().to_arrays(),
                trainer.evaluated().to_arrays(),
                state.slots,
            )
        });
        let [found, expected] = trained;
        let what = format!("with {optimizer:?}:");
        self.assert_vectors([found.0, expected.0], "losses");
        self.assert_arrays([found.1, expected.1], &what);
        self.assert_arrays([found.2, expected.2], &format!("{what} average of"));
        self.assert_arrays([found.3, expected.3], &what);
    }
}

/// Gradient descent.
fn descent(momentum: f32, clipping: Option<Clipping>) -> OptimizerConfig {
    OptimizerConfig::Sgd {
        learning_rate: 0.05,
        momentum,
        nesterov: false,
        weight_decay: None,
        clipping,
    }
}

/// The rungs of this crate's tests.
fn stored() -> Vec<Case> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rungs");
    let files = |folder: &str| {
        std::fs::read_dir(tests.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let mut paths: Vec<_> = files("layers")
        .chain(files(""))
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    let case = |path: &std::path::PathBuf| {
        let rung = Rung::from_path(path, &RungCatalog::shipped()).unwrap();
        Case::new(&rung.name, &rung)
    };
    paths.iter().map(case).collect()
}

/// Graphs in which values go several ways.
fn branching() -> Vec<Case> {
    branching_at(11.into())
}

fn branching_at(size: ImageSize) -> Vec<Case> {
    let head = r#"{ layer = "Flatten" }, { layer = "Dense", units = "classes", activation = "softmax" }"#;
    [
        (
            "readers",
            r#"
            { layer = "Conv2D", name = "a", filters = 4, kernel_size = 3, padding = "same", activation = "relu" },
            { layer = "Add", name = "double", inputs = ["a", "a"] },
            { layer = "Conv2D", name = "b", input = "a", filters = 4, kernel_size = 3, padding = "same" },
            { layer = "Add", name = "sum", inputs = ["a", "double", "b", "b"] },
            { layer = "Multiply", name = "square", inputs = ["sum", "sum"] },
            { layer = "Concatenate", inputs = ["square", "a", "square", "sum"] },"#,
        ),
        (
            "skips",
            r#"
            { layer = "Conv2D", name = "stem", filters = 4, kernel_size = 3, strides = 2, padding = "same", use_bias = false },
            { layer = "BatchNormalization" },
            { layer = "Activation", activation = "relu" },
            { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", use_bias = false },
            { layer = "BatchNormalization", name = "left" },
            { layer = "Add", name = "block", inputs = ["left", "stem"] },
            { layer = "Activation", name = "end", activation = "swish" },
            { layer = "Conv2D", name = "right", filters = 4, kernel_size = 1, use_bias = false },
            { layer = "Add", name = "linear", inputs = ["right", "end"] },
            { layer = "Add", name = "again", inputs = ["linear", "end"] },
            { layer = "MaxPooling2D", name = "pooled" },"#,
        ),
        (
            "norms",
            r#"
            { layer = "BatchNormalization", center = false, scale = false, momentum = 0.5 },
            { layer = "Conv2D", filters = 5, kernel_size = 3, use_bias = false },
            { layer = "BatchNormalization", center = false },
            { layer = "Activation", activation = "relu6" },
            { layer = "Conv2D", name = "x", filters = 5, kernel_size = 3, use_bias = false },
            { layer = "BatchNormalization", name = "n", scale = false },
            { layer = "BatchNormalization", name = "m", input = "x", momentum = 0.9 },
            { layer = "Add", inputs = ["n", "m"] },
            { layer = "Activation", activation = "hard_swish" },
            { layer = "MaxPooling2D", pool_size = [2, 3] },
            { layer = "BatchNormalization" },"#,
        ),
        (
            "random",
            r#"
            { layer = "Conv2D", name = "trunk", filters = 5, kernel_size = 3, padding = "same", activation = "swish" },
            { layer = "Dropout", rate = 0.3 },
            { layer = "Conv2D", filters = 5, kernel_size = 3, padding = "same" },
            { layer = "StochasticDepth", name = "branch", rate = 0.4 },
            { layer = "Add", inputs = ["branch", "trunk"] },
            { layer = "Dropout", rate = 0.5 },"#,
        ),
        (
            "windows",
            r#"
            { layer = "Conv2D", filters = 6, kernel_size = [2, 5], padding = [[1, 0], [0, 3]], activation = "leaky_relu" },
            { layer = "DepthwiseConv2D", kernel_size = [4, 2], strides = [3, 1], padding = "same", depth_multiplier = 2 },
            { layer = "MaxPooling2D", name = "a", pool_size = [2, 3], strides = 2, padding = [[1, 0], [2, 1]] },
            { layer = "Conv2D", name = "b", filters = 4, kernel_size = 1, strides = 2, groups = 2, activation = "relu" },
            { layer = "AveragePooling2D", pool_size = 2, strides = 1, padding = [[0, 1], [1, 0]] },
            { layer = "Flatten", name = "first" },
            { layer = "Conv2D", input = "a", filters = 4, kernel_size = [2, 3], strides = [2, 3], padding = "same", groups = 4 },
            { layer = "Activation", activation = "relu" },
            { layer = "MaxPooling2D", pool_size = 2, strides = 1, padding = "same" },
            { layer = "Flatten", name = "second" },
            { layer = "Concatenate", inputs = ["first", "second"] },"#,
        ),
        (
            "softmax",
            r#"
            { layer = "Conv2D", filters = 4, kernel_size = 3, strides = [3, 2], activation = "softmax" },
            { layer = "Normalization", mean = 0.25, variance = 0.02 },
            { layer = "MaxPooling2D", pool_size = 3, strides = 1, padding = [1, 0] },
            { layer = "Activation", activation = "tanh" },"#,
        ),
    ]
    .map(|(name, layers)| Case::of(name, &format!("{layers}{head}"), size))
    .into()
}

#[test]
fn input_that_is_not_square_gives_what_the_reference_does() {
    for case in [[11, 18], [16, 9]]
        .into_iter()
        .flat_map(|size| branching_at(size.into()))
    {
        case.check_answers();
        case.check_gradients(usize::MAX, None);
    }
}

#[test]
fn answers_are_the_references() {
    for case in stored().iter().chain(&branching()) {
        case.check_answers();
        case.check_inspection();
    }
}

#[test]
fn gradients_are_the_references() {
    for case in stored().iter().chain(&branching()) {
        case.check_gradients(PHOTOS, None);
    }
}

/// What stays frozen, and statistics that do while gamma and beta are trained.
#[test]
fn gradients_above_what_is_frozen_are_the_references() {
    for case in stored().into_iter().chain(branching()) {
        case.frozen(0, true).check_gradients(PHOTOS, None);
    }
    for share in [3, 2] {
        for case in stored().into_iter().chain(branching()) {
            let layers = case.graph.layers.len() / share;
            case.frozen(layers, share == 2).check_gradients(PHOTOS, None);
        }
    }
}

#[test]
fn micro_batches_and_clipped_gradients_are_the_references() {
    for case in branching() {
        case.check_gradients(2, None);
        case.check_gradients(PHOTOS, Some(Clipping::Norm(0.05)));
        case.check_gradients(3, Some(Clipping::GlobalNorm(0.05)));
    }
}

#[test]
fn optimizers_step_as_the_reference() {
    let (beta_1, beta_2, epsilon) = (0.9, 0.99, 1e-3);
    let optimizers = [
        OptimizerConfig::Adam {
            learning_rate: 0.01,
            beta_1,
            beta_2,
            epsilon,
            weight_decay: None,
            clipping: Some(Clipping::GlobalNorm(0.5)),
        },
        OptimizerConfig::Nadam {
            learning_rate: 0.01,
            beta_1,
            beta_2,
            epsilon,
            weight_decay: Some(0.02),
            clipping: None,
        },
        OptimizerConfig::AdamW {
            learning_rate: 0.01,
            beta_1,
            beta_2,
            epsilon,
            weight_decay: 0.1,
            clipping: Some(Clipping::Norm(0.2)),
        },
        descent(0.9, None),
        OptimizerConfig::Lion {
            learning_rate: 0.001,
            beta_1,
            beta_2,
            weight_decay: Some(0.1),
            clipping: None,
        },
        OptimizerConfig::Sgd {
            learning_rate: 0.02,
            momentum: 0.8,
            nesterov: true,
            weight_decay: Some(0.1),
            clipping: None,
        },
    ];
    for case in branching() {
        for optimizer in &optimizers {
            case.check_training(optimizer, PHOTOS);
        }
        case.check_training(&optimizers[0], 2);
    }
}

/// Roundings of the two differ, so that this finds no more than what is wrong altogether.
#[test]
fn bf16_is_near_the_reference() {
    for case in branching() {
        let [found, expected] = case.models().map(|model| {
            let mut trainer = Trainer::new(model.with_precision(Precision::Bf16), descent(0.0, None), 0.0, 7);
            trainer.step(&case.images, &case.labels, 0.05).loss
        });
        assert!(
            (found - expected).abs() <= 0.03 * expected,
            "{}: {found}, {expected}",
            case.name
        );
    }
}
