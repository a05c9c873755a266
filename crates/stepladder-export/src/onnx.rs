//! A graph as an ONNX model: preprocessing, operations, softmax, metadata.
//!
//! Opset 17 with the default domain only. GELU is spelled out because its operator came later; swish is in no opset that all
//! readers have. Padding is written in numbers, since `SAME_UPPER` is not read everywhere.

mod activation;
mod builder;
mod flips;
mod operation;
mod quantized;
#[cfg(test)]
mod tests;
mod weights;

use crate::calibrate::Quantization;
use crate::error::ExportError;
use crate::metadata::{License, metadata};
use crate::proto::DataType;
use builder::{Attribute, Builder};
use operation::{NCHW, transposed};
use prost::Message;
use quantized::Affine;
use stepladder_classifier::Classifier;
use stepladder_model::{Activation, Graph, Op, Source, fold_batch_norm};

/// The version of ONNX's operators that files are written in.
pub const OPSET: i64 = 17;

/// Name of the model's input.
pub(crate) const INPUT: &str = "image";

/// Name of the model's output.
pub(crate) const OUTPUT: &str = "probabilities";

/// What the model's input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputForm {
    /// RGB bytes, `[batch, height, width, 3]`: pixels as decoders give them.
    #[default]
    Uint8Nhwc,
    /// RGB from 0 to 1 in f32, `[batch, 3, height, width]`: pixels divided by 255.
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
    let (graph, parameters) = inference(classifier);
    let (builder, _) = emit(
        &graph,
        &parameters,
        Answering::of(classifier),
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

/// What the classifier computes in inference: its graph with batch normalization folded, and the parameters of that graph.
fn inference(classifier: &Classifier) -> (Graph, Vec<Vec<f32>>) {
    let arrays = classifier.model().to_arrays().into_iter();
    let values = arrays.map(|array| array.values).collect();
    fold_batch_norm(classifier.model().graph(), values)
}

/// What of an answer comes beside the graph.
#[derive(Debug, Clone, Copy)]
struct Answering {
    /// What logits are divided by, if that is not 1.
    temperature: Option<f64>,
    /// Whether it is the mean over the photo and its mirror image.
    flips: bool,
}

impl Answering {
    fn of(classifier: &Classifier) -> Answering {
        Answering {
            temperature: temperature(classifier),
            flips: classifier.rung().evaluation.flips,
        }
    }
}

/// What logits are divided by, if that is not 1.
fn temperature(classifier: &Classifier) -> Option<f64> {
    let temperature = classifier.temperature()?.value();
    (temperature != 1.0).then_some(temperature)
}

/// A model in f32 for photos as bytes, and the names of the values that its operations give, before any quantization.
pub(crate) fn observable(classifier: &Classifier) -> (Vec<u8>, Graph, Vec<String>) {
    let (graph, parameters) = inference(classifier);
    let (builder, names) = emit(
        &graph,
        &parameters,
        Answering::of(classifier),
        InputForm::Uint8Nhwc,
        None,
    );
    (builder.model(Vec::new()).encode_to_vec(), graph, names)
}

fn emit(
    graph: &Graph,
    parameters: &[Vec<f32>],
    answering: Answering,
    form: InputForm,
    quantization: Option<&Quantization>,
) -> (Builder, Vec<String>) {
    let affines = quantization.map(|quantization| quantized::affines(graph, quantization));
    let mut emission = Emission {
        builder: Builder::new(graph.image_size(), graph.classes, form),
        affines,
        temperature: answering.temperature,
        flips: answering.flips,
        graph,
        parameters,
        image: String::new(),
        bare: Vec::new(),
        values: Vec::new(),
    };
    emission.image = emission.preprocess(form);
    for index in 0..graph.operations.len() {
        emission.operation(index);
    }
    (emission.builder, emission.bare)
}

/// A graph on its way into nodes.
struct Emission<'a> {
    builder: Builder,
    graph: &'a Graph,
    /// In the order of the graph's parameters.
    parameters: &'a [Vec<f32>],
    /// The quantization of each operation's value, where it has one.
    affines: Option<Vec<Option<Affine>>>,
    temperature: Option<f64>,
    /// Whether the network sees each photo mirrored, too.
    flips: bool,
    /// The name of the photo as the first layers read it.
    image: String,
    /// The name of each operation's value.
    bare: Vec<String>,
    /// The same after quantization, which is what others read.
    values: Vec<String>,
}

impl Emission<'_> {
    /// From the model's input to `[batch, 3, height, width]` in 0 to 1, divided as training does, so that 255 gives exactly 1.
    fn preprocess(&mut self, form: InputForm) -> String {
        let (flips, width) = (self.flips, self.graph.image_size().width);
        let builder = &mut self.builder;
        let images = |builder: &mut Builder, x: &str| match flips {
            true => flips::both_sides(builder, x, width),
            false => x.to_string(),
        };
        let nchw = |builder: &mut Builder, x: &str| transposed(builder, x, NCHW, "preprocessing/nchw");
        match (form, self.affines.is_some()) {
            (InputForm::Uint8Nhwc, false) => {
                let float = [("to", Attribute::Int(DataType::Float as i64))];
                let x = builder.node("Cast", &[INPUT], "preprocessing/float", &float);
                let white = builder.floats("preprocessing/white", &[], &[255.0]);
                let x = builder.node("Div", &[&x, &white], "preprocessing/unit", &[]);
                let x = nchw(builder, &x);
                images(builder, &x)
            }
            // The bytes are the quantized photo already.
            (InputForm::Uint8Nhwc, true) => {
                let x = nchw(builder, INPUT);
                let x = quantized::dequantize(builder, &x, "preprocessing/unit", Affine::IMAGE);
                match flips {
                    // Not every engine puts bytes together.
                    true => {
                        let x = images(builder, &x);
                        quantized::quantize_and_back(builder, &x, "flips/unit", Affine::IMAGE)
                    }
                    false => x,
                }
            }
            (InputForm::FloatNchw, false) => images(builder, INPUT),
            (InputForm::FloatNchw, true) => {
                let x = images(builder, INPUT);
                quantized::quantize_and_back(builder, &x, "preprocessing/unit", Affine::IMAGE)
            }
        }
    }

    fn operation(&mut self, index: usize) {
        let operation = &self.graph.operations[index];
        let read = |source: &Source| match *source {
            Source::Image => self.image.clone(),
            Source::Operation(index) => self.values[index].clone(),
        };
        let inputs: Vec<String> = operation.inputs.iter().map(read).collect();
        let is_last = index + 1 == self.graph.operations.len();
        let value = if is_last && operation.op == Op::Activation(Activation::Softmax) {
            match self.flips {
                true => self.mean_probabilities(&inputs[0]),
                false => self.probabilities(&inputs[0]),
            }
        } else {
            self.nodes(index, &inputs)
        };
        self.bare.push(value.clone());
        self.values.push(match self.affine(Source::Operation(index)) {
            Some(affine) => {
                let name = self.graph.operation_name(index);
                quantized::quantize_and_back(&mut self.builder, &value, &name, affine)
            }
            None => value,
        });
    }

    /// How a value is quantized, if it is.
    fn affine(&self, source: Source) -> Option<Affine> {
        let affines = self.affines.as_ref()?;
        match source {
            Source::Image => Some(Affine::IMAGE),
            Source::Operation(index) => affines[index],
        }
    }

    /// The softmax at the end, behind the calibration.
    fn probabilities(&mut self, logits: &str) -> String {
        let logits = match self.temperature {
            None => logits.to_string(),
            Some(temperature) => self.calibrated(logits, temperature),
        };
        self.builder
            .output("Softmax", &[&logits], &[("axis", Attribute::Int(1))]);
        OUTPUT.to_string()
    }
    fn calibrated(&mut self, logits: &str, temperature: f64) -> String {
        let builder = &mut self.builder;
        let temperature = builder.floats("calibration/temperature", &[], &[temperature as f32]);
        builder.node("Div", &[logits, &temperature], "calibration/logits", &[])
    }
}
