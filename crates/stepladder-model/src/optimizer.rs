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
    /// Steps of one length, by the sign of a momentum. Defaults: 0.001, 0.9, 0.99, no decay; its rates are three to ten times smaller than
    /// Adam's.
    Lion {
        learning_rate: f32,
        beta_1: f32,
        beta_2: f32,
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
    /// The name in a rung: `adam`, `adamw`, `lion`, `nadam`, `sgd`.
    pub fn name(&self) -> &'static str {
        match self {
            OptimizerConfig::Adam { .. } => "adam",
            OptimizerConfig::AdamW { .. } => "adamw",
            OptimizerConfig::Nadam { .. } => "nadam",
            OptimizerConfig::Lion { .. } => "lion",
            OptimizerConfig::Sgd { .. } => "sgd",
        }
    }

    /// The learning rate before any schedule.
    pub fn learning_rate(&self) -> f32 {
        match self {
            OptimizerConfig::Adam { learning_rate, .. }
            | OptimizerConfig::AdamW { learning_rate, .. }
            | OptimizerConfig::Nadam { learning_rate, .. }
            | OptimizerConfig::Lion { learning_rate, .. }
            | OptimizerConfig::Sgd { learning_rate, .. } => *learning_rate,
        }
    }

    /// The decoupled weight decay, where there is one: each step first takes `learning_rate * weight_decay` of a
    /// parameter off it.
    pub fn weight_decay(&self) -> Option<f32> {
        match self {
            OptimizerConfig::Adam { weight_decay, .. }
            | OptimizerConfig::Nadam { weight_decay, .. }
            | OptimizerConfig::Lion { weight_decay, .. }
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
            | OptimizerConfig::Lion { clipping, .. }
            | OptimizerConfig::Sgd { clipping, .. } => *clipping,
        }
    }
}

/// What the optimizer does differently for some parameters. A parameter is named by a part of its name, as in Keras: `beta` is every
/// parameter whose name has `beta` in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParameterGroups {
    /// Parameters without weight decay; Keras' `exclude_from_weight_decay(var_names)`.
    pub exclude_from_weight_decay: Vec<String>,
    /// Factors of the learning rate; where several fit, they are multiplied.
    pub learning_rate_multipliers: Vec<(String, f32)>,
}

impl ParameterGroups {
    /// Whether the parameter of this name has weight decay, where the optimizer has any.
    pub fn decays(&self, parameter: &str) -> bool {
        let mut excluded = self.exclude_from_weight_decay.iter();
        !excluded.any(|part| parameter.contains(part))
    }

    /// What the learning rate of the parameter of this name is multiplied by.
    pub fn learning_rate_multiplier(&self, parameter: &str) -> f32 {
        let fitting = self.learning_rate_multipliers.iter();
        fitting
            .filter(|(part, _)| parameter.contains(part))
            .map(|(_, multiplier)| multiplier)
            .product()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_go_by_parts_of_names() {
        let groups = ParameterGroups {
            exclude_from_weight_decay: vec!["beta".into(), "gamma".into()],
            learning_rate_multipliers: vec![("beta".into(), 64.0), ("stem".into(), 0.5)],
        };
        assert!(groups.decays("stem/kernel"));
        assert!(!groups.decays("batch_normalization/beta"));
        assert_eq!(groups.learning_rate_multiplier("stem/kernel"), 0.5);
        assert_eq!(groups.learning_rate_multiplier("stem/beta"), 32.0);
        assert_eq!(groups.learning_rate_multiplier("dense/bias"), 1.0);
        assert_eq!(ParameterGroups::default().learning_rate_multiplier("beta"), 1.0);
    }
}
