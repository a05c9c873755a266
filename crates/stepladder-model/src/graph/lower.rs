//! From one layer to its operations: which they are, and how they are put into the graph within its limits.

use super::window::Sliding;
use super::{Graph, GraphError, Op, Operation, ParameterId, ParameterSpec, Shape, Source, cost};
use crate::activation::Activation;
use crate::layer::{Layer, Pooling2D};
use crate::place::Place;

/// A layer that is being put into the graph.
pub(super) struct Lowering<'a> {
    pub(super) place: &'a Place,
    /// Keras' class name, for errors.
    pub(super) kind: &'static str,
    /// The layer's name, which its parameters' begin with.
    pub(super) name: &'a str,
    pub(super) graph: &'a mut Graph,
    /// Values of all parameters of the graph so far.
    pub(super) parameters: &'a mut u64,
}

/// What a layer reads.
#[derive(Clone)]
pub(super) struct Input {
    pub(super) source: Source,
    pub(super) shape: Shape,
    /// What errors call it.
    pub(super) name: String,
}

impl Lowering<'_> {
    /// Puts the layer's operations behind those in the graph. Its output is the last of them, or its input where it has
    /// none. There is at least one input.
    pub(super) fn layer(&mut self, layer: &Layer, inputs: &[Input]) -> Result<Source, GraphError> {
        match layer {
            Layer::Conv2D(conv) => self.convolution(conv, self.one(inputs)?),
            Layer::SeparableConv2D(conv) => self.separable(conv, self.one(inputs)?),
            Layer::DepthwiseConv2D(conv) => self.depthwise(conv, self.one(inputs)?),
            Layer::Dense(dense) => self.dense(dense, self.one(inputs)?),
            Layer::BatchNormalization(layer) => self.batch_normalization(layer, self.one(inputs)?),
            Layer::LayerNormalization(layer) => self.layer_normalization(layer, self.one(inputs)?),
            Layer::Scale(layer) => self.scale(layer, self.one(inputs)?),
            Layer::Normalization(layer) => self.normalization(layer, self.one(inputs)?),
            Layer::Activation(activation) => self.activation(*activation, self.one(inputs)?),
            Layer::LeakyReLU(layer) => {
                let negative_slope = layer.negative_slope;
                self.activation(Activation::LeakyRelu { negative_slope }, self.one(inputs)?)
            }
            Layer::MaxPooling2D(pooling) => self.pooling(pooling, Op::MaxPooling, self.one(inputs)?),
            Layer::AveragePooling2D(pooling) => self.pooling(pooling, Op::AveragePooling, self.one(inputs)?),
            Layer::BlurPooling2D => self.blur(self.one(inputs)?),
            Layer::GlobalAveragePooling2D(pooling) => {
                self.global_average(pooling.keepdims, self.one(inputs)?)
            }
            Layer::Flatten => self.flatten(self.one(inputs)?),
            Layer::Dropout(layer) => self.same_shape(Op::Dropout { rate: layer.rate }, self.one(inputs)?),
            Layer::StochasticDepth(layer) => {
                self.same_shape(Op::StochasticDepth { rate: layer.rate }, self.one(inputs)?)
            }
            Layer::Add => self.add(inputs),
            Layer::Multiply => self.multiply(inputs),
            Layer::Concatenate => self.concatenate(inputs),
            Layer::Augmentation(_) => Err(GraphError::AugmentationNotAtHead {
                place: self.place.clone(),
                layer: self.kind,
            }),
        }
    }

    /// A function behind `input`; none where it is linear.
    pub(super) fn activation(&mut self, activation: Activation, input: &Input) -> Result<Source, GraphError> {
        if activation == Activation::Linear {
            return Ok(input.source);
        }
        self.same_shape(Op::Activation(activation), input)
    }

    /// An operation that keeps the shape.
    pub(super) fn same_shape(&mut self, op: Op, input: &Input) -> Result<Source, GraphError> {
        self.push(op, vec![input.source], input.shape, 0)
    }

    fn pooling(
        &mut self,
        pooling: &Pooling2D,
        op: fn(super::Window) -> Op,
        input: &Input,
    ) -> Result<Source, GraphError> {
        let sliding = Sliding {
            size: pooling.pool_size,
            strides: pooling.strides,
            padding: pooling.padding,
            key: "pool_size",
        };
        let (window, [height, width]) = self.place_window(input.shape, &sliding)?;
        let output = Shape::Map {
            height,
            width,
            channels: input.shape.channels(),
        };
        self.push(op(window), vec![input.source], output, 0)
    }

    fn blur(&mut self, input: &Input) -> Result<Source, GraphError> {
        let sides = self.map(input.shape)?;
        // One pixel has no neighbor to be reflected.
        if sides.into_iter().any(|side| side < 2) {
            return Err(GraphError::TooSmallToBlur {
                place: self.place.clone(),
                layer: self.kind,
                shape: input.shape,
                size: self.graph.image_size(),
            });
        }
        let [height, width] = sides.map(|side| side.div_ceil(2));
        let output = Shape::Map {
            height,
            width,
            channels: input.shape.channels(),
        };
        self.push(Op::BlurPooling, vec![input.source], output, 0)
    }

    fn global_average(&mut self, keepdims: bool, input: &Input) -> Result<Source, GraphError> {
        self.map(input.shape)?;
        let channels = input.shape.channels();
        let output = if keepdims {
            Shape::Map {
                height: 1,
                width: 1,
                channels,
            }
        } else {
            Shape::Vector { units: channels }
        };
        self.push(Op::GlobalAveragePooling, vec![input.source], output, 0)
    }

    fn flatten(&mut self, input: &Input) -> Result<Source, GraphError> {
        if input.shape.sides().is_none() {
            return Ok(input.source);
        }
        let units = usize::try_from(input.shape.count());
        let units = units.map_err(|_| self.too_large("a vector too long".to_owned()))?;
        self.push(Op::Flatten, vec![input.source], Shape::Vector { units }, 0)
    }

    /// Puts an operation into the graph.
    pub(super) fn push(
        &mut self,
        op: Op,
        inputs: Vec<Source>,
        output: Shape,
        multiply_adds: u64,
    ) -> Result<Source, GraphError> {
        self.check_size(output)?;
        self.graph.operations.push(Operation {
            op,
            inputs,
            output,
            layer: self.graph.layers.len(),
            multiply_adds,
        });
        Ok(Source::Operation(self.graph.operations.len() - 1))
    }

    /// Later layers multiply a shape's sides, so that none may be too large for the products.
    pub(super) fn check_size(&self, output: Shape) -> Result<(), GraphError> {
        match output.checked_count() {
            Some(count) if count <= cost::LIMIT => Ok(()),
            _ => Err(self.too_large(format!("an output of more than {} values per photo", cost::LIMIT))),
        }
    }

    /// Puts a parameter of the layer into the graph.
    pub(super) fn parameter(&mut self, parameter: ParameterSpec) -> Result<ParameterId, GraphError> {
        *self.parameters = cost::add_parameter(*self.parameters, &parameter.shape)
            .ok_or_else(|| self.too_large(format!("more than {} parameters", cost::LIMIT)))?;
        self.graph.parameters.push(parameter);
        Ok(ParameterId(self.graph.parameters.len() - 1))
    }

    /// The full name of a parameter: `conv2d_1/kernel`.
    pub(super) fn parameter_name(&self, weight: &str) -> String {
        format!("{}/{weight}", self.name)
    }

    /// The only input of a layer that takes one.
    fn one<'i>(&self, inputs: &'i [Input]) -> Result<&'i Input, GraphError> {
        match inputs {
            [input] => Ok(input),
            _ => Err(GraphError::TooManyInputs {
                place: self.place.clone(),
                layer: self.kind,
                count: inputs.len(),
            }),
        }
    }

    /// Height and width of a map.
    pub(super) fn map(&self, input: Shape) -> Result<[usize; 2], GraphError> {
        match input {
            Shape::Map { height, width, .. } => Ok([height, width]),
            Shape::Vector { units } => Err(GraphError::NeedsMap {
                place: self.place.clone(),
                layer: self.kind,
                units,
            }),
        }
    }

    /// Files have no zeros here; layers that were built in code may.
    pub(super) fn positive(&self, value: usize, key: &'static str) -> Result<usize, GraphError> {
        if value == 0 {
            return Err(GraphError::Zero {
                place: self.place.clone(),
                layer: self.kind,
                key,
            });
        }
        Ok(value)
    }

    pub(super) fn too_large(&self, what: String) -> GraphError {
        GraphError::TooLarge {
            place: self.place.clone(),
            layer: self.kind,
            what,
        }
    }
}
