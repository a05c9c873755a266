//! The operations that layers are made of, on channels-last tensors `[batch, height, width, channels]`.
//!
//! Each function here is differentiable. On the CPU, those that a kernel of ours serves run on it, through [`extension`];
//! everything else composes Burn's own operations, which run on every back end.

mod activation;
mod convolution;
mod dense;
mod dropout;
mod epilogue;
mod extension;
mod loss;
mod padding;
mod pooling;
mod storage;

pub(crate) use activation::activation;
pub(crate) use convolution::{Next, Weights, Window, WithStatistics, conv2d, depthwise_conv2d};
pub(crate) use dense::dense;
pub(crate) use dropout::dropout;
pub(crate) use epilogue::{Norm, NormStatistics, Tail, composed_epilogue, epilogue};
pub(crate) use extension::{
    Packed, buffers, check_environment, instruction_set, moving_average, pack, squared_norm, together, update,
};
pub(crate) use loss::cross_entropy;
pub(crate) use pooling::{average_pool, global_average_pool, max_pool};
pub(crate) use storage::{convert, fork};

use burn::tensor::Tensor;

/// NHWC to Burn's NCHW: a view, not a copy.
fn to_nchw(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 3, 1, 2])
}

/// Burn's NCHW to NHWC: a view, not a copy.
fn to_nhwc(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 2, 3, 1])
}
