//! One pass of a batch of photos through a network: the meaning of each layer, in terms of [`crate::ops`].

use crate::ops::{self, BatchNorm, Window};
use crate::random::Stream;
use burn::tensor::Tensor;
use stepladder_model::{Activation, BatchNormalization, Layer, Network, Node, Source};

/// What a pass is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// Moving statistics, no dropout.
    Inference,
    /// Statistics of the batch, dropout with masks drawn from this seed and step.
    Training { seed: u64, step: u64 },
}

/// The outcome of a pass.
pub(crate) struct Pass {
    /// Scores before the softmax, `[N, classes]`.
    pub logits: Tensor<2>,
    /// New values of moving statistics, by parameter index; empty in inference.
    pub statistics: Vec<(usize, Tensor<1>)>,
}

/// What flows along an edge of the network.
#[derive(Clone)]
enum Value {
    /// Feature maps, `[N, H, W, C]`.
    Map(Tensor<4>),
    /// Feature vectors, `[N, units]`.
    Vector(Tensor<2>),
}

/// Runs `images` `[N, H, W, 3]` through `network`.
///
/// `parameters` holds the flat values of every parameter, in the order of the network's nodes.
///
/// # Panics
///
/// If the images or parameters are not of the network's shapes: [`Network`]'s construction has checked the rest.
pub(crate) fn forward(network: &Network, parameters: &[Tensor<1>], images: Tensor<4>, mode: Mode) -> Pass {
    let mut uses_left = count_uses(network);
    let mut values: Vec<Option<Value>> = vec![None; network.nodes.len()];
    let mut statistics = Vec::new();
    let mut first_parameter = 0;
    let last = network.nodes.len() - 1;
    for (index, node) in network.nodes.iter().enumerate() {
        let inputs = node.inputs.iter().map(|source| match *source {
            Source::Image => Value::Map(images.clone()),
            Source::Node(from) => {
                uses_left[from] -= 1;
                // The last reader takes the value itself, which frees it, or lets it be changed in place.
                let value = if uses_left[from] == 0 {
                    values[from].take()
                } else {
                    values[from].clone()
                };
                value.expect("nodes are in topological order")
            }
        });
        let inputs: Vec<Value> = inputs.collect();
        let mut layer = LayerPass {
            node,
            parameters: Parameters {
                node,
                values: &parameters[first_parameter..],
            },
            first_parameter,
            is_head: index == last,
            mode,
            node_index: index,
            statistics: &mut statistics,
        };
        values[index] = Some(layer.run(inputs));
        first_parameter += node.parameters.len();
    }
    match values[last].take() {
        Some(Value::Vector(logits)) => Pass { logits, statistics },
        _ => panic!("a network ends in a vector of logits"),
    }
}

/// How many nodes read each node's output; the last node's is read by the caller.
fn count_uses(network: &Network) -> Vec<usize> {
    let mut uses = vec![0; network.nodes.len()];
    for source in network.nodes.iter().flat_map(|node| &node.inputs) {
        if let Source::Node(from) = *source {
            uses[from] += 1;
        }
    }
    uses
}

/// The parameters of one node, by position, in their own shapes.
#[derive(Clone, Copy)]
struct Parameters<'a> {
    node: &'a Node,
    values: &'a [Tensor<1>],
}

impl Parameters<'_> {
    /// The parameter at `position` in its own shape.
    fn get<const D: usize>(self, position: usize) -> Tensor<D> {
        let shape: [usize; D] = self.node.parameters[position]
            .shape
            .as_slice()
            .try_into()
            .expect("rank");
        self.values[position].clone().reshape(shape)
    }

    /// The bias at `position`, where the layer has one.
    fn bias(self, position: usize) -> Option<Tensor<1>> {
        (position < self.node.parameters.len()).then(|| self.values[position].clone())
    }
}

/// One node within one pass.
struct LayerPass<'a> {
    node: &'a Node,
    parameters: Parameters<'a>,
    first_parameter: usize,
    is_head: bool,
    mode: Mode,
    node_index: usize,
    statistics: &'a mut Vec<(usize, Tensor<1>)>,
}

impl LayerPass<'_> {
    fn run(&mut self, mut inputs: Vec<Value>) -> Value {
        let parameters = self.parameters;
        let x = inputs.swap_remove(0);
        match &self.node.layer {
            Layer::Conv2D(layer) => {
                let window = Window::new(layer.kernel_size, layer.strides, layer.padding);
                let y = ops::conv2d(x.map(), parameters.get(0), parameters.bias(1), window);
                self.activate(Value::Map(y), layer.activation)
            }
            Layer::DepthwiseConv2D(layer) => {
                let window = Window::new(layer.kernel_size, layer.strides, layer.padding);
                let y = ops::depthwise_conv2d(x.map(), parameters.get(0), parameters.bias(1), window);
                self.activate(Value::Map(y), layer.activation)
            }
            Layer::SeparableConv2D(layer) => {
                let window = Window::new(layer.kernel_size, layer.strides, layer.padding);
                let pointwise = Window::new([1, 1], [1, 1], layer.padding);
                let y = ops::depthwise_conv2d(x.map(), parameters.get(0), None, window);
                let y = ops::conv2d(y, parameters.get(1), parameters.bias(2), pointwise);
                self.activate(Value::Map(y), layer.activation)
            }
            Layer::Dense(layer) => {
                let y = ops::dense(x.vector(), parameters.get(0), parameters.bias(1));
                self.activate(Value::Vector(y), layer.activation)
            }
            Layer::BatchNormalization(layer) => self.batch_normalization(x, layer),
            Layer::Activation(function) => self.activate(x, *function),
            Layer::LeakyReLU(layer) => self.activate(
                x,
                Activation::LeakyRelu {
                    negative_slope: layer.negative_slope,
                },
            ),
            Layer::MaxPooling2D(layer) => {
                let window = Window::new(layer.pool_size, layer.strides, layer.padding);
                Value::Map(ops::max_pool(x.map(), window))
            }
            Layer::AveragePooling2D(layer) => {
                let window = Window::new(layer.pool_size, layer.strides, layer.padding);
                Value::Map(ops::average_pool(x.map(), window))
            }
            Layer::GlobalAveragePooling2D => Value::Vector(ops::global_average_pool(x.map())),
            Layer::Flatten => Value::Vector(x.rows()),
            Layer::Dropout(layer) => match self.mode {
                Mode::Inference => x,
                Mode::Training { seed, step } => {
                    let mut stream = Stream::new(seed, &format!("dropout {}", self.node_index), step);
                    match x {
                        Value::Map(x) => Value::Map(ops::dropout(x, layer.rate, &mut stream)),
                        Value::Vector(x) => Value::Vector(ops::dropout(x, layer.rate, &mut stream)),
                    }
                }
            },
            Layer::Add => inputs.into_iter().fold(x, |sum, term| match (sum, term) {
                (Value::Map(a), Value::Map(b)) => Value::Map(a + b),
                (Value::Vector(a), Value::Vector(b)) => Value::Vector(a + b),
                _ => panic!("Add's inputs have one shape"),
            }),
            Layer::RandomRotation(_)
            | Layer::RandomTranslation(_)
            | Layer::RandomZoom(_)
            | Layer::RandomFlip(_)
            | Layer::RandomBrightness(_) => panic!("augmentation layers are the loader's, not the network's"),
        }
    }

    /// Applies an activation; the head's softmax is left to the loss and to `predict`, which work from logits.
    fn activate(&self, x: Value, function: Activation) -> Value {
        if self.is_head && function == Activation::Softmax {
            return x;
        }
        match x {
            Value::Map(x) => Value::Map(ops::activation(x, function)),
            Value::Vector(x) => Value::Vector(ops::activation(x, function)),
        }
    }

    /// Normalizes over all dimensions but the channels, and notes the new moving statistics when training.
    fn batch_normalization(&mut self, x: Value, layer: &BatchNormalization) -> Value {
        let (rows, shape) = x.into_rows();
        let [_, channels] = rows.dims();
        // gamma and beta are there if the layer scales and centers; the moving statistics always are, behind them.
        let center = usize::from(layer.scale);
        let moving = center + usize::from(layer.center);
        let value = |position: usize| self.parameters.values[position].clone();
        let constant = |x: f32| Tensor::full([channels], x, &rows.device());
        let gamma = if layer.scale { value(0) } else { constant(1.0) };
        let beta = if layer.center {
            value(center)
        } else {
            constant(0.0)
        };
        let (mean, variance) = (value(moving), value(moving + 1));
        let y = match self.mode {
            Mode::Inference => ops::batch_norm_inference(
                rows,
                BatchNorm {
                    gamma,
                    beta,
                    mean,
                    variance,
                },
                layer.epsilon,
            ),
            Mode::Training { .. } => {
                let (y, batch_mean, batch_variance) =
                    ops::batch_norm_training(rows, gamma, beta, layer.epsilon);
                let moved = |old: Tensor<1>, new: Tensor<1>| {
                    old.inner() * layer.momentum + new * (1.0 - layer.momentum)
                };
                self.statistics
                    .push((self.first_parameter + moving, moved(mean, batch_mean)));
                self.statistics
                    .push((self.first_parameter + moving + 1, moved(variance, batch_variance)));
                y
            }
        };
        Value::from_rows(y, shape)
    }
}

impl Value {
    fn map(self) -> Tensor<4> {
        match self {
            Value::Map(x) => x,
            Value::Vector(_) => panic!("this layer reads feature maps"),
        }
    }

    fn vector(self) -> Tensor<2> {
        match self {
            Value::Vector(x) => x,
            Value::Map(_) => panic!("this layer reads vectors"),
        }
    }

    /// One row for each photo, in the order H, W, C.
    fn rows(self) -> Tensor<2> {
        match self {
            Value::Map(x) => {
                let [batch, height, width, channels] = x.dims();
                x.reshape([batch, height * width * channels])
            }
            Value::Vector(x) => x,
        }
    }

    /// One row of channels for each position of each photo, and the shape to go back to (none for a vector).
    fn into_rows(self) -> (Tensor<2>, Option<[usize; 4]>) {
        match self {
            Value::Map(x) => {
                let shape @ [batch, height, width, channels] = x.dims();
                (x.reshape([batch * height * width, channels]), Some(shape))
            }
            Value::Vector(x) => (x, None),
        }
    }

    /// The inverse of [`Value::into_rows`].
    fn from_rows(rows: Tensor<2>, shape: Option<[usize; 4]>) -> Value {
        match shape {
            Some(shape) => Value::Map(rows.reshape(shape)),
            None => Value::Vector(rows),
        }
    }
}
