//! Optimizers as one pass over a parameter, its gradient and its state; global norm.
//!
//! Formulas are those of Keras 3 (`optimizers/{adam,adamw,lion,nadam,sgd}.py`): Adam's epsilon is its paper's "epsilon hat", and
//! weight decay is taken off before the step, times the learning rate.

use crate::{
    buffer::rounded,
    context::{Context, Shared},
    simd::{Kernel, Simd},
};

/// Values of a work item.
const PART: usize = 1 << 14;

/// How a gradient becomes a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Stochastic gradient descent; state: first slot the velocity (unused without momentum).
    Sgd {
        /// Share of the velocity kept.
        momentum: f32,
        /// Step from where the velocity leads.
        nesterov: bool,
    },
    /// Adam (with weight decay, AdamW); state: moments of the gradient and its square.
    Adam {
        /// Decay of the first moment.
        beta_1: f32,
        /// Decay of the second moment.
        beta_2: f32,
        /// Added to the root of the second moment.
        epsilon: f32,
    },
    /// Adam with Nesterov momentum; state as Adam's.
    Nadam {
        /// Decay of the first moment.
        beta_1: f32,
        /// Decay of the second moment.
        beta_2: f32,
        /// Added to the root of the second moment.
        epsilon: f32,
    },
    /// Steps of one length, by the sign of the momentum alone (Chen et al. 2023); state: the momentum.
    Lion {
        /// Share of the momentum in the step's direction.
        beta_1: f32,
        /// Decay of the momentum.
        beta_2: f32,
    },
}

impl Rule {
    /// How many state slots, each as long as the parameter, it uses: 0, 1 or 2.
    pub fn slots(&self) -> usize {
        match self {
            Rule::Sgd { momentum, .. } => usize::from(*momentum != 0.0),
            Rule::Lion { .. } => 1,
            Rule::Adam { .. } | Rule::Nadam { .. } => 2,
        }
    }
}

/// Where an optimizer is: to be kept with the slots, which start as zeros.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps taken.
    pub steps: u64,
    /// Product of Nadam's momentum schedule so far.
    pub momentum_product: f64,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress {
            steps: 0,
            momentum_product: 1.0,
        }
    }
}

impl Progress {
    /// Where an optimizer of this rule is after `steps` steps.
    pub fn after(rule: Rule, steps: u64) -> Progress {
        let mut progress = Progress::default();
        for _ in 0..steps {
            progress.advance(rule);
        }
        progress
    }

    fn advance(&mut self, rule: Rule) {
        self.steps += 1;
        if let Rule::Nadam { beta_1, .. } = rule {
            self.momentum_product *= nadam_momentum(beta_1, self.steps as f64);
        }
    }
}

/// Nadam's momentum at step `t` (Dozat 2016), with Keras' decay of 0.96.
fn nadam_momentum(beta_1: f32, t: f64) -> f64 {
    f64::from(beta_1) * (1.0 - 0.5 * libm::pow(0.96, t))
}

/// One step's constants, the same for all parameters.
///
/// With parameter w, gradient g, and the constants of the same names, each value is updated so:
///
/// - first g = `gradient_scale` g and w = `keep` w;
/// - [`Rule::Sgd`]: d = -`learning_rate` g. Without momentum w = w + d. With it, the first slot is the velocity v:
///   v = `momentum` v + d, and w = w + v, or with Nesterov momentum w = w + `momentum` v + d;
/// - [`Rule::Adam`] and [`Rule::Nadam`], with the moments m and v in the slots: m = m + (1 - `beta_1`) (g - m),
///   v = v + (1 - `beta_2`) (g^2 - v), w = w - (`by_moment` m + `by_gradient` g) / (sqrt(`by_square` v) + `epsilon`);
/// - [`Rule::Lion`], with the momentum m in the first slot: w = w - `learning_rate` sign(`beta_1` m + (1 - `beta_1`) g), and then
///   m = `beta_2` m + (1 - `beta_2`) g.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    rule: Rule,
    /// Gradients are multiplied by this first.
    gradient_scale: f32,
    learning_rate: f32,
    /// Parameters are multiplied by this first.
    keep: f32,
    /// Factors of the first moment, and of the gradient, in the step.
    by_moment: f32,
    by_gradient: f32,
    /// Factor of the second moment under its root.
    by_square: f32,
}

impl Step {
    /// The next step of `progress`, which is moved on. `weight_decay` is decoupled, 0 for none.
    pub fn next(rule: Rule, progress: &mut Progress, learning_rate: f32, weight_decay: f32) -> Step {
        progress.advance(rule);
        let t = progress.steps as f64;
        let rate = f64::from(learning_rate);
        let (by_moment, by_gradient, by_square) = match rule {
            Rule::Sgd { .. } | Rule::Lion { .. } => (0.0, 0.0, 0.0),
            Rule::Adam { beta_1, beta_2, .. } => {
                let root = (1.0 - libm::pow(f64::from(beta_2), t)).sqrt();
                (rate * root / (1.0 - libm::pow(f64::from(beta_1), t)), 0.0, 1.0)
            }
            Rule::Nadam { beta_1, beta_2, .. } => {
                let (now, next) = (nadam_momentum(beta_1, t), nadam_momentum(beta_1, t + 1.0));
                let product = progress.momentum_product;
                let by_moment = rate * next / (1.0 - product * next);
                (
                    by_moment,
                    rate * (1.0 - now) / (1.0 - product),
                    1.0 / (1.0 - libm::pow(f64::from(beta_2), t)),
                )
            }
        };
        Step {
            rule,
            gradient_scale: 1.0,
            learning_rate,
            keep: 1.0 - weight_decay * learning_rate,
            by_moment: by_moment as f32,
            by_gradient: by_gradient as f32,
            by_square: by_square as f32,
        }
    }

    /// The same step with gradients multiplied by `gradient_scale` first, for clipping.
    pub fn with_gradient_scale(self, gradient_scale: f32) -> Step {
        Step {
            gradient_scale,
            ..self
        }
    }

    /// How many state slots it uses, see [`Rule::slots`].
    pub fn slots(&self) -> usize {
        self.rule.slots()
    }

    /// How a gradient becomes a step, with the rule's own constants.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Factor of the gradient before all else; 1 unless it is [clipped](Step::with_gradient_scale).
    pub fn gradient_scale(&self) -> f32 {
        self.gradient_scale
    }

    /// The learning rate. Adam's and Nadam's is in the factors already.
    pub fn learning_rate(&self) -> f32 {
        self.learning_rate
    }

    /// Factor of the parameter before the step: 1 - weight decay times learning rate.
    pub fn keep(&self) -> f32 {
        self.keep
    }

    /// Factor of the first moment in the step, learning rate and bias correction included; 0 for SGD and Lion.
    pub fn by_moment(&self) -> f32 {
        self.by_moment
    }

    /// Factor of the gradient in the step, learning rate and bias correction included; 0 but for Nadam.
    pub fn by_gradient(&self) -> f32 {
        self.by_gradient
    }

    /// Factor of the second moment under its root; 1 for Adam, whose correction is in [`Step::by_moment`], and 0 for SGD and Lion.
    pub fn by_square(&self) -> f32 {
        self.by_square
    }

    /// Takes the step for one parameter. `slots` has as many slices as [`Rule::slots`].
    ///
    /// # Panics
    ///
    /// Lengths differ, or the number of slots is wrong.
    pub fn apply(
        &self,
        context: &Context,
        parameter: &mut [f32],
        gradient: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        assert_eq!(slots.len(), self.rule.slots(), "state slots of {:?}", self.rule);
        assert_eq!(parameter.len(), gradient.len(), "gradient of a parameter");
        assert!(
            slots.iter().all(|slot| slot.len() == parameter.len()),
            "state of a parameter"
        );
        let mut slots = slots.iter_mut().map(|slot| Shared::new(slot));
        let (first, second) = (slots.next(), slots.next());
        let isa = context.isa();
        context.for_each_part(parameter, PART, |item, parameter| {
            let (at, length) = (item * PART, parameter.len());
            let part = |slot: &Option<Shared<'_, f32>>| match slot {
                // Safety: each item takes its own part of the state, as of the parameter.
                Some(slot) => unsafe { slot.slice(at, length).as_mut_ptr() },
                None => std::ptr::null_mut(),
            };
            let gradient = &gradient[at..at + length];
            isa.run(Apply {
                step: self,
                parameter,
                gradient,
                first: part(&first),
                second: part(&second),
            });
        });
    }
}

/// Part of a parameter; slots that the rule does not use are null.
struct Apply<'a> {
    step: &'a Step,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    first: *mut f32,
    second: *mut f32,
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Apply {
            step,
            parameter,
            gradient,
            first,
            second,
        } = self;
        let zero = s.splat(0.0);
        for at in (0..parameter.len()).step_by(S::LANES) {
            let n = (parameter.len() - at).min(S::LANES);
            // Safety: `at + n` is at most the length of parameter, gradient and the slots that the rule uses.
            unsafe {
                let w_at = parameter.as_mut_ptr().add(at);
                let g = s.load_first(gradient.as_ptr().add(at), n);
                let g = s.mul(g, s.splat(step.gradient_scale));
                let w = s.mul(s.load_first(w_at, n), s.splat(step.keep));
                let w = match step.rule {
                    Rule::Sgd { momentum, nesterov } => {
                        let down = s.mul(g, s.splat(-step.learning_rate));
                        if momentum == 0.0 {
                            s.add(w, down)
                        } else {
                            let momentum = s.splat(momentum);
                            let velocity = s.mul_add(s.load_first(first.add(at), n), momentum, down);
                            s.store_first(first.add(at), velocity, n);
                            s.add(
                                w,
                                if nesterov {
                                    s.mul_add(velocity, momentum, down)
                                } else {
                                    velocity
                                },
                            )
                        }
                    }
                    Rule::Adam {
                        beta_1,
                        beta_2,
                        epsilon,
                    }
                    | Rule::Nadam {
                        beta_1,
                        beta_2,
                        epsilon,
                    } => {
                        let m = s.load_first(first.add(at), n);
                        let m = s.mul_add(s.sub(g, m), s.splat(1.0 - beta_1), m);
                        let v = s.load_first(second.add(at), n);
                        let v = s.mul_add(s.sub(s.mul(g, g), v), s.splat(1.0 - beta_2), v);
                        s.store_first(first.add(at), m, n);
                        s.store_first(second.add(at), v, n);
                        let up = s.mul_add(m, s.splat(step.by_moment), s.mul(g, s.splat(step.by_gradient)));
                        let root = s.sqrt(s.mul(v, s.splat(step.by_square)));
                        s.add(w, s.sub(zero, s.div(up, s.add(root, s.splat(epsilon)))))
                    }
                    Rule::Lion { beta_1, beta_2 } => {
                        let m = s.load_first(first.add(at), n);
                        let direction = s.mul_add(m, s.splat(beta_1), s.mul(g, s.splat(1.0 - beta_1)));
                        let m = s.mul_add(m, s.splat(beta_2), s.mul(g, s.splat(1.0 - beta_2)));
                        s.store_first(first.add(at), m, n);
                        let rate = s.splat(step.learning_rate);
                        let down = s.select(s.gt(direction, zero), rate, zero);
                        let up = s.select(s.gt(zero, direction), rate, zero);
                        s.add(w, s.sub(up, down))
                    }
                };
                s.store_first(w_at, w, n);
            }
        }
    }
}

/// Bytes that [`global_norm`] takes from the pool for slices of which the longest has `longest` values.
pub fn global_norm_bytes(longest: usize) -> usize {
    rounded(size_of::<f32>() * longest.div_ceil(PART))
}

/// The root of the sum of squares of all values of all slices: f32 within parts of fixed size, f64 over parts in order.
pub fn global_norm(context: &Context, slices: &[&[f32]]) -> f64 {
    let isa = context.isa();
    let mut total = 0.0;
    for slice in slices {
        let mut squares = context.buffers().take_zeroed::<f32>(slice.len().div_ceil(PART));
        context.for_each_part(&mut squares, 1, |item, square| {
            let values = &slice[item * PART..((item + 1) * PART).min(slice.len())];
            square[0] = isa.run(Squares { values });
        });
        total += squares.iter().map(|x| f64::from(*x)).sum::<f64>();
    }
    total.sqrt()
}

struct Squares<'a> {
    values: &'a [f32],
}

impl Kernel for Squares<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        // Several sums, so that one's latency does not hold up the next.
        let mut sums = [s.splat(0.0); 4];
        for (i, at) in (0..self.values.len()).step_by(S::LANES).enumerate() {
            let n = (self.values.len() - at).min(S::LANES);
            // Safety: `at + n` is at most the length.
            let x = unsafe { s.load_first(self.values.as_ptr().add(at), n) };
            sums[i % 4] = s.mul_add(x, x, sums[i % 4]);
        }
        s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
    }
}
