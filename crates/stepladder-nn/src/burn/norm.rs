//! Normalizations of `[pixels, channels]`, by channel and by pixel.

use super::{Flat, flattened, rows};
use burn::tensor::Tensor;

/// y = gamma (x - mean) inverse + beta, whose mean and inverse, 1 / sqrt(variance + epsilon), are of channels, `[1, channels]`, or
/// of pixels, `[pixels, 1]`.
#[derive(Debug, Clone)]
pub(super) struct Normalization {
    mean: Tensor<2>,
    inverse: Tensor<2>,
    gamma: Option<Tensor<2>>,
    beta: Option<Tensor<2>>,
}

impl Normalization {
    /// By these means and variances.
    pub fn new([mean, variance]: [Tensor<2>; 2], epsilon: f32) -> Normalization {
        let inverse = (variance + epsilon).sqrt().recip();
        let (gamma, beta) = (None, None);
        Normalization {
            mean,
            inverse,
            gamma,
            beta,
        }
    }

    /// By constants of channels: scale x + shift.
    pub fn constant(scale: Flat, shift: Flat) -> Normalization {
        Normalization {
            mean: row(shift.zeros_like()),
            inverse: row(scale),
            gamma: None,
            beta: Some(row(shift)),
        }
    }

    /// The same with gamma and beta, where there are any.
    pub fn with(self, gamma: Option<Flat>, beta: Option<Flat>) -> Normalization {
        let [gamma, beta] = [gamma, beta].map(|figures| figures.map(row));
        Normalization { gamma, beta, ..self }
    }

    fn normalized(&self, x: Tensor<2>) -> Tensor<2> {
        (x - self.mean.clone()) * self.inverse.clone()
    }

    /// gamma times the values.
    fn scaled(&self, values: Tensor<2>) -> Tensor<2> {
        match &self.gamma {
            Some(gamma) => values * gamma.clone(),
            None => values,
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = self.scaled(self.normalized(x));
        match &self.beta {
            Some(beta) => y + beta.clone(),
            None => y,
        }
    }

    /// The gradient by the input of a norm whose figures are constants.
    pub fn constant_backward(&self, dy: Tensor<2>) -> Flat {
        flattened(self.scaled(dy) * self.inverse.clone())
    }

    /// The gradients by the input, gamma and beta of a norm whose figures are those of its input along `dimension` (Ioffe and
    /// Szegedy 2015, section 3).
    pub fn backward(&self, x: Tensor<2>, dy: Tensor<2>, dimension: usize) -> [Flat; 3] {
        let normalized = self.normalized(x);
        let by_normalized = self.scaled(dy.clone());
        let mean = by_normalized.clone().mean_dim(dimension);
        let along = (by_normalized.clone() * normalized.clone()).mean_dim(dimension);
        let dx = (by_normalized - mean - normalized.clone() * along) * self.inverse.clone();
        let by_gamma = (dy.clone() * normalized).sum_dim(0);
        [dx, by_gamma, dy.sum_dim(0)].map(flattened)
    }
}

/// Means and population variances along a dimension.
pub(super) fn statistics(x: Tensor<2>, dimension: usize) -> [Tensor<2>; 2] {
    let mean = x.clone().mean_dim(dimension);
    let variance = (x - mean.clone()).square().mean_dim(dimension);
    [mean, variance]
}

/// A figure of each channel, `[1, channels]`.
pub(super) fn row(figures: Flat) -> Tensor<2> {
    let channels = figures.dims()[0];
    rows(figures, channels)
}
