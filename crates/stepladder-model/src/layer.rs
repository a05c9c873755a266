//! Layers as plain data, under Keras' names and with Keras' defaults. Nothing here computes; shapes and parameters are
//! worked out in [`crate::network`].

use crate::activation::{Activation, LEAKY_RELU_LAYER_SLOPE};
use crate::augmentation::{RandomBrightness, RandomFlip, RandomRotation, RandomTranslation, RandomZoom};
use crate::initializer::{DepthwiseFanIn, Initializer};

/// One layer. Maps are height x width x channels (NHWC in a batch).
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "each variant is named after its Keras layer and documented at its options"
)]
pub enum Layer {
    Conv2D(Conv2D),
    SeparableConv2D(SeparableConv2D),
    DepthwiseConv2D(DepthwiseConv2D),
    Dense(Dense),
    BatchNormalization(BatchNormalization),
    Activation(Activation),
    LeakyReLU(LeakyReLU),
    MaxPooling2D(Pooling2D),
    /// The mean over each window; padding is not counted.
    AveragePooling2D(Pooling2D),
    /// The mean of each channel over the whole map; the output is a vector.
    GlobalAveragePooling2D,
    /// A map as a vector, in the order height, width, channels.
    Flatten,
    Dropout(Dropout),
    /// The sum of two or more inputs of one shape.
    Add,
    RandomRotation(RandomRotation),
    RandomTranslation(RandomTranslation),
    RandomZoom(RandomZoom),
    RandomFlip(RandomFlip),
    RandomBrightness(RandomBrightness),
}

/// Padding of a convolution or a pooling window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// No padding: output size `floor((n - k) / s) + 1`.
    #[default]
    Valid,
    /// Output size `ceil(n / s)`; where the padding is odd, the extra row and column are at the bottom and right.
    Same,
}

impl Padding {
    pub(crate) const NAMES: &[(&str, Padding)] = &[("valid", Padding::Valid), ("same", Padding::Same)];

    /// Keras' name of the padding.
    pub fn name(&self) -> &'static str {
        match self {
            Padding::Valid => "valid",
            Padding::Same => "same",
        }
    }
}

/// Convolution; kernel layout (height, width, channels in, filters), as Keras.
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
}

impl Default for BatchNormalization {
    fn default() -> Self {
        BatchNormalization {
            momentum: 0.99,
            epsilon: 1e-3,
            center: true,
            scale: true,
        }
    }
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

/// Sets values to zero at random in training, and scales the others by `1 / (1 - rate)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropout {
    /// Share of the values set to zero, in [0, 1).
    pub rate: f32,
}

impl Layer {
    /// Keras' class name, as a rung's `layer` key has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Layer::Conv2D(_) => "Conv2D",
            Layer::SeparableConv2D(_) => "SeparableConv2D",
            Layer::DepthwiseConv2D(_) => "DepthwiseConv2D",
            Layer::Dense(_) => "Dense",
            Layer::BatchNormalization(_) => "BatchNormalization",
            Layer::Activation(_) => "Activation",
            Layer::LeakyReLU(_) => "LeakyReLU",
            Layer::MaxPooling2D(_) => "MaxPooling2D",
            Layer::AveragePooling2D(_) => "AveragePooling2D",
            Layer::GlobalAveragePooling2D => "GlobalAveragePooling2D",
            Layer::Flatten => "Flatten",
            Layer::Dropout(_) => "Dropout",
            Layer::Add => "Add",
            Layer::RandomRotation(_) => "RandomRotation",
            Layer::RandomTranslation(_) => "RandomTranslation",
            Layer::RandomZoom(_) => "RandomZoom",
            Layer::RandomFlip(_) => "RandomFlip",
            Layer::RandomBrightness(_) => "RandomBrightness",
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
            Layer::Activation(_) => "activation",
            Layer::LeakyReLU(_) => "leaky_re_lu",
            Layer::MaxPooling2D(_) => "max_pooling2d",
            Layer::AveragePooling2D(_) => "average_pooling2d",
            Layer::GlobalAveragePooling2D => "global_average_pooling2d",
            Layer::Flatten => "flatten",
            Layer::Dropout(_) => "dropout",
            Layer::Add => "add",
            Layer::RandomRotation(_) => "random_rotation",
            Layer::RandomTranslation(_) => "random_translation",
            Layer::RandomZoom(_) => "random_zoom",
            Layer::RandomFlip(_) => "random_flip",
            Layer::RandomBrightness(_) => "random_brightness",
        }
    }

    /// Whether this is one of Keras' `Random*` layers, which the loader executes on the photos of the training part.
    pub fn is_augmentation(&self) -> bool {
        matches!(
            self,
            Layer::RandomRotation(_)
                | Layer::RandomTranslation(_)
                | Layer::RandomZoom(_)
                | Layer::RandomFlip(_)
                | Layer::RandomBrightness(_)
        )
    }

    /// The function that the layer ends in; `Linear` for layers that have none.
    pub fn activation(&self) -> Activation {
        match self {
            Layer::Conv2D(layer) => layer.activation,
            Layer::SeparableConv2D(layer) => layer.activation,
            Layer::DepthwiseConv2D(layer) => layer.activation,
            Layer::Dense(layer) => layer.activation,
            Layer::Activation(activation) => *activation,
            Layer::LeakyReLU(layer) => Activation::LeakyRelu {
                negative_slope: layer.negative_slope,
            },
            _ => Activation::Linear,
        }
    }
}
