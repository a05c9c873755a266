//! Layer normalization and scales of channels against f64, gradients against finite differences.

mod reference;

use half::bf16;
use proptest::prelude::*;
use reference::{Sum, assert_sums, contexts, random};
use stepladder_kernels::{ChannelScale, Context, Element, Isa, LayerNorm, LayerNormGradient};

fn wide<E: Element>(values: &[E]) -> Vec<f64> {
    values.iter().map(|x| f64::from(x.to_f32())).collect()
}

/// The output, in f64.
fn forward(shape: &LayerNorm, x: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks_exact(shape.channels) {
        let count = shape.channels as f64;
        let mean = row.iter().sum::<f64>() / count;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        let inverse = 1.0 / (variance + f64::from(shape.epsilon)).sqrt();
        y.extend(
            (row.iter().zip(gamma).zip(beta)).map(|((x, gamma), beta)| (x - mean) * inverse * gamma + beta),
        );
    }
    y
}

fn assert_close(what: &str, context: &Context, actual: &[f64], expected: &[f64], tolerance: f64) {
    // A gradient is the difference of terms of the order of 1, which may cancel.
    let scale = expected.iter().fold(1e-2_f64, |most, x| most.max(x.abs()));
    for (i, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (actual - expected).abs() <= tolerance * scale,
            "{what} {i} on {}: {actual}, expected {expected}",
            context.isa()
        );
    }
}

fn check<E: Element>(shape: &LayerNorm, has_gamma: bool, has_beta: bool, seed: u64) {
    // Around a mean that is not zero, as a variance by squares would not survive.
    let x: Vec<E> = random::<f32>(seed, shape.input_len())
        .iter()
        .map(|x| E::from_f32(x + 3.0))
        .collect();
    let gamma = has_gamma.then(|| random::<f32>(seed + 1, shape.channels));
    let beta = has_beta.then(|| random::<f32>(seed + 2, shape.channels));
    let dy = random::<E>(seed + 3, shape.input_len());
    let (x64, dy64) = (wide(&x), wide(&dy));
    let gamma64 = gamma.as_deref().map_or(vec![1.0; shape.channels], wide);
    let beta64 = beta.as_deref().map_or(vec![0.0; shape.channels], wide);
    let y64 = forward(shape, &x64, &gamma64, &beta64);
    let loss = |x: &[f64], gamma: &[f64], beta: &[f64]| -> f64 {
        forward(shape, x, gamma, beta)
            .iter()
            .zip(&dy64)
            .map(|(y, dy)| y * dy)
            .sum()
    };
    let slopes = |values: &[f64], loss: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
        let slope = |i: usize| {
            let [mut above, mut below] = [values.to_vec(), values.to_vec()];
            above[i] += 1e-6;
            below[i] -= 1e-6;
            (loss(&above) - loss(&below)) / 2e-6
        };
        (0..values.len()).map(slope).collect()
    };
    let by_x = slopes(&x64, &|x| loss(x, &gamma64, &beta64));
    let by_gamma = slopes(&gamma64, &|gamma| loss(&x64, gamma, &beta64));
    let by_beta = slopes(&beta64, &|beta| loss(&x64, &gamma64, beta));
    let rounding = if E::BF16 { 1.0 / 256.0 } else { 1e-5 };
    for context in contexts(2) {
        let mut y = vec![E::from_f32(f32::NAN); shape.input_len()];
        shape.forward(&context, &x, gamma.as_deref(), beta.as_deref(), &mut y);
        assert_close("output", &context, &wide(&y), &y64, rounding);
        let mut dx = y.clone();
        let (mut of_gamma, mut of_beta) = (vec![f32::NAN; shape.channels], vec![f32::NAN; shape.channels]);
        let parameters = LayerNormGradient {
            gamma: has_gamma.then_some(&mut of_gamma),
            beta: has_beta.then_some(&mut of_beta),
        };
        shape.backward(&context, &x, gamma.as_deref(), &dy, &mut dx, parameters);
        assert_close("gradient of x", &context, &wide(&dx), &by_x, 10.0 * rounding);
        if has_gamma {
            assert_close("gradient of gamma", &context, &wide(&of_gamma), &by_gamma, 1e-4);
        }
        if has_beta {
            assert_close("gradient of beta", &context, &wide(&of_beta), &by_beta, 1e-4);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn layer_norm_agrees(
        rows in 1..6_usize,
        channels in 2..40_usize,
        has_gamma in any::<bool>(),
        has_beta in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let shape = LayerNorm { rows, channels, epsilon: 1e-3 };
        check::<f32>(&shape, has_gamma, has_beta, seed);
        check::<bf16>(&shape, has_gamma, has_beta, seed);
    }

    #[test]
    fn scale_agrees(rows in 1..3000_usize, channels in 1..40_usize, seed in 0..1000_u64) {
        check_scale::<f32>(ChannelScale { rows, channels }, seed);
        check_scale::<bf16>(ChannelScale { rows, channels }, seed);
    }
}

fn check_scale<E: Element>(shape: ChannelScale, seed: u64) {
    let length = shape.rows * shape.channels;
    let (x, dy) = (random::<E>(seed, length), random::<E>(seed + 1, length));
    let gamma = random::<f32>(seed + 2, shape.channels);
    let mut forward = vec![Sum::default(); length];
    let mut by_x = forward.clone();
    let mut by_gamma = vec![Sum::default(); shape.channels];
    for i in 0..length {
        let (x, dy) = (f64::from(x[i].to_f32()), f64::from(dy[i].to_f32()));
        let factor = f64::from(gamma[i % shape.channels]);
        forward[i].add(factor * x);
        by_x[i].add(factor * dy);
        by_gamma[i % shape.channels].add(x * dy);
    }
    for context in contexts(2) {
        let mut y = vec![E::from_f32(f32::NAN); length];
        shape.forward(&context, &x, &gamma, &mut y);
        assert_sums("scaled", &context, &y, &forward);
        let mut dx = vec![E::from_f32(f32::NAN); length];
        let mut of_gamma = vec![f32::NAN; shape.channels];
        shape.backward(&context, &x, &gamma, &dy, &mut dx, &mut of_gamma);
        assert_sums("gradient of x", &context, &dx, &by_x);
        assert_sums("gradient of gamma", &context, &of_gamma, &by_gamma);
    }
}

#[test]
fn constant_rows_are_beta() {
    let shape = LayerNorm {
        rows: 2,
        channels: 5,
        epsilon: 1e-6,
    };
    let beta = [1.0, -2.0, 3.0, 0.0, 0.5];
    for context in contexts(1) {
        let mut y = [0.0; 10];
        shape.forward(&context, &[7.0_f32; 10], None, Some(&beta), &mut y);
        assert_eq!((&y[..5], &y[5..]), (&beta[..], &beta[..]));
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let (rows, channels) = (5000, 37);
    let norm = LayerNorm {
        rows,
        channels,
        epsilon: 1e-3,
    };
    let scale = ChannelScale { rows, channels };
    let x = random::<bf16>(1, norm.input_len());
    let dy = random::<bf16>(2, norm.input_len());
    let gamma = random::<f32>(3, channels);
    for isa in Isa::available() {
        let run = |threads| {
            let context = Context::with_isa(isa, threads).unwrap();
            let mut maps = vec![vec![bf16::ZERO; norm.input_len()]; 4];
            let mut sums = vec![vec![0.0; channels]; 3];
            if let ([y, dx, scaled, by_scaled], [of_gamma, of_beta, of_scale]) =
                (&mut maps[..], &mut sums[..])
            {
                norm.forward(&context, &x, Some(&gamma), Some(&gamma), y);
                let parameters = LayerNormGradient {
                    gamma: Some(of_gamma),
                    beta: Some(of_beta),
                };
                norm.backward(&context, &x, Some(&gamma), &dy, dx, parameters);
                scale.forward(&context, &x, &gamma, scaled);
                scale.backward(&context, &x, &gamma, &dy, by_scaled, of_scale);
            }
            (maps, sums)
        };
        let one = run(1);
        for threads in [2, 3, 8] {
            assert!(run(threads) == one, "{isa}, {threads} threads");
        }
    }
}
