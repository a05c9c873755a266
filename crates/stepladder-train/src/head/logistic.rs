//! The objective of the head and its gradient. The two large products, scores and gradient, are the kernels' in f32, which give
//! the same bits on any number of threads; everything that is summed or compared is f64.

use super::lbfgs::Function;
use super::{HeadConfig, Samples};
use stepladder_kernels::{Context, Dense, Isa};

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
        let mut squares = 0.0;
        for row in samples.features.chunks_exact(samples.width) {
            for (value, mean) in row.iter().zip(&means) {
                let difference = f64::from(*value) - mean;
                squares += difference * difference;
            }
        }
        let deviation = (squares / (rows * samples.width.max(1) as f64)).sqrt();
        Scaling {
            means,
            deviation: if deviation > 0.0 { deviation } else { 1.0 },
        }
    }

    fn apply(&self, features: &mut [f32]) {
        for row in features.chunks_exact_mut(self.means.len()) {
            for (value, mean) in row.iter_mut().zip(&self.means) {
                *value = ((f64::from(*value) - mean) / self.deviation) as f32;
            }
        }
    }

    /// Kernel `[width, classes]` and bias for features as they are, from a point of the scaled problem.
    pub fn head(&self, point: &[f64], classes: usize) -> (Vec<f32>, Vec<f32>) {
        let (weights, biases) = point.split_at(classes * self.means.len());
        let mut bias = biases.to_vec();
        for (weights, mean) in weights.chunks_exact(classes).zip(&self.means) {
            for (bias, weight) in bias.iter_mut().zip(weights) {
                *bias -= weight / self.deviation * mean;
            }
        }
        let kernel = weights.iter().map(|weight| (weight / self.deviation) as f32);
        (kernel.collect(), bias.iter().map(|bias| *bias as f32).collect())
    }
}

/// Rows, scaled, and their targets.
pub(super) struct Problem {
    samples: Samples,
    config: HeadConfig,
    /// The sum of what the rows count.
    total: f64,
    context: Context,
}

/// A [`Problem`] with regularization. A point is the weights `[width, classes]`, then the biases.
pub(super) struct Regularized<'a> {
    problem: &'a Problem,
    strength: f64,
}

impl Problem {
    pub fn new(mut samples: Samples, scaling: &Scaling, config: HeadConfig) -> Problem {
        scaling.apply(&mut samples.features);
        let total = match samples.weights.as_slice() {
            [] => samples.rows() as f64,
            weights => weights.iter().map(|weight| f64::from(*weight)).sum(),
        };
        let isa = Isa::from_environment().unwrap_or_else(|_| Isa::detect());
        Problem {
            samples,
            config,
            total,
            context: Context::on_callers_pool(isa),
        }
    }

    /// Where every class is as likely as any other.
    pub fn origin(&self) -> Vec<f64> {
        vec![0.0; self.config.classes * (self.samples.width + 1)]
    }

    pub fn with_strength(&self, strength: f64) -> Regularized<'_> {
        Regularized {
            problem: self,
            strength,
        }
    }

    fn dense(&self) -> Dense {
        Dense {
            batch: self.samples.rows(),
            inputs: self.samples.width,
            outputs: self.config.classes,
        }
    }

    /// The loss of a row over what all rows count together; its scores become the gradient by them.
    fn residuals(&self, row: usize, scores: &mut [f32]) -> f64 {
        let counts = self
            .samples
            .weights
            .get(row)
            .map_or(1.0, |weight| f64::from(*weight));
        let label = self.samples.labels[row] as usize;
        let smoothing = f64::from(self.config.label_smoothing);
        let spread = smoothing / scores.len() as f64;
        let normalizer = log_sum_exp(scores.iter().map(|score| f64::from(*score)));
        let weight = counts / self.total;
        let mut loss = 0.0;
        for (class, score) in scores.iter_mut().enumerate() {
            let target = spread + if class == label { 1.0 - smoothing } else { 0.0 };
            let logarithm = f64::from(*score) - normalizer;
            loss -= target * logarithm;
            *score = (weight * (libm::exp(logarithm) - target)) as f32;
        }
        weight * loss
    }
}

impl Function for Regularized<'_> {
    fn evaluate(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
        let problem = self.problem;
        let (dense, context) = (problem.dense(), &problem.context);
        let count = dense.inputs * dense.outputs;
        let narrow: Vec<f32> = point.iter().map(|value| *value as f32).collect();
        let (weights, biases) = narrow.split_at(count);
        let features = &problem.samples.features;
        let mut scores = vec![0.0; dense.batch * dense.outputs];
        dense.forward::<f32>(context, features, weights, Some(biases), &mut scores);
        let rows = scores.chunks_exact_mut(dense.outputs).enumerate();
        let loss: f64 = rows.map(|(row, scores)| problem.residuals(row, scores)).sum();
        let mut narrow = vec![0.0; point.len()];
        let (by_weights, by_biases) = narrow.split_at_mut(count);
        dense.weight_gradient::<f32>(context, features, &scores, by_weights, Some(by_biases));
        for (gradient, value) in gradient.iter_mut().zip(&narrow) {
            *gradient = f64::from(*value);
        }
        let mut squares = 0.0;
        for (gradient, weight) in gradient.iter_mut().zip(&point[..count]) {
            *gradient += self.strength * weight;
            squares += weight * weight;
        }
        loss + self.strength / 2.0 * squares
    }
}

/// The logarithm of the sum of the exponentials.
pub(super) fn log_sum_exp(scores: impl Iterator<Item = f64> + Clone) -> f64 {
    let greatest = scores.clone().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.map(|score| libm::exp(score - greatest)).sum();
    greatest + libm::log(sum)
}
