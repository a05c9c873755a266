//! Element-wise activations.

use super::convert;
use crate::precision::Precision;
use burn::tensor::{DType, Tensor, activation as burn_activation};
use stepladder_model::Activation;

/// Applies `function` to each element; softmax runs over the last dimension.
///
/// Always computed in f32; on the CPU, those that networks use most are part of an epilogue instead.
pub(crate) fn activation<const D: usize>(x: Tensor<D>, function: Activation) -> Tensor<D> {
    if x.dtype() == DType::BF16 && function != Activation::Linear {
        return convert(activation(convert(x, Precision::F32), function), Precision::Bf16);
    }
    match function {
        Activation::Linear => x,
        Activation::Relu => burn_activation::relu(x),
        Activation::LeakyRelu { negative_slope } => burn_activation::leaky_relu(x, f64::from(negative_slope)),
        Activation::Elu => burn_activation::elu(x, 1.0),
        Activation::Gelu => gelu(x),
        Activation::Swish => burn_activation::silu(x),
        Activation::Sigmoid => burn_activation::sigmoid(x),
        Activation::Tanh => burn_activation::tanh(x),
        Activation::Softmax => burn_activation::softmax(x, D - 1),
    }
}

/// x Φ(x), with the normal distribution's Φ in erf (Hendrycks and Gimpel 2016), and so with its own derivative.
///
/// Burn's function has, on GPUs, the derivative of another formula, by tanh, which is off by some 1e-4.
fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let erf = x.clone().mul_scalar(std::f64::consts::FRAC_1_SQRT_2).erf();
    x * erf.add_scalar(1.0).mul_scalar(0.5)
}
