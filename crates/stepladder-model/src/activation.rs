//! Activation functions, under the names that Keras gives them.

/// A function applied to each value (softmax: to each vector of channels).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// The identity: no activation.
    Linear,
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `x` where positive, else `negative_slope * x`.
    LeakyRelu {
        /// Keras' function has 0.2 where its layer has 0.3.
        negative_slope: f32,
    },
    /// `x` where positive, else `exp(x) - 1`.
    Elu,
    /// `x * sigmoid(x)`, which Keras calls both `swish` and `silu`.
    Swish,
    /// `x * relu6(x + 3) / 6`, which Keras calls both `hard_swish` and `hard_silu`.
    HardSwish,
    /// `x * Phi(x)` with the exact normal distribution function, not the tanh approximation.
    Gelu,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `relu6(x + 3) / 6`, as Keras 3 has it; Keras 2 had another slope.
    HardSigmoid,
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
        ("relu6", Activation::Relu6),
        (
            "leaky_relu",
            Activation::LeakyRelu {
                negative_slope: LEAKY_RELU_FUNCTION_SLOPE,
            },
        ),
        ("elu", Activation::Elu),
        ("swish", Activation::Swish),
        ("silu", Activation::Swish),
        ("hard_swish", Activation::HardSwish),
        ("hard_silu", Activation::HardSwish),
        ("gelu", Activation::Gelu),
        ("sigmoid", Activation::Sigmoid),
        ("hard_sigmoid", Activation::HardSigmoid),
        ("tanh", Activation::Tanh),
        ("softmax", Activation::Softmax),
    ];

    /// Keras' name of the function, without its options.
    pub fn name(&self) -> &'static str {
        match self {
            Activation::Linear => "linear",
            Activation::Relu => "relu",
            Activation::Relu6 => "relu6",
            Activation::LeakyRelu { .. } => "leaky_relu",
            Activation::Elu => "elu",
            Activation::Swish => "swish",
            Activation::HardSwish => "hard_swish",
            Activation::Gelu => "gelu",
            Activation::Sigmoid => "sigmoid",
            Activation::HardSigmoid => "hard_sigmoid",
            Activation::Tanh => "tanh",
            Activation::Softmax => "softmax",
        }
    }
}
