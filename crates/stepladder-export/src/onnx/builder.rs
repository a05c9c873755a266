//! Nodes, stored tensors and names of an ONNX graph as they come, and the model around them at the end.

use super::{INPUT, InputForm, OPSET, OUTPUT};
use crate::proto::{
    AttributeKind, AttributeProto, DataType, DimensionProto, DimensionValue, GraphProto, ModelProto,
    NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};
use std::collections::HashSet;
use stepladder_model::ImageSize;

/// The version of the file's form; opset 17 came with this one.
const IR_VERSION: i64 = 8;

/// A value of a node's attribute.
#[derive(Debug, Clone)]
pub(super) enum Attribute {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
    Text(&'static str),
}

impl Attribute {
    pub fn ints(values: &[usize]) -> Attribute {
        Attribute::Ints(values.iter().map(|&value| value as i64).collect())
    }

    fn named(&self, name: &str) -> AttributeProto {
        let mut attribute = AttributeProto {
            name: name.to_string(),
            ..AttributeProto::default()
        };
        match self {
            Attribute::Float(value) => {
                attribute.set_kind(AttributeKind::Float);
                attribute.f = Some(*value);
            }
            Attribute::Int(value) => {
                attribute.set_kind(AttributeKind::Int);
                attribute.i = Some(*value);
            }
            Attribute::Ints(values) => {
                attribute.set_kind(AttributeKind::Ints);
                attribute.ints.clone_from(values);
            }
            Attribute::Text(value) => {
                attribute.set_kind(AttributeKind::String);
                attribute.s = Some(value.as_bytes().to_vec());
            }
        }
        attribute
    }
}

/// An ONNX graph in the making.
pub(super) struct Builder {
    graph: GraphProto,
    /// Names given so far. A rung may name a layer as the model names its output.
    names: HashSet<String>,
}

impl Builder {
    /// A graph with the model's input and output.
    pub fn new(size: ImageSize, classes: usize, form: InputForm) -> Builder {
        let [height, width] = [size.height, size.width].map(|side| side as i64);
        let (data_type, sides, meaning) = match form {
            InputForm::Uint8Nhwc => (DataType::Uint8, [height, width, 3], "RGB bytes, NHWC"),
            InputForm::FloatNchw => (DataType::Float, [3, height, width], "RGB from 0 to 1, NCHW"),
        };
        let graph = GraphProto {
            name: "stepladder".to_string(),
            input: vec![value(INPUT, data_type, &sides, meaning)],
            output: vec![value(
                OUTPUT,
                DataType::Float,
                &[classes as i64],
                "of each class; a row sums to 1",
            )],
            ..GraphProto::default()
        };
        Builder {
            graph,
            names: HashSet::from([INPUT, OUTPUT].map(String::from)),
        }
    }

    /// Adds a node and returns the name of its value: `name`, or one like it that is free.
    pub fn node(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        name: &str,
        attributes: &[(&str, Attribute)],
    ) -> String {
        let name = self.free(name);
        self.push(op_type, inputs, &name, attributes);
        name
    }

    /// Adds the node that gives the model's output.
    pub fn output(&mut self, op_type: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) {
        self.push(op_type, inputs, OUTPUT, attributes);
    }

    fn push(&mut self, op_type: &str, inputs: &[&str], name: &str, attributes: &[(&str, Attribute)]) {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![name.to_string()],
            name: name.to_string(),
            op_type: op_type.to_string(),
            attribute: attributes.iter().map(|(name, value)| value.named(name)).collect(),
        });
    }

    /// Stores f32 values; a shape without sides is a single number.
    pub fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, DataType::Float, shape, bytes)
    }

    /// Stores values of any type, as little-endian bytes.
    pub fn tensor(&mut self, name: &str, data_type: DataType, shape: &[usize], bytes: Vec<u8>) -> String {
        let name = self.free(name);
        self.graph.initializer.push(TensorProto {
            dims: shape.iter().map(|&side| side as i64).collect(),
            data_type: data_type as i32,
            name: name.clone(),
            raw_data: bytes,
        });
        name
    }

    fn free(&mut self, name: &str) -> String {
        let numbered = (1..).map(|number| format!("{name}#{number}"));
        let mut candidates = std::iter::once(name.to_string()).chain(numbered);
        candidates
            .find(|candidate| self.names.insert(candidate.clone()))
            .expect("there are always more numbers")
    }

    /// The whole model.
    pub fn model(self, metadata: Vec<(&'static str, String)>) -> ModelProto {
        let metadata = metadata.into_iter().map(|(key, value)| StringStringEntryProto {
            key: key.to_string(),
            value,
        });
        ModelProto {
            ir_version: IR_VERSION,
            producer_name: "Stepladder".to_string(),
            producer_version: env!("CARGO_PKG_VERSION").to_string(),
            doc_string: "An image classifier, from RGB pixels to the probabilities of its classes"
                .to_string(),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: OPSET,
            }],
            metadata_props: metadata.collect(),
        }
    }
}

/// A described input or output with any number of photos.
fn value(name: &str, data_type: DataType, sides: &[i64], meaning: &str) -> ValueInfoProto {
    let batch = DimensionValue::Parameter("batch".to_string());
    let sides = sides.iter().map(|&side| DimensionValue::Value(side));
    let dimensions = std::iter::once(batch).chain(sides);
    let shape = TensorShapeProto {
        dim: dimensions
            .map(|value| DimensionProto { value: Some(value) })
            .collect(),
    };
    ValueInfoProto {
        name: name.to_string(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: data_type as i32,
                shape: Some(shape),
            }),
        }),
        doc_string: meaning.to_string(),
    }
}
