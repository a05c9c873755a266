//! Parameters and multiply-adds of one layer, given the shapes around it. All arithmetic is checked: a rung may ask for
//! more than fits any machine.

use super::{ParameterSpec, Shape};
use crate::initializer::{DepthwiseFanIn, Initializer};
use crate::layer::{Layer, Units};

/// More values than this in one map or parameter, or in all parameters together, are refused: 2^31 numbers of four
/// bytes are 8 GiB, four times over with the gradient and Adam's two moments.
pub(super) const LIMIT: u64 = 1 << 31;

/// The parameters of `layer` on an input with `channels` in its last axis. The list is built without names or limits
/// in mind; [`product`] tells whether a shape is within them.
pub(super) fn parameters(layer: &Layer, node: &str, channels: usize) -> Vec<ParameterSpec> {
    let weight = |name: &str, shape: Vec<usize>, initializer: Initializer| {
        let (fan_in, fan_out) = fans(&shape);
        ParameterSpec {
            name: format!("{node}/{name}"),
            shape,
            initializer,
            fan_in,
            fan_out,
            trainable: true,
        }
    };
    let depthwise = |name: &str, shape: Vec<usize>, initializer: Initializer, fan_in: DepthwiseFanIn| {
        let area = shape[0].saturating_mul(shape[1]);
        let keras = weight(name, shape, initializer);
        match fan_in {
            DepthwiseFanIn::AllChannels => keras,
            DepthwiseFanIn::PerChannel => ParameterSpec {
                fan_in: area,
                ..keras
            },
        }
    };
    match layer {
        Layer::Conv2D(conv) => {
            let [height, width] = conv.kernel_size;
            let kernel = weight(
                "kernel",
                vec![height, width, channels, conv.filters],
                conv.kernel_initializer,
            );
            let bias = conv
                .use_bias
                .then(|| weight("bias", vec![conv.filters], conv.bias_initializer));
            [Some(kernel), bias].into_iter().flatten().collect()
        }
        Layer::DepthwiseConv2D(conv) => {
            let [height, width] = conv.kernel_size;
            let multiplier = conv.depth_multiplier;
            let kernel = depthwise(
                "kernel",
                vec![height, width, channels, multiplier],
                conv.depthwise_initializer,
                conv.depthwise_fan_in,
            );
            let outputs = channels.saturating_mul(multiplier);
            let bias = conv
                .use_bias
                .then(|| weight("bias", vec![outputs], conv.bias_initializer));
            [Some(kernel), bias].into_iter().flatten().collect()
        }
        Layer::SeparableConv2D(conv) => {
            let [height, width] = conv.kernel_size;
            let multiplier = conv.depth_multiplier;
            let between = channels.saturating_mul(multiplier);
            let depthwise = depthwise(
                "depthwise_kernel",
                vec![height, width, channels, multiplier],
                conv.depthwise_initializer,
                conv.depthwise_fan_in,
            );
            let pointwise = weight(
                "pointwise_kernel",
                vec![1, 1, between, conv.filters],
                conv.pointwise_initializer,
            );
            let bias = conv
                .use_bias
                .then(|| weight("bias", vec![conv.filters], conv.bias_initializer));
            [Some(depthwise), Some(pointwise), bias]
                .into_iter()
                .flatten()
                .collect()
        }
        Layer::Dense(dense) => {
            let Units::Count(units) = dense.units else {
                return Vec::new();
            };
            let kernel = weight("kernel", vec![channels, units], dense.kernel_initializer);
            let bias = dense
                .use_bias
                .then(|| weight("bias", vec![units], dense.bias_initializer));
            [Some(kernel), bias].into_iter().flatten().collect()
        }
        Layer::BatchNormalization(normalization) => {
            let of_channels = |name, initializer| weight(name, vec![channels], initializer);
            let moving = |name, initializer| ParameterSpec {
                trainable: false,
                ..of_channels(name, initializer)
            };
            let gamma = normalization
                .scale
                .then(|| of_channels("gamma", Initializer::Ones));
            let beta = normalization
                .center
                .then(|| of_channels("beta", Initializer::Zeros));
            let mean = moving("moving_mean", Initializer::Zeros);
            let variance = moving("moving_variance", Initializer::Ones);
            [gamma, beta, Some(mean), Some(variance)]
                .into_iter()
                .flatten()
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Multiplications with addition that `layer` takes from an input with `channels` to `output`; `None` on overflow.
pub(super) fn multiply_adds(layer: &Layer, channels: usize, output: Shape) -> Option<u64> {
    let positions = match output {
        Shape::Map { height, width, .. } => product(&[height, width])?,
        Shape::Vector { .. } => 1,
    };
    let per_position = match layer {
        Layer::Conv2D(conv) => product(&[conv.kernel_size[0], conv.kernel_size[1], channels, conv.filters])?,
        Layer::DepthwiseConv2D(conv) => product(&[
            conv.kernel_size[0],
            conv.kernel_size[1],
            channels,
            conv.depth_multiplier,
        ])?,
        Layer::SeparableConv2D(conv) => {
            let depthwise = product(&[
                conv.kernel_size[0],
                conv.kernel_size[1],
                channels,
                conv.depth_multiplier,
            ])?;
            let pointwise = product(&[channels, conv.depth_multiplier, conv.filters])?;
            depthwise.checked_add(pointwise)?
        }
        Layer::Dense(_) => product(&[channels, output.channels()])?,
        _ => 0,
    };
    positions.checked_mul(per_position)
}

/// `total` and the values of `parameters`; `None` where that is more than [`LIMIT`].
pub(super) fn add_parameters(total: u64, parameters: &[ParameterSpec]) -> Option<u64> {
    parameters.iter().try_fold(total, |sum, parameter| {
        sum.checked_add(product(&parameter.shape)?)
            .filter(|&sum| sum <= LIMIT)
    })
}

/// The product, or `None` where it overflows.
pub(super) fn product(factors: &[usize]) -> Option<u64> {
    factors.iter().try_fold(1u64, |product, &factor| {
        product.checked_mul(u64::try_from(factor).ok()?)
    })
}

/// Keras' `compute_fans` (`initializers/random_initializers.py`): the last two axes are taken as channels in and out
/// and the rest as the receptive field, also for a depthwise kernel (height, width, in, multiplier), whose fan-in is
/// thereby larger than what a neuron truly sees, by the number of channels.
fn fans(shape: &[usize]) -> (usize, usize) {
    match shape {
        [] => (1, 1),
        [size] => (*size, *size),
        [receptive @ .., channels, outputs] => {
            let field = receptive
                .iter()
                .fold(1usize, |field, &side| field.saturating_mul(side));
            (field.saturating_mul(*channels), field.saturating_mul(*outputs))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fans_are_those_of_keras() {
        assert_eq!(fans(&[7]), (7, 7));
        assert_eq!(fans(&[128, 10]), (128, 10));
        assert_eq!(fans(&[3, 5, 32, 64]), (480, 960));
        // Depthwise 3 x 3 on 64 channels: a neuron sees 9 values, and Keras says 576.
        assert_eq!(fans(&[3, 3, 64, 1]), (576, 9));
    }

    #[test]
    fn products_that_overflow_are_none() {
        assert_eq!(product(&[3, 4, 5]), Some(60));
        assert_eq!(product(&[usize::MAX, 2]), None);
    }
}
