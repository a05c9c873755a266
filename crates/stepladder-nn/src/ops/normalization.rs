//! Batch normalization (Ioffe and Szegedy 2015) with Keras' conventions: population variance, statistics per channel.

use burn::tensor::Tensor;

/// The four parameters of a batch normalization, each of shape `[channels]`.
pub(crate) struct BatchNorm {
    pub gamma: Tensor<1>,
    pub beta: Tensor<1>,
    pub mean: Tensor<1>,
    pub variance: Tensor<1>,
}

/// Normalizes the rows of `x` `[rows, channels]` by their own mean and population variance, then scales and shifts.
///
/// Returns the result with the mean and variance of the batch, detached, each `[channels]`.
pub(crate) fn batch_norm_training(
    x: Tensor<2>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f32,
) -> (Tensor<2>, Tensor<1>, Tensor<1>) {
    let [_, channels] = x.dims();
    let mean = x.clone().mean_dim(0);
    let centered = x - mean.clone();
    let variance = centered.clone().square().mean_dim(0);
    let scale = gamma.reshape([1, channels]) / (variance.clone() + epsilon).sqrt();
    let y = centered * scale + beta.reshape([1, channels]);
    (
        y,
        mean.detach().inner().reshape([channels]),
        variance.detach().inner().reshape([channels]),
    )
}

/// Normalizes the rows of `x` `[rows, channels]` by the moving statistics.
pub(crate) fn batch_norm_inference(x: Tensor<2>, norm: BatchNorm, epsilon: f32) -> Tensor<2> {
    let [_, channels] = x.dims();
    let scale = norm.gamma / (norm.variance + epsilon).sqrt();
    let shift = norm.beta - norm.mean * scale.clone();
    x * scale.reshape([1, channels]) + shift.reshape([1, channels])
}
