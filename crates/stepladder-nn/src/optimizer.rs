//! Optimizers with Keras' formulas (keras/src/optimizers), one parameter after the other.
//!
//! Where Keras and PyTorch differ, Keras wins: Adam's epsilon stands beside the uncorrected square root ("epsilon hat" of
//! Kingma and Ba 2015, section 2), Nadam's momentum follows Dozat 2016 with decay 0.96. The rules themselves are the kernels'.

use crate::array::Array;
use crate::backend::{Backend, Gradient, Tensor};
use crate::program::Program;
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

/// How one parameter is trained differently from what the optimizer says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParameterSettings {
    /// What the learning rate is multiplied by.
    pub learning_rate_multiplier: f32,
    /// Whether it has weight decay, where the optimizer has any.
    pub weight_decay: bool,
}

impl Default for ParameterSettings {
    fn default() -> ParameterSettings {
        ParameterSettings {
            learning_rate_multiplier: 1.0,
            weight_decay: true,
        }
    }
}

/// The moments of one parameter: first and second, as many as the optimizer keeps.
type Moments = Vec<Tensor>;

/// An optimizer in the middle of a training.
#[derive(Debug)]
pub(crate) struct Optimizer {
    config: OptimizerConfig,
    progress: Progress,
    /// What is different for some parameters; a parameter that has no entry is as the others.
    settings: Vec<ParameterSettings>,
    /// The constants of the step under way, one for each kind of settings.
    steps: Vec<(ParameterSettings, Step)>,
    /// One entry for each parameter of the graph; none before the first step, and for what is not trained.
    moments: Vec<Option<Moments>>,
}

impl Optimizer {
    pub fn new(config: OptimizerConfig) -> Optimizer {
        Optimizer {
            config,
            progress: Progress::default(),
            settings: Vec::new(),
            steps: Vec::new(),
            moments: Vec::new(),
        }
    }

    /// The same with settings of their own for the parameters, in the graph's order.
    pub fn with_settings(self, settings: Vec<ParameterSettings>) -> Optimizer {
        Optimizer { settings, ..self }
    }

    /// Steps taken.
    pub fn iterations(&self) -> u64 {
        self.progress.steps
    }

    /// The moments of a parameter, by its index; none before the first step.
    pub fn moments(&self, parameter: usize) -> &[Tensor] {
        self.moments
            .get(parameter)
            .and_then(Option::as_deref)
            .unwrap_or_default()
    }

    /// Goes on after `iterations` steps, with these moments.
    pub fn restore(&mut self, iterations: u64, moments: Vec<Option<Moments>>) {
        self.progress = Progress::after(rule(&self.config), iterations);
        self.moments = moments;
    }

    /// The names of the moments that this optimizer keeps for each parameter.
    pub fn moment_names(&self) -> &'static [&'static str] {
        &["momentum", "velocity"][..rule(&self.config).slots()]
    }

    /// Whether a step needs the gradients of all parameters before it moves the first.
    pub fn needs_all_gradients(&self) -> bool {
        match self.config.clipping() {
            Some(Clipping::GlobalNorm(_)) => true,
            Some(Clipping::Norm(_)) | None => false,
        }
    }

    /// What all gradients are multiplied by, given the sum of the squares of their norms.
    pub fn common_scale(&self, square: f64) -> f32 {
        match self.config.clipping() {
            Some(Clipping::GlobalNorm(limit)) => scale_to(square, limit),
            Some(Clipping::Norm(_)) | None => 1.0,
        }
    }

    /// Begins a step, which moves each parameter once.
    pub fn begin(&mut self, learning_rate: f32) {
        let decay = self.config.weight_decay().unwrap_or(0.0);
        let before = self.progress;
        let mut step_of = |settings: ParameterSettings| {
            // Each kind of settings takes the same step from the same position.
            self.progress = before;
            let rate = learning_rate * settings.learning_rate_multiplier;
            let decay = if settings.weight_decay { decay } else { 0.0 };
            Step::next(rule(&self.config), &mut self.progress, rate, decay)
        };
        let usual = ParameterSettings::default();
        self.steps.clear();
        self.steps.push((usual, step_of(usual)));
        for &settings in &self.settings {
            if self.steps.iter().all(|(known, _)| *known != settings) {
                self.steps.push((settings, step_of(settings)));
            }
        }
    }

    /// The constants of the step under way for the parameter of this index.
    fn step(&self, parameter: usize) -> Step {
        let settings = self.settings.get(parameter).copied().unwrap_or_default();
        let mut steps = self.steps.iter();
        let step = steps.find_map(|(of, step)| (*of == settings).then_some(*step));
        step.expect("a step was begun")
    }

    /// Moves the parameter of this index against its gradient, times `scale`.
    ///
    /// # Panics
    ///
    /// No step was begun.
    pub fn update(
        &mut self,
        backend: &mut dyn Backend,
        program: &Program,
        parameter: (usize, &mut Tensor),
        gradient: Gradient<'_>,
        scale: f32,
    ) {
        let (index, value) = parameter;
        let step = self.step(index);
        let scale = match self.config.clipping() {
            Some(Clipping::Norm(limit)) => scale_to(backend.squared_norm(program, gradient), limit),
            Some(Clipping::GlobalNorm(_)) | None => scale,
        };
        if self.moments.len() <= index {
            self.moments.resize(index + 1, None);
        }
        let slots = rule(&self.config).slots();
        let moments = self.moments[index]
            .get_or_insert_with(|| (0..slots).map(|_| backend.zeros_like(value)).collect());
        backend.update(program, gradient, value, moments, step.with_gradient_scale(scale));
    }
}

/// The factor that brings a norm, given its square, down to `limit`; 1 where it is below.
fn scale_to(square: f64, limit: f32) -> f32 {
    limit / (square as f32).sqrt().max(limit)
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
        OptimizerConfig::Lion { beta_1, beta_2, .. } => Rule::Lion { beta_1, beta_2 },
        OptimizerConfig::Sgd {
            momentum, nesterov, ..
        } => Rule::Sgd { momentum, nesterov },
    }
}

/// Moments that an optimizer keeps of each parameter.
pub(crate) fn moments_kept(config: &OptimizerConfig) -> usize {
    rule(config).slots()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use stepladder_kernels::Context;

    #[derive(Deserialize)]
    struct Golden {
        lion: Lion,
    }

    /// What `oracle/golden_training.py` stores: the values after each step.
    #[derive(Deserialize)]
    struct Lion {
        learning_rate: f32,
        beta_1: f32,
        beta_2: f32,
        weight_decay: f32,
        start: Vec<f32>,
        gradients: Vec<Vec<f32>>,
        values: Vec<Vec<f32>>,
    }

    #[test]
    fn lion_steps_as_in_keras() {
        let golden: Golden = serde_json::from_str(include_str!("../tests/golden/training.json")).unwrap();
        let lion = golden.lion;
        let rule = rule(&OptimizerConfig::Lion {
            learning_rate: lion.learning_rate,
            beta_1: lion.beta_1,
            beta_2: lion.beta_2,
            weight_decay: Some(lion.weight_decay),
            clipping: None,
        });
        let context = Context::new(1).unwrap();
        let mut progress = Progress::default();
        let (mut values, mut momentum) = (lion.start.clone(), vec![0.0; lion.start.len()]);
        for (gradient, expected) in lion.gradients.iter().zip(&lion.values) {
            let step = Step::next(rule, &mut progress, lion.learning_rate, lion.weight_decay);
            step.apply(&context, &mut values, gradient, &mut [&mut momentum]);
            for (found, expected) in values.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found}, Keras has {expected}");
            }
        }
    }
}
