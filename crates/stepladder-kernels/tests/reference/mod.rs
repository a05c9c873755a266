//! What the kernels are tested against: plain loops in f64, random inputs, and comparison with a bound on rounding.
#![allow(dead_code, reason = "each test file uses its part")]

use half::bf16;
use stepladder_kernels::{Activation, Context, Conv2d, Element, Epilogue, Isa};

/// A counter-based random number in [-1, 1), rounded as `E` stores it, so that reference and kernel see the same input.
pub fn random<E: Element>(seed: u64, length: usize) -> Vec<E> {
    (0..length as u64)
        .map(|i| {
            let mut x = seed
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add(i.wrapping_mul(0xd134_2543_de82_ef95));
            x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
            x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
            x ^= x >> 32;
            E::from_f32((x >> 40) as f32 / (1 << 23) as f32 - 1.0)
        })
        .collect()
}

/// One context per instruction set of this CPU.
pub fn contexts(threads: usize) -> Vec<Context> {
    Isa::available()
        .into_iter()
        .map(|isa| Context::with_isa(isa, threads).unwrap())
        .collect()
}

/// A sum, and the sum of its terms' magnitudes, which bounds its rounding errors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub value: f64,
    pub magnitude: f64,
}

impl Sum {
    pub fn add(&mut self, term: f64) {
        self.value += term;
        self.magnitude += term.abs();
    }
}

/// Checks `actual` against `expected` within f32's rounding of the sums and `E`'s rounding of the result.
pub fn assert_sums<E: Element>(what: &str, context: &Context, actual: &[E], expected: &[Sum]) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let unit = if E::BF16 { 1.0 / 256.0 } else { 1e-7 };
    for (i, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let difference = (f64::from(actual.to_f32()) - expected.value).abs();
        let bound = 3e-6 * expected.magnitude + unit * expected.value.abs() + 1e-30;
        assert!(
            difference <= bound,
            "{what} on {}: value {i} is {}, expected {} within {bound}",
            context.isa(),
            actual.to_f32(),
            expected.value
        );
    }
}

/// As the kernels read weights: rounded to bf16 where the input is.
pub fn rounded<E: Element>(weights: &[f32]) -> Vec<f64> {
    weights
        .iter()
        .map(|w| f64::from(if E::BF16 { bf16::from_f32(*w).to_f32() } else { *w }))
        .collect()
}

/// Calls `each` with the places (input, weight, output) of every multiply-add of a convolution.
pub fn each_multiply_add(conv: &Conv2d, mut each: impl FnMut(usize, usize, usize)) {
    let [height, width] = conv.output();
    let window = &conv.window;
    for n in 0..conv.batch {
        for oy in 0..height {
            for ox in 0..width {
                for ky in 0..window.kernel[0] {
                    for kx in 0..window.kernel[1] {
                        let iy = (oy * window.stride[0] + ky).wrapping_sub(window.before[0]);
                        let ix = (ox * window.stride[1] + kx).wrapping_sub(window.before[1]);
                        if iy >= conv.input[0] || ix >= conv.input[1] {
                            continue;
                        }
                        for ci in 0..conv.in_channels {
                            for co in 0..conv.out_channels {
                                each(
                                    ((n * conv.input[0] + iy) * conv.input[1] + ix) * conv.in_channels + ci,
                                    ((ky * window.kernel[1] + kx) * conv.in_channels + ci)
                                        * conv.out_channels
                                        + co,
                                    ((n * height + oy) * width + ox) * conv.out_channels + co,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Every activation that a pass may apply besides.
pub const ACTIVATIONS: [Activation; 5] = [
    Activation::Linear,
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.3 },
    Activation::Swish,
    Activation::Relu6,
];

/// An activation's value, in f64.
pub fn activated(activation: Activation, x: f64) -> f64 {
    let hard_sigmoid = (x + 3.0).clamp(0.0, 6.0) / 6.0;
    match activation {
        Activation::Linear => x,
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu { slope } => x.max(f64::from(slope) * x),
        Activation::Swish => x / (1.0 + (-x).exp()),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::HardSwish => x * hard_sigmoid,
        Activation::HardSigmoid => hard_sigmoid,
        Activation::Elu => x.max(x.exp_m1().min(0.0)),
        Activation::Gelu => 0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
    }
}

/// Compares `found` with what an epilogue makes of `linear`: bit for bit in f32; in bf16 within the rounding of `linear`, which a
/// pass that applies the activation to its own sums does not have.
pub fn assert_activated<E: Element>(
    context: &Context,
    activation: Activation,
    channels: usize,
    linear: &[E],
    found: &[E],
) {
    let epilogue = Epilogue {
        batch: 1,
        input: [1, linear.len() / channels],
        channels,
        activation,
        pool: [1, 1],
    };
    let mut expected = vec![E::from_f32(f32::NAN); linear.len()];
    epilogue.forward(context, linear, None, None, &mut expected);
    let rounding = if size_of::<E>() == 2 { 1.0 / 256.0 } else { 0.0 };
    for ((linear, expected), found) in linear.iter().zip(&expected).zip(found) {
        let [x, expected, found] = [linear, expected, found].map(|value| value.to_f32());
        // No slope is above 1.5, and both results are rounded themselves.
        let bound = rounding * (1.5 * x.abs() + expected.abs() + found.abs());
        assert!(
            (expected - found).abs() <= bound,
            "{activation:?} of {x} on {}: {found}, not {expected}",
            context.isa()
        );
    }
}
