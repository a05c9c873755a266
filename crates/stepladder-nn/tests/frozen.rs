//! Trainings in which the first layers are frozen: what is frozen keeps its bits, the others learn as if nothing were, and what is not
//! trained takes no memory.

use stepladder_model::{Graph, OptimizerConfig, Rung, RungCatalog};
use stepladder_nn::{Array, Device, Model, ParameterSettings, Precision, StepMemory, StepShape, Trainer};

const SIZE: usize = 32;
const BATCH: usize = 6;
const CLASSES: usize = 3;

fn graph(layers: &str) -> Graph {
    let toml = format!(
        "name = \"test\"\nchange = \"test\"\nlayers = [{layers}]\n[input]\nsize = {SIZE}\n[training]\nepochs = 1\n[optimizer]\ntype = \"adam\"\n"
    );
    let rung = Rung::from_toml(&toml, "test.toml", &RungCatalog::shipped()).unwrap();
    rung.graph(SIZE, CLASSES).unwrap()
}

/// Without batch normalization, what is frozen computes what it always does.
const PLAIN: &str = r#"
    { layer = "Conv2D", name = "one", filters = 8, kernel_size = 3, activation = "relu" },
    { layer = "DepthwiseConv2D", name = "two", kernel_size = 3, strides = 2 },
    { layer = "Conv2D", name = "three", filters = 12, kernel_size = 3, activation = "relu" },
    { layer = "GlobalAveragePooling2D" },
    { layer = "Dense", name = "head", units = "classes", activation = "softmax" },"#;

const NORMALIZED: &str = r#"
    { layer = "Conv2D", name = "one", filters = 8, kernel_size = 3, use_bias = false },
    { layer = "BatchNormalization", name = "norm_one" },
    { layer = "Activation", name = "relu_one", activation = "relu" },
    { layer = "Conv2D", name = "two", filters = 8, kernel_size = 3, strides = 2, use_bias = false },
    { layer = "BatchNormalization", name = "norm_two" },
    { layer = "Activation", name = "relu_two", activation = "relu" },
    { layer = "GlobalAveragePooling2D" },
    { layer = "Dense", name = "head", units = "classes", activation = "softmax" },"#;

fn images() -> Vec<f32> {
    let value = |at: usize| (at * 37 % 101) as f32 / 101.0 * ((at / 997 % 5) as f32 + 1.0) / 5.0;
    (0..BATCH * SIZE * SIZE * 3).map(value).collect()
}

fn labels() -> Vec<u32> {
    (0..BATCH as u32).map(|photo| photo % CLASSES as u32).collect()
}

fn adam() -> OptimizerConfig {
    OptimizerConfig::Adam {
        learning_rate: 0.01,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-7,
        weight_decay: None,
        clipping: None,
    }
}

fn trainer(graph: Graph) -> Trainer {
    Trainer::new(Model::new(graph, 5, Device::Cpu), adam(), 0.0, 0)
}

fn stepped(mut trainer: Trainer, steps: usize) -> Trainer {
    for _ in 0..steps {
        trainer.step(images(), &labels(), 0.01);
    }
    trainer
}

fn named<'a>(arrays: &'a [Array], name: &str) -> &'a Array {
    arrays.iter().find(|array| array.name == name).unwrap()
}

#[test]
fn what_is_frozen_keeps_its_bits_and_has_no_moments() {
    for statistics in [false, true] {
        let graph = graph(NORMALIZED).freeze(3, statistics);
        let before = Model::new(graph.clone(), 5, Device::Cpu).to_arrays();
        let trainer = stepped(trainer(graph), 3);
        let after = trainer.model().to_arrays();
        for array in &before {
            let is_kept = array.name.contains("one") || (statistics && array.name.contains("moving"));
            let is_same = named(&after, &array.name) == array;
            assert_eq!(
                is_same, is_kept,
                "{} with frozen statistics {statistics}",
                array.name
            );
        }
        let state = trainer.state();
        assert!(!state.slots.is_empty());
        assert!(state.slots.iter().all(|slot| !slot.name.contains("one")));
    }
}

#[test]
fn the_others_move_as_in_the_full_program() {
    let full = stepped(trainer(graph(PLAIN)), 1).model().to_arrays();
    for frozen in 1..4 {
        let found = stepped(trainer(graph(PLAIN).freeze(frozen, false)), 1)
            .model()
            .to_arrays();
        let before = Model::new(graph(PLAIN), 5, Device::Cpu).to_arrays();
        for array in &found {
            let layer = ["one", "two", "three", "head"]
                .iter()
                .position(|name| array.name.starts_with(name))
                .unwrap();
            let expected = if layer < frozen { &before } else { &full };
            assert_eq!(array, named(expected, &array.name), "{frozen} layers frozen");
        }
    }
}

/// The gradients by gamma and beta where statistics are constants, against differences of the loss.
#[test]
fn gradients_with_constant_statistics_are_those_of_differences() {
    // Without kinks, which differences would step over.
    let smooth = NORMALIZED.replace("activation = \"relu\"", "activation = \"swish\"");
    let graph = graph(&smooth).freeze(0, true);
    let descent = OptimizerConfig::Sgd {
        learning_rate: 1.0,
        momentum: 0.0,
        nesterov: false,
        weight_decay: None,
        clipping: None,
    };
    let model = Model::new(graph.clone(), 5, Device::Cpu);
    let before = model.to_arrays();
    let loss = |arrays: Vec<Array>| {
        let model = Model::from_arrays(graph.clone(), arrays, Device::Cpu).unwrap();
        let rows = model.log_probabilities(images(), BATCH);
        let photos = rows.chunks_exact(CLASSES).zip(labels());
        -photos
            .map(|(row, label)| f64::from(row[label as usize]))
            .sum::<f64>()
            / BATCH as f64
    };
    let mut trainer = Trainer::new(model, descent, 0.0, 0);
    trainer.step(images(), &labels(), 1.0);
    let after = trainer.model().to_arrays();
    for name in [
        "norm_one/gamma",
        "norm_one/beta",
        "norm_two/gamma",
        "norm_two/beta",
        "one/kernel",
    ] {
        const STEP: f32 = 1e-2;
        for at in [0, 3] {
            let gradient = f64::from(named(&before, name).values[at] - named(&after, name).values[at]);
            let moved = |by: f32| {
                let mut arrays = before.clone();
                let array = arrays.iter_mut().find(|array| array.name == name).unwrap();
                array.values[at] += by;
                loss(arrays)
            };
            let expected = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
            assert!(
                (gradient - expected).abs() <= 2e-3 * expected.abs() + 2e-4,
                "{name}[{at}]: {gradient}, differences give {expected}"
            );
        }
    }
}

#[test]
fn rates_differ_by_parameter() {
    let graph = graph(NORMALIZED);
    let factors = graph.learning_rate_factors(0.5);
    let of = |name: &str| {
        let at = graph
            .parameters
            .iter()
            .position(|spec| spec.name == name)
            .unwrap();
        factors[at]
    };
    assert_eq!(
        [of("head/kernel"), of("two/kernel"), of("norm_one/gamma")],
        [1.0, 0.5, 0.25]
    );
    let full = stepped(trainer(graph.clone()), 1).model().to_arrays();
    let before = Model::new(graph.clone(), 5, Device::Cpu).to_arrays();
    let settings = factors.iter().map(|factor| ParameterSettings {
        learning_rate_multiplier: *factor,
        weight_decay: true,
    });
    let slowed = trainer(graph.clone()).with_settings(settings.collect());
    let slowed = stepped(slowed, 1).model().to_arrays();
    for ((spec, factor), before) in graph.parameters.iter().zip(factors).zip(&before) {
        let way = |arrays: &[Array]| named(arrays, &spec.name).values[0] - before.values[0];
        let expected = if spec.trainable { factor } else { 1.0 };
        let found = way(&slowed) / way(&full);
        assert!(
            (found - expected).abs() < 1e-2,
            "{}: {found} instead of {expected}",
            spec.name
        );
    }
}

/// The plan of a training on `threads` threads, and what one on a pool of so many held.
fn planned_and_held(graph: &Graph, threads: usize) -> (StepMemory, u64) {
    let plan = StepMemory::new(&StepShape {
        graph,
        optimizer: &adam(),
        averages: false,
        precision: Precision::F32,
        batch: BATCH,
        micro_batch: BATCH,
        answered: 0,
        threads,
    });
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    let held = pool.install(|| stepped(trainer(graph.clone()), 2).model().held_bytes() as u64);
    (plan, held)
}

#[test]
fn the_plan_is_smaller_and_exact() {
    let graph = graph(NORMALIZED);
    let (full, _) = planned_and_held(&graph, 1);
    let mut last = full.total();
    for frozen in [3, 6] {
        let (plan, held) = planned_and_held(&graph.clone().freeze(frozen, true), 1);
        // A pass that leaves no statistics takes a little less than one that does.
        let planned = plan.kernels();
        assert!(
            held <= planned && held as f64 >= 0.97 * planned as f64,
            "{frozen} layers frozen: {held} of {planned}"
        );
        assert!(
            plan.total() < last,
            "{frozen} layers frozen: {} of {last}",
            plan.total()
        );
        assert!(plan.moments < full.moments);
        last = plan.total();
    }
}
