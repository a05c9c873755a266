//! Optimizers with Keras' formulas (keras/src/optimizers), as updates of flat tensors.
//!
//! Where Keras and PyTorch differ, Keras wins: Adam's epsilon stands beside the uncorrected square root ("epsilon hat" of
//! Kingma and Ba 2015, section 2), Nadam's momentum follows Dozat 2016 with decay 0.96. On the CPU a step is one fused pass of
//! our kernels over each parameter.

mod composed;

use crate::array::Array;
use crate::ops;
use burn::tensor::{Device, Tensor};
use composed::Rate;
use stepladder_kernels::optimizer::{Progress, Rule, Step};
use stepladder_model::{Clipping, OptimizerConfig};

/// Everything an optimizer remembers between steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OptimizerState {
    /// Steps taken.
    pub iterations: u64,
    /// Moving moments, each named `<moment>/<parameter>`.
    pub slots: Vec<Array>,
}

/// The moments of one parameter: first and second, as many as the optimizer keeps.
type Slots = Vec<Tensor<1>>;

/// An optimizer in the middle of a training.
#[derive(Debug)]
pub(crate) struct Optimizer {
    config: OptimizerConfig,
    progress: Progress,
    /// One entry for each trainable parameter, made of zeros at the first step.
    slots: Vec<Slots>,
}

impl Optimizer {
    pub fn new(config: OptimizerConfig) -> Optimizer {
        Optimizer {
            config,
            progress: Progress::default(),
            slots: Vec::new(),
        }
    }

    /// Steps taken.
    pub fn iterations(&self) -> u64 {
        self.progress.steps
    }

    /// The moments of each trainable parameter; empty before the first step.
    pub fn slots(&self) -> &[Slots] {
        &self.slots
    }

    /// Goes on after `iterations` steps, with these moments.
    pub fn restore(&mut self, iterations: u64, slots: Vec<Slots>) {
        self.progress = Progress::after(rule(&self.config), iterations);
        self.slots = slots;
    }

    /// The names of the moments that this optimizer keeps for each parameter.
    pub fn slot_names(&self) -> &'static [&'static str] {
        match &self.config {
            OptimizerConfig::Adam { .. } | OptimizerConfig::AdamW { .. } | OptimizerConfig::Nadam { .. } => {
                &["momentum", "velocity"]
            }
            OptimizerConfig::Sgd { momentum, .. } if *momentum > 0.0 => &["momentum"],
            OptimizerConfig::Sgd { .. } => &[],
        }
    }

    /// Takes one step: `values[i]` moves against `gradients[i]`, each flat and of one length.
    pub fn step(&mut self, values: &mut [&mut Tensor<1>], gradients: Vec<Tensor<1>>, learning_rate: f32) {
        if self.slots.is_empty() {
            let zeros = |value: &&mut Tensor<1>| vec![value.zeros_like(); self.slot_names().len()];
            self.slots = values.iter().map(zeros).collect();
        }
        let scales = self.clip(&gradients);
        let rate = Rate::new(&self.config, self.progress.steps, f64::from(learning_rate));
        let decay = self.config.weight_decay().unwrap_or(0.0);
        let step = Step::next(rule(&self.config), &mut self.progress, learning_rate, decay);
        let parameters = values.iter_mut().zip(gradients).zip(scales).zip(&mut self.slots);
        for (((value, gradient), scale), slots) in parameters {
            let on_cpu = gradient.device() == Device::flex();
            value.inplace(|value| match (on_cpu, scale) {
                (true, scale) => {
                    let step = step.with_gradient_scale(scale.map_or(1.0, Scale::read));
                    ops::update(value, gradient, slots, step)
                }
                (false, None) => rate.update(value, gradient, slots),
                (false, Some(Scale(scale))) => rate.update(value, gradient * scale, slots),
            });
        }
    }

    /// What bounds each gradient: by its own norm, or all by their common one.
    fn clip(&self, gradients: &[Tensor<1>]) -> Vec<Option<Scale>> {
        let squares = || gradients.iter().map(|gradient| squared_norm(gradient.clone()));
        match self.config.clipping() {
            None => vec![None; gradients.len()],
            Some(Clipping::Norm(limit)) => squares().map(|square| Some(Scale::to(square, limit))).collect(),
            Some(Clipping::GlobalNorm(limit)) => {
                let square = squares().reduce(|sum, square| sum + square);
                let scale = square.map(|square| Scale::to(square, limit));
                vec![scale; gradients.len()]
            }
        }
    }
}

/// A gradient's factor, as a tensor of one value.
#[derive(Debug, Clone)]
struct Scale(Tensor<1>);

impl Scale {
    /// Brings a norm, given its square, down to `limit`; 1 where it is below.
    fn to(square: Tensor<1>, limit: f32) -> Scale {
        Scale(square.sqrt().clamp_min(limit).recip() * limit)
    }

    fn read(self) -> f32 {
        self.0.into_scalar()
    }
}

fn squared_norm(gradient: Tensor<1>) -> Tensor<1> {
    if gradient.device() == Device::flex() {
        ops::squared_norm(gradient)
    } else {
        gradient.square().sum()
    }
}

/// The kernels' form of an optimizer; AdamW is Adam with its decay.
fn rule(config: &OptimizerConfig) -> Rule {
    match *config {
        OptimizerConfig::Adam {
            beta_1,
            beta_2,
            epsilon,
            ..
        }
        | OptimizerConfig::AdamW {
            beta_1,
            beta_2,
            epsilon,
            ..
        } => Rule::Adam {
            beta_1,
            beta_2,
            epsilon,
        },
        OptimizerConfig::Nadam {
            beta_1,
            beta_2,
            epsilon,
            ..
        } => Rule::Nadam {
            beta_1,
            beta_2,
            epsilon,
        },
        OptimizerConfig::Sgd {
            momentum, nesterov, ..
        } => Rule::Sgd { momentum, nesterov },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &Device::flex())
    }

    fn host(tensor: &Tensor<1>) -> Vec<f32> {
        tensor.clone().into_data().try_to_vec().unwrap()
    }

    /// The fused pass and Burn's operations go the same way, for each optimizer, and so does a restored one.
    #[test]
    fn kernels_step_as_burns_operations_do() {
        let moments = |learning_rate| (learning_rate, 0.9, 0.99, 1e-7);
        let (learning_rate, beta_1, beta_2, epsilon) = moments(0.01);
        let sgd = |momentum, nesterov| OptimizerConfig::Sgd {
            learning_rate,
            momentum,
            nesterov,
            weight_decay: Some(0.1),
            clipping: None,
        };
        let configs = [
            OptimizerConfig::Adam {
                learning_rate,
                beta_1,
                beta_2,
                epsilon,
                weight_decay: None,
                clipping: None,
            },
            OptimizerConfig::Nadam {
                learning_rate,
                beta_1,
                beta_2,
                epsilon,
                weight_decay: Some(0.02),
                clipping: None,
            },
            sgd(0.0, false),
            sgd(0.9, false),
            sgd(0.9, true),
        ];
        for config in configs {
            let mut optimizer = Optimizer::new(config.clone());
            let mut fused = tensor(&[0.5, -1.0, 2.0, 0.25, -0.125]);
            let mut composed = fused.clone();
            let mut slots = vec![composed.zeros_like(); optimizer.slot_names().len()];
            for step in 0..8 {
                let gradient = tensor(&[0.5, 0.1, -3.0, 1e-3 * step as f32, 0.0]);
                let rate = Rate::new(&config, step, 0.01);
                composed = rate.update(composed, gradient.clone(), &mut slots);
                optimizer.step(&mut [&mut fused], vec![gradient], 0.01);
                for (a, b) in host(&fused).iter().zip(host(&composed)) {
                    assert!((a - b).abs() <= 1e-6, "{config:?}, step {step}: {a} {b}");
                }
                let mut again = Optimizer::new(config.clone());
                again.restore(optimizer.iterations(), optimizer.slots.clone());
                assert_eq!(again.progress, optimizer.progress);
                optimizer = again;
            }
        }
    }
}
