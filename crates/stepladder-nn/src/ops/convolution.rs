//! Convolutions, full and depthwise.

use super::extension::{self, LinearKind, Packed};
use super::padding::pad_of_axis;
use super::{activation, to_nchw, to_nhwc};
use burn::tensor::Tensor;
use burn::tensor::module;
use burn::tensor::ops::ConvOptions;
use stepladder_kernels::{Conv2d, DepthwiseConv2d};
use stepladder_model::{Activation, Padding};

/// How a window moves over the image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Height and width.
    pub size: [usize; 2],
    /// Steps down and right.
    pub strides: [usize; 2],
    /// What lies outside the image.
    pub padding: Padding,
}

impl Window {
    pub fn new(size: [usize; 2], strides: [usize; 2], padding: Padding) -> Window {
        Window {
            size,
            strides,
            padding,
        }
    }

    /// Rows and columns of padding, (before, after) each, on an image of `height` x `width`.
    pub fn pads(&self, height: usize, width: usize) -> [(usize, usize); 2] {
        [
            pad_of_axis(self.padding, height, self.size[0], self.strides[0]),
            pad_of_axis(self.padding, width, self.size[1], self.strides[1]),
        ]
    }

    /// The same window, as the kernels describe it, on an image of `height` x `width`.
    pub fn on(&self, height: usize, width: usize) -> stepladder_kernels::Window {
        let [(top, bottom), (left, right)] = self.pads(height, width);
        stepladder_kernels::Window {
            kernel: self.size,
            stride: self.strides,
            before: [top, left],
            after: [bottom, right],
        }
    }
}

/// Weights of a layer; and the same packed, where that was done beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Weights<const D: usize> {
    pub values: Tensor<D>,
    pub packed: Option<Packed>,
}

impl<const D: usize> From<Tensor<D>> for Weights<D> {
    fn from(values: Tensor<D>) -> Weights<D> {
        Weights { values, packed: None }
    }
}

/// What follows a linear operation, so far as it can do something for it while it writes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Next {
    /// A batch norm, which wants the output's statistics.
    BatchNorm,
    /// This activation, which is applied: linear, ReLU, leaky ReLU or swish. In inference only, for the backward pass needs
    /// the value from before.
    Activation(Activation),
    /// Anything else.
    Other,
}

impl Next {
    /// What an output of Burn's own operations goes on as.
    pub(super) fn after<const D: usize>(self, y: Tensor<D>) -> WithStatistics<D> {
        match self {
            Next::Activation(function) => (activation(y, function), None),
            Next::BatchNorm | Next::Other => (y, None),
        }
    }
}

/// A linear operation's output, and its mean and variance per channel where they were wanted and come for free.
pub(crate) type WithStatistics<const D: usize> = (Tensor<D>, Option<[Tensor<1>; 2]>);

/// Convolution of `x` `[N, H, W, C]` with `kernel` `[kh, kw, C, filters]` (Keras' HWIO), plus `bias` `[filters]`:
/// `[N, H', W', filters]`.
pub(crate) fn conv2d(
    x: Tensor<4>,
    kernel: impl Into<Weights<4>>,
    bias: Option<Tensor<1>>,
    window: Window,
    next: Next,
) -> WithStatistics<4> {
    let kernel = kernel.into();
    if !extension::serve(&x) {
        return next.after(composed_conv2d(x, kernel.values, bias, window));
    }
    let [batch, height, width, in_channels] = x.dims();
    let [_, _, _, out_channels] = kernel.values.dims();
    let kind = LinearKind::Conv2d(Conv2d {
        batch,
        input: [height, width],
        in_channels,
        out_channels,
        window: window.on(height, width),
    });
    extension::linear(x, kernel, bias, kind, next)
}

/// [`conv2d`] by Burn's own operations.
pub(super) fn composed_conv2d(
    x: Tensor<4>,
    kernel: Tensor<4>,
    bias: Option<Tensor<1>>,
    window: Window,
) -> Tensor<4> {
    let [_, height, width, _] = x.dims();
    let options = ConvOptions::new_with_padding(window.strides, window.pads(height, width), [1, 1], 1);
    to_nhwc(module::conv2d(
        to_nchw(x),
        kernel.permute([3, 2, 0, 1]),
        bias,
        options,
    ))
}

/// Depthwise convolution of `x` `[N, H, W, C]` with `kernel` `[kh, kw, C, multiplier]`: `[N, H', W', C * multiplier]`,
/// output channel `c * multiplier + m` from input channel `c`, as Keras orders them.
pub(crate) fn depthwise_conv2d(
    x: Tensor<4>,
    kernel: Tensor<4>,
    bias: Option<Tensor<1>>,
    window: Window,
    next: Next,
) -> WithStatistics<4> {
    let [batch, height, width, channels] = x.dims();
    let [_, _, _, multiplier] = kernel.dims();
    // The kernels know a multiplier of 1 alone, which is all that networks in use have.
    if multiplier != 1 || !extension::serve(&x) {
        return next.after(composed_depthwise_conv2d(x, kernel, bias, window));
    }
    let kind = LinearKind::DepthwiseConv2d(DepthwiseConv2d {
        batch,
        input: [height, width],
        channels,
        window: window.on(height, width),
    });
    extension::linear(x, kernel.into(), bias, kind, next)
}

/// [`depthwise_conv2d`] by Burn's own operations.
pub(super) fn composed_depthwise_conv2d(
    x: Tensor<4>,
    kernel: Tensor<4>,
    bias: Option<Tensor<1>>,
    window: Window,
) -> Tensor<4> {
    let [_, height, width, channels] = x.dims();
    let [kh, kw, _, multiplier] = kernel.dims();
    let kernel = kernel
        .permute([2, 3, 0, 1])
        .reshape([channels * multiplier, 1, kh, kw]);
    let options = ConvOptions::new_with_padding(window.strides, window.pads(height, width), [1, 1], channels);
    to_nhwc(module::conv2d(to_nchw(x), kernel, bias, options))
}
