//! A graph as an ONNX model: preprocessing, layers, softmax, metadata.
//!
//! Opset 17 with the default domain only. GELU is spelled out because its operator came later; swish is in no opset that all
//! readers have. Padding is written in numbers, since `SAME_UPPER` is not read everywhere.

mod activation;
mod builder;
mod quantized;
#[cfg(test)]
mod tests;

use crate::calibrate::Quantization;
use crate::error::ExportError;
use crate::graph::{Graph, Kind, Op, Window};
use crate::lowering::lower;
use crate::metadata::{License, metadata};
use crate::proto::DataType;
use builder::{Attribute, Builder};
use prost::Message;
use quantized::Affine;
use stepladder_classifier::Classifier;
use stepladder_model::{Activation, Shape, Source};

/// The version of ONNX's operators that files are written in.
pub const OPSET: i64 = 17;

/// Name of the model's input.
pub(crate) const INPUT: &str = "image";

/// Name of the model's output.
pub(crate) const OUTPUT: &str = "probabilities";

/// What the model's input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputForm {
    /// RGB bytes, `[batch, size, size, 3]`: pixels as decoders give them.
    #[default]
    Uint8Nhwc,
    /// RGB from 0 to 1 in f32, `[batch, 3, size, size]`: pixels divided by 255.
    FloatNchw,
}

/// How a classifier becomes an ONNX model.
#[derive(Debug, Clone, Default)]
pub struct OnnxOptions {
    /// What the input holds.
    pub input: InputForm,
    /// Ranges of activations, for an int8 model.
    pub quantization: Option<Quantization>,
    /// Who made the model, and what others may do with it.
    pub license: License,
}

/// The bytes of an ONNX file that computes what `classifier` does, in f32 whatever its precision. Equal classifiers and
/// options give equal bytes.
///
/// # Errors
///
/// If the file would exceed the 2 GiB that its form, protocol buffers, can hold.
pub fn to_onnx(classifier: &Classifier, options: &OnnxOptions) -> Result<Vec<u8>, ExportError> {
    let graph = lower(classifier.model().network(), classifier.model().to_arrays());
    let (builder, _) = emit(
        &graph,
        temperature(classifier),
        options.input,
        options.quantization.as_ref(),
    );
    let model = builder.model(metadata(classifier, options));
    let bytes = model.encoded_len();
    if i32::try_from(bytes).is_err() {
        return Err(ExportError::TooLarge { bytes });
    }
    Ok(model.encode_to_vec())
}

/// What logits are divided by, if that is not 1.
fn temperature(classifier: &Classifier) -> Option<f64> {
    let temperature = classifier.temperature()?.value();
    (temperature != 1.0).then_some(temperature)
}

/// A model in f32 for photos as bytes, and the names of the values that its operations give, before any quantization.
pub(crate) fn observable(classifier: &Classifier) -> (Vec<u8>, Graph, Vec<String>) {
    let graph = lower(classifier.model().network(), classifier.model().to_arrays());
    let (builder, names) = emit(&graph, temperature(classifier), InputForm::Uint8Nhwc, None);
    (builder.model(Vec::new()).encode_to_vec(), graph, names)
}

fn emit(
    graph: &Graph,
    temperature: Option<f64>,
    form: InputForm,
    quantization: Option<&Quantization>,
) -> (Builder, Vec<String>) {
    let affines = quantization.map(|quantization| quantized::affines(graph, quantization));
    let mut emission = Emission {
        builder: Builder::new(graph.size, graph.classes, form),
        affines,
        temperature,
        graph,
        image: String::new(),
        bare: Vec::new(),
        values: Vec::new(),
    };
    emission.image = emission.preprocess(form);
    for index in 0..graph.ops.len() {
        emission.operation(index);
    }
    (emission.builder, emission.bare)
}

/// A graph on its way into nodes.
struct Emission<'a> {
    builder: Builder,
    graph: &'a Graph,
    /// The quantization of each operation's value, where it has one.
    affines: Option<Vec<Option<Affine>>>,
    temperature: Option<f64>,
    /// The name of the photo as the first layers read it.
    image: String,
    /// The name of each operation's value.
    bare: Vec<String>,
    /// The same after quantization, which is what others read.
    values: Vec<String>,
}

impl Emission<'_> {
    /// From the model's input to `[batch, 3, size, size]` in 0 to 1, divided as training does, so that 255 gives exactly 1.
    fn preprocess(&mut self, form: InputForm) -> String {
        let builder = &mut self.builder;
        let nchw = |builder: &mut Builder, x: &str| {
            let permutation = [("perm", Attribute::Ints(vec![0, 3, 1, 2]))];
            builder.node("Transpose", &[x], "preprocessing/nchw", &permutation)
        };
        match (form, self.affines.is_some()) {
            (InputForm::Uint8Nhwc, false) => {
                let float = [("to", Attribute::Int(DataType::Float as i64))];
                let x = builder.node("Cast", &[INPUT], "preprocessing/float", &float);
                let white = builder.floats("preprocessing/white", &[], &[255.0]);
                let x = builder.node("Div", &[&x, &white], "preprocessing/unit", &[]);
                nchw(builder, &x)
            }
            // The bytes are the quantized photo already.
            (InputForm::Uint8Nhwc, true) => {
                let x = nchw(builder, INPUT);
                quantized::dequantize(builder, &x, "preprocessing/unit", Affine::IMAGE)
            }
            (InputForm::FloatNchw, false) => INPUT.to_string(),
            (InputForm::FloatNchw, true) => {
                quantized::quantize_and_back(builder, INPUT, "preprocessing/unit", Affine::IMAGE)
            }
        }
    }

    fn read(&self, source: Source) -> &str {
        match source {
            Source::Image => &self.image,
            Source::Node(index) => &self.values[index],
        }
    }

    fn operation(&mut self, index: usize) {
        let op = &self.graph.ops[index];
        let inputs: Vec<String> = op
            .inputs
            .iter()
            .map(|source| self.read(*source).to_string())
            .collect();
        let last = index + 1 == self.graph.ops.len();
        let value = match &op.kind {
            Kind::Activation(Activation::Softmax) if last => self.probabilities(&inputs[0]),
            _ => self.layer(op, &inputs),
        };
        self.bare.push(value.clone());
        let affine = self.affines.as_ref().and_then(|affines| affines[index]);
        self.values.push(match affine {
            Some(affine) => quantized::quantize_and_back(&mut self.builder, &value, &op.name, affine),
            None => value,
        });
    }

    /// The softmax at the end, behind the calibration.
    fn probabilities(&mut self, logits: &str) -> String {
        let builder = &mut self.builder;
        let logits = match self.temperature {
            None => logits.to_string(),
            Some(temperature) => {
                let temperature = builder.floats("calibration/temperature", &[], &[temperature as f32]);
                builder.node("Div", &[logits, &temperature], "calibration/logits", &[])
            }
        };
        builder.output("Softmax", &[&logits], &[("axis", Attribute::Int(1))]);
        OUTPUT.to_string()
    }

    fn layer(&mut self, op: &Op, inputs: &[String]) -> String {
        let x = inputs[0].as_str();
        match &op.kind {
            Kind::Convolution(_) | Kind::Dense(_) => self.weighted(op, x),
            Kind::Scale { factor, offset } => {
                let mut shape = vec![factor.len()];
                if let Shape::Map { .. } = op.output {
                    shape.extend([1, 1]);
                }
                let builder = &mut self.builder;
                let factor = builder.floats(&format!("{}/factor", op.name), &shape, factor);
                let offset = builder.floats(&format!("{}/offset", op.name), &shape, offset);
                let scaled = builder.node("Mul", &[x, &factor], &format!("{}/scaled", op.name), &[]);
                builder.node("Add", &[&scaled, &offset], &op.name, &[])
            }
            Kind::Activation(function) => activation::activation(&mut self.builder, *function, x, &op.name),
            Kind::MaxPool(window) => self.builder.node("MaxPool", &[x], &op.name, &sliding(window)),
            Kind::AveragePool(window) => {
                let mut attributes = sliding(window);
                attributes.push(("count_include_pad", Attribute::Int(0)));
                self.builder.node("AveragePool", &[x], &op.name, &attributes)
            }
            Kind::GlobalAveragePool => {
                let name = format!("{}/map", op.name);
                let map = self.builder.node("GlobalAveragePool", &[x], &name, &[]);
                self.builder
                    .node("Flatten", &[&map], &op.name, &[("axis", Attribute::Int(1))])
            }
            Kind::Flatten => {
                let name = format!("{}/nhwc", op.name);
                let permutation = [("perm", Attribute::Ints(vec![0, 2, 3, 1]))];
                let map = self.builder.node("Transpose", &[x], &name, &permutation);
                self.builder
                    .node("Flatten", &[&map], &op.name, &[("axis", Attribute::Int(1))])
            }
            Kind::Add => {
                let (last, others) = inputs.split_last().expect("Add has two inputs and more");
                let mut sum = others[0].clone();
                for (count, other) in others[1..].iter().enumerate() {
                    let name = format!("{}/sum{count}", op.name);
                    sum = self.builder.node("Add", &[&sum, other], &name, &[]);
                }
                self.builder.node("Add", &[&sum, last], &op.name, &[])
            }
        }
    }

    /// A convolution or dense layer, with weights in f32 or int8.
    fn weighted(&mut self, op: &Op, x: &str) -> String {
        let affine = self.affines.as_ref().and_then(|affines| match op.inputs[0] {
            Source::Image => Some(Affine::IMAGE),
            Source::Node(index) => affines[index],
        });
        let weights = quantized::weights(&mut self.builder, op, affine);
        let inputs: Vec<&str> = [x]
            .into_iter()
            .chain(weights.iter().map(String::as_str))
            .collect();
        match &op.kind {
            Kind::Convolution(layer) => {
                let mut attributes = sliding(&layer.window);
                attributes.push(("group", Attribute::Int(layer.groups as i64)));
                self.builder.node("Conv", &inputs, &op.name, &attributes)
            }
            _ => self.builder.node("Gemm", &inputs, &op.name, &[]),
        }
    }
}

/// The attributes of a sliding window.
fn sliding(window: &Window) -> Vec<(&'static str, Attribute)> {
    vec![
        ("kernel_shape", Attribute::ints(&window.sides)),
        ("strides", Attribute::ints(&window.strides)),
        ("pads", Attribute::ints(&window.pads)),
    ]
}
