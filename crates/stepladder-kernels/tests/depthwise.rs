//! Depthwise convolution against plain loops in f64, over random shapes, on every instruction set of this CPU.

mod reference;

use half::bf16;
use proptest::prelude::*;
use reference::{ACTIVATIONS, Sum, assert_activated, assert_sums, contexts, random};
use stepladder_kernels::{Activation, Context, DepthwiseConv2d, Element, Isa, Statistics, Window};

/// Calls `each` with the places (input, weight, output) of every multiply-add.
fn each_multiply_add(conv: &DepthwiseConv2d, mut each: impl FnMut(usize, usize, usize)) {
    let [height, width] = conv.output();
    let window = &conv.window;
    for o in 0..conv.output_len() {
        let channels = conv.out_channels();
        let (c, ox) = (o % channels, o / channels % width);
        let (oy, n) = (o / channels / width % height, o / channels / width / height);
        for k in 0..window.kernel[0] * window.kernel[1] {
            let iy = (oy * window.stride[0] + k / window.kernel[1]).wrapping_sub(window.before[0]);
            let ix = (ox * window.stride[1] + k % window.kernel[1]).wrapping_sub(window.before[1]);
            if iy < conv.input[0] && ix < conv.input[1] {
                let pixel = (n * conv.input[0] + iy) * conv.input[1] + ix;
                each(pixel * conv.channels + c / conv.multiplier, k * channels + c, o);
            }
        }
    }
}

fn check<E: Element>(conv: &DepthwiseConv2d, seed: u64) {
    let input = random::<E>(seed, conv.input_len());
    let weights = random::<f32>(seed + 1, conv.weights_len());
    let channels = conv.out_channels();
    let bias = random::<f32>(seed + 2, channels);
    let gradient = random::<E>(seed + 3, conv.output_len());
    let mut forward = vec![Sum::default(); conv.output_len()];
    let mut by_input = vec![Sum::default(); conv.input_len()];
    let mut by_weights = vec![Sum::default(); conv.weights_len()];
    for (sum, b) in forward.iter_mut().zip(bias.iter().cycle()) {
        sum.add(f64::from(*b));
    }
    let mut by_bias = vec![Sum::default(); channels];
    let wide = |x: E| f64::from(x.to_f32());
    for (o, g) in gradient.iter().enumerate() {
        by_bias[o % channels].add(wide(*g));
    }
    each_multiply_add(conv, |i, k, o| {
        forward[o].add(wide(input[i]) * f64::from(weights[k]));
        by_input[i].add(wide(gradient[o]) * f64::from(weights[k]));
        by_weights[k].add(wide(gradient[o]) * wide(input[i]));
    });
    for context in contexts(2) {
        let mut output = vec![E::from_f32(f32::NAN); conv.output_len()];
        let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
        let statistics = Statistics {
            mean: &mut mean,
            variance: &mut variance,
        };
        conv.forward(
            &context,
            &input,
            &weights,
            Some(&bias),
            Activation::Linear,
            &mut output,
            Some(statistics),
        );
        assert_sums("forward", &context, &output, &forward);
        for activation in ACTIVATIONS {
            let mut again = vec![E::from_f32(f32::NAN); conv.output_len()];
            conv.forward(
                &context,
                &input,
                &weights,
                Some(&bias),
                activation,
                &mut again,
                None,
            );
            assert_activated(&context, activation, channels, &output, &again);
        }
        for c in 0..channels {
            let values: Vec<f64> = forward
                .iter()
                .skip(c)
                .step_by(channels)
                .map(|sum| sum.value)
                .collect();
            let average = values.iter().sum::<f64>() / values.len() as f64;
            let spread = values.iter().map(|x| (x - average).powi(2)).sum::<f64>() / values.len() as f64;
            assert!(
                (f64::from(mean[c]) - average).abs() < 1e-5,
                "mean on {}",
                context.isa()
            );
            assert!(
                (f64::from(variance[c]) - spread).abs() < 1e-5 * (1.0 + spread),
                "variance on {}",
                context.isa()
            );
        }
        let mut output = vec![E::from_f32(f32::NAN); conv.input_len()];
        conv.input_gradient(&context, &gradient, &weights, &mut output);
        assert_sums("input gradient", &context, &output, &by_input);
        let mut output = vec![f32::NAN; conv.weights_len()];
        let mut bias = vec![f32::NAN; channels];
        conv.weight_gradient(&context, &input, &gradient, &mut output, Some(&mut bias));
        assert_sums("weight gradient", &context, &output, &by_weights);
        assert_sums("bias gradient", &context, &bias, &by_bias);
    }
}

prop_compose! {
    fn shapes()(
        batch in 1..4_usize,
        input in [1..14_usize, 1..30_usize],
        channels in 1..70_usize,
        multiplier in prop_oneof![3 => Just(1_usize), 1 => 2..4_usize],
        kernel in prop_oneof![Just([3, 3]), Just([5, 5]), [1..8_usize, 1..8_usize]],
        stride in prop_oneof![Just([1, 1]), Just([2, 2]), [1..4_usize, 1..4_usize]],
        same in any::<bool>(),
    ) -> DepthwiseConv2d {
        let fits = [kernel[0].min(input[0]), kernel[1].min(input[1])];
        let window = if same { Window::same(kernel, stride, input) } else { Window::valid(fits, stride) };
        DepthwiseConv2d { batch, input, channels, multiplier, window }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn agrees_in_f32(conv in shapes(), seed in 0..1000_u64) {
        check::<f32>(&conv, seed);
    }

    #[test]
    fn agrees_in_bf16(conv in shapes(), seed in 0..1000_u64) {
        check::<bf16>(&conv, seed);
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    for multiplier in [1, 3] {
        check_threads(multiplier);
    }
}

fn check_threads(multiplier: usize) {
    let conv = DepthwiseConv2d {
        batch: 7,
        input: [33, 31],
        channels: 40,
        multiplier,
        window: Window::same([3, 3], [1, 1], [33, 31]),
    };
    let input = random::<bf16>(1, conv.input_len());
    let weights = random::<f32>(2, conv.weights_len());
    let gradient = random::<bf16>(3, conv.output_len());
    let all = |isa, threads| {
        let context = Context::with_isa(isa, threads).unwrap();
        let mut output = vec![bf16::ZERO; conv.output_len()];
        let mut by_input = vec![bf16::ZERO; conv.input_len()];
        let mut sums = vec![
            vec![0.0; conv.weights_len()],
            vec![0.0; conv.out_channels()],
            vec![0.0; conv.out_channels()],
        ];
        if let [by_weights, mean, variance] = &mut sums[..] {
            let statistics = Statistics { mean, variance };
            let linear = Activation::Linear;
            conv.forward(
                &context,
                &input,
                &weights,
                None,
                linear,
                &mut output,
                Some(statistics),
            );
            conv.input_gradient(&context, &gradient, &weights, &mut by_input);
            conv.weight_gradient(&context, &input, &gradient, by_weights, None);
        }
        (output, by_input, sums)
    };
    for isa in Isa::available() {
        let one = all(isa, 1);
        for threads in [2, 3, 8] {
            assert!(all(isa, threads) == one, "{isa}, {threads} threads");
        }
    }
}

#[test]
#[should_panic(expected = "the multiplier must be at least 1")]
fn a_multiplier_of_zero_is_refused() {
    let conv = DepthwiseConv2d {
        batch: 1,
        input: [5, 5],
        channels: 4,
        multiplier: 0,
        window: Window::valid([3, 3], [2, 2]),
    };
    let context = Context::with_isa(Isa::Portable, 1).unwrap();
    conv.input_gradient(&context, &[0.0_f32; 0], &[], &mut [0.0; 100]);
}
