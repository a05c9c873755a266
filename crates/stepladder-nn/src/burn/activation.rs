//! Activations and their slopes.

use burn::tensor::{Tensor, activation};
use std::f64::consts::{FRAC_1_SQRT_2, PI};
use stepladder_kernels::Activation;

/// The activation of each value.
pub(super) fn forward<const D: usize>(function: Activation, x: Tensor<D>) -> Tensor<D> {
    match function {
        Activation::Linear => x,
        Activation::Relu => activation::relu(x),
        Activation::LeakyRelu { slope } => activation::leaky_relu(x, f64::from(slope)),
        Activation::Swish => activation::silu(x),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::HardSwish => x.clone() * hard_sigmoid(x),
        Activation::HardSigmoid => hard_sigmoid(x),
        Activation::Elu => activation::elu(x, 1.0),
        Activation::Gelu => x.clone() * normal_distribution(x),
        Activation::Sigmoid => activation::sigmoid(x),
        Activation::Tanh => x.tanh(),
    }
}

/// The gradient by `x` from that by the activation of it: at a corner, with the slope of the flatter side, as the kernels.
pub(super) fn backward<const D: usize>(function: Activation, x: Tensor<D>, dy: Tensor<D>) -> Tensor<D> {
    match function {
        Activation::Linear => dy,
        Activation::Relu => dy.mask_fill(x.lower_equal_scalar(0.0), 0.0),
        Activation::LeakyRelu { slope } => {
            let negative = dy.clone() * slope;
            dy.mask_where(x.lower_equal_scalar(0.0), negative)
        }
        Activation::Swish => {
            let y = activation::sigmoid(x.clone());
            dy * (y.clone() + x * y.clone() * (y.neg() + 1.0))
        }
        Activation::Relu6 => dy
            .mask_fill(x.clone().lower_equal_scalar(0.0), 0.0)
            .mask_fill(x.greater_equal_scalar(6.0), 0.0),
        Activation::HardSwish => {
            let slope = (x.clone() * 2.0 + 3.0) / 6.0;
            let slope = slope.mask_fill(x.clone().lower_equal_scalar(-3.0), 0.0);
            dy * slope.mask_fill(x.greater_equal_scalar(3.0), 1.0)
        }
        Activation::HardSigmoid => {
            let dx = dy / 6.0;
            dx.mask_fill(x.clone().lower_equal_scalar(-3.0), 0.0)
                .mask_fill(x.greater_equal_scalar(3.0), 0.0)
        }
        Activation::Elu => dy * x.clamp_max(0.0).exp(),
        Activation::Gelu => {
            let density = (x.clone().square() * -0.5).exp() / (2.0 * PI).sqrt();
            dy * (normal_distribution(x.clone()) + x * density)
        }
        Activation::Sigmoid => {
            let y = activation::sigmoid(x);
            dy * y.clone() * (y.neg() + 1.0)
        }
        Activation::Tanh => dy * (x.tanh().square().neg() + 1.0),
    }
}

fn hard_sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    (x + 3.0).clamp(0.0, 6.0) / 6.0
}

/// The normal distribution's Phi, from erf (Hendrycks and Gimpel 2016): Burn's own GELU is, on GPUs, another formula's, by tanh, which
/// is off by some 1e-4.
fn normal_distribution<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    ((x * FRAC_1_SQRT_2).erf() + 1.0) * 0.5
}
