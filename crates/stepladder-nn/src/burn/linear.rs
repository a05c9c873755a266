//! Operations with weights: all of them are convolutions in groups, and those of single pixels are products of matrices.

use super::norm::row;
use super::{Flat, flattened, rows};
use crate::program::LinearShape;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Tensor, module};
use stepladder_kernels::{Conv2d, GroupedConv2d, Window};

/// An operation with weights as a convolution in groups, of which there may be one. Operands are of one precision.
pub(super) struct Convolution(GroupedConv2d);

impl Convolution {
    pub fn new(shape: LinearShape) -> Convolution {
        Convolution(match shape {
            LinearShape::Convolution(conv) => GroupedConv2d { conv, groups: 1 },
            LinearShape::Grouped(grouped) => grouped,
            // Its weights `[h, w, channels, multiplier]` lie in memory as those of as many groups, `[h, w, 1, outputs]`.
            LinearShape::Depthwise(depthwise) => GroupedConv2d {
                conv: Conv2d {
                    batch: depthwise.batch,
                    input: depthwise.input,
                    in_channels: depthwise.channels,
                    out_channels: depthwise.out_channels(),
                    window: depthwise.window,
                },
                groups: depthwise.channels,
            },
            LinearShape::Dense(dense) => GroupedConv2d {
                conv: Conv2d {
                    batch: dense.batch,
                    input: [1, 1],
                    in_channels: dense.inputs,
                    out_channels: dense.outputs,
                    window: Window::valid([1, 1], [1, 1]),
                },
                groups: 1,
            },
        })
    }

    fn is_matrix(&self) -> bool {
        self.0.groups == 1 && self.0.conv.window == Window::valid([1, 1], [1, 1])
    }

    /// The output.
    pub fn forward(&self, x: Flat, weights: Flat, bias: Option<Flat>) -> Flat {
        let Conv2d {
            in_channels,
            out_channels,
            ..
        } = self.0.conv;
        let y = match self.is_matrix() {
            true => rows(x, in_channels).matmul(rows(weights, out_channels)),
            false => {
                let y = module::conv2d(self.input(x), self.oihw(weights), None, self.options());
                rows(from_nchw(y), out_channels)
            }
        };
        flattened(match bias {
            Some(bias) => y + row(bias),
            None => y,
        })
    }

    /// The gradient by the input.
    pub fn input_gradient(&self, dy: Flat, weights: Flat) -> Flat {
        let GroupedConv2d { conv, groups } = self.0;
        let Window {
            kernel,
            stride,
            before,
            after,
        } = conv.window;
        if self.is_matrix() {
            let weights = rows(weights, conv.out_channels);
            return flattened(rows(dy, conv.out_channels).matmul(weights.transpose()));
        }
        let (dy, weights) = (self.output(dy), self.oihw(weights));
        if stride == [1, 1] {
            // A convolution again, with the kernel turned around: Burn has the faster kernels for those.
            let (outputs, inputs) = (conv.out_channels / groups, conv.in_channels / groups);
            let turned = weights
                .reshape([groups, outputs, inputs, kernel[0], kernel[1]])
                .swap_dims(1, 2);
            let turned = turned
                .reshape([conv.in_channels, outputs, kernel[0], kernel[1]])
                .flip([2, 3]);
            let padding =
                [0, 1].map(|axis| (kernel[axis] - 1 - before[axis], kernel[axis] - 1 - after[axis]));
            let options = ConvOptions::new_with_padding([1, 1], padding, [1, 1], groups);
            return from_nchw(module::conv2d(dy, turned, None, options));
        }
        // By the padded map, whose end the windows may not have seen.
        let windows = conv.window.output(conv.input);
        let padded = [0, 1].map(|axis| before[axis] + conv.input[axis] + after[axis]);
        let unseen = [0, 1].map(|axis| padded[axis] - ((windows[axis] - 1) * stride[axis] + kernel[axis]));
        let options = ConvTransposeOptions::new(stride, [0, 0], unseen, [1, 1], groups);
        let dx = module::conv_transpose2d(dy, weights, None, options);
        from_nchw(
            dx.narrow(2, before[0], conv.input[0])
                .narrow(3, before[1], conv.input[1]),
        )
    }

    /// The gradient by the weights; these are given for their shape and precision.
    pub fn weight_gradient(&self, x: Flat, dy: Flat, weights: Flat) -> Flat {
        let Conv2d {
            in_channels,
            out_channels,
            ..
        } = self.0.conv;
        if self.is_matrix() {
            return flattened(rows(x, in_channels).transpose().matmul(rows(dy, out_channels)));
        }
        let (x, dy) = (self.input(x), self.output(dy));
        let gradient = module::conv2d_weight_backward(x, self.oihw(weights), dy, self.options());
        flattened(gradient.permute([2, 3, 1, 0]))
    }

    /// The gradient by the bias.
    pub fn bias_gradient(&self, dy: Flat) -> Flat {
        flattened(rows(dy, self.0.conv.out_channels).sum_dim(0))
    }

    fn options(&self) -> ConvOptions<2> {
        let Window {
            stride,
            before,
            after,
            ..
        } = self.0.conv.window;
        let padding = [0, 1].map(|axis| (before[axis], after[axis]));
        ConvOptions::new_with_padding(stride, padding, [1, 1], self.0.groups)
    }

    /// Keras' weights `[h, w, inputs, outputs]` as Burn wants them.
    fn oihw(&self, weights: Flat) -> Tensor<4> {
        let GroupedConv2d { conv, groups } = self.0;
        let [height, width] = conv.window.kernel;
        let weights = weights.reshape([height, width, conv.in_channels / groups, conv.out_channels]);
        weights.permute([3, 2, 0, 1])
    }

    fn input(&self, x: Flat) -> Tensor<4> {
        to_nchw(x, self.0.conv.input, self.0.conv.in_channels)
    }

    fn output(&self, y: Flat) -> Tensor<4> {
        let conv = self.0.conv;
        to_nchw(y, conv.window.output(conv.input), conv.out_channels)
    }
}

/// A map as Burn's modules want it: a view, not a copy.
pub(super) fn to_nchw(map: Flat, [height, width]: [usize; 2], channels: usize) -> Tensor<4> {
    let photos = map.dims()[0] / (height * width * channels);
    map.reshape([photos, height, width, channels])
        .permute([0, 3, 1, 2])
}

/// Back to channels last.
pub(super) fn from_nchw(map: Tensor<4>) -> Flat {
    flattened(map.permute([0, 2, 3, 1]))
}
