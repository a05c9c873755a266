//! The objective of the head and its gradient, over rows in blocks that threads share. Sums are over blocks in their order, and the
//! blocks do not depend on the number of threads.

use super::lbfgs::Function;
use super::{HeadConfig, Samples};
use rayon::prelude::*;

/// Blocks of rows.
const BLOCKS: usize = 16;

/// Rows that are taken together, so that weights are read once for all of them.
const TILE: usize = 4;

/// Independent sums of a product, as wide as vectors of any processor.
const LANES: usize = 8;

/// How features are centered and divided: the mean of each, and one deviation for all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scaling {
    means: Vec<f64>,
    deviation: f64,
}

impl Scaling {
    /// That of the rows, which all count the same.
    pub fn of(samples: &Samples) -> Scaling {
        let rows = samples.rows().max(1) as f64;
        let mut means = vec![0.0; samples.width];
        for row in samples.features.chunks_exact(samples.width) {
            for (mean, value) in means.iter_mut().zip(row) {
                *mean += f64::from(*value);
            }
        }
        means.iter_mut().for_each(|mean| *mean /= rows);
        let squares = samples.features.chunks_exact(samples.width).map(|row| {
            let differences = row.iter().zip(&means);
            differences
                .map(|(value, mean)| (f64::from(*value) - mean) * (f64::from(*value) - mean))
                .sum::<f64>()
        });
        let variance = squares.sum::<f64>() / (rows * samples.width.max(1) as f64);
        let deviation = variance.sqrt();
        Scaling {
            means,
            deviation: if deviation > 0.0 { deviation } else { 1.0 },
        }
    }

    fn scaled(&self, features: &[f32]) -> Vec<f32> {
        let rows = features.chunks_exact(self.means.len());
        let scaled = rows.flat_map(|row| {
            let values = row.iter().zip(&self.means);
            values.map(|(value, mean)| ((f64::from(*value) - mean) / self.deviation) as f32)
        });
        scaled.collect()
    }

    /// Kernel `[width, classes]` and bias for features as they are, from a point of the scaled problem.
    pub fn head(&self, point: &[f64], classes: usize) -> (Vec<f32>, Vec<f32>) {
        let width = self.means.len();
        let (weights, biases) = point.split_at(classes * width);
        let mut kernel = vec![0.0; classes * width];
        let mut bias = vec![0.0; classes];
        for class in 0..classes {
            let mut shift = biases[class];
            for (feature, mean) in self.means.iter().enumerate() {
                let weight = weights[class * width + feature] / self.deviation;
                kernel[feature * classes + class] = weight as f32;
                shift -= weight * mean;
            }
            bias[class] = shift as f32;
        }
        (kernel, bias)
    }
}

/// Rows, scaled, and their targets.
pub(super) struct Problem<'a> {
    samples: &'a Samples,
    features: Vec<f32>,
    config: HeadConfig,
    /// The sum of what the rows count.
    total: f64,
}

/// A [`Problem`] with regularization. A point is the weights `[classes, width]`, then the biases.
pub(super) struct Regularized<'a> {
    problem: &'a Problem<'a>,
    strength: f64,
}

impl<'a> Problem<'a> {
    pub fn new(samples: &'a Samples, scaling: &Scaling, config: HeadConfig) -> Problem<'a> {
        let total = match samples.weights.as_slice() {
            [] => samples.rows() as f64,
            weights => weights.iter().map(|weight| f64::from(*weight)).sum(),
        };
        Problem {
            samples,
            features: scaling.scaled(&samples.features),
            config,
            total,
        }
    }

    /// Where every class is as likely as any other.
    pub fn origin(&self) -> Vec<f64> {
        vec![0.0; self.config.classes * (self.samples.width + 1)]
    }

    pub fn with_strength(&'a self, strength: f64) -> Regularized<'a> {
        Regularized {
            problem: self,
            strength,
        }
    }

    fn weight(&self, row: usize) -> f64 {
        self.samples
            .weights
            .get(row)
            .map_or(1.0, |weight| f64::from(*weight))
    }

    /// The loss of some rows, summed, with its gradient.
    fn block(&self, rows: std::ops::Range<usize>, point: &[f64]) -> (f64, Vec<f64>) {
        let (width, classes) = (self.samples.width, self.config.classes);
        let (weights, biases) = point.split_at(classes * width);
        let mut gradient = vec![0.0; point.len()];
        let (of_weights, of_biases) = gradient.split_at_mut(classes * width);
        let mut loss = 0.0;
        let mut scores = vec![0.0; TILE * classes];
        for first in rows.clone().step_by(TILE) {
            let tile = first..(first + TILE).min(rows.end);
            let features: Vec<&[f32]> = tile
                .clone()
                .map(|row| &self.features[row * width..(row + 1) * width])
                .collect();
            for (class, weights) in weights.chunks_exact(width).enumerate() {
                for (at, features) in features.iter().enumerate() {
                    scores[at * classes + class] = biases[class] + product(features, weights);
                }
            }
            for (at, row) in tile.enumerate() {
                loss += self.residuals(row, &mut scores[at * classes..(at + 1) * classes]);
            }
            for (class, gradient) in of_weights.chunks_exact_mut(width).enumerate() {
                for (at, features) in features.iter().enumerate() {
                    let residual = scores[at * classes + class];
                    of_biases[class] += residual;
                    for (gradient, feature) in gradient.iter_mut().zip(*features) {
                        *gradient += residual * f64::from(*feature);
                    }
                }
            }
        }
        (loss, gradient)
    }

    /// The loss of a row, whose scores become the gradient by them.
    fn residuals(&self, row: usize, scores: &mut [f64]) -> f64 {
        let (weight, label) = (self.weight(row), self.samples.labels[row] as usize);
        let smoothing = f64::from(self.config.label_smoothing);
        let spread = smoothing / scores.len() as f64;
        let normalizer = log_sum_exp(scores);
        let mut loss = 0.0;
        for (class, score) in scores.iter_mut().enumerate() {
            let target = spread + if class == label { 1.0 - smoothing } else { 0.0 };
            let logarithm = *score - normalizer;
            loss -= target * logarithm;
            *score = weight * (libm::exp(logarithm) - target);
        }
        weight * loss
    }
}

impl Function for Regularized<'_> {
    fn evaluate(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
        let problem = self.problem;
        let rows = problem.samples.rows();
        let size = rows.div_ceil(BLOCKS).max(1);
        let blocks: Vec<(f64, Vec<f64>)> = (0..rows.div_ceil(size))
            .into_par_iter()
            .map(|block| problem.block(block * size..((block + 1) * size).min(rows), point))
            .collect();
        gradient.fill(0.0);
        let mut loss = 0.0;
        for (of_block, by_point) in blocks {
            loss += of_block;
            for (sum, value) in gradient.iter_mut().zip(by_point) {
                *sum += value;
            }
        }
        gradient.iter_mut().for_each(|value| *value /= problem.total);
        let weights = &point[..problem.config.classes * problem.samples.width];
        for (gradient, weight) in gradient.iter_mut().zip(weights) {
            *gradient += self.strength * weight;
        }
        let squares: f64 = weights.iter().map(|weight| weight * weight).sum();
        loss / problem.total + self.strength / 2.0 * squares
    }
}

/// The sum of the products, in lanes.
fn product(features: &[f32], weights: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (features, rest) = features.as_chunks::<LANES>();
    let (weights, others) = weights.as_chunks::<LANES>();
    for (features, weights) in features.iter().zip(weights) {
        for ((lane, feature), weight) in lanes.iter_mut().zip(features).zip(weights) {
            *lane += f64::from(*feature) * weight;
        }
    }
    let rest = rest.iter().zip(others);
    lanes.iter().sum::<f64>()
        + rest
            .map(|(feature, weight)| f64::from(*feature) * weight)
            .sum::<f64>()
}

/// The logarithm of the sum of the exponentials.
pub(super) fn log_sum_exp(scores: &[f64]) -> f64 {
    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| libm::exp(score - greatest)).sum();
    greatest + libm::log(sum)
}
