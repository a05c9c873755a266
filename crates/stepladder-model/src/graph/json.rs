//! A graph for programs: layers and operations with their inputs by name, shapes as lists, and the sums at the end.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeStruct, Serializer};

use super::{Graph, Op, ParameterSpec, Shape, Source};
use crate::activation::Activation;

/// A list of sides: `[height, width, channels]` or `[units]`.
impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Shape::Map {
                height,
                width,
                channels,
            } => [height, width, channels].serialize(serializer),
            Shape::Vector { units } => [units].serialize(serializer),
        }
    }
}

#[derive(Serialize)]
struct LayerJson<'a> {
    name: &'a str,
    kind: &'a str,
    inputs: Vec<&'a str>,
    output: Shape,
    parameters: Vec<&'a ParameterSpec>,
    multiply_adds: u64,
}

#[derive(Serialize)]
struct OperationJson<'a> {
    name: String,
    layer: &'a str,
    #[serde(flatten)]
    op: Options<'a>,
    inputs: Vec<String>,
    output: Shape,
    parameters: Vec<&'a str>,
    multiply_adds: u64,
}

/// What an operation is, without its parameters.
struct Options<'a>(&'a Op);

impl Serialize for Options<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_map(None)?;
        json.serialize_entry("op", self.0.name())?;
        if let Some(window) = self.0.window() {
            json.serialize_entry("size", &window.size)?;
            json.serialize_entry("strides", &window.strides)?;
            json.serialize_entry("padding", &window.padding)?;
        }
        match self.0 {
            Op::Convolution { groups, .. } => json.serialize_entry("groups", groups)?,
            Op::DepthwiseConvolution { multiplier, .. } => json.serialize_entry("multiplier", multiplier)?,
            Op::BatchNormalization {
                momentum, epsilon, ..
            } => {
                json.serialize_entry("momentum", momentum)?;
                json.serialize_entry("epsilon", epsilon)?;
            }
            Op::LayerNormalization { epsilon, .. } => json.serialize_entry("epsilon", epsilon)?,
            Op::Normalization { mean, variance } => {
                json.serialize_entry("mean", mean)?;
                json.serialize_entry("variance", variance)?;
            }
            Op::Activation(activation) => {
                json.serialize_entry("activation", activation.name())?;
                if let Activation::LeakyRelu { negative_slope } = activation {
                    json.serialize_entry("negative_slope", negative_slope)?;
                }
            }
            Op::Dropout { rate } | Op::StochasticDepth { rate } => json.serialize_entry("rate", rate)?,
            Op::Dense { .. }
            | Op::Scale { .. }
            | Op::MaxPooling(_)
            | Op::AveragePooling(_)
            | Op::BlurPooling
            | Op::GlobalAveragePooling
            | Op::Flatten
            | Op::Add
            | Op::Multiply
            | Op::Concatenate => {}
        }
        json.end()
    }
}

impl Graph {
    fn layer_json(&self, layer: usize) -> LayerJson<'_> {
        let inputs = self.layer_inputs(layer).into_iter();
        let parameters = self.layer_parameters(layer).into_iter();
        LayerJson {
            name: &self.layers[layer].name,
            kind: self.layers[layer].kind,
            inputs: inputs.map(|source| self.source_name(source)).collect(),
            output: self.layer_output(layer),
            parameters: parameters.map(|id| self.parameter(id)).collect(),
            multiply_adds: self.layer_multiply_adds(layer),
        }
    }

    fn operation_json(&self, index: usize) -> OperationJson<'_> {
        let operation = &self.operations[index];
        let name = |source: &Source| match *source {
            Source::Image => self.source_name(Source::Image).to_owned(),
            Source::Operation(index) => self.operation_name(index),
        };
        let parameters = operation.op.parameters().into_iter();
        OperationJson {
            name: self.operation_name(index),
            layer: &self.layers[operation.layer].name,
            op: Options(&operation.op),
            inputs: operation.inputs.iter().map(name).collect(),
            output: operation.output,
            parameters: parameters.map(|id| self.parameter(id).name.as_str()).collect(),
            multiply_adds: operation.multiply_adds,
        }
    }
}

impl Serialize for Graph {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let layers: Vec<_> = (0..self.layers.len())
            .map(|layer| self.layer_json(layer))
            .collect();
        let operations = 0..self.operations.len();
        let operations: Vec<_> = operations.map(|index| self.operation_json(index)).collect();
        let mut json = serializer.serialize_struct("Graph", 8)?;
        json.serialize_field("input", &self.input)?;
        json.serialize_field("classes", &self.classes)?;
        json.serialize_field("augmentation", &self.augmentation)?;
        json.serialize_field("layers", &layers)?;
        json.serialize_field("operations", &operations)?;
        json.serialize_field("parameters", &self.parameter_count())?;
        json.serialize_field("trainable_parameters", &self.trainable_parameter_count())?;
        json.serialize_field("multiply_adds", &self.multiply_adds())?;
        json.end()
    }
}
