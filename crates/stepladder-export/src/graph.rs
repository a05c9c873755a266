//! What inference computes: a network without what only training needs, in the layout of the frameworks that read ONNX
//! (NCHW; convolution kernels out, in, height, width).

use stepladder_model::{Activation, Shape, Source};

/// Operations in the order of computation; the last is the softmax over the classes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Graph {
    /// Side of the input in pixels.
    pub size: usize,
    /// Outputs.
    pub classes: usize,
    pub ops: Vec<Op>,
}

/// One operation, and the value it gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Op {
    /// After the layer that it comes from.
    pub name: String,
    pub kind: Kind,
    /// The image, or operations by index.
    pub inputs: Vec<Source>,
    /// Per photo.
    pub output: Shape,
}

/// What an operation does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Convolution(Convolution),
    Dense(Dense),
    /// A batch normalization that could not be folded: `factor * x + offset` for each channel.
    Scale {
        factor: Vec<f32>,
        offset: Vec<f32>,
    },
    /// Never `Linear`. Softmax goes over the channels.
    Activation(Activation),
    MaxPool(Window),
    /// Padding is not counted.
    AveragePool(Window),
    GlobalAveragePool,
    /// A map as a vector in the order height, width, channels.
    Flatten,
    Add,
}

/// A convolution with a bias.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Convolution {
    /// Out, in (per group), height, width.
    pub shape: [usize; 4],
    pub weight: Vec<f32>,
    /// One for each channel out.
    pub bias: Vec<f32>,
    pub groups: usize,
    pub window: Window,
}

/// A fully connected layer with a bias.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dense {
    /// In, out.
    pub shape: [usize; 2],
    pub weight: Vec<f32>,
    /// One for each value out.
    pub bias: Vec<f32>,
}

/// A sliding window with its padding worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub sides: [usize; 2],
    pub strides: [usize; 2],
    /// Top, left, bottom, right, as ONNX has them.
    pub pads: [usize; 4],
}

impl Graph {
    /// How many operations read each operation's value.
    pub fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.ops.len()];
        for source in self.ops.iter().flat_map(|op| &op.inputs) {
            if let Source::Node(index) = source {
                readers[*index] += 1;
            }
        }
        readers
    }
}

impl Kind {
    /// Multiplies each channel out by its factor and then adds its offset. False for what has no weights to do so.
    pub fn fold(&mut self, factor: &[f64], offset: &[f64]) -> bool {
        let (weight, bias, columns) = match self {
            // One filter after the other.
            Kind::Convolution(layer) => (
                &mut layer.weight,
                &mut layer.bias,
                layer.shape[1..].iter().product(),
            ),
            // One value out beside the other.
            Kind::Dense(layer) => (&mut layer.weight, &mut layer.bias, 1),
            _ => return false,
        };
        for (index, value) in weight.iter_mut().enumerate() {
            *value = (f64::from(*value) * factor[index / columns % factor.len()]) as f32;
        }
        for ((bias, factor), offset) in bias.iter_mut().zip(factor).zip(offset) {
            *bias = (f64::from(*bias) * factor + offset) as f32;
        }
        true
    }
}
