//! Weights in ONNX's layouts, from Keras'.

use std::borrow::Cow;

/// The weights of a convolution or dense layer, as ONNX lays them out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights<'a> {
    /// Row-major.
    pub kernel: Cow<'a, [f32]>,
    /// Filters, channels in per group, height, width; of a dense layer in, out.
    pub shape: Vec<usize>,
    /// The axis of `shape` along which the outputs lie.
    pub axis: usize,
    /// One for each output, unless all are zero.
    pub bias: Option<&'a [f32]>,
}

impl<'a> Weights<'a> {
    /// A convolution's, from a kernel (height, width, channels in per group, filters).
    pub fn convolution(kernel: &[f32], shape: [usize; 4], bias: Option<&'a [f32]>) -> Weights<'a> {
        let [height, width, channels, filters] = shape;
        let area = height * width;
        let mut transposed = vec![0.0; kernel.len()];
        for (index, &value) in kernel.iter().enumerate() {
            let (tap, pair) = (index / (channels * filters), index % (channels * filters));
            let (channel, filter) = (pair / filters, pair % filters);
            transposed[(filter * channels + channel) * area + tap] = value;
        }
        Weights {
            kernel: transposed.into(),
            shape: vec![filters, channels, height, width],
            axis: 0,
            bias: without_zeros(bias),
        }
    }

    /// A depthwise convolution's, from a kernel (height, width, channels, multiplier): to ONNX a convolution with a group for each
    /// channel, whose filter `c * multiplier + m` is what the last two axes count together.
    pub fn depthwise(kernel: &[f32], shape: [usize; 4], bias: Option<&'a [f32]>) -> Weights<'a> {
        let [height, width, channels, multiplier] = shape;
        Weights::convolution(kernel, [height, width, 1, channels * multiplier], bias)
    }

    /// A dense layer's, whose layout is the same in both.
    pub fn dense(kernel: &'a [f32], shape: [usize; 2], bias: Option<&'a [f32]>) -> Weights<'a> {
        Weights {
            kernel: kernel.into(),
            shape: shape.to_vec(),
            axis: 1,
            bias: without_zeros(bias),
        }
    }
}

fn without_zeros(bias: Option<&[f32]>) -> Option<&[f32]> {
    bias.filter(|bias| bias.iter().any(|&value| value != 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_change_their_layout() {
        let kernel: Vec<f32> = (1..=12).map(|value| value as f32).collect();
        // Keras: tap by tap, channel by channel, filter by filter.
        let weights = Weights::convolution(&kernel, [1, 2, 3, 2], None);
        assert_eq!(weights.shape, [2, 3, 1, 2]);
        assert_eq!(
            *weights.kernel,
            [1., 7., 3., 9., 5., 11., 2., 8., 4., 10., 6., 12.]
        );
        let weights = Weights::depthwise(&kernel, [1, 2, 3, 2], None);
        assert_eq!(weights.shape, [6, 1, 1, 2]);
        assert_eq!(
            *weights.kernel,
            [1., 7., 2., 8., 3., 9., 4., 10., 5., 11., 6., 12.]
        );
    }

    #[test]
    fn biases_of_zero_are_none() {
        let dense = |bias| Weights::dense(&[1.0, 2.0], [1, 2], bias).bias;
        assert_eq!(dense(Some(&[0.0, -0.0])), None);
        assert_eq!(dense(Some(&[0.0, 1.0])), Some(&[0.0, 1.0][..]));
    }
}
