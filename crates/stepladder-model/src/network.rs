//! A network worked out: a rung's layers for one input size and one number of classes, with every shape, parameter and
//! cost. [`Network::new`] refuses whatever could not be computed or trained, and names the line to mend.

mod cost;
mod error;
mod graph;
mod head;
mod infer;
mod json;
mod names;
mod shape;
mod summary;

use serde::Serialize;

use crate::initializer::Initializer;
use crate::layer::Layer;
use crate::place::Place;
use crate::rung::LayerSpec;

pub use error::NetworkError;
pub(crate) use graph::{LAYER_LIMIT, SIZE_LIMIT};
pub(crate) use names::names;
pub use shape::Shape;

/// A rung's layers, resolved. Nodes are in the order of computation: each takes the image or nodes before it, and the
/// last gives the probabilities of the classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Outputs of the last node.
    pub classes: usize,
    /// Without the `Random*` layers.
    pub nodes: Vec<Node>,
    /// The `Random*` layers at the head of the rung, in order; the loader executes them.
    pub augmentation: Vec<Layer>,
}

/// One computation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique: the rung's name for the layer, or Keras' automatic one (`conv2d`, `conv2d_1`, ..).
    pub name: String,
    /// What it does; the units of a dense layer are always a count here.
    pub layer: Layer,
    /// One source, or two and more for `Add`.
    pub inputs: Vec<Source>,
    /// What it gives, per photo.
    pub output: Shape,
    /// In Keras' order. Convolution, dense: kernel, bias. Depthwise: kernel, bias. Separable: depthwise kernel,
    /// pointwise kernel, bias. Batch normalization: gamma, beta, moving mean, moving variance.
    pub parameters: Vec<ParameterSpec>,
    /// Multiplications with addition, per photo, forward, of convolutions and dense layers; 0 for all others.
    pub multiply_adds: u64,
    /// Where the rung says so.
    pub place: Place,
}

/// Where a node takes its input from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The photo, after augmentation.
    Image,
    /// The output of the node with this index.
    Node(usize),
}

impl Source {
    /// What the node with this index takes unless it names something else.
    fn before(index: usize) -> Source {
        index.checked_sub(1).map_or(Source::Image, Source::Node)
    }
}

/// A parameter before it has values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParameterSpec {
    /// The node's name and Keras' name of the weight: `conv2d_1/kernel`.
    pub name: String,
    /// Keras' layout: convolution (height, width, in, out), depthwise (height, width, in, multiplier), dense (in, out).
    pub shape: Vec<usize>,
    /// How it gets its first values.
    #[serde(serialize_with = "initializer_name")]
    pub initializer: Initializer,
    /// As Keras' `compute_fans` has it, which for a depthwise kernel is too large by the number of channels unless the
    /// layer has [`DepthwiseFanIn::PerChannel`](crate::DepthwiseFanIn).
    pub fan_in: usize,
    /// As Keras' `compute_fans` has it.
    pub fan_out: usize,
    /// False for the moving mean and variance of batch normalization.
    pub trainable: bool,
}

fn initializer_name<S: serde::Serializer>(
    initializer: &Initializer,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(initializer.name())
}

impl ParameterSpec {
    /// Number of values.
    pub fn count(&self) -> u64 {
        self.shape.iter().map(|&side| side as u64).product()
    }
}

impl Node {
    /// Number of parameter values, trainable or not.
    pub fn parameter_count(&self) -> u64 {
        self.parameters.iter().map(ParameterSpec::count).sum()
    }
}

impl Network {
    /// Works out `layers` for square photos of `size` pixels a side with three channels, and `classes` classes.
    ///
    /// # Errors
    ///
    /// Names the first layer that cannot be as it is written, and what to write instead.
    pub fn new(layers: &[LayerSpec], size: usize, classes: usize) -> Result<Network, NetworkError> {
        graph::resolve(layers, size, classes)
    }

    /// Number of parameter values, trainable or not.
    pub fn parameter_count(&self) -> u64 {
        self.nodes.iter().map(Node::parameter_count).sum()
    }

    /// Number of parameter values that the optimizer moves.
    pub fn trainable_parameter_count(&self) -> u64 {
        let parameters = self.nodes.iter().flat_map(|node| &node.parameters);
        parameters
            .filter(|parameter| parameter.trainable)
            .map(ParameterSpec::count)
            .sum()
    }

    /// Multiplications with addition, per photo, forward.
    pub fn multiply_adds(&self) -> u64 {
        self.nodes.iter().map(|node| node.multiply_adds).sum()
    }

    /// Index of the node whose activation is the final softmax: a `Dense` that has it, or an `Activation` layer. What
    /// enters that softmax are the logits.
    pub fn output(&self) -> usize {
        self.nodes.len().saturating_sub(1)
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }
}
