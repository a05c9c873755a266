//! What the steps of a program are made of.

use super::ValueId;
use stepladder_kernels::{
    Activation, BlurPool, ChannelScale, Conv2d, Dense, DepthwiseConv2d, Epilogue as EpilogueShape,
    GlobalAveragePool, GroupedConv2d, LayerNorm, Multiply, Pool2d,
};
use stepladder_model::ParameterId;

/// A step of the forward pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ForwardStep {
    pub kind: Kind,
    pub inputs: Vec<ValueId>,
    pub output: ValueId,
    /// Mean and variance of each channel, `[channels]`: what an operation with weights leaves for the batch norm behind it, and
    /// what a batch norm normalizes by.
    pub statistics: Option<[ValueId; 2]>,
    /// The layer of the graph that its output is of.
    pub layer: usize,
}

/// What a step computes, with its shapes; maps are `[N, H, W, C]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// The input at the output's precision.
    Convert,
    /// An operation with weights.
    Linear(Linear),
    /// Mean and variance of each channel of the input, which is also the output.
    Statistics {
        channels: usize,
    },
    /// The end of a block; its inputs are x and, where there is one, the skip.
    Epilogue(Epilogue),
    Activation(Activation),
    /// Over the channels.
    Softmax {
        channels: usize,
    },
    Pool(Pool2d),
    BlurPool(BlurPool),
    GlobalAveragePool(GlobalAveragePool),
    Dropout {
        rate: f32,
    },
    StochasticDepth {
        rate: f32,
    },
    LayerNorm {
        shape: LayerNorm,
        gamma: Option<ParameterId>,
        beta: Option<ParameterId>,
    },
    Scale {
        shape: ChannelScale,
        gamma: ParameterId,
    },
    Multiply(Multiply),
    /// The channels of each input.
    Concatenate {
        channels: Vec<usize>,
    },
    /// The sum of inputs of one shape.
    Add,
}

/// y = activation(x * kernel + bias)
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Linear {
    pub shape: LinearShape,
    pub kernel: ParameterId,
    pub bias: Option<ParameterId>,
    /// Linear, but for inference.
    pub activation: Activation,
}

/// The product of an operation with weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum LinearShape {
    Convolution(Conv2d),
    Grouped(GroupedConv2d),
    Depthwise(DepthwiseConv2d),
    Dense(Dense),
}

/// y = max pool(activation(norm(x) + skip))
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Epilogue {
    /// Shapes, activation and pooling.
    pub shape: EpilogueShape,
    pub norm: Option<Norm>,
}

/// A normalization of each channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Norm {
    /// By the step's statistics, which are those of its input, as in training; and then `moving = momentum * moving + (1 -
    /// momentum) * batch`.
    Batch {
        gamma: Option<ParameterId>,
        beta: Option<ParameterId>,
        /// Mean and variance.
        moving: [ParameterId; 2],
        epsilon: f32,
        momentum: f32,
    },
    /// By moving statistics, as in inference, which stay as they are; in training, gamma and beta may be trained.
    Moving {
        gamma: Option<ParameterId>,
        beta: Option<ParameterId>,
        moving: [ParameterId; 2],
        epsilon: f32,
    },
    /// By constants: scale x + shift.
    Constant { scale: Vec<f32>, shift: Vec<f32> },
}

/// A step of the backward pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BackwardStep {
    /// The step of the forward pass, by its index.
    pub forward: usize,
    /// The gradient by its output.
    pub gradient: ValueId,
    /// What becomes of the gradient by each of its inputs.
    pub inputs: Vec<Route>,
    /// The gradients of its parameters, f32: final when the step is done, and gone with the next.
    pub parameters: Vec<(ParameterId, ValueId)>,
}

/// What becomes of the gradient by an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// Nobody wants it.
    Unwanted,
    /// It is written here, as the first reader's.
    Write(ValueId),
    /// It is added to what is there: another reader came first. The sum may need the gradient by itself first, in `through`.
    Add { to: ValueId, through: ValueId },
    /// It is the gradient by the output itself, which passes on to the input.
    Same,
}

impl Kind {
    /// Whether the backward pass reads the inputs of the forward pass.
    pub fn keeps_inputs(&self) -> bool {
        match self {
            Kind::Linear(_)
            | Kind::Epilogue(_)
            | Kind::Activation(_)
            | Kind::Softmax { .. }
            | Kind::Pool(_)
            | Kind::LayerNorm { .. }
            | Kind::Scale { .. }
            | Kind::Multiply(_) => true,
            Kind::Convert
            | Kind::Statistics { .. }
            | Kind::BlurPool(_)
            | Kind::GlobalAveragePool(_)
            | Kind::Dropout { .. }
            | Kind::StochasticDepth { .. }
            | Kind::Concatenate { .. }
            | Kind::Add => false,
        }
    }
}

impl LinearShape {
    /// Channels of the output.
    pub fn channels(&self) -> usize {
        match self {
            LinearShape::Convolution(conv) => conv.out_channels,
            LinearShape::Grouped(grouped) => grouped.conv.out_channels,
            LinearShape::Depthwise(depthwise) => depthwise.out_channels(),
            LinearShape::Dense(dense) => dense.outputs,
        }
    }

    /// Values in the weights.
    pub fn weights_len(&self) -> usize {
        match self {
            LinearShape::Convolution(conv) => conv.weights_len(),
            LinearShape::Grouped(grouped) => grouped.weights_len(),
            LinearShape::Depthwise(depthwise) => depthwise.weights_len(),
            LinearShape::Dense(dense) => dense.inputs * dense.outputs,
        }
    }

    /// Multiply-adds of the forward pass; each of the two backward passes takes as many.
    pub fn multiply_adds(&self) -> u64 {
        match self {
            LinearShape::Convolution(conv) => conv.multiply_adds(),
            LinearShape::Grouped(grouped) => grouped.multiply_adds(),
            LinearShape::Depthwise(depthwise) => depthwise.multiply_adds(),
            LinearShape::Dense(dense) => dense.multiply_adds(),
        }
    }
}

impl Epilogue {
    /// Whether the gradient by the skip is that by the output.
    pub fn passes_gradient_to_skip(&self) -> bool {
        self.shape.activation == Activation::Linear && self.shape.pool == [1, 1]
    }
}
