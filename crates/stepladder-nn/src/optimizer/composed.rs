//! The update rules by Burn's own operations: for devices that no kernel serves, and what the kernels are tested against.

use super::Slots;
use burn::tensor::Tensor;
use stepladder_model::OptimizerConfig;

/// The scalars of one step, computed once in f64 for all parameters.
pub(super) enum Rate {
    Adam {
        beta_1: f64,
        beta_2: f64,
        epsilon: f64,
        alpha: f64,
        decay: f64,
    },
    Nadam {
        beta_1: f64,
        beta_2: f64,
        epsilon: f64,
        rate: f64,
        momentum: f64,
        gradient: f64,
        velocity: f64,
        decay: f64,
    },
    Sgd {
        rate: f64,
        momentum: f64,
        nesterov: bool,
        decay: f64,
    },
}

impl Rate {
    pub fn new(config: &OptimizerConfig, iterations: u64, rate: f64) -> Rate {
        let t = (iterations + 1) as f64;
        let decay = 1.0 - rate * f64::from(config.weight_decay().unwrap_or(0.0));
        match config {
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
            } => {
                let (beta_1, beta_2) = (f64::from(*beta_1), f64::from(*beta_2));
                let alpha = rate * libm::sqrt(1.0 - libm::pow(beta_2, t)) / (1.0 - libm::pow(beta_1, t));
                Rate::Adam {
                    beta_1,
                    beta_2,
                    epsilon: f64::from(*epsilon),
                    alpha,
                    decay,
                }
            }
            OptimizerConfig::Nadam {
                beta_1,
                beta_2,
                epsilon,
                ..
            } => {
                let (beta_1, beta_2) = (f64::from(*beta_1), f64::from(*beta_2));
                let u = |t: u64| beta_1 * (1.0 - 0.5 * libm::pow(0.96, t as f64));
                let product: f64 = (1..=iterations + 1).map(u).product();
                let (u_now, u_next) = (u(iterations + 1), u(iterations + 2));
                Rate::Nadam {
                    beta_1,
                    beta_2,
                    epsilon: f64::from(*epsilon),
                    rate,
                    momentum: u_next / (1.0 - product * u_next),
                    gradient: (1.0 - u_now) / (1.0 - product),
                    velocity: 1.0 / (1.0 - libm::pow(beta_2, t)),
                    decay,
                }
            }
            OptimizerConfig::Sgd {
                momentum, nesterov, ..
            } => Rate::Sgd {
                rate,
                momentum: f64::from(*momentum),
                nesterov: *nesterov,
                decay,
            },
        }
    }

    /// The parameter's next value; `slots` become its next moments.
    pub fn update(&self, value: Tensor<1>, gradient: Tensor<1>, slots: &mut Slots) -> Tensor<1> {
        match *self {
            Rate::Adam {
                beta_1,
                beta_2,
                epsilon,
                alpha,
                decay,
            } => {
                let (m, v) = moments(slots, &gradient, beta_1, beta_2);
                decayed(value, decay) - m * alpha / (v.sqrt() + epsilon)
            }
            Rate::Nadam {
                beta_1,
                beta_2,
                epsilon,
                rate,
                momentum,
                gradient: of_gradient,
                velocity,
                decay,
            } => {
                let (m, v) = moments(slots, &gradient, beta_1, beta_2);
                let m_hat = m * momentum + gradient * of_gradient;
                decayed(value, decay) - m_hat * rate / ((v * velocity).sqrt() + epsilon)
            }
            Rate::Sgd {
                rate,
                momentum,
                nesterov,
                decay,
            } => {
                let value = decayed(value, decay);
                let step = gradient * rate;
                let Some(slot) = slots.first_mut() else {
                    return value - step;
                };
                slot.inplace(|slot| slot * momentum - step.clone());
                if nesterov {
                    value + slot.clone() * momentum - step
                } else {
                    value + slot.clone()
                }
            }
        }
    }
}

/// Moves the first and second moments towards the gradient and its square, and returns them.
fn moments(slots: &mut Slots, gradient: &Tensor<1>, beta_1: f64, beta_2: f64) -> (Tensor<1>, Tensor<1>) {
    slots[0].inplace(|m| m * beta_1 + gradient.clone() * (1.0 - beta_1));
    slots[1].inplace(|v| v * beta_2 + gradient.clone().square() * (1.0 - beta_2));
    (slots[0].clone(), slots[1].clone())
}

/// Decoupled weight decay (Loshchilov and Hutter 2019): Keras scales the value by 1 - rate * decay before the step.
fn decayed(value: Tensor<1>, decay: f64) -> Tensor<1> {
    if decay == 1.0 { value } else { value * decay }
}
