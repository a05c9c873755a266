//! A moving average of the weights, as Keras' optimizers keep it with `use_ema`: after each step, the trainable parameters' averages
//! move towards their values. Moving statistics of batch normalizations are not averaged again.

use crate::ops;
use burn::tensor::{Device, Tensor};

/// Averages of the trainable parameters, in the order of the network's nodes.
#[derive(Debug, Clone)]
pub(crate) struct Average {
    momentum: f32,
    /// Empty before the first step, whose values are the first averages.
    values: Vec<Tensor<1>>,
}

impl Average {
    /// The name of the averages among the optimizer's arrays.
    pub const NAME: &str = "average";

    /// An average in which the last step's values count 1 - `momentum`.
    pub fn new(momentum: f32) -> Average {
        Average {
            momentum,
            values: Vec::new(),
        }
    }

    /// Goes on with these averages.
    pub fn restore(&mut self, values: Vec<Tensor<1>>) {
        self.values = values;
    }

    /// The averages; empty before the first step.
    pub fn values(&self) -> &[Tensor<1>] {
        &self.values
    }

    /// Takes in the parameters as a step left them.
    pub fn observe<'a>(&mut self, parameters: impl Iterator<Item = &'a Tensor<1>>) {
        if self.values.is_empty() {
            self.values = parameters.cloned().collect();
            return;
        }
        for (average, value) in self.values.iter_mut().zip(parameters) {
            average.inplace(|average| {
                if average.device() == Device::flex() {
                    ops::moving_average(average, value.clone(), self.momentum)
                } else {
                    average * self.momentum + value.clone() * (1.0 - self.momentum)
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Golden {
        averages: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        momentum: f32,
        values: Vec<Vec<f32>>,
        averages: Vec<Vec<f32>>,
    }

    #[test]
    fn averages_are_those_of_keras() {
        let golden: Golden = serde_json::from_str(include_str!("../tests/golden/training.json")).unwrap();
        for case in golden.averages {
            let mut average = Average::new(case.momentum);
            for (values, expected) in case.values.iter().zip(&case.averages) {
                let value = TensorData::new(values.clone(), [values.len()]);
                let value = Tensor::<1>::from_data(value, &Device::flex());
                average.observe(std::iter::once(&value));
                let found: Vec<f32> = average.values()[0].clone().into_data().try_to_vec().unwrap();
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-6, "{found}, Keras has {expected}");
                }
                // What was observed stays as it was.
                let kept: Vec<f32> = value.into_data().try_to_vec().unwrap();
                assert_eq!(&kept, values);
            }
        }
    }
}
