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

/// The moments of one parameter: first and second, as many as the optimizer keeps.
type Moments = Vec<Tensor>;

/// An optimizer in the middle of a training.
#[derive(Debug)]
pub(crate) struct Optimizer {
    config: OptimizerConfig,
    progress: Progress,
    /// The constants of the step under way.
    step: Option<Step>,
    /// One entry for each parameter of the graph; none before the first step, and for what is not trained.
    moments: Vec<Option<Moments>>,
}

impl Optimizer {
    pub fn new(config: OptimizerConfig) -> Optimizer {
        Optimizer {
            config,
            progress: Progress::default(),
            step: None,
            moments: Vec::new(),
        }
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
        self.step = Some(Step::next(
            rule(&self.config),
            &mut self.progress,
            learning_rate,
            decay,
        ));
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
        let step = self.step.expect("a step was begun");
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
        OptimizerConfig::Sgd {
            momentum, nesterov, ..
        } => Rule::Sgd { momentum, nesterov },
    }
}

/// Moments that an optimizer keeps of each parameter.
pub(crate) fn moments_kept(config: &OptimizerConfig) -> usize {
    rule(config).slots()
}
