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
        Activation::Gelu => burn_activation::gelu(x),
        Activation::Swish => burn_activation::silu(x),
        Activation::Sigmoid => burn_activation::sigmoid(x),
        Activation::Tanh => burn_activation::tanh(x),
        Activation::Softmax => burn_activation::softmax(x, D - 1),
    }
}
