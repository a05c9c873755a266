//! Gradients against differences and against a network worked out by hand.

use super::*;
use crate::backend::Backend;
use crate::cpu::Cpu;
use crate::device::Device;
use crate::profile::Profile;
use stepladder_model::{Rung, RungCatalog};

/// A model of these layers at 12 pixels and three classes, with statistics and biases that are not their first values.
fn model(layers: &str) -> Model {
    let toml = format!(
        "name = \"test\"\nchange = \"test\"\nlayers = [{layers}]\n[input]\nsize = 12\n[training]\nepochs = 1\n[optimizer]\ntype = \"adam\"\n"
    );
    let rung = Rung::from_toml(&toml, "test.toml", &RungCatalog::shipped()).unwrap();
    let graph = rung.graph(12, 3).unwrap();
    let mut arrays = Model::new(graph.clone(), 3, Device::Cpu).to_arrays();
    for array in arrays.iter_mut().filter(|array| array.shape.len() == 1) {
        for (at, value) in array.values.iter_mut().enumerate() {
            *value += (at % 5) as f32 * 0.2;
        }
    }
    Model::from_arrays(graph, arrays, Device::Cpu).unwrap()
}

/// The score of a class where the last map is what `change` makes of it.
fn score_of_changed_map(model: &Model, class: usize, change: &dyn Fn(&mut [f32])) -> f32 {
    let operation = last_map(model.graph()).unwrap();
    let program = model
        .executor()
        .program(model.graph(), Purpose::MapGradient(operation), 1, UNPACKED);
    let (map, _) = program.map.unwrap();
    let images = image();
    let operands = Operands {
        images: &images,
        parameters: model.parameters(),
        packed: &[],
        noise: Noise::default(),
    };
    let mut cpu = Cpu::new(Profile::new());
    cpu.begin(&program, &images);
    for (at, step) in program.forward.iter().enumerate() {
        cpu.forward(&program, at, &operands);
        if step.output == map {
            let mut values = cpu.read(&program, map, &images);
            change(&mut values);
            cpu.write(&program, map, &values);
        }
    }
    cpu.read(&program, program.output, &images)[class]
}

fn image() -> Vec<f32> {
    (0..12 * 12 * 3)
        .map(|i| ((i * 37) % 101) as f32 / 100.0)
        .collect()
}

#[test]
fn the_gradient_is_that_of_differences() {
    // What follows the map: pooling, a batch norm with moving statistics, a bend.
    let model = model(
        r#"
        { layer = "Conv2D", filters = 4, kernel_size = 3, activation = "swish" },
        { layer = "MaxPooling2D" },
        { layer = "Flatten" },
        { layer = "Dense", units = 6 },
        { layer = "BatchNormalization" },
        { layer = "Activation", activation = "swish" },
        { layer = "Dense", units = "classes", activation = "softmax" },"#,
    );
    let found = model.map_gradient(image(), 1).unwrap();
    assert_eq!(
        [found.height, found.width, found.channels],
        [10, 10, 4],
        "before the pooling"
    );
    let score = |change: &dyn Fn(&mut [f32])| score_of_changed_map(&model, 1, change);
    assert_eq!(score(&|_| {}), found.score);
    let greatest = found.gradient.iter().fold(0.0_f32, |a, g| a.max(g.abs()));
    let mut compared = 0;
    for at in (0..found.map.len()).step_by(7) {
        const STEP: f32 = 1e-3;
        let up = score(&|values| values[at] += STEP);
        let down = score(&|values| values[at] -= STEP);
        let difference = (up - down) / (2.0 * STEP);
        assert!(
            (difference - found.gradient[at]).abs() < 0.01 * greatest,
            "at {at}: {difference} by differences, {} by the gradient",
            found.gradient[at]
        );
        compared += usize::from(found.gradient[at] != 0.0);
    }
    assert!(compared >= 10, "{compared} gradients that are not zero");
}

#[test]
fn under_an_average_the_gradient_is_the_weights_over_the_places() {
    let model = model(
        r#"
        { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same" },
        { layer = "BatchNormalization" },
        { layer = "Activation", activation = "relu" },
        { layer = "GlobalAveragePooling2D" },
        { layer = "Dense", units = "classes", activation = "softmax" },"#,
    );
    let found = model.map_gradient(image(), 2).unwrap();
    let arrays = model.to_arrays();
    let kernel = &arrays.iter().find(|a| a.name == "dense/kernel").unwrap().values;
    for (at, gradient) in found.gradient.iter().enumerate() {
        let expected = kernel[at % 4 * 3 + 2] / 144.0;
        assert!(
            (gradient - expected).abs() < 1e-6,
            "{gradient} instead of {expected}"
        );
    }
    // So Grad-CAM is here what Zhou et al. 2016 called a class activation map.
    let heat = found.heat_map();
    let sums: Vec<f32> = found
        .map
        .chunks_exact(4)
        .map(|place| {
            (0..4)
                .map(|c| place[c] * kernel[c * 3 + 2] / 144.0)
                .sum::<f32>()
                .max(0.0)
        })
        .collect();
    let greatest = sums.iter().copied().fold(0.0, f32::max);
    assert!(greatest > 0.0);
    for (value, sum) in heat.values.iter().zip(sums) {
        assert!((value - sum / greatest).abs() < 1e-5);
    }
}

#[test]
fn a_heat_map_worked_out_by_hand() {
    let found = MapGradient {
        height: 1,
        width: 3,
        channels: 2,
        map: vec![1.0, 0.0, 2.0, 1.0, 0.0, 4.0],
        // Means over the three places: 2 and -1.
        gradient: vec![6.0, 0.0, 0.0, -3.0, 0.0, 0.0],
        score: 0.0,
    };
    assert_eq!(found.heat_map().values, [2.0 / 3.0, 1.0, 0.0]);
    let nothing = MapGradient {
        gradient: vec![0.0; 6],
        ..found
    };
    assert_eq!(nothing.heat_map().values, [0.0; 3]);
}

#[test]
fn without_a_map_there_is_no_heat() {
    let model = model(
        r#"
        { layer = "Flatten" },
        { layer = "Dense", units = "classes", activation = "softmax" },"#,
    );
    assert_eq!(model.heat_map(image(), 0), None);
}
