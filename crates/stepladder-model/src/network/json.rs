//! A network for programs, as `--json` prints it: inputs by name, shapes as lists, with the sums at the end.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::{Network, ParameterSpec, Shape, Source};
use crate::layer::Layer;

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
struct NodeJson<'a> {
    name: &'a str,
    layer: &'a Layer,
    inputs: Vec<&'a str>,
    output: Shape,
    parameters: &'a [ParameterSpec],
    multiply_adds: u64,
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nodes = self.nodes.iter().map(|node| NodeJson {
            name: &node.name,
            layer: &node.layer,
            inputs: node
                .inputs
                .iter()
                .map(|source| self.source_name(*source))
                .collect(),
            output: node.output,
            parameters: &node.parameters,
            multiply_adds: node.multiply_adds,
        });
        let mut json = serializer.serialize_struct("Network", 7)?;
        json.serialize_field("input", &self.input)?;
        json.serialize_field("classes", &self.classes)?;
        json.serialize_field("augmentation", &self.augmentation)?;
        json.serialize_field("nodes", &nodes.collect::<Vec<_>>())?;
        json.serialize_field("parameters", &self.parameter_count())?;
        json.serialize_field("trainable_parameters", &self.trainable_parameter_count())?;
        json.serialize_field("multiply_adds", &self.multiply_adds())?;
        json.end()
    }
}

impl Network {
    /// How the rung and the summary call a source.
    pub(super) fn source_name(&self, source: Source) -> &str {
        match source {
            Source::Image => "image",
            Source::Node(index) => self.nodes.get(index).map_or("", |node| node.name.as_str()),
        }
    }
}
