//! A moving average of the weights, as Keras' optimizers keep it with `use_ema`: after each step, the trainable parameters' averages
//! move towards their values. Moving statistics of batch normalizations are not averaged again.

use crate::backend::{Backend, Tensor};

/// Averages of the trained parameters.
#[derive(Debug, Clone)]
pub(crate) struct Average {
    momentum: f32,
    /// One entry for each parameter of the graph; none before the first step, whose values are the first averages, and for what is
    /// not trained.
    values: Vec<Option<Tensor>>,
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
    pub fn restore(&mut self, values: Vec<Option<Tensor>>) {
        self.values = values;
    }

    /// The average of a parameter, by its index; none before the first step.
    pub fn value(&self, parameter: usize) -> Option<&Tensor> {
        self.values.get(parameter)?.as_ref()
    }

    /// Takes in the parameter of this index as a step left it.
    pub fn observe(&mut self, backend: &dyn Backend, parameter: usize, value: &Tensor) {
        if self.values.len() <= parameter {
            self.values.resize(parameter + 1, None);
        }
        match &mut self.values[parameter] {
            Some(average) => backend.move_average(average, value, self.momentum),
            first @ None => *first = Some(value.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::profile::Profile;
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
        let cpu = Cpu::new(Profile::new());
        for case in golden.averages {
            let mut average = Average::new(case.momentum);
            for (values, expected) in case.values.iter().zip(&case.averages) {
                let value = cpu.tensor(values.clone());
                average.observe(&cpu, 0, &value);
                let found = average.value(0).unwrap().host();
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-6, "{found}, Keras has {expected}");
                }
                // What was observed stays as it was.
                assert_eq!(value.host(), values);
            }
        }
    }
}
