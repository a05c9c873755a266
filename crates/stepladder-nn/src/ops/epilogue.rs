//! The end of a block: batch normalization (Ioffe and Szegedy 2015, with Keras' conventions: population variance, statistics
//! per channel), skip addition, activation, max pooling, in this order.

use super::convolution::Window;
use super::extension::{self, Finish};
use super::{activation, pooling};
use burn::tensor::Tensor;
use stepladder_kernels::{Activation as KernelActivation, Epilogue as KernelEpilogue};
use stepladder_model::{Activation, Padding};

/// A batch normalization of an epilogue's input; tensors are `[channels]`.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    pub gamma: Tensor<1>,
    pub beta: Tensor<1>,
    /// Added to the variance.
    pub epsilon: f32,
    pub statistics: NormStatistics,
}

/// What a batch normalization normalizes by.
#[derive(Debug, Clone)]
pub(crate) enum NormStatistics {
    /// The batch's own mean and population variance, as in training; here where whoever made the input left them.
    Batch(Option<[Tensor<1>; 2]>),
    /// These mean and variance, as in inference.
    Moving([Tensor<1>; 2]),
}

/// What follows normalization and addition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail {
    /// Linear, ReLU, leaky ReLU or swish.
    pub activation: Activation,
    /// Height and width of max pooling's windows, side by side, what is left over unseen; `[1, 1]` is none.
    pub pool: [usize; 2],
}

/// The block's output `[N, H / pool, W / pool, C]` from `x` `[N, H, W, C]` and `skip`, of the same shape; and where the batch
/// was normalized by itself, its mean and variance, without gradients.
pub(crate) fn epilogue(
    x: Tensor<4>,
    norm: Option<Norm>,
    skip: Option<Tensor<4>>,
    tail: Tail,
) -> (Tensor<4>, Option<[Tensor<1>; 2]>) {
    if !extension::serve(&x) {
        return composed_epilogue(x, norm, skip, tail);
    }
    let [batch, height, width, channels] = x.dims();
    let operation = Finish {
        epilogue: KernelEpilogue {
            batch,
            input: [height, width],
            channels,
            activation: kernel_activation(tail.activation),
            pool: tail.pool,
        },
        norm: norm.as_ref().map(|norm| norm.epsilon),
        has_skip: skip.is_some(),
    };
    let mut found = None;
    let norm = norm.map(|norm| {
        let [mean, variance] = match norm.statistics {
            NormStatistics::Moving(statistics) => statistics,
            NormStatistics::Batch(statistics) => {
                let statistics = statistics.unwrap_or_else(|| extension::statistics(x.clone()));
                found = Some(statistics.clone().map(|figure| figure.inner()));
                statistics
            }
        };
        [norm.gamma, norm.beta, mean, variance]
    });
    (extension::finish(x, norm, skip, operation), found)
}

/// The activation as kernels know it.
///
/// # Panics
///
/// If it is none that an epilogue may apply.
pub(super) fn kernel_activation(activation: Activation) -> KernelActivation {
    match activation {
        Activation::Linear => KernelActivation::Linear,
        Activation::Relu => KernelActivation::Relu,
        Activation::LeakyRelu { negative_slope } => KernelActivation::LeakyRelu {
            slope: negative_slope,
        },
        Activation::Swish => KernelActivation::Swish,
        other => panic!("{} is no part of an epilogue", other.name()),
    }
}

/// [`epilogue`] by Burn's own operations.
pub(crate) fn composed_epilogue(
    x: Tensor<4>,
    norm: Option<Norm>,
    skip: Option<Tensor<4>>,
    tail: Tail,
) -> (Tensor<4>, Option<[Tensor<1>; 2]>) {
    let (z, statistics) = match norm {
        Some(norm) => normalize(x, norm),
        None => (x, None),
    };
    let z = match skip {
        Some(skip) => z + skip,
        None => z,
    };
    let y = activation(z, tail.activation);
    if tail.pool == [1, 1] {
        return (y, statistics);
    }
    let window = Window::new(tail.pool, tail.pool, Padding::Valid);
    (pooling::composed_max_pool(y, window), statistics)
}

fn normalize(x: Tensor<4>, norm: Norm) -> (Tensor<4>, Option<[Tensor<1>; 2]>) {
    let shape @ [batch, height, width, channels] = x.dims();
    let rows = x.reshape([batch * height * width, channels]);
    let row = |figure: Tensor<1>| figure.reshape([1, channels]);
    match norm.statistics {
        NormStatistics::Moving([mean, variance]) => {
            let scale = norm.gamma / (variance + norm.epsilon).sqrt();
            let shift = norm.beta - mean * scale.clone();
            ((rows * row(scale) + row(shift)).reshape(shape), None)
        }
        NormStatistics::Batch(_) => {
            let mean = rows.clone().mean_dim(0);
            let centered = rows - mean.clone();
            let variance = centered.clone().square().mean_dim(0);
            let scale = row(norm.gamma) / (variance.clone() + norm.epsilon).sqrt();
            let y = centered * scale + row(norm.beta);
            let statistics = [mean, variance].map(|figure| figure.inner().reshape([channels]));
            (y.reshape(shape), Some(statistics))
        }
    }
}
