//! One pass of a batch of photos through a network: the steps of its plan, in terms of [`crate::ops`].

mod features;
mod last_map;

pub(crate) use features::features;
pub(crate) use last_map::{Mapped, through_last_map};

use crate::ops::{self, Next, Norm, NormStatistics, Packed, Tail, Weights, Window, WithStatistics};
use crate::plan::{Epilogue, Plan, Step};
use crate::precision::Precision;
use crate::profile;
use crate::random::Stream;
use burn::tensor::Tensor;
use stepladder_model::{Activation, BatchNormalization, Layer, Network, Node, Source};

/// What a pass is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// Moving statistics, no dropout.
    Inference,
    /// The same with gradients. Kernels take a recorded batch norm to be one of training, whose statistics have gradients of
    /// their own, so that Burn's operations compute it here.
    Explanation,
    /// Statistics of the batch, dropout with masks drawn from this seed and step, and from the number of the batch's piece.
    Training { seed: u64, step: u64, piece: usize },
    /// Statistics of the batch, no dropout.
    BatchStatistics,
}

impl Mode {
    fn uses_the_batch(self) -> bool {
        matches!(self, Mode::Training { .. } | Mode::BatchStatistics)
    }
}

/// The outcome of a pass.
pub(crate) struct Pass {
    /// Scores before the softmax, `[N, classes]`, f32.
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

/// Runs `images` `[N, H, W, 3]` through `network`, whose plan is `plan`. Activations are stored as `images` are, but the last
/// layer is f32.
///
/// # Panics
///
/// If the images or parameters are not of the network's shapes: [`Network`]'s construction has checked the rest.
pub(crate) fn forward(
    network: &Network,
    plan: &Plan,
    values: Values<'_>,
    images: Tensor<4>,
    mode: Mode,
) -> Pass {
    forward_watched(network, plan, values, images, mode, &mut |_, _| {})
}

/// As [`forward`], telling `watch` of each node's value as it is computed: the index of the node, and the value `[N, ..]`
/// with all but its first dimension in the second, channels innermost.
pub(crate) fn forward_watched(
    network: &Network,
    plan: &Plan,
    values: Values<'_>,
    images: Tensor<4>,
    mode: Mode,
    watch: &mut dyn FnMut(usize, &dyn Fn() -> Tensor<2>),
) -> Pass {
    let mut pass = Walk::new(network, plan, values, images, mode);
    for step in &plan.steps {
        pass.step(step);
        let index = match step {
            Step::Node { index, .. } => *index,
            Step::Epilogue(epilogue) => epilogue.output,
            Step::Activated { output, .. } => *output,
        };
        if let Some(value) = &pass.values[index] {
            watch(index, &|| value.clone().rows());
        }
    }
    match pass.values.pop().flatten() {
        Some(Value::Vector(logits)) => Pass {
            logits: ops::convert(logits, Precision::F32),
            statistics: pass.moved,
        },
        _ => panic!("a network ends in a vector of logits"),
    }
}

/// A pass under way.
struct Walk<'a> {
    network: &'a Network,
    parameters: Vec<Parameters<'a>>,
    images: Tensor<4>,
    mode: Mode,
    /// Each node's value, while somebody is still to read it.
    values: Vec<Option<Value>>,
    readers: Vec<usize>,
    /// The mean and variance of a node's value, where it left them.
    statistics: Vec<Option<[Tensor<1>; 2]>>,
    moved: Vec<(usize, Tensor<1>)>,
}

/// What a pass computes with: the flat values of every parameter, in the order of the network's nodes, and, where that was
/// done beforehand, some of them packed.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    pub parameters: &'a [Tensor<1>],
    /// One for each parameter, or none at all.
    pub packed: &'a [Option<Packed>],
}

impl<'a> From<&'a [Tensor<1>]> for Values<'a> {
    fn from(parameters: &'a [Tensor<1>]) -> Values<'a> {
        Values {
            parameters,
            packed: &[],
        }
    }
}

/// The parameters of one node, by position, in their own shapes.
#[derive(Clone, Copy)]
struct Parameters<'a> {
    node: &'a Node,
    values: &'a [Tensor<1>],
    packed: &'a [Option<Packed>],
    /// The index of the first among all parameters.
    first: usize,
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

    /// The weights at `position`, packed if they were.
    fn weights<const D: usize>(self, position: usize) -> Weights<D> {
        Weights {
            values: self.get(position),
            packed: self.packed.get(position).cloned().flatten(),
        }
    }

    /// The bias at `position`, where the layer has one.
    fn bias(self, position: usize) -> Option<Tensor<1>> {
        self.values.get(position).cloned()
    }
}

impl<'a> Walk<'a> {
    fn new(network: &'a Network, plan: &Plan, values: Values<'a>, images: Tensor<4>, mode: Mode) -> Walk<'a> {
        let count = network.nodes.len();
        let mut first = 0;
        let own = network.nodes.iter().map(|node| {
            let from = first;
            first += node.parameters.len();
            Parameters {
                node,
                values: &values.parameters[from..first],
                packed: values.packed.get(from..first).unwrap_or_default(),
                first: from,
            }
        });
        Walk {
            network,
            parameters: own.collect(),
            images,
            mode,
            values: vec![None; count],
            readers: plan.readers.clone(),
            statistics: vec![None; count],
            moved: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Node {
                index,
                statistics,
                bare,
            } => {
                let _layer = profile::Layer::of(*index).enter();
                let next = match *statistics && self.mode.uses_the_batch() {
                    true => Next::BatchNorm,
                    false => Next::Other,
                };
                let value = self.node(*index, next, *bare);
                self.values[*index] = Some(value);
            }
            Step::Activated {
                index,
                activation,
                output,
            } => {
                let _layer = profile::Layer::of(*index).enter();
                let value = self.node(*index, Next::Activation(*activation), true);
                self.values[*output] = Some(value);
            }
            Step::Epilogue(epilogue) => {
                let _layer = profile::Layer::of(epilogue.output).enter();
                let value = self.epilogue(epilogue);
                self.values[epilogue.output] = Some(value);
            }
        }
    }

    /// The value of `source` for one of its readers. The last takes the value itself, which frees it.
    fn read(&mut self, source: Source) -> Value {
        let Source::Node(from) = source else {
            return Value::Map(self.images.clone());
        };
        let value = self.values[from].take().expect("steps are in topological order");
        self.readers[from] = self.readers[from].saturating_sub(1);
        if self.readers[from] == 0 {
            return value;
        }
        let (value, rest) = value.fork();
        self.values[from] = Some(rest);
        value
    }

    /// The value of a node; without its own activation where that is `bare`, and with what it does for `next`.
    fn node(&mut self, index: usize, next: Next, bare: bool) -> Value {
        let node = &self.network.nodes[index];
        let is_head = index + 1 == self.network.nodes.len();
        let mut inputs: Vec<Value> = node.inputs.iter().map(|source| self.read(*source)).collect();
        let x = inputs.swap_remove(0);
        let parameters = self.parameters[index];
        let activation = match node.layer.activation() {
            _ if bare => Activation::Linear,
            // The loss and `predict` work from logits.
            Activation::Softmax if is_head => Activation::Linear,
            activation => activation,
        };
        match &node.layer {
            Layer::Conv2D(layer) => {
                let window = Window::new(layer.kernel_size, layer.strides, layer.padding);
                let y = ops::conv2d(x.map(), parameters.weights(0), parameters.bias(1), window, next);
                Value::Map(self.keep(index, y)).activated(activation)
            }
            Layer::DepthwiseConv2D(layer) => {
                let window = Window::new(layer.kernel_size, layer.strides, layer.padding);
                let y = ops::depthwise_conv2d(x.map(), parameters.get(0), parameters.bias(1), window, next);
                Value::Map(self.keep(index, y)).activated(activation)
            }
            Layer::SeparableConv2D(layer) => {
                let window = Window::new(layer.kernel_size, layer.strides, layer.padding);
                let pointwise = Window::new([1, 1], [1, 1], layer.padding);
                let (y, _) = ops::depthwise_conv2d(x.map(), parameters.get(0), None, window, Next::Other);
                let y = ops::conv2d(y, parameters.weights(1), parameters.bias(2), pointwise, next);
                Value::Map(self.keep(index, y)).activated(activation)
            }
            Layer::Dense(_) => {
                let x = x.vector();
                let x = if is_head {
                    ops::convert(x, Precision::F32)
                } else {
                    x
                };
                let y = ops::dense(x, parameters.weights(0), parameters.bias(1), next);
                Value::Vector(self.keep(index, y)).activated(activation)
            }
            Layer::Activation(_) | Layer::LeakyReLU(_) => x.activated(activation),
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
                Mode::Inference | Mode::Explanation | Mode::BatchStatistics => x,
                Mode::Training { seed, step, piece } => {
                    let purpose = match piece {
                        0 => format!("dropout {index}"),
                        piece => format!("dropout {index} of piece {piece}"),
                    };
                    let key = Stream::new(seed, &purpose, step).key();
                    match x {
                        Value::Map(x) => Value::Map(ops::dropout(x, layer.rate, key)),
                        Value::Vector(x) => Value::Vector(ops::dropout(x, layer.rate, key)),
                    }
                }
            },
            Layer::Add => inputs.into_iter().fold(x, |sum, term| match (sum, term) {
                (Value::Map(a), Value::Map(b)) => Value::Map(a + b),
                (Value::Vector(a), Value::Vector(b)) => Value::Vector(a + b),
                _ => panic!("Add's inputs have one shape"),
            }),
            Layer::BatchNormalization(_) => panic!("the plan puts batch normalization into an epilogue"),
            Layer::RandomRotation(_)
            | Layer::RandomTranslation(_)
            | Layer::RandomZoom(_)
            | Layer::RandomFlip(_)
            | Layer::RandomBrightness(_) => panic!("augmentation layers are the loader's, not the network's"),
        }
    }

    /// Notes the statistics that came with a node's value.
    fn keep<const D: usize>(&mut self, index: usize, (y, statistics): WithStatistics<D>) -> Tensor<D> {
        self.statistics[index] = statistics;
        y
    }

    fn epilogue(&mut self, epilogue: &Epilogue) -> Value {
        let x = match epilogue.input {
            // A layer's own activation: the value is not anybody else's yet.
            Source::Node(from) if from == epilogue.output => {
                self.values[from].take().expect("the node's own step came first")
            }
            source => self.read(source),
        };
        let skip = epilogue.skip.map(|skip| self.read(skip).into_map().0);
        let (x, was_vector) = x.into_map();
        let norm = epilogue.norm.map(|node| {
            let left = match epilogue.input {
                Source::Node(from) => self.statistics[from].take(),
                Source::Image => None,
            };
            self.norm(node, left)
        });
        let tail = Tail {
            activation: epilogue.activation,
            pool: epilogue.pool,
        };
        let (y, statistics) = match self.mode {
            Mode::Explanation if norm.is_some() => ops::composed_epilogue(x, norm, skip, tail),
            _ => ops::epilogue(x, norm, skip, tail),
        };
        if let (Some(node), Some(statistics)) = (epilogue.norm, statistics) {
            self.move_statistics(node, statistics);
        }
        Value::from_map(y, was_vector)
    }

    /// The batch normalization of `node`, on an input that left `statistics`.
    fn norm(&self, node: usize, statistics: Option<[Tensor<1>; 2]>) -> Norm {
        let Layer::BatchNormalization(layer) = &self.network.nodes[node].layer else {
            panic!("the plan names a batch normalization");
        };
        let values = self.parameters[node].values;
        let moving = moving_position(layer);
        let constant = |x: f32| Tensor::full(values[moving].dims(), x, &values[moving].device());
        Norm {
            gamma: if layer.scale {
                values[0].clone()
            } else {
                constant(1.0)
            },
            beta: if layer.center {
                values[usize::from(layer.scale)].clone()
            } else {
                constant(0.0)
            },
            epsilon: layer.epsilon,
            statistics: match self.mode {
                Mode::Training { .. } | Mode::BatchStatistics => NormStatistics::Batch(statistics),
                Mode::Inference | Mode::Explanation => {
                    NormStatistics::Moving([values[moving].clone(), values[moving + 1].clone()])
                }
            },
        }
    }

    /// moving = momentum moving + (1 - momentum) batch, as Keras has it.
    fn move_statistics(&mut self, node: usize, batch: [Tensor<1>; 2]) {
        let Layer::BatchNormalization(layer) = &self.network.nodes[node].layer else {
            return;
        };
        let parameters = self.parameters[node];
        let moving = moving_position(layer);
        for (position, new) in (moving..).zip(batch) {
            let old = parameters.values[position].clone().inner();
            let value = old * layer.momentum + new * (1.0 - layer.momentum);
            self.moved.push((parameters.first + position, value));
        }
    }
}

/// Where the moving mean is among the parameters of a batch normalization; the moving variance is next. Gamma and beta come
/// before, if the layer scales and centers.
fn moving_position(layer: &BatchNormalization) -> usize {
    usize::from(layer.scale) + usize::from(layer.center)
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

    fn activated(self, activation: Activation) -> Value {
        match self {
            Value::Map(x) => Value::Map(ops::activation(x, activation)),
            Value::Vector(x) => Value::Vector(ops::activation(x, activation)),
        }
    }

    fn fork(self) -> (Value, Value) {
        match self {
            Value::Map(x) => {
                let (a, b) = ops::fork(x);
                (Value::Map(a), Value::Map(b))
            }
            Value::Vector(x) => {
                let (a, b) = ops::fork(x);
                (Value::Vector(a), Value::Vector(b))
            }
        }
    }

    /// As maps, a vector as maps of one pixel; and whether it was a vector.
    fn into_map(self) -> (Tensor<4>, bool) {
        match self {
            Value::Map(x) => (x, false),
            Value::Vector(x) => {
                let [batch, units] = x.dims();
                (x.reshape([batch, 1, 1, units]), true)
            }
        }
    }

    /// The inverse of [`Value::into_map`].
    fn from_map(x: Tensor<4>, was_vector: bool) -> Value {
        let map = Value::Map(x);
        if was_vector {
            Value::Vector(map.rows())
        } else {
            map
        }
    }
}
