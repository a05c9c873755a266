//! A rung's layers as operations: what is computed, in order, for one input size and one number of classes, with every
//! shape, padding and parameter worked out. [`Graph::new`] refuses what could not be computed or trained, and names the
//! line to mend; everything below the rung reads the graph, and none of it reads layers.

mod build;
mod cost;
mod error;
mod fold;
mod freeze;
mod head;
mod json;
mod lower;
mod merge;
mod names;
mod normalize;
mod operation;
mod parameter;
mod shape;
mod summary;
mod weights;
mod window;
mod words;

use std::ops::Range;

use crate::augmentation::RandomTransform;
use crate::image_size::ImageSize;
use crate::place::Place;
use crate::rung::LayerSpec;

pub(crate) use build::{LAYER_LIMIT, SIZE_LIMIT};
pub use error::GraphError;
pub use fold::fold_batch_norm;
pub(crate) use names::names;
pub use operation::{Op, Operation, ParameterId, Source, Window};
pub use parameter::ParameterSpec;
pub use shape::Shape;

/// A rung's layers, resolved for one input size and number of classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Values of the last operation's output.
    pub classes: usize,
    /// In order of computation: each reads the image or operations before it. The last is the softmax over the classes.
    pub operations: Vec<Operation>,
    /// In the order of the operations, which is Keras' order. A [`ParameterId`] is an index here.
    pub parameters: Vec<ParameterSpec>,
    /// The rung's layers in its order, without the `Random*` layers.
    pub layers: Vec<GraphLayer>,
    /// The `Random*` layers at the head of the rung, in order; the loader executes them.
    pub augmentation: Vec<RandomTransform>,
}

/// A layer of the rung, which operations come from. Some have none: a linear `Activation`, a `Flatten` of a vector, and in
/// the graph for inference `Dropout`, `StochasticDepth` and folded batch normalization.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphLayer {
    /// Unique: the rung's name for the layer, or Keras' automatic one (`conv2d`, `conv2d_1`, ..).
    pub name: String,
    /// Keras' class name.
    pub kind: &'static str,
    /// Where the rung says so.
    pub place: Place,
    /// What later layers read: the layer's last operation, or the input of a layer without operations.
    pub output: Source,
    /// Whether its batch normalization uses its moving statistics in training, too, and leaves them as they are.
    pub frozen_statistics: bool,
}

impl Graph {
    /// Resolves `layers` for photos of `size` with three channels, and `classes` classes.
    ///
    /// # Errors
    ///
    /// Names the first layer that cannot be as it is written, and what to write instead.
    pub fn new(
        layers: &[LayerSpec],
        size: impl Into<ImageSize>,
        classes: usize,
    ) -> Result<Graph, GraphError> {
        build::build(layers, size.into(), classes)
    }

    /// For each operation, how many inputs of operations read it; one that reads it twice counts twice. 0 for the last.
    pub fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.operations.len()];
        for source in self.operations.iter().flat_map(|operation| &operation.inputs) {
            if let Source::Operation(index) = *source {
                readers[index] += 1;
            }
        }
        readers
    }

    /// Height and width of the input.
    pub fn image_size(&self) -> ImageSize {
        let [height, width, _] = self.input;
        ImageSize { height, width }
    }

    /// The shape of a source's values, per photo.
    ///
    /// # Panics
    ///
    /// If the graph has no such operation.
    pub fn shape(&self, source: Source) -> Shape {
        match source {
            Source::Image => {
                let [height, width, channels] = self.input;
                Shape::Map {
                    height,
                    width,
                    channels,
                }
            }
            Source::Operation(index) => self.operations[index].output,
        }
    }

    /// A parameter by its id.
    ///
    /// # Panics
    ///
    /// If the id is of another graph.
    pub fn parameter(&self, id: ParameterId) -> &ParameterSpec {
        &self.parameters[id.0]
    }

    /// Number of parameter values, trainable or not.
    pub fn parameter_count(&self) -> u64 {
        self.parameters.iter().map(ParameterSpec::count).sum()
    }

    /// Number of parameter values that the optimizer updates.
    pub fn trainable_parameter_count(&self) -> u64 {
        let trainable = self.parameters.iter().filter(|parameter| parameter.trainable);
        trainable.map(ParameterSpec::count).sum()
    }

    /// Multiplications with addition, per photo, forward.
    pub fn multiply_adds(&self) -> u64 {
        self.operations
            .iter()
            .map(|operation| operation.multiply_adds)
            .sum()
    }

    /// Index of the last operation, the softmax.
    pub fn output(&self) -> usize {
        self.operations.len().saturating_sub(1)
    }

    /// The logits: what the final softmax reads.
    pub fn logits(&self) -> Source {
        let last = self.operations.last();
        last.and_then(|softmax| softmax.inputs.first().copied())
            .unwrap_or(Source::Image)
    }

    /// Index of the layer of that name.
    pub fn layer_index(&self, name: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.name == name)
    }

    /// Indices of the operations that come from a layer, which stand side by side.
    pub fn operations_of(&self, layer: usize) -> Range<usize> {
        let first_of = |layer| {
            self.operations
                .partition_point(|operation| operation.layer < layer)
        };
        first_of(layer)..first_of(layer + 1)
    }

    /// Whether the operation is all that its layer does: an activation that stands alone, rather than a layer's own.
    ///
    /// # Panics
    ///
    /// If the graph has no such operation.
    pub fn stands_alone(&self, index: usize) -> bool {
        self.operations_of(self.operations[index].layer).len() == 1
    }

    /// What a layer gives, per photo.
    ///
    /// # Panics
    ///
    /// If there is no such layer; so do the other methods that take one.
    pub fn layer_output(&self, layer: usize) -> Shape {
        self.shape(self.layers[layer].output)
    }

    /// What a layer reads, in the order in which the rung names it.
    pub fn layer_inputs(&self, layer: usize) -> Vec<Source> {
        let own = self.operations_of(layer);
        if own.is_empty() {
            return vec![self.layers[layer].output];
        }
        let inputs = self.operations[own.clone()]
            .iter()
            .flat_map(|operation| &operation.inputs);
        let is_own = |source: &Source| matches!(source, Source::Operation(index) if own.contains(index));
        inputs.copied().filter(|source| !is_own(source)).collect()
    }

    /// Ids of a layer's parameters, in their order.
    pub fn layer_parameters(&self, layer: usize) -> Vec<ParameterId> {
        let operations = &self.operations[self.operations_of(layer)];
        operations
            .iter()
            .flat_map(|operation| operation.op.parameters())
            .collect()
    }

    /// Number of a layer's parameter values, trainable or not.
    pub fn layer_parameter_count(&self, layer: usize) -> u64 {
        let ids = self.layer_parameters(layer).into_iter();
        ids.map(|id| self.parameter(id).count()).sum()
    }

    /// A layer's multiplications with addition, per photo, forward.
    pub fn layer_multiply_adds(&self, layer: usize) -> u64 {
        let operations = &self.operations[self.operations_of(layer)];
        operations.iter().map(|operation| operation.multiply_adds).sum()
    }

    /// How the rung calls a source: the name of its layer, or `image`.
    ///
    /// # Panics
    ///
    /// If the graph has no such operation.
    pub fn source_name(&self, source: Source) -> &str {
        match source {
            Source::Image => names::IMAGE,
            Source::Operation(index) => &self.layers[self.operations[index].layer].name,
        }
    }

    /// A unique name for an operation: its layer's, with the part that it is of it where it is not the main one:
    /// `separable_conv2d/depthwise`, `conv2d/relu`.
    ///
    /// # Panics
    ///
    /// If the graph has no such operation.
    pub fn operation_name(&self, index: usize) -> String {
        let operation = &self.operations[index];
        let GraphLayer {
            name: layer, kind, ..
        } = &self.layers[operation.layer];
        let own = self.operations_of(operation.layer);
        let is_depthwise = matches!(operation.op, Op::DepthwiseConvolution { .. });
        if own.len() == 1 {
            layer.clone()
        } else if let Op::Activation(activation) = &operation.op {
            format!("{layer}/{}", activation.name())
        } else if is_depthwise && *kind == "SeparableConv2D" {
            format!("{layer}/depthwise")
        } else if operation.op == Op::Multiply && index + 1 < own.end {
            // All but the last of a product of more than two inputs.
            format!("{layer}/{}", index - own.start + 1)
        } else {
            layer.clone()
        }
    }
}
