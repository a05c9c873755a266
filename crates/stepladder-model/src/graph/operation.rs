//! Operations: what a graph computes, one at a time, on what others have computed.

use super::Shape;
use crate::activation::Activation;

/// Where an operation takes an input from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The photo, after augmentation.
    Image,
    /// The output of the operation with this index.
    Operation(usize),
}

/// An index into [`Graph::parameters`](super::Graph).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterId(pub usize);

/// One computation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What is computed.
    pub op: Op,
    /// One source; two for [`Op::Multiply`], and two or more for [`Op::Add`] and [`Op::Concatenate`].
    pub inputs: Vec<Source>,
    /// What comes out, per photo.
    pub output: Shape,
    /// Index of its layer in [`Graph::layers`](super::Graph).
    pub layer: usize,
    /// Multiplications with addition, per photo, forward, of convolutions and dense layers; 0 for all others.
    pub multiply_adds: u64,
}

/// A sliding window, with its padding in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Height and width.
    pub size: [usize; 2],
    /// Vertical and horizontal step.
    pub strides: [usize; 2],
    /// Rows and columns around the input: top and bottom, left and right.
    pub padding: [[usize; 2]; 2],
}

/// What an operation computes. Maps are height x width x channels (NHWC in a batch); kernels have Keras' layout.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A convolution; zeros are the padding. Filter `f` sees the channels of group `f / (filters / groups)`.
    Convolution {
        /// Where the kernel is applied.
        window: Window,
        /// Parts into which channels and filters are divided, each computed apart; 1 is a plain convolution.
        groups: usize,
        /// (height, width, channels in / groups, filters)
        kernel: ParameterId,
        /// (filters)
        bias: Option<ParameterId>,
    },
    /// One convolution per channel; zeros are the padding. Output channel `c * multiplier + m` comes from channel `c`.
    DepthwiseConvolution {
        /// Where the kernel is applied.
        window: Window,
        /// Output channels for each channel of the input.
        multiplier: usize,
        /// (height, width, channels, multiplier)
        kernel: ParameterId,
        /// (channels x multiplier)
        bias: Option<ParameterId>,
    },
    /// `y = x kernel + bias`, on a vector.
    Dense {
        /// (in, out)
        kernel: ParameterId,
        /// (out)
        bias: Option<ParameterId>,
    },
    /// By channel, `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`: with the population statistics of the batch in
    /// training, and with the moving ones in inference (Ioffe and Szegedy 2015).
    BatchNormalization {
        /// (channels); without it, 1.
        gamma: Option<ParameterId>,
        /// (channels); without it, 0.
        beta: Option<ParameterId>,
        /// (channels), not trained.
        moving_mean: ParameterId,
        /// (channels), not trained.
        moving_variance: ParameterId,
        /// `moving = momentum * moving + (1 - momentum) * batch`
        momentum: f32,
        /// Added to the variance.
        epsilon: f32,
    },
    /// At each pixel of a map, or once on a vector, `y = gamma (x - mean) / sqrt(variance + epsilon) + beta` with the mean and
    /// the population variance over the channels (Ba, Kiros and Hinton 2016).
    LayerNormalization {
        /// (channels); without it, 1.
        gamma: Option<ParameterId>,
        /// (channels); without it, 0.
        beta: Option<ParameterId>,
        /// Added to the variance.
        epsilon: f32,
    },
    /// By channel, `y = gamma x`: LayerScale (Touvron et al. 2021).
    Scale {
        /// (channels)
        gamma: ParameterId,
    },
    /// By channel, `y = (x - mean) / max(sqrt(variance), 1e-7)` with fixed numbers, as Keras' `Normalization`.
    Normalization {
        /// One value per channel.
        mean: Vec<f32>,
        /// One value per channel, at least 0.
        variance: Vec<f32>,
    },
    /// A function of each value; softmax is over the channels. Never linear.
    Activation(Activation),
    /// The greatest value of each window, by channel. Padding takes no part, and every window has a pixel of its own.
    MaxPooling(Window),
    /// The mean of each window, by channel. Padding takes no part, so that windows at the edge divide by fewer pixels.
    AveragePooling(Window),
    /// The fixed filter `[1 2 1]^T [1 2 1] / 16` on each channel with stride 2, the input padded by one pixel on each side by
    /// reflection without repeating the edge (`b|abcd|c`): timm's `BlurPool2d` (Zhang 2019). The output has
    /// `ceil(n / 2)` rows and columns; the input has at least 2.
    BlurPooling,
    /// The mean of each channel over the whole map. The output is a vector, or a map of 1 x 1.
    GlobalAveragePooling,
    /// A map as a vector, in the order height, width, channels.
    Flatten,
    /// In training, sets values to zero at random and scales the others by `1 / (1 - rate)`; nothing in inference.
    Dropout {
        /// Share of the values set to zero, in [0, 1).
        rate: f32,
    },
    /// In training, sets all values of a photo to zero at random and scales those of the others by `1 / (1 - rate)`; nothing
    /// in inference (Huang et al. 2016).
    StochasticDepth {
        /// Share of the photos whose values are set to zero, in [0, 1).
        rate: f32,
    },
    /// The sum of two or more inputs of one shape.
    Add,
    /// The product of two inputs of one shape, or of a map and a map of 1 x 1 with as many channels, which stands for each
    /// pixel; either may come first.
    Multiply,
    /// The channels of two or more inputs behind each other, in the order of the inputs: maps with the same sides, or
    /// vectors.
    Concatenate,
}

impl Op {
    /// The operation's name for profiles and JSON: that of the variant.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Convolution { .. } => "Convolution",
            Op::DepthwiseConvolution { .. } => "DepthwiseConvolution",
            Op::Dense { .. } => "Dense",
            Op::BatchNormalization { .. } => "BatchNormalization",
            Op::LayerNormalization { .. } => "LayerNormalization",
            Op::Scale { .. } => "Scale",
            Op::Normalization { .. } => "Normalization",
            Op::Activation(_) => "Activation",
            Op::MaxPooling(_) => "MaxPooling",
            Op::AveragePooling(_) => "AveragePooling",
            Op::BlurPooling => "BlurPooling",
            Op::GlobalAveragePooling => "GlobalAveragePooling",
            Op::Flatten => "Flatten",
            Op::Dropout { .. } => "Dropout",
            Op::StochasticDepth { .. } => "StochasticDepth",
            Op::Add => "Add",
            Op::Multiply => "Multiply",
            Op::Concatenate => "Concatenate",
        }
    }

    /// The window of a convolution or a pooling.
    pub fn window(&self) -> Option<Window> {
        match self {
            Op::Convolution { window, .. }
            | Op::DepthwiseConvolution { window, .. }
            | Op::MaxPooling(window)
            | Op::AveragePooling(window) => Some(*window),
            Op::Dense { .. }
            | Op::BatchNormalization { .. }
            | Op::LayerNormalization { .. }
            | Op::Scale { .. }
            | Op::Normalization { .. }
            | Op::Activation(_)
            | Op::BlurPooling
            | Op::GlobalAveragePooling
            | Op::Flatten
            | Op::Dropout { .. }
            | Op::StochasticDepth { .. }
            | Op::Add
            | Op::Multiply
            | Op::Concatenate => None,
        }
    }

    /// The operation's parameters, in the order of [`Graph::parameters`](super::Graph): kernel, bias; or gamma, beta, moving
    /// mean, moving variance.
    pub fn parameters(&self) -> Vec<ParameterId> {
        // The mutable walk is the one that lists the variants, so that the two cannot differ.
        let mut copy = self.clone();
        copy.parameters_mut().into_iter().map(|id| *id).collect()
    }

    /// As [`parameters`](Self::parameters), to be changed.
    pub(super) fn parameters_mut(&mut self) -> Vec<&mut ParameterId> {
        match self {
            Op::Convolution { kernel, bias, .. }
            | Op::DepthwiseConvolution { kernel, bias, .. }
            | Op::Dense { kernel, bias } => std::iter::once(kernel).chain(bias).collect(),
            Op::BatchNormalization {
                gamma,
                beta,
                moving_mean,
                moving_variance,
                ..
            } => gamma
                .iter_mut()
                .chain(beta)
                .chain([moving_mean, moving_variance])
                .collect(),
            Op::LayerNormalization { gamma, beta, .. } => gamma.iter_mut().chain(beta).collect(),
            Op::Scale { gamma } => vec![gamma],
            Op::Normalization { .. }
            | Op::Activation(_)
            | Op::MaxPooling(_)
            | Op::AveragePooling(_)
            | Op::BlurPooling
            | Op::GlobalAveragePooling
            | Op::Flatten
            | Op::Dropout { .. }
            | Op::StochasticDepth { .. }
            | Op::Add
            | Op::Multiply
            | Op::Concatenate => Vec::new(),
        }
    }
}
