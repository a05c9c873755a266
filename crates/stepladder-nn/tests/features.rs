//! What the last layer reads, worked out by hand, and against the probabilities that follow from it.

use stepladder_model::{Rung, RungCatalog};
use stepladder_nn::{Array, Device, Model};

/// A model of these layers at `size` pixels and two classes, with the arrays that are given and the first values of the others.
fn model(size: usize, layers: &str, given: &[(&str, &[f32])]) -> Model {
    let toml = format!(
        "name = \"test\"\nchange = \"test\"\nlayers = [{layers}]\n[input]\nsize = {size}\n[training]\nepochs = 1\n[optimizer]\ntype = \"adam\"\n"
    );
    let rung = Rung::from_toml(&toml, "test.toml", &RungCatalog::shipped()).unwrap();
    let graph = rung.graph(size, 2).unwrap();
    let mut arrays = Model::new(graph.clone(), 3, Device::Cpu).to_arrays();
    for (name, values) in given {
        let array = arrays.iter_mut().find(|array| array.name == *name).unwrap();
        *array = Array::new(*name, array.shape.clone(), values.to_vec());
    }
    Model::from_arrays(graph, arrays, Device::Cpu).unwrap()
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{found:?} and {expected:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
    }
}

/// Two photos of 2 by 2 pixels, of one color each place.
fn photos() -> Vec<f32> {
    [
        [0.1, 0.2, 0.3],
        [0.5, 0.5, 0.5],
        [0.0, 0.0, 1.0],
        [1.0, 1.0, 0.0],
        [0.4, 0.0, 0.0],
        [0.0, 0.4, 0.0],
        [0.0, 0.0, 0.4],
        [0.0, 0.0, 0.0],
    ]
    .concat()
}

#[test]
fn means_and_a_bend_worked_out_by_hand() {
    let model = model(
        2,
        r#"
        { layer = "GlobalAveragePooling2D" },
        { layer = "Dense", units = 2, activation = "relu", name = "inner" },
        { layer = "Dense", units = "classes", activation = "softmax", name = "head" },"#,
        // Rows are inputs: red, green, blue.
        &[
            ("inner/kernel", &[1.0, -1.0, 2.0, 0.0, 0.0, 1.0]),
            ("inner/bias", &[0.5, 0.0]),
        ],
    );
    // Means: 0.4, 0.425, 0.45 and 0.1, 0.1, 0.1. So 0.4 + 2 x 0.425 + 0.5 and 0.45 - 0.4; 0.1 + 0.2 + 0.5 and 0.
    close(&model.features(photos(), 2), &[1.75, 0.05, 0.8, 0.0]);
    close(&model.folded().features(photos(), 2), &[1.75, 0.05, 0.8, 0.0]);
}

#[test]
fn a_flattened_map_is_read_row_by_row() {
    let model = model(
        2,
        r#"
        { layer = "Flatten" },
        { layer = "Dense", units = "classes", activation = "softmax" },"#,
        &[],
    );
    assert_eq!(model.features(photos(), 2), photos());
}

#[test]
fn a_softmax_that_stands_alone_is_seen_through_and_scores_of_no_dense_are_their_own_features() {
    let apart = model(
        2,
        r#"
        { layer = "GlobalAveragePooling2D" },
        { layer = "Dense", units = "classes" },
        { layer = "BatchNormalization" },
        { layer = "Activation", activation = "softmax" },"#,
        &[],
    );
    close(&apart.features(photos(), 2), &[0.4, 0.425, 0.45, 0.1, 0.1, 0.1]);
    close(
        &apart.folded().features(photos(), 2),
        &[0.4, 0.425, 0.45, 0.1, 0.1, 0.1],
    );
    let none = model(
        2,
        r#"
        { layer = "Conv2D", filters = 2, kernel_size = 1, name = "scores" },
        { layer = "GlobalAveragePooling2D" },
        { layer = "Activation", activation = "softmax" },"#,
        &[
            ("scores/kernel", &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]),
            ("scores/bias", &[0.0, 1.0]),
        ],
    );
    close(&none.features(photos(), 2), &[0.4, 1.425, 0.1, 1.1]);
}

#[test]
fn the_probabilities_of_shipped_rungs_follow_from_their_features() {
    for name in ["baseline", "m6", "m10", "m13", "m17"] {
        const PHOTOS: usize = 5;
        let graph = RungCatalog::shipped().get(name).unwrap().graph(32, 3).unwrap();
        let model = Model::new(graph, 7, Device::Cpu);
        let arrays = model.to_arrays();
        let [.., kernel, bias] = arrays.as_slice() else {
            panic!("{name} ends in a Dense");
        };
        let images: Vec<f32> = (0..PHOTOS * 32 * 32 * 3)
            .map(|at| ((at * 37) % 101) as f32 / 100.0 * ((at / 3072 + 1) as f32 / 5.0))
            .collect();
        for model in [model.clone(), model.folded()] {
            let features = model.features(images.clone(), PHOTOS);
            let probabilities = model.predict(images.clone(), PHOTOS);
            let rows = features.chunks_exact(features.len() / PHOTOS);
            for (row, expected) in rows.zip(probabilities.chunks_exact(3)) {
                assert_eq!(row.len() * 3, kernel.values.len(), "{name}");
                let score = |class: usize| {
                    let terms = row
                        .iter()
                        .enumerate()
                        .map(|(at, x)| x * kernel.values[at * 3 + class]);
                    f64::from(terms.sum::<f32>() + bias.values[class])
                };
                let powers = [0, 1, 2].map(|class| score(class).exp());
                let sum: f64 = powers.iter().sum();
                close(&powers.map(|power| (power / sum) as f32), expected);
            }
        }
    }
}
