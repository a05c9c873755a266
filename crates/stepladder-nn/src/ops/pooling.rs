//! Max, average and global average pooling.

use super::convolution::Window;
use super::extension::{self, Pooling};
use super::{to_nchw, to_nhwc};
use burn::tensor::Tensor;
use burn::tensor::module;
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use stepladder_kernels::{GlobalAveragePool, Pool2d, PoolKind};

/// The greatest value under each window position: `[N, H, W, C]` to `[N, H', W', C]`. Padding never wins.
pub(crate) fn max_pool(x: Tensor<4>, window: Window) -> Tensor<4> {
    if !extension::serve(&x) {
        return composed_max_pool(x, window);
    }
    let operation = Pooling::Window(pool_of(&x, window, PoolKind::Max));
    extension::pool(x, operation)
}

/// [`max_pool`] by Burn's own operations.
pub(super) fn composed_max_pool(x: Tensor<4>, window: Window) -> Tensor<4> {
    let [_, height, width, _] = x.dims();
    let options = MaxPoolOptions::new(window.size)
        .with_stride(window.strides)
        .with_padding_pairs(window.pads(height, width));
    to_nhwc(module::max_pool2d(to_nchw(x), options))
}

/// The mean under each window position: `[N, H, W, C]` to `[N, H', W', C]`. Padding is left out of the mean, as in
/// Keras.
pub(crate) fn average_pool(x: Tensor<4>, window: Window) -> Tensor<4> {
    if !extension::serve(&x) {
        return composed_average_pool(x, window);
    }
    let operation = Pooling::Window(pool_of(&x, window, PoolKind::Average));
    extension::pool(x, operation)
}

/// [`average_pool`] by Burn's own operations.
pub(super) fn composed_average_pool(x: Tensor<4>, window: Window) -> Tensor<4> {
    let [_, height, width, _] = x.dims();
    let options = AvgPoolOptions::new(window.size)
        .with_stride(window.strides)
        .with_padding_pairs(window.pads(height, width))
        .with_count_include_pad(false);
    to_nhwc(module::avg_pool2d(to_nchw(x), options))
}

/// The mean over all positions: `[N, H, W, C]` to `[N, C]`.
pub(crate) fn global_average_pool(x: Tensor<4>) -> Tensor<2> {
    if !extension::serve(&x) {
        return composed_global_average_pool(x);
    }
    let [batch, height, width, channels] = x.dims();
    let operation = Pooling::GlobalAverage(GlobalAveragePool {
        batch,
        pixels: height * width,
        channels,
    });
    extension::pool(x, operation)
}

/// [`global_average_pool`] by Burn's own operations.
pub(super) fn composed_global_average_pool(x: Tensor<4>) -> Tensor<2> {
    let [batch, height, width, channels] = x.dims();
    x.reshape([batch, height * width, channels])
        .mean_dim(1)
        .reshape([batch, channels])
}

/// The kernels' description of a pooling of `x`.
fn pool_of(x: &Tensor<4>, window: Window, kind: PoolKind) -> Pool2d {
    let [batch, height, width, channels] = x.dims();
    Pool2d {
        batch,
        input: [height, width],
        channels,
        window: window.on(height, width),
        kind,
    }
}
