//! Initial values of parameters, with Keras' meaning of the initializers' names.
//!
//! A parameter's values depend on the run's seed and the parameter's name alone, so that a layer added to a network
//! leaves the others' initial values as they were.

use crate::random::Stream;
use stepladder_model::{Initializer, ParameterSpec};

/// Standard deviation of a standard normal that is truncated at two sigma; dividing by it restores the variance
/// that truncation takes away (Keras' `VarianceScaling`).
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

/// The initial values of one parameter, row-major in the parameter's shape.
///
/// He: normal with variance 2 / fan_in (He et al. 2015). Glorot: uniform in ± sqrt(6 / (fan_in + fan_out)) (Glorot and
/// Bengio 2010). LeCun: variance 1 / fan_in. Normal ones are truncated at two standard deviations, as in Keras.
pub fn initial_values(parameter: &ParameterSpec, seed: u64) -> Vec<f32> {
    let count = parameter.shape.iter().product();
    let mut stream = Stream::new(seed, &parameter.name, 0);
    let fan_in = (parameter.fan_in as f64).max(1.0);
    let fan_average = ((parameter.fan_in + parameter.fan_out) as f64 / 2.0).max(1.0);
    match parameter.initializer {
        Initializer::Zeros => vec![0.0; count],
        Initializer::Ones => vec![1.0; count],
        Initializer::Constant(value) => vec![value; count],
        Initializer::GlorotUniform => uniform(&mut stream, count, 1.0 / fan_average),
        Initializer::GlorotNormal => truncated_normal(&mut stream, count, 1.0 / fan_average),
        Initializer::HeUniform => uniform(&mut stream, count, 2.0 / fan_in),
        Initializer::HeNormal => truncated_normal(&mut stream, count, 2.0 / fan_in),
        Initializer::LecunUniform => uniform(&mut stream, count, 1.0 / fan_in),
        Initializer::LecunNormal => truncated_normal(&mut stream, count, 1.0 / fan_in),
    }
}

/// Uniform values with mean 0 and the given variance.
fn uniform(stream: &mut Stream, count: usize, variance: f64) -> Vec<f32> {
    let limit = libm::sqrt(3.0 * variance) as f32;
    (0..count)
        .map(|_| (2.0 * stream.uniform() - 1.0) * limit)
        .collect()
}

/// Normal values with mean 0 and the given variance after truncation at two sigma: what falls outside is drawn again.
fn truncated_normal(stream: &mut Stream, count: usize, variance: f64) -> Vec<f32> {
    let sigma = libm::sqrt(variance) / TRUNCATED_DEVIATION;
    let mut draw = || loop {
        let z = stream.normal();
        if z.abs() <= 2.0 {
            return (z * sigma) as f32;
        }
    };
    (0..count).map(|_| draw()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(initializer: Initializer) -> ParameterSpec {
        ParameterSpec {
            name: "conv2d/kernel".into(),
            shape: vec![3, 3, 64, 96],
            initializer,
            fan_in: 3 * 3 * 64,
            fan_out: 3 * 3 * 96,
            trainable: true,
        }
    }

    /// Mean, standard deviation and greatest magnitude.
    fn moments(values: &[f32]) -> (f64, f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        (
            mean,
            variance.sqrt(),
            values.iter().map(|v| f64::from(v.abs())).fold(0.0, f64::max),
        )
    }

    #[test]
    fn he_normal_has_its_deviation_after_truncation() {
        let (mean, deviation, greatest) = moments(&initial_values(&kernel(Initializer::HeNormal), 7));
        let expected = (2.0_f64 / 576.0).sqrt();
        assert!(mean.abs() < expected / 50.0, "mean {mean}");
        assert!(
            (deviation / expected - 1.0).abs() < 0.01,
            "deviation {deviation}, expected {expected}"
        );
        assert!(greatest <= 2.0 * expected / TRUNCATED_DEVIATION + 1e-6);
    }

    #[test]
    fn glorot_uniform_fills_its_interval() {
        let (mean, deviation, greatest) = moments(&initial_values(&kernel(Initializer::GlorotUniform), 7));
        let limit = (6.0_f64 / (576.0 + 864.0)).sqrt();
        assert!(mean.abs() < limit / 50.0);
        assert!((deviation / (limit / 3.0_f64.sqrt()) - 1.0).abs() < 0.01);
        assert!(greatest <= limit + 1e-7 && greatest > 0.99 * limit);
    }

    #[test]
    fn values_depend_on_seed_and_name_alone() {
        let spec = kernel(Initializer::HeNormal);
        assert_eq!(initial_values(&spec, 1), initial_values(&spec, 1));
        assert_ne!(initial_values(&spec, 1), initial_values(&spec, 2));
        let other = ParameterSpec {
            name: "conv2d_1/kernel".into(),
            ..spec.clone()
        };
        assert_ne!(initial_values(&spec, 1), initial_values(&other, 1));
    }
}
