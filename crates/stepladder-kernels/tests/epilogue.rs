//! Fused batch norm, skip, activation and max pool against plain f64, its gradients against finite differences.

mod reference;

use half::bf16;
use proptest::prelude::*;
use reference::{ACTIVATIONS, activated, contexts, random};
use stepladder_kernels::{Activation, Affine, Context, Element, Epilogue, Isa, NormGradient};

const EPSILON: f32 = 1e-3;

/// A case's parameters, in f64.
#[derive(Clone)]
struct Values {
    x: Vec<f64>,
    skip: Option<Vec<f64>>,
    gamma: Vec<f64>,
    beta: Vec<f64>,
}

fn statistics(shape: &Epilogue, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let pixels = (x.len() / shape.channels) as f64;
    (0..shape.channels)
        .map(|c| {
            let channel = || x.iter().skip(c).step_by(shape.channels);
            let mean = channel().sum::<f64>() / pixels;
            (mean, channel().map(|x| (x - mean).powi(2)).sum::<f64>() / pixels)
        })
        .unzip()
}

/// The output; with `norm` the statistics are those of x.
fn forward(shape: &Epilogue, values: &Values, norm: bool) -> Vec<f64> {
    let (mean, variance) = statistics(shape, &values.x);
    let z: Vec<f64> = (values.x.iter().enumerate())
        .map(|(i, x)| {
            let c = i % shape.channels;
            let normal = if norm {
                (x - mean[c]) / (variance[c] + f64::from(EPSILON)).sqrt() * values.gamma[c] + values.beta[c]
            } else {
                *x
            };
            activated(
                shape.activation,
                normal + values.skip.as_ref().map_or(0.0, |skip| skip[i]),
            )
        })
        .collect();
    let [height, width] = shape.output();
    let mut y = Vec::new();
    for o in 0..shape.output_len() {
        let (c, x) = (o % shape.channels, o / shape.channels % width);
        let (row, n) = (
            o / shape.channels / width % height,
            o / shape.channels / width / height,
        );
        let mut most = f64::NEG_INFINITY;
        for i in 0..shape.pool[0] {
            for j in 0..shape.pool[1] {
                let at =
                    (n * shape.input[0] + row * shape.pool[0] + i) * shape.input[1] + x * shape.pool[1] + j;
                most = most.max(z[at * shape.channels + c]);
            }
        }
        y.push(most);
    }
    y
}

/// What a kernel computes: output, gradients of x, skip, gamma, beta.
fn run<E: Element>(
    shape: &Epilogue,
    context: &Context,
    values: &Values,
    norm: bool,
    dy: &[f64],
) -> [Vec<f64>; 5] {
    let narrow = |x: &[f64]| x.iter().map(|x| E::from_f32(*x as f32)).collect::<Vec<E>>();
    let single = |x: &[f64]| x.iter().map(|x| *x as f32).collect::<Vec<f32>>();
    let wide = |x: &[E]| x.iter().map(|x| f64::from(x.to_f32())).collect::<Vec<f64>>();
    let (mean, variance) = statistics(shape, &values.x);
    let (mean, variance) = (single(&mean), single(&variance));
    let affine = norm.then(|| {
        Affine::new(
            &single(&values.gamma),
            &single(&values.beta),
            &mean,
            &variance,
            EPSILON,
        )
    });
    let input = narrow(&values.x);
    let skip = values.skip.as_deref().map(narrow);
    let mut output = vec![E::from_f32(f32::NAN); shape.output_len()];
    shape.forward(context, &input, affine.as_ref(), skip.as_deref(), &mut output);
    let mut by_x = vec![E::from_f32(f32::NAN); shape.input_len()];
    let mut by_skip = by_x.clone();
    let (mut gamma, mut beta) = (vec![0.0; shape.channels], vec![0.0; shape.channels]);
    let gradient = norm.then(|| NormGradient {
        mean: &mean,
        variance: &variance,
        epsilon: EPSILON,
        of_batch: true,
        gamma: &mut gamma,
        beta: &mut beta,
    });
    shape.backward(
        context,
        &input,
        affine.as_ref(),
        gradient,
        skip.as_deref(),
        &narrow(dy),
        &mut by_x,
        skip.is_some().then_some(&mut by_skip),
    );
    let sums = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    [
        wide(&output),
        wide(&by_x),
        wide(&by_skip),
        sums(&gamma),
        sums(&beta),
    ]
}

fn values(shape: &Epilogue, skip: bool, seed: u64) -> (Values, Vec<f64>) {
    let wide = |seed: u64, n: usize| {
        random::<bf16>(seed, n)
            .iter()
            .map(|x| f64::from(x.to_f32()))
            .collect()
    };
    // f32 values, so that ties in a pool's window, where the gradient is not defined, are not to be expected.
    let fine = |seed: u64, n: usize| {
        random::<f32>(seed, n)
            .iter()
            .map(|x| 2.0 * f64::from(*x))
            .collect()
    };
    let values = Values {
        x: fine(seed, shape.input_len()),
        skip: skip.then(|| fine(seed + 1, shape.input_len())),
        gamma: wide(seed + 2, shape.channels),
        beta: wide(seed + 3, shape.channels),
    };
    (values, wide(seed + 4, shape.output_len()))
}

fn assert_close(what: &str, context: &Context, actual: &[f64], expected: &[f64], tolerance: f64) {
    let scale = expected.iter().fold(1e-3_f64, |most, x| most.max(x.abs()));
    for (i, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (actual - expected).abs() <= tolerance * scale,
            "{what} {i} on {}: {actual}, expected {expected}",
            context.isa()
        );
    }
}

prop_compose! {
    fn shapes()(
        batch in 1..3_usize,
        input in [2..8_usize, 2..24_usize],
        channels in 1..40_usize,
        activation in prop::sample::select(ACTIVATIONS.to_vec()),
        pool in prop_oneof![Just([1, 1]), Just([2, 2]), [1..3_usize, 1..3_usize]],
    ) -> Epilogue {
        Epilogue { batch, input, channels, activation, pool }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn forward_agrees(shape in shapes(), norm in any::<bool>(), skip in any::<bool>(), seed in 0..1000_u64) {
        let (values, dy) = values(&shape, skip, seed);
        let expected = forward(&shape, &values, norm);
        for context in contexts(2) {
            let [output, ..] = run::<f32>(&shape, &context, &values, norm, &dy);
            assert_close("f32 output", &context, &output, &expected, 3e-6);
            let [output, ..] = run::<bf16>(&shape, &context, &values, norm, &dy);
            assert_close("bf16 output", &context, &output, &expected, 0.02);
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences(
        shape in shapes(),
        norm in any::<bool>(),
        skip in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let shape = Epilogue { batch: 1, channels: shape.channels.min(19), input: [shape.input[0].min(5), shape.input[1].min(5)], ..shape };
        let (values, dy) = values(&shape, skip, seed);
        let loss = |values: &Values| -> f64 { forward(&shape, values, norm).iter().zip(&dy).map(|(y, dy)| y * dy).sum() };
        let slope = |change: &dyn Fn(&mut Values, f64)| {
            let [mut above, mut below] = [values.clone(), values.clone()];
            change(&mut above, 1e-6);
            change(&mut below, -1e-6);
            (loss(&above) - loss(&below)) / 2e-6
        };
        let by_x: Vec<f64> = (0..shape.input_len()).map(|i| slope(&|values, h| values.x[i] += h)).collect();
        let by_skip: Vec<f64> = if skip {
            (0..shape.input_len()).map(|i| slope(&|values, h| values.skip.as_mut().unwrap()[i] += h)).collect()
        } else {
            Vec::new()
        };
        let by_gamma: Vec<f64> = (0..shape.channels).map(|i| slope(&|values, h| values.gamma[i] += h)).collect();
        let by_beta: Vec<f64> = (0..shape.channels).map(|i| slope(&|values, h| values.beta[i] += h)).collect();
        for context in contexts(2) {
            let [_, x, skip, gamma, beta] = run::<f32>(&shape, &context, &values, norm, &dy);
            assert_close("gradient of x", &context, &x, &by_x, 1e-4);
            assert_close("gradient of skip", &context, &skip, &by_skip, 1e-4);
            if norm {
                assert_close("gradient of gamma", &context, &gamma, &by_gamma, 1e-4);
                assert_close("gradient of beta", &context, &beta, &by_beta, 1e-4);
            }
        }
    }

    /// Inputs that bf16 stores exactly, and no pool: there a rounding may choose another winner.
    #[test]
    fn bf16_gradients_agree_with_f32(shape in shapes(), norm in any::<bool>(), seed in 0..1000_u64) {
        let shape = Epilogue { pool: [1, 1], ..shape };
        let (mut values, dy) = values(&shape, true, seed);
        let round = |values: &mut Vec<f64>| values.iter_mut().for_each(|x| *x = f64::from(bf16::from_f64(*x).to_f32()));
        round(&mut values.x);
        values.skip.as_mut().into_iter().for_each(round);
        for context in contexts(2) {
            let [_, x, skip, gamma, beta] = run::<f32>(&shape, &context, &values, norm, &dy);
            let [_, narrow_x, narrow_skip, narrow_gamma, narrow_beta] = run::<bf16>(&shape, &context, &values, norm, &dy);
            assert_close("gradient of x", &context, &narrow_x, &x, 1.0 / 256.0);
            assert_close("gradient of skip", &context, &narrow_skip, &skip, 1.0 / 256.0);
            assert_close("gradient of gamma", &context, &narrow_gamma, &gamma, 1e-5);
            assert_close("gradient of beta", &context, &narrow_beta, &beta, 1e-5);
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let shape = Epilogue {
        batch: 5,
        input: [25, 33],
        channels: 40,
        activation: Activation::Swish,
        pool: [2, 2],
    };
    let (values, dy) = values(&shape, true, 1);
    for isa in Isa::available() {
        let all = |threads| {
            let context = Context::with_isa(isa, threads).unwrap();
            (
                run::<f32>(&shape, &context, &values, true, &dy),
                run::<bf16>(&shape, &context, &values, true, &dy),
            )
        };
        let one = all(1);
        for threads in [2, 3, 8] {
            assert!(all(threads) == one, "{isa}, {threads} threads");
        }
    }
}
