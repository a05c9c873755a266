//! Optimizers against Keras' formulas in f64, and the global norm.

mod reference;

use reference::{contexts, random};
use stepladder_kernels::{
    Context, Isa,
    optimizer::{Progress, Rule, Step, global_norm},
};

const STEPS: usize = 12;
const RATE: f32 = 0.01;
const DECAY: f32 = 0.1;
const SCALE: f32 = 0.5;

/// One value's way under `rule`, as in Keras' update_step.
fn keras(rule: Rule, start: f32, gradients: &[f32]) -> f64 {
    let (mut w, mut m, mut v, mut product) = (f64::from(start), 0.0, 0.0, 1.0);
    let rate = f64::from(RATE);
    for (t, g) in (1..).zip(gradients) {
        let (t, g) = (f64::from(t), f64::from(*g) * f64::from(SCALE));
        w -= w * f64::from(DECAY) * rate;
        match rule {
            Rule::Sgd { momentum, nesterov } => {
                let momentum = f64::from(momentum);
                m = momentum * m - rate * g;
                w += if nesterov { momentum * m - rate * g } else { m };
            }
            Rule::Adam {
                beta_1,
                beta_2,
                epsilon,
            } => {
                let (b1, b2) = (f64::from(beta_1), f64::from(beta_2));
                m += (g - m) * (1.0 - b1);
                v += (g * g - v) * (1.0 - b2);
                let alpha = rate * (1.0 - b2.powf(t)).sqrt() / (1.0 - b1.powf(t));
                w -= m * alpha / (v.sqrt() + f64::from(epsilon));
            }
            Rule::Nadam {
                beta_1,
                beta_2,
                epsilon,
            } => {
                let (b1, b2) = (f64::from(beta_1), f64::from(beta_2));
                let u = b1 * (1.0 - 0.5 * 0.96_f64.powf(t));
                let next = b1 * (1.0 - 0.5 * 0.96_f64.powf(t + 1.0));
                product *= u;
                m += (g - m) * (1.0 - b1);
                v += (g * g - v) * (1.0 - b2);
                let m_hat = next * m / (1.0 - product * next) + (1.0 - u) * g / (1.0 - product);
                w -= m_hat * rate / ((v / (1.0 - b2.powf(t))).sqrt() + f64::from(epsilon));
            }
            Rule::Lion { beta_1, beta_2 } => {
                let (b1, b2) = (f64::from(beta_1), f64::from(beta_2));
                // No direction is 0 here.
                w -= rate * (b1 * m + (1.0 - b1) * g).signum();
                m = b2 * m + (1.0 - b2) * g;
            }
        }
    }
    w
}

fn run(context: &Context, rule: Rule, start: &[f32], gradients: &[Vec<f32>]) -> Vec<f32> {
    let mut parameter = start.to_vec();
    let mut state = vec![vec![0.0; start.len()]; rule.slots()];
    let mut progress = Progress::default();
    for gradient in gradients {
        let step = Step::next(rule, &mut progress, RATE, DECAY).with_gradient_scale(SCALE);
        let mut slots: Vec<&mut [f32]> = state.iter_mut().map(Vec::as_mut_slice).collect();
        step.apply(context, &mut parameter, gradient, &mut slots);
    }
    parameter
}

#[test]
fn steps_agree_with_keras_on_any_number_of_threads() {
    let rules = [
        Rule::Sgd {
            momentum: 0.0,
            nesterov: false,
        },
        Rule::Sgd {
            momentum: 0.9,
            nesterov: false,
        },
        Rule::Sgd {
            momentum: 0.9,
            nesterov: true,
        },
        Rule::Adam {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-7,
        },
        Rule::Nadam {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-7,
        },
        Rule::Lion {
            beta_1: 0.9,
            beta_2: 0.99,
        },
    ];
    let length = 40_003;
    let start = random::<f32>(1, length);
    let gradients: Vec<Vec<f32>> = (0..STEPS as u64).map(|i| random(2 + i, length)).collect();
    for rule in rules {
        for context in contexts(1) {
            let one = run(&context, rule, &start, &gradients);
            for i in (0..length).step_by(97).chain([length - 1]) {
                let way: Vec<f32> = gradients.iter().map(|g| g[i]).collect();
                let expected = keras(rule, start[i], &way);
                let difference = (f64::from(one[i]) - expected).abs();
                assert!(
                    difference < 2e-6,
                    "{rule:?} on {}: {} {expected}",
                    context.isa(),
                    one[i]
                );
            }
            for threads in [2, 3, 8] {
                let context = Context::with_isa(context.isa(), threads).unwrap();
                assert!(
                    run(&context, rule, &start, &gradients) == one,
                    "{rule:?}, {threads} threads"
                );
            }
        }
    }
}

#[test]
fn the_global_norm_is_exact_and_ordered() {
    let slices = [random::<f32>(1, 100_001), random::<f32>(2, 7), Vec::new()];
    let slices: Vec<&[f32]> = slices.iter().map(Vec::as_slice).collect();
    let exact = slices
        .iter()
        .flat_map(|s| s.iter())
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>()
        .sqrt();
    for isa in Isa::available() {
        let norm = |threads| global_norm(&Context::with_isa(isa, threads).unwrap(), &slices);
        assert!((norm(1) / exact - 1.0).abs() < 1e-6, "{isa}");
        assert!([2, 3, 8].iter().all(|threads| norm(*threads) == norm(1)), "{isa}");
    }
}
