//! Shapes, parameters and costs of whole networks, against Keras' own counts and against counting by hand.

use proptest::prelude::*;
use stepladder_model::{
    Activation, Graph, GraphError, Op, Operation, Rung, RungCatalog, RungError, Shape, Source,
};

fn read(layers: &str, size: usize) -> Result<Rung, RungError> {
    let toml = format!(
        "name = \"mine\"\nparent = \"m5\"\nchange = \"..\"\nlayers = [\n{layers}\n]\n[input]\nsize = {size}"
    );
    Rung::from_toml(&toml, "mine.toml", &RungCatalog::shipped())
}

fn graph(layers: &str, size: usize) -> Graph {
    read(layers, size).unwrap().graph(size, 5).unwrap()
}

/// Names, shapes, initializers and fans, a parameter a line.
fn parameters(graph: &Graph) -> String {
    let lines = graph.parameters.iter().map(|parameter| {
        let trainable = if parameter.trainable { "" } else { " fixed" };
        format!(
            "{} {:?} {} {}/{}{trainable}",
            parameter.name,
            parameter.shape,
            parameter.initializer.name(),
            parameter.fan_in,
            parameter.fan_out
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

const RESIDUAL: &str = r#"
{ layer = "RandomFlip", mode = "horizontal" },
{ layer = "RandomRotation", factor = 0.02 },
{ layer = "Conv2D", filters = 16, kernel_size = [3, 5], strides = 2, padding = "same", name = "stem" },
{ layer = "BatchNormalization" },
{ layer = "LeakyReLU" },
{ layer = "SeparableConv2D", filters = 32, kernel_size = 3, padding = "same", depth_multiplier = 2, name = "deep" },
{ layer = "Conv2D", filters = 32, kernel_size = 1, input = "stem", use_bias = false },
{ layer = "BatchNormalization", name = "short", center = false },
{ layer = "Add", inputs = ["deep", "short"] },
{ layer = "DepthwiseConv2D", kernel_size = 3, activation = "swish" },
{ layer = "AveragePooling2D", pool_size = 3, strides = 2, padding = "same" },
{ layer = "GlobalAveragePooling2D" },
{ layer = "Dropout", rate = 0.2 },
{ layer = "Dense", units = "classes" },
{ layer = "Activation", activation = "softmax" },
"#;

#[test]
fn a_residual_network_with_every_kind_of_layer() {
    let graph = graph(RESIDUAL, 64);
    insta::assert_snapshot!(graph.summary());
    assert_eq!(graph.augmentation.len(), 2);
    let add = graph.operations.iter().find(|operation| operation.op == Op::Add);
    let deep = graph.layers[graph.layer_index("deep").unwrap()].output;
    let short = graph.layers[graph.layer_index("short").unwrap()].output;
    assert_eq!(add.unwrap().inputs, [deep, short]);
    assert_eq!(graph.output(), graph.operations.len() - 1);
}

#[test]
fn parameters_have_the_names_shapes_and_fans_of_keras() {
    insta::assert_snapshot!(parameters(&graph(RESIDUAL, 64)));
}

/// Everything that [`RESIDUAL`] has not.
const MODERN: &str = r#"
{ layer = "RandomZoom", height_factor = 0.1 },
{ layer = "Normalization", mean = [0.485, 0.456, 0.406], variance = 0.05 },
{ layer = "Conv2D", filters = 16, kernel_size = 3, padding = 1, activation = "relu6", name = "stem" },
{ layer = "BlurPooling2D", name = "half" },
{ layer = "Conv2D", filters = 32, kernel_size = 3, groups = 4, padding = [[0, 2], [2, 0]], activation = "hard_swish", name = "wide" },
{ layer = "LayerNormalization" },
{ layer = "GlobalAveragePooling2D", keepdims = true },
{ layer = "Conv2D", filters = 8, kernel_size = 1, activation = "hard_silu" },
{ layer = "Conv2D", filters = 32, kernel_size = 1, activation = "hard_sigmoid", name = "gate" },
{ layer = "Multiply", inputs = ["wide", "gate"] },
{ layer = "Scale", initial_value = 1e-5 },
{ layer = "StochasticDepth", rate = 0.1, name = "branch" },
{ layer = "MaxPooling2D", pool_size = 3, strides = [1, 2], padding = [1, 0], input = "half", name = "pooled" },
{ layer = "Conv2D", filters = 4, kernel_size = [1, 2], strides = [1, 1], padding = [[0, 0], [1, 0]], input = "pooled", name = "odd" },
{ layer = "Activation", activation = "linear", name = "same" },
{ layer = "Concatenate", inputs = ["branch", "half"] },
{ layer = "GlobalAveragePooling2D", name = "left" },
{ layer = "GlobalAveragePooling2D", input = "same", name = "right" },
{ layer = "Concatenate", inputs = ["left", "right"] },
{ layer = "Flatten" },
{ layer = "LayerNormalization", center = false, scale = false },
{ layer = "Dense", units = "classes", activation = "softmax" },
"#;

#[test]
fn a_network_with_every_layer_that_newer_networks_have() {
    let graph = graph(MODERN, 32);
    insta::assert_snapshot!(format!("{}\n{}", graph.summary(), parameters(&graph)));
    // The linear activation and the flattening of a vector compute nothing: what follows reads what they read.
    for (layer, before) in [("same", "odd"), ("flatten", "concatenate_1")] {
        let [layer, before] = [layer, before].map(|name| graph.layer_index(name).unwrap());
        assert!(graph.operations_of(layer).is_empty());
        assert_eq!(graph.layers[layer].output, graph.layers[before].output);
        assert_eq!(graph.layer_inputs(layer), [graph.layers[before].output]);
    }
    let statistics = Op::Normalization {
        mean: vec![0.485, 0.456, 0.406],
        variance: vec![0.05; 3],
    };
    assert_eq!(graph.operations[0].op, statistics);
    assert_eq!(graph.operations[0].inputs, [Source::Image]);
    let last = graph.operations.last().unwrap();
    assert_eq!(last.op, Op::Activation(Activation::Softmax));
    assert_eq!(last.output, Shape::Vector { units: 5 });
    assert_eq!(graph.logits(), Source::Operation(graph.output() - 1));
}

#[test]
fn operations_have_names_and_readers() {
    let graph = graph(
        r#"
{ layer = "SeparableConv2D", filters = 3, kernel_size = 3, padding = "same", activation = "relu", name = "a" },
{ layer = "Multiply", inputs = ["a", "image", "a"], name = "product" },
{ layer = "GlobalAveragePooling2D" },
{ layer = "Dense", units = "classes", activation = "softmax" },
"#,
        8,
    );
    let names: Vec<String> = (0..graph.operations.len())
        .map(|index| graph.operation_name(index))
        .collect();
    let expected = [
        "a/depthwise",
        "a",
        "a/relu",
        "product/1",
        "product",
        "global_average_pooling2d",
        "dense",
        "dense/softmax",
    ];
    assert_eq!(names, expected);
    assert_eq!(graph.readers(), [1, 1, 2, 1, 1, 1, 1, 0]);
    let layer = graph.layer_index("product").unwrap();
    assert_eq!(
        graph.layer_inputs(layer),
        [Source::Operation(2), Source::Image, Source::Operation(2)]
    );
    assert_eq!(graph.words(0), "SeparableConv2D 3 x 3, relu");
    let pointwise = &graph.parameters[1];
    assert_eq!(
        (pointwise.name.as_str(), &pointwise.shape[..]),
        ("a/pointwise_kernel", &[1, 1, 3, 3][..])
    );
}

#[test]
fn automatic_names_step_around_given_ones() {
    let graph = graph(
        r#"
{ layer = "Conv2D", filters = 1, kernel_size = 1 },
{ layer = "Conv2D", filters = 1, kernel_size = 1, name = "conv2d_1" },
{ layer = "Conv2D", filters = 1, kernel_size = 1 },
{ layer = "Flatten" },
{ layer = "Dense", units = "classes", activation = "softmax" },
"#,
        8,
    );
    let names: Vec<_> = graph.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["conv2d", "conv2d_1", "conv2d_2", "flatten", "dense"]);
    let third = graph.layer_index("conv2d_2").unwrap();
    assert_eq!(graph.layer_inputs(third), [Source::Operation(1)]);
}

#[test]
fn a_head_without_a_dense_layer_is_a_head() {
    let graph = graph(
        r#"
{ layer = "Conv2D", filters = 5, kernel_size = 3, activation = "relu" },
{ layer = "GlobalAveragePooling2D" },
{ layer = "Activation", activation = "softmax" },
"#,
        8,
    );
    assert_eq!(
        graph.operations[graph.output()].output,
        Shape::Vector { units: 5 }
    );
}

#[test]
fn a_network_as_json() {
    let graph = graph(
        "{ layer = \"Flatten\" },\n{ layer = \"Dense\", units = 5, activation = \"softmax\" },",
        8,
    );
    let json = serde_json::to_string_pretty(&graph).unwrap();
    insta::assert_snapshot!(json);
}

/// The first operation of a network that begins with this layer; `None` where its window does not fit.
fn first(layer: &str, size: usize) -> Option<Operation> {
    let end = r#"{ layer = "Conv2D", filters = 5, kernel_size = 1 }, { layer = "GlobalAveragePooling2D" },
                 { layer = "Activation", activation = "softmax" }"#;
    match read(&format!("{layer}, {end}"), size) {
        Ok(rung) => Some(rung.graph(size, 5).unwrap().operations[0].clone()),
        Err(RungError::Network(GraphError::WindowTooLarge { .. })) => None,
        Err(error) => panic!("{error}"),
    }
}

fn conv(kernel: [usize; 2], strides: [usize; 2], padding: &str) -> String {
    format!(
        "{{ layer = \"Conv2D\", filters = 5, kernel_size = {kernel:?}, strides = {strides:?}, padding = {padding} }}"
    )
}

fn pool(window: [usize; 2], strides: [usize; 2], padding: &str) -> String {
    format!(
        "{{ layer = \"MaxPooling2D\", pool_size = {window:?}, strides = {strides:?}, padding = {padding} }}"
    )
}

/// Counts the places of a window by putting it down at each: inside the padded input, a stride apart.
fn places(size: usize, window: usize, stride: usize, [before, after]: [usize; 2]) -> usize {
    (0..size + before + after)
        .step_by(stride)
        .filter(|start| start + window <= size + before + after)
        .count()
}

/// Pixels on each side such that a window of `side` fits beside them.
fn pixels() -> impl Strategy<Value = [usize; 3]> {
    (1usize..12)
        .prop_flat_map(|side| [0..side, 0..side].prop_map(move |[before, after]| [side, before, after]))
}

proptest! {
    #[test]
    fn windows_are_as_many_as_can_be_put_down(
        size in 1usize..80,
        kernel in [1usize..90, 1usize..90],
        strides in [1usize..9, 1usize..9],
    ) {
        let [height, width] = [0, 1].map(|axis| places(size, kernel[axis], strides[axis], [0, 0]));
        let fits = height > 0 && width > 0;
        let output = |channels| fits.then_some(Shape::Map { height, width, channels });
        let found = |layer: String| first(&layer, size).map(|operation| operation.output);
        prop_assert_eq!(found(conv(kernel, strides, "\"valid\"")), output(5));
        prop_assert_eq!(found(pool(kernel, strides, "\"valid\"")), output(3));
    }

    #[test]
    fn same_is_the_least_padding_for_one_window_at_each_stride(
        size in 1usize..80,
        kernel in [1usize..90, 1usize..90],
        strides in [1usize..9, 1usize..9],
    ) {
        let same = first(&conv(kernel, strides, "\"same\""), size).unwrap();
        let window = same.op.window().unwrap();
        for axis in 0..2 {
            let [before, after] = window.padding[axis];
            let positions = size.div_ceil(strides[axis]);
            prop_assert_eq!(places(size, kernel[axis], strides[axis], [before, after]), positions);
            prop_assert!(after == before || after == before + 1);
            if before + after > 0 {
                prop_assert!(places(size, kernel[axis], strides[axis], [before + after - 1, 0]) < positions);
            }
        }
        // The numbers say the same as the word.
        let numbers = format!("{:?}", window.padding);
        prop_assert_eq!(first(&conv(kernel, strides, &numbers), size).unwrap(), same);
        prop_assert_eq!(
            first(&pool(kernel, strides, &numbers), size),
            first(&pool(kernel, strides, "\"same\""), size)
        );
    }

    #[test]
    fn explicit_padding_is_counted_on_each_side(
        size in 1usize..40,
        [height, top, bottom] in pixels(),
        [width, left, right] in pixels(),
        strides in [1usize..5, 1usize..5],
    ) {
        let padding = [[top, bottom], [left, right]];
        let rows = places(size, height, strides[0], padding[0]);
        let columns = places(size, width, strides[1], padding[1]);
        let found = first(&conv([height, width], strides, &format!("{padding:?}")), size);
        let expected = (rows > 0 && columns > 0).then_some(Shape::Map { height: rows, width: columns, channels: 5 });
        prop_assert_eq!(found.as_ref().map(|operation| operation.output), expected);
        if let Some(found) = found {
            prop_assert_eq!(found.op.window().unwrap().padding, padding);
            prop_assert_eq!(found.multiply_adds, (rows * columns * height * width * 3 * 5) as u64);
        }
    }

    #[test]
    fn groups_divide_channels_and_filters(channels in 1usize..13, filters in 1usize..13, groups in 1usize..14) {
        let layers = format!(
            "{{ layer = \"Conv2D\", filters = {channels}, kernel_size = 1 }},\n\
             {{ layer = \"Conv2D\", filters = {filters}, kernel_size = [2, 3], groups = {groups}, name = \"grouped\" }},\n\
             {{ layer = \"Flatten\" }}, {{ layer = \"Dense\", units = \"classes\", activation = \"softmax\" }}"
        );
        let divides = channels % groups == 0 && filters % groups == 0;
        match read(&layers, 8) {
            Ok(rung) => {
                prop_assert!(divides);
                let graph = rung.graph(8, 5).unwrap();
                let kernel = graph.parameters.iter().find(|parameter| parameter.name == "grouped/kernel").unwrap();
                prop_assert_eq!(&kernel.shape, &[2, 3, channels / groups, filters]);
                let multiply_adds = graph.layer_multiply_adds(1);
                prop_assert_eq!(multiply_adds, (7 * 6 * 2 * 3 * (channels / groups) * filters) as u64);
            }
            Err(RungError::Network(error @ GraphError::Groups { .. })) => {
                prop_assert!(!divides);
                prop_assert!(error.to_string().starts_with("mine.toml:6: Conv2D has groups"), "{}", error);
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_blurred_map_has_half_the_sides_rounded_up(size in 2usize..99) {
        let half = size.div_ceil(2);
        let found = first("{ layer = \"BlurPooling2D\" }", size).unwrap();
        prop_assert_eq!(found.output, Shape::Map { height: half, width: half, channels: 3 });
    }
}
