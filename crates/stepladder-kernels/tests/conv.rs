//! Convolution against plain loops in f64, over random shapes, on every instruction set of this CPU.

mod reference;

use half::bf16;
use proptest::prelude::*;
use reference::{
    ACTIVATIONS, Sum, assert_activated, assert_sums, contexts, each_multiply_add, random, rounded,
};
use stepladder_kernels::{Context, Conv2d, Element, Isa, Statistics, Window};

fn wide<E: Element>(values: &[E]) -> Vec<f64> {
    values.iter().map(|x| f64::from(x.to_f32())).collect()
}

/// Whether its products may be taken with fewer multiplications.
fn is_minimal(conv: &Conv2d) -> bool {
    let channels = [conv.in_channels, conv.out_channels];
    conv.window.kernel == [3, 3] && conv.window.stride == [1, 1] && channels.iter().all(|&n| n >= 32)
}

/// Operands of `conv`: random; but multiples of `unit` where transforms would round them to bf16, few enough that they need not.
fn operand<E: Element>(conv: &Conv2d, seed: u64, length: usize, unit: f32) -> Vec<E> {
    let values = random::<E>(seed, length);
    if E::BF16 && is_minimal(conv) {
        let whole = |x: E| E::from_f32((x.to_f32() * 8.0 / unit).round() * unit);
        values.into_iter().map(whole).collect()
    } else {
        values
    }
}

/// Weights of `conv`, as [`operand`].
fn weights_of<E: Element>(conv: &Conv2d, seed: u64) -> Vec<f32> {
    if E::BF16 && is_minimal(conv) {
        let weights = operand::<E>(conv, seed, conv.weights_len(), 4.0);
        weights.into_iter().map(|w| w.to_f32()).collect()
    } else {
        random::<f32>(seed, conv.weights_len())
    }
}

/// Checks output and statistics. A value of the output may be off by `rounding` of its terms' magnitude, which few values do not
/// average out.
fn check_forward<E: Element>(conv: &Conv2d, seed: u64, rounding: f64) {
    let input = operand::<E>(conv, seed, conv.input_len(), 1.0);
    let weights = weights_of::<E>(conv, seed + 1);
    let bias = random::<f32>(seed + 2, conv.out_channels);
    let (x, w) = (wide(&input), rounded::<E>(&weights));
    let mut expected = vec![Sum::default(); conv.output_len()];
    for (sum, b) in expected.iter_mut().zip(bias.iter().cycle()) {
        sum.add(f64::from(*b));
    }
    each_multiply_add(conv, |i, k, o| expected[o].add(x[i] * w[k]));
    for context in contexts(2) {
        let mut output = vec![E::from_f32(f32::NAN); conv.output_len()];
        let (mut mean, mut variance) = (vec![0.0; conv.out_channels], vec![0.0; conv.out_channels]);
        let statistics = Statistics {
            mean: &mut mean,
            variance: &mut variance,
        };
        conv.forward(
            &context,
            &input,
            &weights,
            Some(&bias),
            &mut output,
            Some(statistics),
        );
        assert_sums("forward", &context, &output, &expected);
        let packed = conv.pack::<E>(&context, &weights);
        let mut again = vec![E::from_f32(f32::NAN); conv.output_len()];
        for activation in ACTIVATIONS {
            conv.forward_packed(&context, &input, &packed, Some(&bias), activation, &mut again);
            assert_activated(&context, activation, conv.out_channels, &output, &again);
        }
        for c in 0..conv.out_channels {
            let values: Vec<f64> = expected
                .iter()
                .skip(c)
                .step_by(conv.out_channels)
                .map(|sum| sum.value)
                .collect();
            let average = values.iter().sum::<f64>() / values.len() as f64;
            let spread = values.iter().map(|x| (x - average).powi(2)).sum::<f64>() / values.len() as f64;
            let square = average * average + spread + 1e-3;
            let magnitudes = expected.iter().skip(c).step_by(conv.out_channels);
            let greatest = magnitudes.map(|sum| sum.magnitude).fold(0.0, f64::max);
            let rounding = rounding * greatest / (values.len() as f64).sqrt();
            assert!(
                (f64::from(mean[c]) - average).abs() < 1e-5 * square.sqrt() + rounding,
                "mean on {}",
                context.isa()
            );
            assert!(
                (f64::from(variance[c]) - spread).abs() < 1e-5 * square + 2.0 * rounding * square.sqrt(),
                "variance on {}",
                context.isa()
            );
        }
    }
}

fn check_gradients<E: Element>(conv: &Conv2d, seed: u64) {
    let input = operand::<E>(conv, seed, conv.input_len(), 1.0);
    let weights = weights_of::<E>(conv, seed + 1);
    let gradient = operand::<E>(conv, seed + 2, conv.output_len(), 1.0);
    let before = random::<E>(seed + 3, conv.input_len());
    let (x, w, g) = (wide(&input), rounded::<E>(&weights), wide(&gradient));
    let mut by_input = vec![Sum::default(); conv.input_len()];
    let mut by_weights = vec![Sum::default(); conv.weights_len()];
    each_multiply_add(conv, |i, k, o| {
        by_input[i].add(w[k] * g[o]);
        by_weights[k].add(x[i] * g[o]);
    });
    let mut by_bias = vec![Sum::default(); conv.out_channels];
    for (o, g) in g.iter().enumerate() {
        by_bias[o % conv.out_channels].add(*g);
    }
    let mut accumulated = by_input.clone();
    for (sum, x) in accumulated.iter_mut().zip(wide(&before)) {
        sum.add(x);
    }
    for context in contexts(2) {
        let mut output = vec![E::from_f32(f32::NAN); conv.input_len()];
        conv.input_gradient(&context, &gradient, &weights, &mut output, false);
        assert_sums("input gradient", &context, &output, &by_input);
        let mut output = before.clone();
        conv.input_gradient(&context, &gradient, &weights, &mut output, true);
        assert_sums("accumulated input gradient", &context, &output, &accumulated);
        let mut output = vec![f32::NAN; conv.weights_len()];
        let mut bias = vec![f32::NAN; conv.out_channels];
        conv.weight_gradient(&context, &input, &gradient, &mut output, Some(&mut bias));
        assert_sums("weight gradient", &context, &output, &by_weights);
        assert_sums("bias gradient", &context, &bias, &by_bias);
    }
}

prop_compose! {
    fn shapes()(
        batch in 1..4_usize,
        input in [1..14_usize, 1..20_usize],
        in_channels in prop_oneof![1..9_usize, 1..70_usize],
        out_channels in prop_oneof![1..9_usize, 1..70_usize],
        kernel in [1..8_usize, 1..8_usize],
        stride in prop_oneof![Just([1, 1]), Just([2, 2]), [1..4_usize, 1..4_usize]],
        padding in 0..3_usize,
        pads in [0..7_usize, 0..7, 0..7, 0..7],
    ) -> Conv2d {
        let mut window = match padding {
            0 => Window::valid(kernel, stride),
            1 => Window::same(kernel, stride, input),
            _ => Window {
                kernel,
                stride,
                before: [pads[0] % kernel[0], pads[1] % kernel[1]],
                after: [pads[2] % kernel[0], pads[3] % kernel[1]],
            },
        };
        for i in 0..2 {
            // A window that does not fit its map is made to.
            if input[i] + window.before[i] + window.after[i] < kernel[i] {
                window.kernel[i] = 1;
                window.before[i] = 0;
                window.after[i] = 0;
            }
        }
        Conv2d { batch, input, in_channels, out_channels, window }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn forward_f32(conv in shapes(), seed in 0..1000_u64) {
        check_forward::<f32>(&conv, seed, 0.0);
    }

    #[test]
    fn forward_bf16(conv in shapes(), seed in 0..1000_u64) {
        check_forward::<bf16>(&conv, seed, 0.0);
    }

    #[test]
    fn gradients_f32(conv in shapes(), seed in 0..1000_u64) {
        check_gradients::<f32>(&conv, seed);
    }

    #[test]
    fn gradients_bf16(conv in shapes(), seed in 0..1000_u64) {
        check_gradients::<bf16>(&conv, seed);
    }
}

/// Shapes with more than one work item, unit and filter group, which random small ones do not reach.
fn large() -> Vec<Conv2d> {
    let conv = |batch, size, in_channels, out_channels, kernel: usize, stride: usize| Conv2d {
        batch,
        input: [size, size],
        in_channels,
        out_channels,
        window: Window::same([kernel, kernel], [stride, stride], [size, size]),
    };
    vec![
        conv(2, 65, 3, 40, 3, 1),
        conv(3, 45, 20, 33, 3, 2),
        conv(5, 7, 130, 100, 3, 1),
        conv(40, 7, 24, 65, 1, 1),
        conv(300, 1, 50, 90, 1, 1),
        conv(2, 50, 32, 64, 1, 1),
        conv(2, 40, 64, 16, 1, 2),
        // Few pixels and many weights.
        conv(33, 1, 1100, 1001, 1, 1),
        conv(2, 4, 352, 340, 3, 1),
        // Several ranges of tiles and groups of filters.
        conv(3, 31, 160, 130, 3, 1),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// 3x3 kernels on many channels, whose products are taken with fewer multiplications.
    #[test]
    fn three_by_three(
        batch in 1..4_usize,
        input in [1..12_usize, 1..12_usize],
        channels in [30..75_usize, 30..75_usize],
        pads in [0..3_usize, 0..3, 0..3, 0..3],
        seed: u64,
    ) {
        let [top, left, bottom, right] = pads;
        let conv = Conv2d {
            batch,
            input,
            in_channels: channels[0],
            out_channels: channels[1],
            window: Window { kernel: [3, 3], stride: [1, 1], before: [top, left], after: [bottom, right] },
        };
        prop_assume!(input[0] + top + bottom >= 3 && input[1] + left + right >= 3);
        check_forward::<f32>(&conv, seed, 3e-6);
        check_forward::<bf16>(&conv, seed, 0.0);
        check_gradients::<f32>(&conv, seed);
        check_gradients::<bf16>(&conv, seed);
    }
}

/// The root mean square of what `actual` is off by, as a share of that of `expected`.
fn relative_error<E: Element>(actual: &[E], expected: &[Sum]) -> f64 {
    let pairs = actual.iter().zip(expected);
    let squares = pairs.map(|(x, sum)| (f64::from(x.to_f32()) - sum.value).powi(2));
    (squares.sum::<f64>() / expected.iter().map(|sum| sum.value.powi(2)).sum::<f64>()).sqrt()
}

/// Errors of the output, the input's gradient and the weights' on each instruction set, from maps of values around `mean`.
fn relative_errors<E: Element>(mean: f32) -> Vec<(Isa, [f64; 3])> {
    let conv = Conv2d {
        batch: 2,
        input: [10, 10],
        in_channels: 48,
        out_channels: 64,
        window: Window::same([3, 3], [1, 1], [10, 10]),
    };
    let random = |seed, length| -> Vec<E> {
        let values = random::<f32>(seed, length).into_iter();
        values.map(|x| E::from_f32(x + mean)).collect()
    };
    let (input, gradient) = (random(1, conv.input_len()), random(2, conv.output_len()));
    let weights = reference::random::<f32>(3, conv.weights_len());
    let (x, w, g) = (wide(&input), rounded::<E>(&weights), wide(&gradient));
    let mut expected =
        [conv.output_len(), conv.input_len(), conv.weights_len()].map(|length| vec![Sum::default(); length]);
    each_multiply_add(&conv, |i, k, o| {
        expected[0][o].add(x[i] * w[k]);
        expected[1][i].add(w[k] * g[o]);
        expected[2][k].add(x[i] * g[o]);
    });
    let errors = contexts(1).into_iter().map(|context| {
        let mut output = vec![E::default(); conv.output_len()];
        let mut by_input = vec![E::default(); conv.input_len()];
        let mut by_weights = vec![0.0; conv.weights_len()];
        conv.forward(&context, &input, &weights, None, &mut output, None);
        conv.input_gradient(&context, &gradient, &weights, &mut by_input, false);
        conv.weight_gradient(&context, &input, &gradient, &mut by_weights, None);
        let errors = [
            relative_error(&output, &expected[0]),
            relative_error(&by_input, &expected[1]),
            relative_error(&by_weights, &expected[2]),
        ];
        (context.isa(), errors)
    });
    errors.collect()
}

#[test]
fn fewer_multiplications_round_little() {
    for mean in [0.0, 1.0] {
        for (isa, errors) in relative_errors::<bf16>(mean) {
            println!("bf16 on {isa}, mean {mean}: {errors:?}");
            assert!(
                errors.iter().all(|error| *error < 1.0 / 128.0),
                "bf16 on {isa}: {errors:?}"
            );
        }
        for (isa, errors) in relative_errors::<f32>(mean) {
            println!("f32 on {isa}, mean {mean}: {errors:?}");
            assert!(
                errors.iter().all(|error| *error < 1e-6),
                "f32 on {isa}: {errors:?}"
            );
        }
    }
}

#[test]
fn large_shapes() {
    for (i, conv) in large().iter().enumerate() {
        check_forward::<f32>(conv, i as u64, 0.0);
        check_forward::<bf16>(conv, i as u64, 0.0);
        check_gradients::<f32>(conv, i as u64);
        check_gradients::<bf16>(conv, i as u64);
    }
}

/// All that a convolution computes, as bits.
fn all_bits<E: Element>(context: &Context, conv: &Conv2d) -> Vec<u32> {
    let input = random::<E>(1, conv.input_len());
    let weights = random::<f32>(2, conv.weights_len());
    let gradient = random::<E>(3, conv.output_len());
    let mut output = vec![E::default(); conv.output_len()];
    let mut by_input = vec![E::default(); conv.input_len()];
    let mut by_weights = vec![0.0; conv.weights_len()];
    let mut by_bias = vec![0.0; conv.out_channels];
    let (mut mean, mut variance) = (vec![0.0; conv.out_channels], vec![0.0; conv.out_channels]);
    let statistics = Statistics {
        mean: &mut mean,
        variance: &mut variance,
    };
    conv.forward(context, &input, &weights, None, &mut output, Some(statistics));
    conv.input_gradient(context, &gradient, &weights, &mut by_input, false);
    conv.weight_gradient(context, &input, &gradient, &mut by_weights, Some(&mut by_bias));
    let stored = output.iter().chain(&by_input).map(|x| x.to_f32());
    let sums = by_weights
        .iter()
        .chain(&by_bias)
        .chain(&mean)
        .chain(&variance)
        .copied();
    stored.chain(sums).map(f32::to_bits).collect()
}

#[test]
fn threads_do_not_change_a_bit() {
    for isa in Isa::available() {
        for conv in large() {
            let one = Context::with_isa(isa, 1).unwrap();
            let (f32_bits, bf16_bits) = (all_bits::<f32>(&one, &conv), all_bits::<bf16>(&one, &conv));
            for threads in [2, 3, 8] {
                let context = Context::with_isa(isa, threads).unwrap();
                assert!(
                    all_bits::<f32>(&context, &conv) == f32_bits,
                    "{conv:?} f32 on {isa}, {threads} threads"
                );
                assert!(
                    all_bits::<bf16>(&context, &conv) == bf16_bits,
                    "{conv:?} bf16 on {isa}, {threads} threads"
                );
            }
        }
    }
}
