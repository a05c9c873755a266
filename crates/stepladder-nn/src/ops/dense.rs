//! Dense layers.

use super::convolution::{Next, Weights, WithStatistics};
use super::extension::{self, LinearKind};
use burn::tensor::Tensor;
use stepladder_kernels::Dense;

/// `x` `[N, inputs]` times `kernel` `[inputs, units]`, plus `bias` `[units]`: `[N, units]`.
pub(crate) fn dense(
    x: Tensor<2>,
    kernel: impl Into<Weights<2>>,
    bias: Option<Tensor<1>>,
    next: Next,
) -> WithStatistics<2> {
    let kernel = kernel.into();
    if !extension::serve(&x) {
        return next.after(composed_dense(x, kernel.values, bias));
    }
    let [batch, inputs] = x.dims();
    let [_, outputs] = kernel.values.dims();
    let kind = LinearKind::Dense(Dense {
        batch,
        inputs,
        outputs,
    });
    extension::linear(x, kernel, bias, kind, next)
}

/// [`dense`] by Burn's own operations.
pub(super) fn composed_dense(x: Tensor<2>, kernel: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let y = x.matmul(kernel);
    match bias {
        Some(bias) => y + bias.unsqueeze::<2>(),
        None => y,
    }
}
