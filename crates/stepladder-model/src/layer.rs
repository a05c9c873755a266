//! Layers as plain data, under Keras' names and with Keras' defaults. Nothing here computes; shapes and parameters are
//! worked out in [`crate::graph`].

use crate::activation::{Activation, LEAKY_RELU_LAYER_SLOPE};
use crate::augmentation::RandomTransform;
use crate::initializer::{DepthwiseFanIn, Initializer};

/// One layer. Maps are height x width x channels (NHWC in a batch).
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "each variant is named after its layer, Keras' where there is one, and documented at its options"
)]
pub enum Layer {
    Conv2D(Conv2D),
    SeparableConv2D(SeparableConv2D),
    DepthwiseConv2D(DepthwiseConv2D),
    Dense(Dense),
    BatchNormalization(BatchNormalization),
    LayerNormalization(LayerNormalization),
    Scale(Scale),
    Normalization(Normalization),
    Activation(Activation),
    LeakyReLU(LeakyReLU),
    MaxPooling2D(Pooling2D),
    /// The mean over each window; padding is not counted.
    AveragePooling2D(Pooling2D),
    /// The map at half the height and width, rounded up, after a fixed filter against aliasing:
    /// `[1 2 1]^T [1 2 1] / 16` on each channel with stride 2 and a reflected edge, timm's `BlurPool2d` (Zhang 2019).
    BlurPooling2D,
    /// The mean of each channel over the whole map.
    GlobalAveragePooling2D(GlobalAveragePooling2D),
    /// A map as a vector, in the order height, width, channels.
    Flatten,
    Dropout(Dropout),
    StochasticDepth(StochasticDepth),
    /// The sum of two or more inputs of one shape.
    Add,
    /// The product of two or more inputs of one shape, where a map of 1 x 1 stands for each pixel of a larger one.
    Multiply,
    /// The channels of two or more inputs behind each other.
    Concatenate,
    /// One of the `Random*` layers, which the loader executes on the photos of the training part.
    Augmentation(RandomTransform),
}

/// Padding of a convolution or a pooling window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// No padding: output size `floor((n - k) / s) + 1`.
    #[default]
    Valid,
    /// Output size `ceil(n / s)`; where the padding is odd, the extra row and column are at the bottom and right.
    Same,
    /// Rows at the top and bottom, columns at the left and right; each less than the window's side.
    Explicit([[usize; 2]; 2]),
}

impl Padding {
    /// What a rung names by a word; explicit padding is written in numbers.
    pub(crate) const NAMES: &[(&str, Padding)] = &[("valid", Padding::Valid), ("same", Padding::Same)];
}

/// Convolution; kernel layout (height, width, channels in / groups, filters), as Keras.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2D {
    /// Channels of the output.
    pub filters: usize,
    /// Height and width of the kernel.
    pub kernel_size: [usize; 2],
    /// Vertical and horizontal step; 1 by default.
    pub strides: [usize; 2],
    /// `Valid` by default.
    pub padding: Padding,
    /// Parts into which channels and filters are divided, each convolved apart; divides both, 1 by default.
    pub groups: usize,
    /// Applied to the output; `Linear` by default.
    pub activation: Activation,
    /// Whether each filter has a bias; true by default.
    pub use_bias: bool,
    /// Glorot-uniform unless the rung's `[defaults]` say otherwise.
    pub kernel_initializer: Initializer,
    /// `Zeros` by default.
    pub bias_initializer: Initializer,
}

/// A depthwise convolution, then a pointwise one, with nothing between them, one bias, and the activation at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct SeparableConv2D {
    /// Channels of the output.
    pub filters: usize,
    /// Height and width of the depthwise kernel.
    pub kernel_size: [usize; 2],
    /// Vertical and horizontal step of the depthwise part; 1 by default.
    pub strides: [usize; 2],
    /// `Valid` by default.
    pub padding: Padding,
    /// Depthwise outputs per input channel; 1 by default.
    pub depth_multiplier: usize,
    /// Applied to the output; `Linear` by default.
    pub activation: Activation,
    /// Whether each filter has a bias; true by default.
    pub use_bias: bool,
    /// Of the kernel (height, width, channels in, multiplier); Glorot-uniform unless `[defaults]` say otherwise.
    pub depthwise_initializer: Initializer,
    /// What `depthwise_initializer` scales with; all channels, as Keras, unless the rung's `[defaults]` say otherwise.
    pub depthwise_fan_in: DepthwiseFanIn,
    /// Of the kernel (1, 1, channels in x multiplier, filters); Glorot-uniform unless `[defaults]` say otherwise.
    pub pointwise_initializer: Initializer,
    /// `Zeros` by default.
    pub bias_initializer: Initializer,
}

/// One convolution per channel; kernel layout (height, width, channels in, multiplier). Output channel
/// `c * multiplier + m` comes from input channel `c`.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthwiseConv2D {
    /// Height and width of the kernel.
    pub kernel_size: [usize; 2],
    /// Vertical and horizontal step; 1 by default.
    pub strides: [usize; 2],
    /// `Valid` by default.
    pub padding: Padding,
    /// Outputs per input channel; 1 by default.
    pub depth_multiplier: usize,
    /// Applied to the output; `Linear` by default.
    pub activation: Activation,
    /// Whether each output channel has a bias; true by default.
    pub use_bias: bool,
    /// Glorot-uniform unless the rung's `[defaults]` say otherwise.
    pub depthwise_initializer: Initializer,
    /// What `depthwise_initializer` scales with; all channels, as Keras, unless the rung's `[defaults]` say otherwise.
    pub depthwise_fan_in: DepthwiseFanIn,
    /// `Zeros` by default.
    pub bias_initializer: Initializer,
}

/// Fully connected layer on a vector; kernel layout (in, out).
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Outputs.
    pub units: Units,
    /// Applied to the output; `Linear` by default.
    pub activation: Activation,
    /// Whether each unit has a bias; true by default.
    pub use_bias: bool,
    /// Glorot-uniform unless the rung's `[defaults]` say otherwise.
    pub kernel_initializer: Initializer,
    /// `Zeros` by default.
    pub bias_initializer: Initializer,
}

/// Outputs of a [`Dense`] layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// A fixed number.
    Count(usize),
    /// As many as the data has classes; written `units = "classes"`.
    Classes,
}

/// Batch normalization over the last axis, with the population variance:
/// `moving = momentum * moving + (1 - momentum) * batch`.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormalization {
    /// Share of the moving statistics that a step keeps; 0.99 by default.
    pub momentum: f32,
    /// Added to the variance; 1e-3 by default.
    pub epsilon: f32,
    /// Whether there is an offset, beta; true by default.
    pub center: bool,
    /// Whether there is a factor, gamma; true by default.
    pub scale: bool,
    /// Of gamma; ones by default.
    pub gamma_initializer: Initializer,
}

impl Default for BatchNormalization {
    fn default() -> Self {
        BatchNormalization {
            momentum: 0.99,
            epsilon: 1e-3,
            center: true,
            scale: true,
            gamma_initializer: Initializer::Ones,
        }
    }
}

/// Normalization over the channels at each pixel of a map, or of a vector, with the population variance.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNormalization {
    /// Added to the variance; 1e-3 by default.
    pub epsilon: f32,
    /// Whether there is an offset, beta; true by default.
    pub center: bool,
    /// Whether there is a factor, gamma; true by default.
    pub scale: bool,
}

impl Default for LayerNormalization {
    fn default() -> Self {
        LayerNormalization {
            epsilon: 1e-3,
            center: true,
            scale: true,
        }
    }
}

/// A trained factor for each channel, gamma: timm's `LayerScale` (Touvron et al. 2021).
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Of every factor; 1 by default.
    pub initial_value: f32,
}

impl Default for Scale {
    fn default() -> Self {
        Scale { initial_value: 1.0 }
    }
}

/// `(x - mean) / max(sqrt(variance), 1e-7)` by channel, with fixed numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// One number for all channels, or one for each.
    pub mean: Vec<f32>,
    /// One number for all channels, or one for each; 0 or more.
    pub variance: Vec<f32>,
}

/// The layer form of the leaky rectifier.
#[derive(Clone, Debug, PartialEq)]
pub struct LeakyReLU {
    /// Factor of negative values; 0.3 by default.
    pub negative_slope: f32,
}

impl Default for LeakyReLU {
    fn default() -> Self {
        LeakyReLU {
            negative_slope: LEAKY_RELU_LAYER_SLOPE,
        }
    }
}

/// A pooling window.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooling2D {
    /// Height and width of the window; 2 by default.
    pub pool_size: [usize; 2],
    /// Vertical and horizontal step; the pool size by default.
    pub strides: [usize; 2],
    /// `Valid` by default.
    pub padding: Padding,
}

impl Default for Pooling2D {
    fn default() -> Self {
        Pooling2D {
            pool_size: [2, 2],
            strides: [2, 2],
            padding: Padding::Valid,
        }
    }
}

/// The mean of each channel over the whole map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GlobalAveragePooling2D {
    /// Whether the output is a map of 1 x 1 rather than a vector; false by default.
    pub keepdims: bool,
}

/// Sets values to zero at random in training, and scales the others by `1 / (1 - rate)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropout {
    /// Share of the values set to zero, in [0, 1).
    pub rate: f32,
}

/// Sets all values of a photo to zero at random in training, and scales those of the other photos by `1 / (1 - rate)`; at
/// the end of a residual branch, so that the block is skipped (Huang et al. 2016).
#[derive(Clone, Debug, PartialEq)]
pub struct StochasticDepth {
    /// Share of the photos whose values are set to zero, in [0, 1).
    pub rate: f32,
}

impl Layer {
    /// The class name, as a rung's `layer` key has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Layer::Conv2D(_) => "Conv2D",
            Layer::SeparableConv2D(_) => "SeparableConv2D",
            Layer::DepthwiseConv2D(_) => "DepthwiseConv2D",
            Layer::Dense(_) => "Dense",
            Layer::BatchNormalization(_) => "BatchNormalization",
            Layer::LayerNormalization(_) => "LayerNormalization",
            Layer::Scale(_) => "Scale",
            Layer::Normalization(_) => "Normalization",
            Layer::Activation(_) => "Activation",
            Layer::LeakyReLU(_) => "LeakyReLU",
            Layer::MaxPooling2D(_) => "MaxPooling2D",
            Layer::AveragePooling2D(_) => "AveragePooling2D",
            Layer::BlurPooling2D => "BlurPooling2D",
            Layer::GlobalAveragePooling2D(_) => "GlobalAveragePooling2D",
            Layer::Flatten => "Flatten",
            Layer::Dropout(_) => "Dropout",
            Layer::StochasticDepth(_) => "StochasticDepth",
            Layer::Add => "Add",
            Layer::Multiply => "Multiply",
            Layer::Concatenate => "Concatenate",
            Layer::Augmentation(transform) => transform.kind(),
        }
    }

    /// The name that Keras gives a layer of this kind that was not named, before the `_1`.
    pub fn automatic_name(&self) -> &'static str {
        match self {
            Layer::Conv2D(_) => "conv2d",
            Layer::SeparableConv2D(_) => "separable_conv2d",
            Layer::DepthwiseConv2D(_) => "depthwise_conv2d",
            Layer::Dense(_) => "dense",
            Layer::BatchNormalization(_) => "batch_normalization",
            Layer::LayerNormalization(_) => "layer_normalization",
            Layer::Scale(_) => "scale",
            Layer::Normalization(_) => "normalization",
            Layer::Activation(_) => "activation",
            Layer::LeakyReLU(_) => "leaky_re_lu",
            Layer::MaxPooling2D(_) => "max_pooling2d",
            Layer::AveragePooling2D(_) => "average_pooling2d",
            Layer::BlurPooling2D => "blur_pooling2d",
            Layer::GlobalAveragePooling2D(_) => "global_average_pooling2d",
            Layer::Flatten => "flatten",
            Layer::Dropout(_) => "dropout",
            Layer::StochasticDepth(_) => "stochastic_depth",
            Layer::Add => "add",
            Layer::Multiply => "multiply",
            Layer::Concatenate => "concatenate",
            Layer::Augmentation(transform) => transform.automatic_name(),
        }
    }

    /// What the loader executes, where this is one of the `Random*` layers.
    pub fn augmentation(&self) -> Option<&RandomTransform> {
        if let Layer::Augmentation(transform) = self {
            Some(transform)
        } else {
            None
        }
    }

    /// The units of a dense layer.
    pub fn units(&self) -> Option<Units> {
        if let Layer::Dense(dense) = self {
            Some(dense.units)
        } else {
            None
        }
    }
}
