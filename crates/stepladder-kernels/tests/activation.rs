//! Activations by themselves against f64: values, slopes against finite differences, NaN, and softmax over rows.

mod reference;

use half::bf16;
use reference::{ACTIVATIONS, activated, contexts, random};
use stepladder_kernels::{Activation, Context, Element, Epilogue, Isa, activation};

/// Those that no other pass applies.
const ALONE: [Activation; 6] = [
    Activation::HardSwish,
    Activation::HardSigmoid,
    Activation::Elu,
    Activation::Gelu,
    Activation::Sigmoid,
    Activation::Tanh,
];

fn all() -> impl Iterator<Item = Activation> {
    ACTIVATIONS.into_iter().chain(ALONE)
}

/// Values around all corners, more than a work item of them, no whole number of vectors, as `E` stores them.
fn values<E: Element>() -> Vec<E> {
    let values = (-20_000..20_001).map(|i| i as f32 / 1000.0 + 0.000_3);
    let extremes = [0.0, -0.0, 50.0, -50.0, 1e4, -1e4, 1e20, -1e20];
    values.chain(extremes).map(E::from_f32).collect()
}

fn wide<E: Element>(x: &[E]) -> Vec<f64> {
    x.iter().map(|x| f64::from(x.to_f32())).collect()
}

fn check<E: Element>(activation: Activation) {
    let x = values::<E>();
    let dy = random::<E>(1, x.len());
    let (x64, dy64) = (wide(&x), wide(&dy));
    let rounding = if E::BF16 { 1.0 / 256.0 } else { 1e-7 };
    for context in contexts(2) {
        let mut y = vec![E::from_f32(f32::NAN); x.len()];
        activation::forward(&context, activation, &x, &mut y);
        let mut dx = y.clone();
        activation::backward(&context, activation, &x, &dy, &mut dx);
        for i in 0..x.len() {
            let what = || format!("{activation:?} of {} on {}", x64[i], context.isa());
            let expected = activated(activation, x64[i]);
            let difference = (f64::from(y[i].to_f32()) - expected).abs();
            assert!(
                difference <= 1e-6 + 2.0 * rounding * expected.abs(),
                "{}: {}, not {expected}",
                what(),
                y[i].to_f32()
            );
            // Small beside the distance to corners, which are whole numbers.
            let step = 1e-6 * x64[i].abs().max(1.0);
            let [above, below] = [x64[i] + step, x64[i] - step].map(|x| activated(activation, x));
            let (right, left) = (
                above - activated(activation, x64[i]),
                activated(activation, x64[i]) - below,
            );
            let is_corner = (right - left).abs() > 1e-4 * step;
            if is_corner {
                continue;
            }
            let expected = dy64[i] * (above - below) / (2.0 * step);
            let difference = (f64::from(dx[i].to_f32()) - expected).abs();
            assert!(
                difference <= 2e-6 + 2.0 * rounding * expected.abs(),
                "slope of {}: {}, not {expected}",
                what(),
                dx[i].to_f32()
            );
        }
    }
}

#[test]
fn values_and_slopes_agree() {
    for activation in all() {
        check::<f32>(activation);
        check::<bf16>(activation);
    }
}

#[test]
fn nan_stays_and_corners_are_flat() {
    for context in contexts(1) {
        for activation in all() {
            for length in [1, 8, 21] {
                let mut y = vec![0.0; length];
                activation::forward(&context, activation, &vec![f32::NAN; length], &mut y);
                assert!(
                    y.iter().all(|y| y.is_nan()),
                    "{activation:?} on {}",
                    context.isa()
                );
                let mut y = vec![bf16::ZERO; length];
                activation::forward(&context, activation, &vec![bf16::NAN; length], &mut y);
                assert!(
                    y.iter().all(|y| y.is_nan()),
                    "{activation:?} on {}",
                    context.isa()
                );
            }
        }
        let corners = [
            (Activation::Relu, 0.0, 0.0),
            (Activation::LeakyRelu { slope: 0.25 }, 0.0, 0.25),
            (Activation::Relu6, 0.0, 0.0),
            (Activation::Relu6, 6.0, 0.0),
            (Activation::HardSwish, -3.0, 0.0),
            (Activation::HardSwish, 3.0, 1.0),
            (Activation::HardSigmoid, -3.0, 0.0),
            (Activation::HardSigmoid, 3.0, 0.0),
        ];
        for (activation, x, slope) in corners {
            let mut dx = [f32::NAN];
            activation::backward(&context, activation, &[x], &[1.0], &mut dx);
            assert_eq!(dx, [slope], "{activation:?} at {x} on {}", context.isa());
        }
        let mut y = [f32::NAN; 2];
        let ends = [f32::NEG_INFINITY, f32::INFINITY];
        activation::forward(&context, Activation::Relu6, &ends, &mut y);
        assert_eq!(y, [0.0, 6.0]);
        activation::forward(&context, Activation::LeakyRelu { slope: 0.0 }, &ends, &mut y);
        assert_eq!(y, ends, "0 times infinity is left out");
        activation::forward(&context, Activation::Gelu, &[f32::INFINITY, f32::MAX], &mut y);
        assert_eq!(y, [f32::INFINITY, f32::MAX]);
    }
}

#[test]
fn those_that_others_apply_are_the_same_by_themselves() {
    let x = values::<f32>();
    for context in contexts(1) {
        for activation in ACTIVATIONS {
            assert!(activation.is_fused());
            let epilogue = Epilogue {
                batch: 1,
                input: [1, x.len()],
                channels: 1,
                activation,
                pool: [1, 1],
            };
            let (mut alone, mut fused) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            activation::forward(&context, activation, &x, &mut alone);
            epilogue.forward(&context, &x, None, None, &mut fused);
            assert!(alone == fused, "{activation:?} on {}", context.isa());
        }
    }
    assert!(ALONE.into_iter().all(|activation| !activation.is_fused()));
}

#[test]
#[should_panic(expected = "Gelu is no part of other passes")]
fn others_are_refused() {
    let epilogue = Epilogue {
        batch: 1,
        input: [1, 1],
        channels: 1,
        activation: Activation::Gelu,
        pool: [1, 1],
    };
    let context = Context::with_isa(Isa::Portable, 1).unwrap();
    epilogue.forward(&context, &[1.0_f32], None, None, &mut [0.0]);
}

/// The softmax of a row.
fn softmax(x: &[f64]) -> Vec<f64> {
    let sum: f64 = x.iter().map(|x| x.exp()).sum();
    x.iter().map(|x| x.exp() / sum).collect()
}

fn check_softmax<E: Element>(channels: usize) {
    let x: Vec<E> = random::<f32>(1, 300 * channels)
        .iter()
        .map(|x| E::from_f32(8.0 * x))
        .collect();
    let dy = random::<E>(2, x.len());
    let (x64, dy64) = (wide(&x), wide(&dy));
    let rounding = if E::BF16 { 1.0 / 256.0 } else { 1e-7 };
    for context in contexts(2) {
        let mut y = vec![E::from_f32(f32::NAN); x.len()];
        activation::softmax_rows(&context, channels, &x, &mut y);
        let mut dx = y.clone();
        activation::softmax_rows_backward(&context, channels, &x, &dy, &mut dx);
        for row in 0..3 {
            let at = 97 * row * channels..(97 * row + 1) * channels;
            let values = &x64[at.clone()];
            for (y, expected) in y[at.clone()].iter().zip(softmax(values)) {
                assert!((f64::from(y.to_f32()) - expected).abs() <= rounding * expected);
            }
            let loss = |x: &[f64]| -> f64 {
                softmax(x)
                    .iter()
                    .zip(&dy64[at.clone()])
                    .map(|(y, dy)| y * dy)
                    .sum()
            };
            for (c, dx) in dx[at.clone()].iter().enumerate() {
                let [mut above, mut below] = [values.to_vec(), values.to_vec()];
                above[c] += 1e-5;
                below[c] -= 1e-5;
                let slope = (loss(&above) - loss(&below)) / 2e-5;
                assert!((f64::from(dx.to_f32()) - slope).abs() <= rounding * slope.abs() + 1e-8);
            }
        }
    }
}

#[test]
fn softmax_over_rows() {
    for channels in [1, 3, 40] {
        check_softmax::<f32>(channels);
        check_softmax::<bf16>(channels);
    }
    let context = Context::with_isa(Isa::Portable, 1).unwrap();
    let mut y = [0.0; 4];
    activation::softmax_rows(&context, 2, &[f32::NAN, 1.0, 1000.0, 0.0], &mut y);
    assert!(y[0].is_nan() && y[1].is_nan() && y[2..] == [1.0, 0.0]);
}

#[test]
fn threads_do_not_change_a_bit() {
    let x = random::<bf16>(1, 100_003);
    let dy = random::<bf16>(2, x.len());
    for isa in Isa::available() {
        let run = |threads| {
            let context = Context::with_isa(isa, threads).unwrap();
            let mut results = Vec::new();
            for activation in all() {
                let (mut y, mut dx) = (vec![bf16::ZERO; x.len()], vec![bf16::ZERO; x.len()]);
                activation::forward(&context, activation, &x, &mut y);
                activation::backward(&context, activation, &x, &dy, &mut dx);
                results.extend([y, dx]);
            }
            let (mut y, mut dx) = (vec![bf16::ZERO; 99_999], vec![bf16::ZERO; 99_999]);
            activation::softmax_rows(&context, 9, &x[..99_999], &mut y);
            activation::softmax_rows_backward(&context, 9, &x[..99_999], &dy[..99_999], &mut dx);
            results.extend([y, dx]);
            results
        };
        let one = run(1);
        for threads in [2, 3, 8] {
            assert!(run(threads) == one, "{isa}, {threads} threads");
        }
    }
}
