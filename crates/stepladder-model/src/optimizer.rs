//! Optimizers as data, with Keras' names and defaults. The update rules live with the tensors.

/// An optimizer and its options. The learning rate is the highest that a schedule reaches.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "the fields carry Keras' names, which its documentation explains"
)]
pub enum OptimizerConfig {
    /// Defaults: 0.001, 0.9, 0.999, 1e-7, no decay.
    Adam {
        learning_rate: f32,
        beta_1: f32,
        beta_2: f32,
        epsilon: f32,
        weight_decay: Option<f32>,
        clipping: Option<Clipping>,
    },
    /// Adam with a weight decay of 0.004 by default; Keras decouples the decay in both.
    AdamW {
        learning_rate: f32,
        beta_1: f32,
        beta_2: f32,
        epsilon: f32,
        weight_decay: f32,
        clipping: Option<Clipping>,
    },
    /// Adam with Nesterov momentum. Defaults as Adam.
    Nadam {
        learning_rate: f32,
        beta_1: f32,
        beta_2: f32,
        epsilon: f32,
        weight_decay: Option<f32>,
        clipping: Option<Clipping>,
    },
    /// Gradient descent. Defaults: 0.01, no momentum, no decay.
    Sgd {
        learning_rate: f32,
        momentum: f32,
        nesterov: bool,
        weight_decay: Option<f32>,
        clipping: Option<Clipping>,
    },
}

/// A bound on the gradient, applied before the update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clipping {
    /// Scales each parameter's gradient whose L2 norm is greater: `clipnorm`.
    Norm(f32),
    /// Scales all gradients together when their common L2 norm is greater: `global_clipnorm`.
    GlobalNorm(f32),
}

impl OptimizerConfig {
    /// The name in a rung: `adam`, `adamw`, `nadam`, `sgd`.
    pub fn name(&self) -> &'static str {
        match self {
            OptimizerConfig::Adam { .. } => "adam",
            OptimizerConfig::AdamW { .. } => "adamw",
            OptimizerConfig::Nadam { .. } => "nadam",
            OptimizerConfig::Sgd { .. } => "sgd",
        }
    }

    /// The learning rate before any schedule.
    pub fn learning_rate(&self) -> f32 {
        match self {
            OptimizerConfig::Adam { learning_rate, .. }
            | OptimizerConfig::AdamW { learning_rate, .. }
            | OptimizerConfig::Nadam { learning_rate, .. }
            | OptimizerConfig::Sgd { learning_rate, .. } => *learning_rate,
        }
    }

    /// The decoupled weight decay, where there is one: each step first takes `learning_rate * weight_decay` of a
    /// parameter off it.
    pub fn weight_decay(&self) -> Option<f32> {
        match self {
            OptimizerConfig::Adam { weight_decay, .. }
            | OptimizerConfig::Nadam { weight_decay, .. }
            | OptimizerConfig::Sgd { weight_decay, .. } => *weight_decay,
            OptimizerConfig::AdamW { weight_decay, .. } => Some(*weight_decay),
        }
    }

    /// The bound on the gradient, where there is one.
    pub fn clipping(&self) -> Option<Clipping> {
        match self {
            OptimizerConfig::Adam { clipping, .. }
            | OptimizerConfig::AdamW { clipping, .. }
            | OptimizerConfig::Nadam { clipping, .. }
            | OptimizerConfig::Sgd { clipping, .. } => *clipping,
        }
    }
}
