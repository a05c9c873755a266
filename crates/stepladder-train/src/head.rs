//! The exact head: multinomial logistic regression on the features of a frozen backbone. The problem is convex, so that its solution
//! is the same whatever the seed, and takes seconds where gradient steps through the network take minutes.
//!
//! Features are centered and divided by one common deviation, so that a strength of regularization means the same for every
//! backbone; the head that comes out is for the features as they are. The objective is the weighted mean of the cross-entropy,
//! with label smoothing where the rung has it, plus half the strength times the squared weights; biases are free, as in scikit-learn.

mod lbfgs;
mod logistic;

use lbfgs::minimize;
use logistic::{Problem, Scaling};
use stepladder_classifier::Predictions;
use stepladder_data::Progress;
use stepladder_nn::Array;

/// Strengths that are tried, from the strongest down by half a decade each.
const STRENGTHS: [f64; 14] = [
    3.16, 1.0, 0.316, 0.1, 0.0316, 0.01, 3.16e-3, 1e-3, 3.16e-4, 1e-4, 3.16e-5, 1e-5, 3.16e-6, 1e-6,
];

/// The strength where there are no photos to choose one on.
const USUAL: f64 = 0.0316;

/// The greatest absolute value in the gradient at which a minimum is taken to be reached: on the way to the best strength, and of a head
/// that is kept. The objective is of the order of 1.
const NEAR: f64 = 1e-5;
const REACHED: f64 = 1e-6;

/// Weaker strengths are not tried once so many in a row were worse on validation.
const WORSE: usize = 2;

/// Features of photos, with what they are to be taken for.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// `[rows, width]`, row-major.
    pub features: Vec<f32>,
    /// Features of a row.
    pub width: usize,
    /// The class of each row.
    pub labels: Vec<u32>,
    /// What each row counts; empty where all count 1.
    pub weights: Vec<f32>,
}

impl Samples {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }
}

/// A head and how it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactHead {
    /// `[width, classes]`, row-major: Keras' layout of a dense kernel.
    pub kernel: Vec<f32>,
    /// `[classes]`
    pub bias: Vec<f32>,
    /// The strength of regularization that was chosen.
    pub strength: f64,
    /// Steps of L-BFGS over all strengths that were tried.
    pub iterations: usize,
}

/// How a head is fitted.
#[derive(Debug, Clone, Copy)]
pub struct HeadConfig {
    /// Classes.
    pub classes: usize,
    /// Share of the target spread over all classes.
    pub label_smoothing: f32,
}

impl ExactHead {
    /// The head for `training`, with the strength that does best on `validation` by its cross-entropy. The same on any number of
    /// threads. `None` where `progress` was cancelled meanwhile.
    ///
    /// # Panics
    ///
    /// There are no rows, or a label is no class.
    pub fn choose(
        training: Samples,
        validation: &Samples,
        config: HeadConfig,
        progress: &dyn Progress,
    ) -> Option<ExactHead> {
        progress.start(STRENGTHS.len() as u64, "features into a head");
        let head = ExactHead::search(training, validation, config, progress);
        progress.finish();
        (!progress.is_cancelled()).then_some(head)
    }

    fn search(
        training: Samples,
        validation: &Samples,
        config: HeadConfig,
        progress: &dyn Progress,
    ) -> ExactHead {
        let goes_on = || !progress.is_cancelled();
        let scaling = Scaling::of(&training);
        let problem = Problem::new(training, &scaling, config);
        let mut point = problem.origin();
        if validation.rows() == 0 {
            let iterations = minimize(&problem.with_strength(USUAL), &mut point, REACHED, &goes_on);
            return ExactHead::new(&scaling, &point, config.classes, USUAL, iterations);
        }
        let mut best: Option<(f64, f64, Vec<f64>)> = None;
        let (mut iterations, mut worse) = (0, 0);
        for strength in STRENGTHS {
            iterations += minimize(&problem.with_strength(strength), &mut point, NEAR, &goes_on);
            progress.advance(1);
            let head = ExactHead::new(&scaling, &point, config.classes, strength, iterations);
            let loss = head.loss(validation);
            if best.as_ref().is_none_or(|(least, ..)| loss < *least) {
                best = Some((loss, strength, point.clone()));
                worse = 0;
            } else {
                worse += 1;
            }
            if worse >= WORSE || !goes_on() {
                break;
            }
        }
        let (_, strength, mut point) = best.expect("a strength was tried, and its loss is a number");
        iterations += minimize(&problem.with_strength(strength), &mut point, REACHED, &goes_on);
        ExactHead::new(&scaling, &point, config.classes, strength, iterations)
    }

    /// The head for `training` with this strength.
    ///
    /// # Panics
    ///
    /// As [`ExactHead::choose`].
    pub fn fit(training: Samples, strength: f64, config: HeadConfig) -> ExactHead {
        let scaling = Scaling::of(&training);
        let problem = Problem::new(training, &scaling, config);
        let mut point = problem.origin();
        let iterations = minimize(
            &problem.with_strength(strength),
            &mut point,
            REACHED / 10.0,
            &|| true,
        );
        ExactHead::new(&scaling, &point, config.classes, strength, iterations)
    }

    fn new(scaling: &Scaling, point: &[f64], classes: usize, strength: f64, iterations: usize) -> ExactHead {
        let (kernel, bias) = scaling.head(point, classes);
        ExactHead {
            kernel,
            bias,
            strength,
            iterations,
        }
    }

    /// Class probabilities of each row of `features`, `[rows, classes]`.
    pub fn probabilities(&self, features: &[f32]) -> Vec<f32> {
        let classes = self.bias.len();
        let width = self.kernel.len() / classes.max(1);
        let mut probabilities = Vec::with_capacity(features.len() / width.max(1) * classes);
        for row in features.chunks_exact(width) {
            let mut scores: Vec<f64> = self.bias.iter().map(|bias| f64::from(*bias)).collect();
            for (feature, weights) in row.iter().zip(self.kernel.chunks_exact(classes)) {
                for (score, weight) in scores.iter_mut().zip(weights) {
                    *score += f64::from(*feature) * f64::from(*weight);
                }
            }
            let normalizer = logistic::log_sum_exp(scores.iter().copied());
            probabilities.extend(scores.iter().map(|score| libm::exp(score - normalizer) as f32));
        }
        probabilities
    }

    /// The answers about photos whose features these are.
    pub fn predictions(&self, photos: &[u32], samples: &Samples) -> Predictions {
        let mut predictions = Predictions::new(self.bias.len());
        predictions.extend(photos, &samples.labels, &self.probabilities(&samples.features));
        predictions
    }

    /// The mean cross-entropy on `samples`.
    pub fn loss(&self, samples: &Samples) -> f64 {
        let probabilities = self.probabilities(&samples.features);
        let rows = probabilities.chunks_exact(self.bias.len()).zip(&samples.labels);
        let logarithm = |p: f32| libm::log(f64::from(p.max(f32::MIN_POSITIVE)));
        -rows
            .map(|(row, label)| logarithm(row[*label as usize]))
            .sum::<f64>()
            / samples.rows() as f64
    }

    /// The head as kernel and bias of a dense layer, by these names.
    pub fn arrays(&self, [kernel, bias]: [&str; 2]) -> [Array; 2] {
        let classes = self.bias.len();
        let shape = vec![self.kernel.len() / classes.max(1), classes];
        [
            Array::new(kernel, shape, self.kernel.clone()),
            Array::new(bias, vec![classes], self.bias.clone()),
        ]
    }
}
