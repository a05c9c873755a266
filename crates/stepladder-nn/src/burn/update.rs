//! The optimizer's step and moving averages, with the constants of the kernels' [`Step`], whose documentation has the formulas.

use super::Flat;
use stepladder_kernels::optimizer::{Rule, Step};

/// Moves a parameter against its gradient.
///
/// # Panics
///
/// There are fewer moments than the rule has.
pub(super) fn update(parameter: &mut Flat, gradient: Flat, moments: [Option<&mut Flat>; 2], step: &Step) {
    let gradient = if step.gradient_scale() == 1.0 {
        gradient
    } else {
        gradient * step.gradient_scale()
    };
    if step.keep() != 1.0 {
        parameter.inplace(|parameter| parameter * step.keep());
    }
    match (step.rule(), moments) {
        (Rule::Sgd { momentum, nesterov }, [velocity, _]) => {
            let down = gradient * -step.learning_rate();
            let change = match velocity {
                Some(velocity) => {
                    velocity.inplace(|velocity| velocity * momentum + down.clone());
                    if nesterov {
                        velocity.clone() * momentum + down
                    } else {
                        velocity.clone()
                    }
                }
                None => down,
            };
            parameter.inplace(|parameter| parameter + change);
        }
        (
            Rule::Adam {
                beta_1,
                beta_2,
                epsilon,
            }
            | Rule::Nadam {
                beta_1,
                beta_2,
                epsilon,
            },
            [Some(m), Some(v)],
        ) => {
            m.inplace(|m| m.clone() + (gradient.clone() - m) * (1.0 - beta_1));
            v.inplace(|v| v.clone() + (gradient.clone().square() - v) * (1.0 - beta_2));
            let up = m.clone() * step.by_moment() + gradient * step.by_gradient();
            let change = up / ((v.clone() * step.by_square()).sqrt() + epsilon);
            parameter.inplace(|parameter| parameter - change);
        }
        (Rule::Lion { beta_1, beta_2 }, [Some(m), _]) => {
            let direction = m.clone() * beta_1 + gradient.clone() * (1.0 - beta_1);
            m.inplace(|m| m * beta_2 + gradient * (1.0 - beta_2));
            let change = direction.sign() * step.learning_rate();
            parameter.inplace(|parameter| parameter - change);
        }
        (Rule::Adam { .. } | Rule::Lion { .. } | Rule::Nadam { .. }, _) => {
            panic!("the moments of a parameter")
        }
    }
}

/// `average = momentum * average + (1 - momentum) * value`
pub(super) fn average(average: &mut Flat, value: Flat, momentum: f32) {
    average.inplace(|average| average * momentum + value * (1.0 - momentum));
}
