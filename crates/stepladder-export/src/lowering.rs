//! From a network and its parameters to a [`Graph`]: dropout and augmentation are gone, batch normalization is folded into
//! the convolution or dense layer before it, activations stand alone, and Keras' layouts become those of ONNX.

use crate::graph::{Convolution, Dense, Graph, Kind, Op, Window};
use stepladder_model::{Activation, BatchNormalization, Layer, Network, Node, Padding, Shape, Source};
use stepladder_nn::Array;

/// Lowers `network`, whose parameters are `arrays`, in the order of its nodes.
///
/// # Panics
///
/// If the arrays are not the network's.
pub(crate) fn lower(network: &Network, arrays: Vec<Array>) -> Graph {
    let mut lowering = Lowering {
        ops: Vec::new(),
        values: Vec::new(),
        linear: Vec::new(),
        readers: readers(network),
        input: network.input,
    };
    let mut arrays = arrays.into_iter();
    for node in &network.nodes {
        let parameters: Vec<Array> = arrays.by_ref().take(node.parameters.len()).collect();
        lowering.node(node, parameters);
    }
    Graph {
        size: network.input[0],
        classes: network.classes,
        ops: lowering.ops,
    }
}

/// How many nodes take each node's output.
fn readers(network: &Network) -> Vec<usize> {
    let mut readers = vec![0; network.nodes.len()];
    for source in network.nodes.iter().flat_map(|node| &node.inputs) {
        if let Source::Node(index) = source {
            readers[*index] += 1;
        }
    }
    readers
}

/// A lowering under way.
struct Lowering {
    ops: Vec<Op>,
    /// The operation that gives each node's value.
    values: Vec<Source>,
    /// The convolution or dense layer whose bare output a node's value is, if nobody else reads that.
    linear: Vec<Option<usize>>,
    readers: Vec<usize>,
    input: [usize; 3],
}

impl Lowering {
    fn node(&mut self, node: &Node, parameters: Vec<Array>) {
        let inputs: Vec<Source> = node.inputs.iter().map(|source| self.value(*source)).collect();
        let mut parameters = parameters.into_iter().map(|array| array.values);
        let mut take = || parameters.next().expect("one array for each parameter");
        match &node.layer {
            Layer::Conv2D(layer) => {
                let window = self.window(node, layer.kernel_size, layer.strides, layer.padding);
                let (channels, filters) = (self.channels(node), layer.filters);
                let weight = take();
                let bias = if layer.use_bias {
                    take()
                } else {
                    vec![0.0; filters]
                };
                let kind = convolution(weight, bias, [filters, channels], 1, window);
                self.linear(node, kind, inputs, layer.activation);
            }
            Layer::DepthwiseConv2D(layer) => {
                let window = self.window(node, layer.kernel_size, layer.strides, layer.padding);
                let channels = self.channels(node);
                let out = channels * layer.depth_multiplier;
                let weight = take();
                let bias = if layer.use_bias { take() } else { vec![0.0; out] };
                let kind = convolution(weight, bias, [out, 1], channels, window);
                self.linear(node, kind, inputs, layer.activation);
            }
            Layer::SeparableConv2D(layer) => {
                let window = self.window(node, layer.kernel_size, layer.strides, layer.padding);
                let channels = self.channels(node);
                let middle = channels * layer.depth_multiplier;
                let depthwise = convolution(take(), vec![0.0; middle], [middle, 1], channels, window);
                let shape = match node.output {
                    Shape::Map { height, width, .. } => Shape::Map {
                        height,
                        width,
                        channels: middle,
                    },
                    vector => vector,
                };
                let depthwise = self.push(format!("{}/depthwise", node.name), depthwise, inputs, shape);
                let weight = take();
                let bias = if layer.use_bias {
                    take()
                } else {
                    vec![0.0; layer.filters]
                };
                let pointwise = Window {
                    sides: [1, 1],
                    strides: [1, 1],
                    pads: [0; 4],
                };
                let kind = convolution(weight, bias, [layer.filters, middle], 1, pointwise);
                self.linear(node, kind, vec![Source::Node(depthwise)], layer.activation);
            }
            Layer::Dense(layer) => {
                let units = node.output.channels();
                let weight = take();
                let bias = if layer.use_bias { take() } else { vec![0.0; units] };
                let shape = [weight.len() / units, units];
                let kind = Kind::Dense(Dense { shape, weight, bias });
                self.linear(node, kind, inputs, layer.activation);
            }
            Layer::BatchNormalization(layer) => {
                let (factor, offset) = affine(layer, parameters.collect());
                self.normalization(node, inputs, &factor, &offset);
            }
            Layer::Activation(_) | Layer::LeakyReLU(_) => match node.layer.activation() {
                Activation::Linear => self.same(node),
                activation => self.finish(node, Kind::Activation(activation), inputs),
            },
            Layer::MaxPooling2D(layer) => {
                let window = self.window(node, layer.pool_size, layer.strides, layer.padding);
                self.finish(node, Kind::MaxPool(window), inputs);
            }
            Layer::AveragePooling2D(layer) => {
                let window = self.window(node, layer.pool_size, layer.strides, layer.padding);
                self.finish(node, Kind::AveragePool(window), inputs);
            }
            Layer::GlobalAveragePooling2D => self.finish(node, Kind::GlobalAveragePool, inputs),
            Layer::Flatten => match self.shape(inputs[0]) {
                Shape::Map { .. } => self.finish(node, Kind::Flatten, inputs),
                Shape::Vector { .. } => self.same(node),
            },
            Layer::Add => self.finish(node, Kind::Add, inputs),
            // Dropout drops nothing in inference, and a network has no augmentation layers among its nodes.
            Layer::Dropout(_)
            | Layer::RandomRotation(_)
            | Layer::RandomTranslation(_)
            | Layer::RandomZoom(_)
            | Layer::RandomFlip(_)
            | Layer::RandomBrightness(_) => self.same(node),
        }
    }

    /// A node with weights, and its activation as an operation of its own.
    fn linear(&mut self, node: &Node, kind: Kind, inputs: Vec<Source>, activation: Activation) {
        let index = self.push(node.name.clone(), kind, inputs, node.output);
        if activation == Activation::Linear {
            self.values.push(Source::Node(index));
            self.linear.push(Some(index));
            return;
        }
        let name = format!("{}/{}", node.name, activation.name());
        let kind = Kind::Activation(activation);
        let index = self.push(name, kind, vec![Source::Node(index)], node.output);
        self.values.push(Source::Node(index));
        self.linear.push(None);
    }

    /// A batch normalization: into the weights before it where nobody else sees what they give.
    fn normalization(&mut self, node: &Node, inputs: Vec<Source>, factor: &[f64], offset: &[f64]) {
        if let Some(index) = self.linear_before(node)
            && self.ops[index].kind.fold(factor, offset)
        {
            self.values.push(Source::Node(index));
            self.linear.push(Some(index));
            return;
        }
        let [factor, offset] =
            [factor, offset].map(|values| values.iter().map(|&value| value as f32).collect::<Vec<f32>>());
        self.finish(node, Kind::Scale { factor, offset }, inputs);
    }

    /// A node that is one operation.
    fn finish(&mut self, node: &Node, kind: Kind, inputs: Vec<Source>) {
        let index = self.push(node.name.clone(), kind, inputs, node.output);
        self.values.push(Source::Node(index));
        self.linear.push(None);
    }

    /// A node that changes nothing.
    fn same(&mut self, node: &Node) {
        self.values.push(self.value(node.inputs[0]));
        self.linear.push(self.linear_before(node));
    }

    /// The weights whose bare output `node` alone reads.
    fn linear_before(&self, node: &Node) -> Option<usize> {
        match node.inputs[0] {
            Source::Node(before) if self.readers[before] == 1 => self.linear[before],
            _ => None,
        }
    }

    fn push(&mut self, name: String, kind: Kind, inputs: Vec<Source>, output: Shape) -> usize {
        self.ops.push(Op {
            name,
            kind,
            inputs,
            output,
        });
        self.ops.len() - 1
    }

    fn value(&self, source: Source) -> Source {
        match source {
            Source::Image => Source::Image,
            Source::Node(index) => self.values[index],
        }
    }

    fn shape(&self, source: Source) -> Shape {
        match source {
            Source::Node(index) => self.ops[index].output,
            Source::Image => {
                let [height, width, channels] = self.input;
                Shape::Map {
                    height,
                    width,
                    channels,
                }
            }
        }
    }

    fn channels(&self, node: &Node) -> usize {
        self.shape(self.value(node.inputs[0])).channels()
    }

    fn window(&self, node: &Node, sides: [usize; 2], strides: [usize; 2], padding: Padding) -> Window {
        let pads = match (padding, self.shape(self.value(node.inputs[0]))) {
            (Padding::Same, Shape::Map { height, width, .. }) => {
                let [top, bottom] = same_padding(height, sides[0], strides[0]);
                let [left, right] = same_padding(width, sides[1], strides[1]);
                [top, left, bottom, right]
            }
            _ => [0; 4],
        };
        Window { sides, strides, pads }
    }
}

/// What `same` puts before and after `size` values: an odd one goes after.
fn same_padding(size: usize, window: usize, stride: usize) -> [usize; 2] {
    let positions = size.div_ceil(stride);
    let total = ((positions - 1) * stride + window).saturating_sub(size);
    [total / 2, total - total / 2]
}

/// A convolution from Keras' kernel: height, width, in, out. A depthwise kernel (height, width, channels, multiplier) is
/// one with a single channel in, because channel out `c * multiplier + m` is what its last two axes count together.
fn convolution(
    kernel: Vec<f32>,
    bias: Vec<f32>,
    [out, channels]: [usize; 2],
    groups: usize,
    window: Window,
) -> Kind {
    let [height, width] = window.sides;
    let area = height * width;
    let mut weight = vec![0.0; kernel.len()];
    for (index, value) in kernel.into_iter().enumerate() {
        let (place, pair) = (index / (channels * out), index % (channels * out));
        let (channel, filter) = (pair / out, pair % out);
        weight[(filter * channels + channel) * area + place] = value;
    }
    Kind::Convolution(Convolution {
        shape: [out, channels, height, width],
        weight,
        bias,
        groups,
        window,
    })
}

/// A batch normalization with moving statistics as `factor * x + offset`.
fn affine(layer: &BatchNormalization, mut parameters: Vec<Vec<f32>>) -> (Vec<f64>, Vec<f64>) {
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
    // Gamma and beta if there are any, mean, variance.
    let variance = wide(parameters.pop().unwrap_or_default());
    let mean = wide(parameters.pop().unwrap_or_default());
    let mut first = parameters.into_iter().map(wide);
    let gamma = if layer.scale { first.next() } else { None };
    let beta = if layer.center { first.next() } else { None };
    let gamma = gamma.unwrap_or_else(|| vec![1.0; mean.len()]);
    let beta = beta.unwrap_or_else(|| vec![0.0; mean.len()]);
    let epsilon = f64::from(layer.epsilon);
    let factor: Vec<f64> = gamma
        .iter()
        .zip(&variance)
        .map(|(gamma, variance)| gamma / (variance + epsilon).sqrt())
        .collect();
    let offset = beta.iter().zip(&mean).zip(&factor);
    let offset = offset.map(|((beta, mean), factor)| beta - mean * factor);
    (factor.clone(), offset.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_model::{Rung, RungCatalog};

    /// The operations of a rung made of `layers`, with every parameter 1 to n.
    fn lowered(layers: &str) -> Graph {
        let toml = format!(
            "name = \"t\"\nchange = \"t\"\nlayers = [{layers}, {{ layer = \"GlobalAveragePooling2D\" }}, \
             {{ layer = \"Dense\", units = \"classes\", activation = \"softmax\" }}]\n\
             [input]\nsize = 9\n[training]\nepochs = 1\n[optimizer]\ntype = \"adam\"\n"
        );
        let rung = Rung::from_toml(&toml, "t.toml", &RungCatalog::shipped()).unwrap();
        let network = rung.network(9, 3).unwrap();
        let specs = network.nodes.iter().flat_map(|node| &node.parameters);
        let arrays = specs.map(|spec| {
            let values = (1..=spec.count()).map(|value| value as f32).collect();
            Array::new(&spec.name, spec.shape.clone(), values)
        });
        let arrays = arrays.collect();
        lower(&network, arrays)
    }

    fn names(graph: &Graph) -> Vec<&str> {
        graph.ops.iter().map(|op| op.name.as_str()).collect()
    }

    const HEAD: [&str; 3] = ["global_average_pooling2d", "dense", "dense/softmax"];

    #[test]
    fn batch_normalization_goes_into_the_weights_before_it() {
        let graph = lowered(
            r#"{ layer = "Conv2D", filters = 2, kernel_size = 1 }, { layer = "Dropout", rate = 0.5 },
               { layer = "BatchNormalization" }, { layer = "Activation", activation = "relu" }"#,
        );
        assert_eq!(names(&graph), [&["conv2d", "activation"], &HEAD[..]].concat());
        let Kind::Convolution(layer) = &graph.ops[0].kind else {
            panic!("{:?}", graph.ops[0])
        };
        // gamma 1, 2; beta 1, 2; mean 1, 2; variance 1, 2, and epsilon.
        let factors = [1.0 / 1.001_f64.sqrt(), 2.0 / 2.001_f64.sqrt()];
        let kernel = [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]];
        let expected = kernel
            .iter()
            .zip(factors)
            .flat_map(|(row, factor)| row.map(|w| (w * factor) as f32));
        assert_eq!(layer.weight, expected.collect::<Vec<f32>>());
        // The bias is the mean, so that beta remains.
        assert_eq!(layer.bias, [1.0, 2.0]);
    }

    #[test]
    fn a_value_that_others_read_keeps_its_normalization_apart() {
        let graph = lowered(
            r#"{ layer = "Conv2D", filters = 2, kernel_size = 1, name = "a" },
               { layer = "BatchNormalization", name = "b" }, { layer = "Add", inputs = ["a", "b"] }"#,
        );
        assert_eq!(names(&graph), [&["a", "b", "add"], &HEAD[..]].concat());
        assert!(matches!(graph.ops[1].kind, Kind::Scale { .. }));
        let graph = lowered(
            r#"{ layer = "Conv2D", filters = 2, kernel_size = 1, activation = "relu" }, { layer = "BatchNormalization" }"#,
        );
        let expected = ["conv2d", "conv2d/relu", "batch_normalization"];
        assert_eq!(names(&graph), [&expected, &HEAD[..]].concat());
    }

    #[test]
    fn the_odd_pad_of_same_is_at_the_bottom_and_right() {
        let graph = lowered(
            r#"{ layer = "Conv2D", filters = 1, kernel_size = [2, 4], strides = [2, 3], padding = "same" }"#,
        );
        let Kind::Convolution(layer) = &graph.ops[0].kind else {
            panic!("{:?}", graph.ops[0])
        };
        // 9 rows: 5 positions reach 10; 9 columns: 3 positions reach 10.
        assert_eq!(layer.window.pads, [0, 0, 1, 1]);
        assert_eq!(same_padding(11, 5, 1), [2, 2]);
        assert_eq!(same_padding(8, 1, 3), [0, 0]);
    }

    #[test]
    fn kernels_change_their_layout() {
        let graph = lowered(r#"{ layer = "DepthwiseConv2D", kernel_size = [1, 2], depth_multiplier = 2 }"#);
        let Kind::Convolution(layer) = &graph.ops[0].kind else {
            panic!("{:?}", graph.ops[0])
        };
        assert_eq!((layer.shape, layer.groups), ([6, 1, 1, 2], 3));
        // Keras: place by place, channel by channel, multiple by multiple.
        assert_eq!(layer.weight, [1., 7., 2., 8., 3., 9., 4., 10., 5., 11., 6., 12.]);
    }
}
