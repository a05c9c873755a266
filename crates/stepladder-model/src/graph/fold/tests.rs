use super::*;
use crate::catalog::RungCatalog;
use crate::graph::Shape;
use crate::rung::Rung;

/// The graph of `layers` on 9 x 9 pixels with a head for 3 classes unless they have one, and each parameter's values: 1, 2, .. in its order.
fn graph(layers: &str) -> (Graph, Vec<Vec<f32>>) {
    let head = r#"{ layer = "GlobalAveragePooling2D" }, { layer = "Dense", units = "classes", activation = "softmax" }"#;
    let head = if layers.contains("softmax") { "" } else { head };
    let toml = format!(
        "name = \"t\"\nchange = \"t\"\nlayers = [{layers}, {head}]\n\
         [input]\nsize = 9\n[training]\nepochs = 1\n[optimizer]\ntype = \"adam\"\n"
    );
    let rung = Rung::from_toml(&toml, "t.toml", &RungCatalog::shipped()).unwrap();
    let graph = rung.graph(9, 3).unwrap();
    let values = graph.parameters.iter();
    let values = values.map(|parameter| (1..=parameter.count()).map(|value| value as f32).collect());
    let values = values.collect();
    (graph, values)
}

fn folded(layers: &str) -> (Graph, Vec<Vec<f32>>) {
    let (graph, values) = graph(layers);
    let (folded, values) = fold_batch_norm(&graph, values);
    assert_consistent(&folded, &values);
    assert_eq!(folded.layers.len(), graph.layers.len());
    for layer in 0..graph.layers.len() {
        assert_eq!(folded.layer_output(layer), graph.layer_output(layer));
    }
    // What is folded and taken out costs nothing.
    assert_eq!(folded.multiply_adds(), graph.multiply_adds());
    (folded, values)
}

/// Every id is used once and in order, and values have their parameters' shapes.
fn assert_consistent(graph: &Graph, values: &[Vec<f32>]) {
    let ids = graph
        .operations
        .iter()
        .flat_map(|operation| operation.op.parameters());
    let ids: Vec<usize> = ids.map(|id| id.0).collect();
    assert_eq!(ids, (0..graph.parameters.len()).collect::<Vec<_>>());
    assert_eq!(values.len(), graph.parameters.len());
    for (parameter, values) in graph.parameters.iter().zip(values) {
        assert_eq!(parameter.count(), values.len() as u64, "{}", parameter.name);
    }
    for (index, operation) in graph.operations.iter().enumerate() {
        let before = |source: &Source| match *source {
            Source::Image => true,
            Source::Operation(from) => from < index,
        };
        assert!(operation.inputs.iter().all(before));
    }
    assert!(graph.operations.is_sorted_by_key(|operation| operation.layer));
}

fn names(graph: &Graph) -> Vec<String> {
    (0..graph.operations.len())
        .map(|index| graph.operation_name(index))
        .collect()
}

fn parameters(graph: &Graph) -> Vec<&str> {
    graph
        .parameters
        .iter()
        .map(|parameter| parameter.name.as_str())
        .collect()
}

const HEAD: [&str; 3] = ["global_average_pooling2d", "dense", "dense/softmax"];

#[test]
fn batch_normalization_goes_into_the_weights_before_it() {
    let (graph, values) = folded(
        r#"{ layer = "Conv2D", filters = 2, kernel_size = 1 }, { layer = "Dropout", rate = 0.5 },
           { layer = "BatchNormalization" }, { layer = "Activation", activation = "relu" }"#,
    );
    assert_eq!(names(&graph), [&["conv2d", "activation"], &HEAD[..]].concat());
    assert_eq!(
        parameters(&graph),
        ["conv2d/kernel", "conv2d/bias", "dense/kernel", "dense/bias"]
    );
    // gamma 1, 2; beta 1, 2; mean 1, 2; variance 1, 2, and epsilon.
    let epsilon = f64::from(0.001_f32);
    let factors = [1.0 / (1.0 + epsilon).sqrt(), 2.0 / (2.0 + epsilon).sqrt()];
    let kernel = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let expected = kernel.map(|row| [row[0] * factors[0], row[1] * factors[1]]);
    let expected: Vec<f32> = expected
        .as_flattened()
        .iter()
        .map(|&value| value as f32)
        .collect();
    assert_eq!(values[0], expected);
    // The bias is the mean, so that beta remains.
    assert_eq!(values[1], [1.0, 2.0]);
    // The layers stay, so that their numbers mean the same in both graphs.
    let gone = graph.layer_index("batch_normalization").unwrap();
    assert!(graph.operations_of(gone).is_empty());
    assert_eq!(graph.layers[gone].output, Source::Operation(0));
    assert_eq!(graph.words(gone), "BatchNormalization");
}

#[test]
fn a_bias_is_added_where_there_was_none() {
    let (graph, values) = folded(
        r#"{ layer = "SeparableConv2D", filters = 2, kernel_size = 3, use_bias = false, name = "first" },
           { layer = "BatchNormalization", scale = false, center = false }, { layer = "Conv2D", filters = 1, kernel_size = 1, groups = 1 }"#,
    );
    let expected = [
        "first/depthwise_kernel",
        "first/pointwise_kernel",
        "first/bias",
        "conv2d/kernel",
        "conv2d/bias",
        "dense/kernel",
        "dense/bias",
    ];
    assert_eq!(parameters(&graph), expected);
    // The depthwise half is as it was.
    assert_eq!(
        values[0],
        (1..=27).map(|value| value as f32).collect::<Vec<f32>>()
    );
    let factor = |channel: f64| 1.0 / (channel + f64::from(0.001_f32)).sqrt();
    let bias = [1.0, 2.0].map(|mean| (-mean * factor(mean)) as f32);
    assert_eq!(values[2], bias);
    assert_eq!(graph.parameters[2].shape, [2]);
    assert_eq!(graph.operation_name(0), "first/depthwise");
    assert_eq!(graph.operation_name(1), "first");
}

#[test]
fn a_depthwise_kernel_takes_the_factors_of_channel_and_multiple() {
    let (graph, values) = folded(
        r#"{ layer = "DepthwiseConv2D", kernel_size = 1, depth_multiplier = 2, use_bias = false },
           { layer = "BatchNormalization", epsilon = 1e-12, center = false }"#,
    );
    assert!(matches!(
        graph.operations[0].op,
        Op::DepthwiseConvolution { bias: Some(_), .. }
    ));
    // Channel out c with gamma c and variance c has the factor sqrt(c), and so has the kernel's value c.
    for (index, value) in values[0].iter().enumerate() {
        let channel = (index + 1) as f32;
        assert!((value - channel * channel.sqrt()).abs() < 1e-5 * value.abs());
    }
}

#[test]
fn two_normalizations_behind_a_dense_layer_fold_one_after_the_other() {
    let (graph, values) = folded(
        r#"{ layer = "Flatten" }, { layer = "Dense", units = 2, name = "first" }, { layer = "BatchNormalization", epsilon = 1e-12 },
           { layer = "BatchNormalization", epsilon = 1e-12 }, { layer = "Dense", units = 3, name = "head" },
           { layer = "Activation", activation = "softmax" }"#,
    );
    assert_eq!(
        parameters(&graph),
        ["first/kernel", "first/bias", "head/kernel", "head/bias"]
    );
    // Of unit 2: gamma 2, variance 2, beta 2 and mean 2, twice; the factor is 2 and what is left of the bias is beta.
    assert_eq!(values[1][0], 1.0);
    assert!((values[1][1] - 2.0).abs() < 1e-6);
    assert!((values[0][1] - 2.0 * 2.0).abs() < 1e-6);
}

#[test]
fn a_value_that_others_read_keeps_its_normalization() {
    let (graph, _) = folded(
        r#"{ layer = "Conv2D", filters = 2, kernel_size = 1, name = "a" },
           { layer = "BatchNormalization", name = "b" }, { layer = "Add", inputs = ["a", "b"] }"#,
    );
    assert_eq!(names(&graph), [&["a", "b", "add"], &HEAD[..]].concat());
    // Dropout hides a second reader, and does not when it is gone.
    let (graph, _) = folded(
        r#"{ layer = "Conv2D", filters = 2, kernel_size = 1, name = "a" }, { layer = "Dropout", rate = 0.1, name = "d" },
           { layer = "BatchNormalization", input = "a", name = "b" }, { layer = "Add", inputs = ["b", "d"] }"#,
    );
    assert_eq!(names(&graph), [&["a", "b", "add"], &HEAD[..]].concat());
    assert_eq!(
        graph.operations[2].inputs,
        [Source::Operation(1), Source::Operation(0)]
    );
}

#[test]
fn an_activation_or_a_pooling_before_it_keeps_it() {
    for before in [
        r#"{ layer = "Conv2D", filters = 2, kernel_size = 1, activation = "relu" }"#,
        r#"{ layer = "MaxPooling2D" }"#,
        r#"{ layer = "Scale" }"#,
    ] {
        let (graph, _) = folded(&format!("{before}, {{ layer = \"BatchNormalization\" }}"));
        let kept = graph.operations.iter();
        assert!(
            kept.into_iter()
                .any(|operation| matches!(operation.op, Op::BatchNormalization { .. }))
        );
    }
    // Nothing is before it.
    let (graph, _) = folded(r#"{ layer = "BatchNormalization" }"#);
    assert_eq!(graph.operations[0].inputs, [Source::Image]);
}

#[test]
fn what_only_training_does_is_gone() {
    let (graph, values) = folded(
        r#"{ layer = "Conv2D", filters = 3, kernel_size = 1, name = "a" }, { layer = "StochasticDepth", rate = 0.3 },
           { layer = "Dropout", rate = 0.5, name = "d" }, { layer = "Add", inputs = ["image", "d"] }"#,
    );
    assert_eq!(names(&graph), [&["a", "add"], &HEAD[..]].concat());
    assert_eq!(graph.operations[1].inputs, [Source::Image, Source::Operation(0)]);
    assert_eq!(values.len(), 4);
    assert_eq!(
        graph.layer_output(1),
        Shape::Map {
            height: 9,
            width: 9,
            channels: 3
        }
    );
}

#[test]
fn every_shipped_rung_folds_and_keeps_what_it_computes_with() {
    for shipped in crate::catalog::shipped() {
        let rung = RungCatalog::shipped().get(shipped.name).unwrap();
        let graph = rung.graph(64, 5).unwrap();
        let values = graph
            .parameters
            .iter()
            .map(|parameter| vec![1.0; parameter.count() as usize]);
        let (folded, values) = fold_batch_norm(&graph, values.collect());
        assert_consistent(&folded, &values);
        // A graph for inference is one for inference already.
        let (again, same) = fold_batch_norm(&folded, values.clone());
        assert_eq!(again, folded);
        assert_eq!(same, values);
    }
}

#[test]
#[should_panic(expected = "one list of values for each parameter")]
fn values_of_another_graph_are_refused() {
    let (graph, mut values) = graph(r#"{ layer = "Conv2D", filters = 2, kernel_size = 1 }"#);
    values.pop();
    fold_batch_norm(&graph, values);
}
