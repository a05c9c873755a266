//! Max, average and global average pooling.

use super::convolution::Window;
use super::{to_nchw, to_nhwc};
use burn::tensor::Tensor;
use burn::tensor::module;
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

/// The greatest value under each window position: `[N, H, W, C]` to `[N, H', W', C]`. Padding never wins.
pub(crate) fn max_pool(x: Tensor<4>, window: Window) -> Tensor<4> {
    let [_, height, width, _] = x.dims();
    let options = MaxPoolOptions::new(window.size)
        .with_stride(window.strides)
        .with_padding_pairs(window.pads(height, width));
    to_nhwc(module::max_pool2d(to_nchw(x), options))
}

/// The mean under each window position: `[N, H, W, C]` to `[N, H', W', C]`. Padding is left out of the mean, as in
/// Keras.
pub(crate) fn average_pool(x: Tensor<4>, window: Window) -> Tensor<4> {
    let [_, height, width, _] = x.dims();
    let options = AvgPoolOptions::new(window.size)
        .with_stride(window.strides)
        .with_padding_pairs(window.pads(height, width))
        .with_count_include_pad(false);
    to_nhwc(module::avg_pool2d(to_nchw(x), options))
}

/// The mean over all positions: `[N, H, W, C]` to `[N, C]`.
pub(crate) fn global_average_pool(x: Tensor<4>) -> Tensor<2> {
    let [batch, height, width, channels] = x.dims();
    x.reshape([batch, height * width, channels])
        .mean_dim(1)
        .reshape([batch, channels])
}
