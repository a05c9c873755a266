//! Shapes, parameters and costs of whole networks, against Keras' own counts and against counting by hand.

use proptest::prelude::*;
use stepladder_model::{
    Activation, Conv2D, Initializer, Layer, LayerSpec, Network, Padding, Place, Pooling2D, Rung, RungCatalog,
    Shape, Source,
};

fn network(layers: &str, size: usize) -> Network {
    let toml = format!("name = \"mine\"\nparent = \"m5\"\nchange = \"..\"\nlayers = [\n{layers}\n]");
    Rung::from_toml(&toml, "mine.toml", &RungCatalog::shipped())
        .unwrap()
        .network(size, 5)
        .unwrap()
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
    let network = network(RESIDUAL, 64);
    insta::assert_snapshot!(network.summary());
    assert_eq!(network.augmentation.len(), 2);
    let add = network
        .nodes
        .iter()
        .find(|node| node.layer == Layer::Add)
        .unwrap();
    assert_eq!(add.inputs, [Source::Node(3), Source::Node(5)]);
    assert_eq!(network.output(), network.nodes.len() - 1);
}

#[test]
fn parameters_have_the_names_shapes_and_fans_of_keras() {
    let network = network(RESIDUAL, 64);
    let parameters = network
        .nodes
        .iter()
        .flat_map(|node| &node.parameters)
        .map(|parameter| {
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
    let text = parameters.collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(text);
}

#[test]
fn automatic_names_step_around_given_ones() {
    let network = network(
        r#"
{ layer = "Conv2D", filters = 1, kernel_size = 1 },
{ layer = "Conv2D", filters = 1, kernel_size = 1, name = "conv2d_1" },
{ layer = "Conv2D", filters = 1, kernel_size = 1 },
{ layer = "Flatten" },
{ layer = "Dense", units = "classes", activation = "softmax" },
"#,
        8,
    );
    let names: Vec<_> = network.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["conv2d", "conv2d_1", "conv2d_2", "flatten", "dense"]);
    assert_eq!(
        network.node("conv2d_2").map(|node| node.inputs.clone()),
        Some(vec![Source::Node(1)])
    );
}

#[test]
fn a_head_without_a_dense_layer_is_a_head() {
    let network = network(
        r#"
{ layer = "Conv2D", filters = 5, kernel_size = 3, activation = "relu" },
{ layer = "GlobalAveragePooling2D" },
{ layer = "Activation", activation = "softmax" },
"#,
        8,
    );
    assert_eq!(network.nodes[network.output()].output, Shape::Vector { units: 5 });
}

#[test]
fn a_network_as_json() {
    let network = network(
        "{ layer = \"Flatten\" },\n{ layer = \"Dense\", units = 5, activation = \"softmax\" },",
        8,
    );
    let json = serde_json::to_string_pretty(&network).unwrap();
    insta::assert_snapshot!(json);
}

fn spec(layer: Layer) -> LayerSpec {
    LayerSpec {
        name: None,
        inputs: Vec::new(),
        layer,
        place: Place::default(),
    }
}

/// Output of one layer on an image, where it fits.
fn output(layer: Layer, size: usize) -> Option<Shape> {
    let head = Layer::Activation(Activation::Softmax);
    let classes = Layer::Conv2D(conv([1, 1], [1, 1], Padding::Valid));
    let layers = [layer, classes, Layer::GlobalAveragePooling2D, head].map(spec);
    Network::new(&layers, size, 5)
        .ok()
        .map(|network| network.nodes[0].output)
}

fn conv(kernel_size: [usize; 2], strides: [usize; 2], padding: Padding) -> Conv2D {
    Conv2D {
        filters: 5,
        kernel_size,
        strides,
        padding,
        activation: Activation::Linear,
        use_bias: true,
        kernel_initializer: Initializer::GlorotUniform,
        bias_initializer: Initializer::Zeros,
    }
}

/// Counts the places of a window by putting it down at each: inside the input under `valid`, and at every multiple of
/// the stride under `same`.
fn places(size: usize, window: usize, stride: usize, padding: Padding) -> usize {
    (0..size)
        .step_by(stride)
        .filter(|start| match padding {
            Padding::Valid => start + window <= size,
            Padding::Same => true,
        })
        .count()
}

proptest! {
    #[test]
    fn windows_are_as_many_as_can_be_put_down(
        size in 1usize..80,
        kernel in [1usize..90, 1usize..90],
        strides in [1usize..9, 1usize..9],
        same in any::<bool>(),
    ) {
        let padding = if same { Padding::Same } else { Padding::Valid };
        let height = places(size, kernel[0], strides[0], padding);
        let width = places(size, kernel[1], strides[1], padding);
        let fits = height > 0 && width > 0;
        let expected = fits.then_some(Shape::Map { height, width, channels: 5 });
        prop_assert_eq!(output(Layer::Conv2D(conv(kernel, strides, padding)), size), expected);
        let pooling = Layer::MaxPooling2D(Pooling2D { pool_size: kernel, strides, padding });
        let expected = fits.then_some(Shape::Map { height, width, channels: 3 });
        prop_assert_eq!(output(pooling, size), expected);
    }
}
