//! Activation functions, under the names that Keras gives them.

/// A function applied to each value (softmax: to each vector of channels).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// The identity: no activation.
    Linear,
    /// `max(x, 0)`
    Relu,
    /// `x` where positive, else `negative_slope * x`.
    LeakyRelu {
        /// Keras' function has 0.2 where its layer has 0.3.
        negative_slope: f32,
    },
    /// `x` where positive, else `exp(x) - 1`.
    Elu,
    /// `x * sigmoid(x)`, which Keras calls both `swish` and `silu`.
    Swish,
    /// `x * Phi(x)` with the exact normal distribution function, not the tanh approximation.
    Gelu,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `exp(x) / sum(exp(x))` over the last axis.
    Softmax,
}

/// Slope of `activation = "leaky_relu"` where none is given (Keras `activations.leaky_relu`).
pub const LEAKY_RELU_FUNCTION_SLOPE: f32 = 0.2;

/// Slope of a `LeakyReLU` layer where none is given (Keras `layers.LeakyReLU`).
pub const LEAKY_RELU_LAYER_SLOPE: f32 = 0.3;

impl Activation {
    /// Every name that a rung may use, aliases after the name that is written back.
    pub(crate) const NAMES: &[(&str, Activation)] = &[
        ("linear", Activation::Linear),
        ("relu", Activation::Relu),
        (
            "leaky_relu",
            Activation::LeakyRelu {
                negative_slope: LEAKY_RELU_FUNCTION_SLOPE,
            },
        ),
        ("elu", Activation::Elu),
        ("swish", Activation::Swish),
        ("silu", Activation::Swish),
        ("gelu", Activation::Gelu),
        ("sigmoid", Activation::Sigmoid),
        ("tanh", Activation::Tanh),
        ("softmax", Activation::Softmax),
    ];

    /// Keras' name of the function, without its options.
    pub fn name(&self) -> &'static str {
        match self {
            Activation::Linear => "linear",
            Activation::Relu => "relu",
            Activation::LeakyRelu { .. } => "leaky_relu",
            Activation::Elu => "elu",
            Activation::Swish => "swish",
            Activation::Gelu => "gelu",
            Activation::Sigmoid => "sigmoid",
            Activation::Tanh => "tanh",
            Activation::Softmax => "softmax",
        }
    }
}
