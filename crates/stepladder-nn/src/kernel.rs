//! The graph's words as the kernels have them.

use stepladder_kernels as kernels;
use stepladder_model::{Activation, Window};

/// The kernels' activation; `None` for softmax, which is no function of one value.
pub(crate) fn activation(activation: Activation) -> Option<kernels::Activation> {
    Some(match activation {
        Activation::Linear => kernels::Activation::Linear,
        Activation::Relu => kernels::Activation::Relu,
        Activation::Relu6 => kernels::Activation::Relu6,
        Activation::LeakyRelu { negative_slope } => kernels::Activation::LeakyRelu {
            slope: negative_slope,
        },
        Activation::Elu => kernels::Activation::Elu,
        Activation::Gelu => kernels::Activation::Gelu,
        Activation::Swish => kernels::Activation::Swish,
        Activation::HardSwish => kernels::Activation::HardSwish,
        Activation::Sigmoid => kernels::Activation::Sigmoid,
        Activation::HardSigmoid => kernels::Activation::HardSigmoid,
        Activation::Tanh => kernels::Activation::Tanh,
        Activation::Softmax => return None,
    })
}

/// The kernels' window.
pub(crate) fn window(window: Window) -> kernels::Window {
    let [[top, bottom], [left, right]] = window.padding;
    kernels::Window {
        kernel: window.size,
        stride: window.strides,
        before: [top, left],
        after: [bottom, right],
    }
}
