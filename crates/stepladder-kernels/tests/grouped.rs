//! Grouped convolution against plain loops in f64, over random shapes, on every instruction set of this CPU.

mod reference;

use half::bf16;
use proptest::prelude::*;
use reference::{
    ACTIVATIONS, Sum, assert_activated, assert_sums, contexts, each_multiply_add, random, rounded,
};
use stepladder_kernels::{Activation, Context, Conv2d, Element, GroupedConv2d, Isa, Statistics, Window};

/// Calls `each` with the places (input, weight, output) of every multiply-add.
fn each_grouped(shape: &GroupedConv2d, mut each: impl FnMut(usize, usize, usize)) {
    let (inputs, outputs) = (shape.conv.in_channels, shape.conv.out_channels);
    let (from, to) = (inputs / shape.groups, outputs / shape.groups);
    each_multiply_add(&shape.conv, |i, k, o| {
        // `k` is a weight of the convolution that is not grouped.
        let (tap, input, output) = (k / outputs / inputs, k / outputs % inputs, k % outputs);
        if input / from == output / to {
            each(i, (tap * from + input % from) * outputs + output, o);
        }
    });
}

fn wide<E: Element>(values: &[E]) -> Vec<f64> {
    values.iter().map(|x| f64::from(x.to_f32())).collect()
}

fn check<E: Element>(shape: &GroupedConv2d, seed: u64) {
    let conv = &shape.conv;
    let channels = conv.out_channels;
    let input = random::<E>(seed, conv.input_len());
    let weights = random::<f32>(seed + 1, shape.weights_len());
    let bias = random::<f32>(seed + 2, channels);
    let gradient = random::<E>(seed + 3, conv.output_len());
    let before = random::<E>(seed + 4, conv.input_len());
    let (x, w, g) = (wide(&input), rounded::<E>(&weights), wide(&gradient));
    let mut forward = vec![Sum::default(); conv.output_len()];
    let mut by_input = vec![Sum::default(); conv.input_len()];
    let mut by_weights = vec![Sum::default(); shape.weights_len()];
    let mut by_bias = vec![Sum::default(); channels];
    for (o, sum) in forward.iter_mut().enumerate() {
        sum.add(f64::from(bias[o % channels]));
        by_bias[o % channels].add(g[o]);
    }
    let mut count = 0;
    each_grouped(shape, |i, k, o| {
        forward[o].add(x[i] * w[k]);
        by_input[i].add(w[k] * g[o]);
        by_weights[k].add(x[i] * g[o]);
        count += 1;
    });
    assert!(count <= shape.multiply_adds());
    let mut accumulated = by_input.clone();
    for (sum, x) in accumulated.iter_mut().zip(wide(&before)) {
        sum.add(x);
    }
    for context in contexts(2) {
        let mut output = vec![E::from_f32(f32::NAN); conv.output_len()];
        let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
        let statistics = Statistics {
            mean: &mut mean,
            variance: &mut variance,
        };
        let linear = Activation::Linear;
        shape.forward(
            &context,
            &input,
            &weights,
            Some(&bias),
            linear,
            &mut output,
            Some(statistics),
        );
        assert_sums("forward", &context, &output, &forward);
        for activation in ACTIVATIONS {
            let mut again = vec![E::from_f32(f32::NAN); conv.output_len()];
            shape.forward(
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
            let values = || forward.iter().skip(c).step_by(channels).map(|sum| sum.value);
            let count = values().count() as f64;
            let average = values().sum::<f64>() / count;
            let spread = values().map(|x| (x - average).powi(2)).sum::<f64>() / count;
            let square = average * average + spread + 1e-3;
            // A value may be off by this; its square by twice that, times itself.
            let magnitudes = forward.iter().skip(c).step_by(channels);
            let rounding = 1e-6 * magnitudes.map(|sum| sum.magnitude).fold(0.0, f64::max);
            assert!((f64::from(mean[c]) - average).abs() < 1e-5 * square.sqrt() + rounding);
            let bound = 1e-5 * square + 2.0 * rounding * square.sqrt();
            assert!((f64::from(variance[c]) - spread).abs() < bound);
        }
        let mut output = vec![E::from_f32(f32::NAN); conv.input_len()];
        shape.input_gradient(&context, &gradient, &weights, &mut output, false);
        assert_sums("input gradient", &context, &output, &by_input);
        let mut output = before.clone();
        shape.input_gradient(&context, &gradient, &weights, &mut output, true);
        assert_sums("accumulated input gradient", &context, &output, &accumulated);
        let mut output = vec![f32::NAN; shape.weights_len()];
        let mut sums = vec![f32::NAN; channels];
        shape.weight_gradient(&context, &input, &gradient, &mut output, Some(&mut sums));
        assert_sums("weight gradient", &context, &output, &by_weights);
        assert_sums("bias gradient", &context, &sums, &by_bias);
    }
}

prop_compose! {
    fn shapes()(
        batch in 1..4_usize,
        input in [1..10_usize, 1..18_usize],
        groups in 1..6_usize,
        of_group in prop_oneof![[1..5_usize, 1..5_usize], [1..20_usize, 1..40_usize]],
        kernel in prop_oneof![Just([1, 1]), Just([3, 3]), [1..5_usize, 1..5_usize]],
        stride in prop_oneof![Just([1, 1]), Just([2, 2]), [1..4_usize, 1..4_usize]],
        same in any::<bool>(),
    ) -> GroupedConv2d {
        let fits = [kernel[0].min(input[0]), kernel[1].min(input[1])];
        let window = if same { Window::same(kernel, stride, input) } else { Window::valid(fits, stride) };
        let [in_channels, out_channels] = of_group.map(|channels| groups * channels);
        GroupedConv2d { conv: Conv2d { batch, input, in_channels, out_channels, window }, groups }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn agrees_in_f32(shape in shapes(), seed in 0..1000_u64) {
        check::<f32>(&shape, seed);
    }

    #[test]
    fn agrees_in_bf16(shape in shapes(), seed in 0..1000_u64) {
        check::<bf16>(&shape, seed);
    }
}

/// More than one work item.
fn large(kernel: usize) -> GroupedConv2d {
    GroupedConv2d {
        conv: Conv2d {
            batch: 3,
            input: [17, 19],
            in_channels: 48,
            out_channels: 96,
            window: Window::same([kernel, kernel], [1, 1], [17, 19]),
        },
        groups: 3,
    }
}

/// All that it computes, as bits.
fn all_bits<E: Element>(context: &Context, shape: &GroupedConv2d) -> Vec<u32> {
    let conv = &shape.conv;
    let input = random::<E>(1, conv.input_len());
    let weights = random::<f32>(2, shape.weights_len());
    let gradient = random::<E>(3, conv.output_len());
    let mut output = vec![E::default(); conv.output_len()];
    let mut by_input = vec![E::default(); conv.input_len()];
    let mut sums = [
        shape.weights_len(),
        conv.out_channels,
        conv.out_channels,
        conv.out_channels,
    ]
    .map(|length| vec![0.0; length]);
    let [by_weights, by_bias, mean, variance] = &mut sums;
    let statistics = Statistics { mean, variance };
    let activation = Activation::Relu6;
    shape.forward(
        context,
        &input,
        &weights,
        None,
        activation,
        &mut output,
        Some(statistics),
    );
    shape.input_gradient(context, &gradient, &weights, &mut by_input, false);
    shape.weight_gradient(context, &input, &gradient, by_weights, Some(by_bias));
    let stored = output.iter().chain(&by_input).map(|x| x.to_f32());
    stored
        .chain(sums.into_iter().flatten())
        .map(f32::to_bits)
        .collect()
}

#[test]
fn threads_do_not_change_a_bit() {
    for isa in Isa::available() {
        for shape in [large(3), large(1)] {
            let all = |threads| {
                let context = Context::with_isa(isa, threads).unwrap();
                (
                    all_bits::<f32>(&context, &shape),
                    all_bits::<bf16>(&context, &shape),
                )
            };
            let one = all(1);
            for threads in [2, 3, 8] {
                assert!(all(threads) == one, "{shape:?} on {isa}, {threads} threads");
            }
        }
    }
}

#[test]
#[should_panic(expected = "the groups must divide the channels")]
fn groups_that_do_not_divide_the_channels_are_refused() {
    let mut shape = large(1);
    shape.groups = 5;
    let context = Context::with_isa(Isa::Portable, 1).unwrap();
    let mut output = vec![0.0_f32; shape.conv.input_len()];
    shape.input_gradient(&context, &[], &[], &mut output, false);
}
