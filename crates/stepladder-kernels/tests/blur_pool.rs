//! Blur pooling against plain loops in f64, on every instruction set of this CPU.

mod reference;

use half::bf16;
use proptest::prelude::*;
use reference::{Sum, assert_sums, contexts, random};
use stepladder_kernels::{BlurPool, Context, Element, Isa};

fn check<E: Element>(shape: &BlurPool, seed: u64) {
    let input = random::<E>(seed, shape.input_len());
    let gradient = random::<E>(seed + 1, shape.output_len());
    let mut forward = vec![Sum::default(); shape.output_len()];
    let mut backward = vec![Sum::default(); shape.input_len()];
    let [height, width] = shape.output();
    let reflected = |axis: usize, padded: usize| match padded {
        0 => 1,
        at if at > shape.input[axis] => shape.input[axis] - 2,
        at => at - 1,
    };
    for o in 0..shape.output_len() {
        let (c, x) = (o % shape.channels, o / shape.channels % width);
        let (y, n) = (
            o / shape.channels / width % height,
            o / shape.channels / width / height,
        );
        for k in 0..9 {
            let (row, column) = (reflected(0, 2 * y + k / 3), reflected(1, 2 * x + k % 3));
            let i = ((n * shape.input[0] + row) * shape.input[1] + column) * shape.channels + c;
            let factor = [1.0, 2.0, 1.0][k / 3] * [1.0, 2.0, 1.0][k % 3] / 16.0;
            forward[o].add(factor * f64::from(input[i].to_f32()));
            backward[i].add(factor * f64::from(gradient[o].to_f32()));
        }
    }
    for context in contexts(2) {
        let mut output = vec![E::from_f32(f32::NAN); shape.output_len()];
        shape.forward(&context, &input, &mut output);
        assert_sums("forward", &context, &output, &forward);
        let mut by_input = vec![E::from_f32(f32::NAN); shape.input_len()];
        shape.backward(&context, &gradient, &mut by_input);
        assert_sums("backward", &context, &by_input, &backward);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn agrees(batch in 1..3_usize, input in [2..12_usize, 2..12_usize], channels in 1..40_usize, seed in 0..1000_u64) {
        let shape = BlurPool { batch, input, channels };
        check::<f32>(&shape, seed);
        check::<bf16>(&shape, seed);
    }
}

/// What `timm.layers.BlurPool2d` makes of the numbers from 0 on: linear, but for what the reflection folds back at the ends.
#[test]
fn known_values() {
    let shape = BlurPool {
        batch: 1,
        input: [4, 5],
        channels: 1,
    };
    assert_eq!(shape.output(), [2, 3]);
    let input: Vec<f32> = (0..20).map(|i| i as f32).collect();
    for context in contexts(1) {
        let mut output = [f32::NAN; 6];
        shape.forward(&context, &input, &mut output);
        assert_eq!(output, [3.0, 4.5, 6.0, 10.5, 12.0, 13.5]);
    }
}

#[test]
#[should_panic(expected = "a map of 2 x 2 pixels at least")]
fn small_maps_are_refused() {
    let shape = BlurPool {
        batch: 1,
        input: [1, 4],
        channels: 1,
    };
    let context = Context::with_isa(Isa::Portable, 1).unwrap();
    shape.forward(&context, &[1.0_f32; 4], &mut [0.0; 2]);
}

#[test]
fn threads_do_not_change_a_bit() {
    let shape = BlurPool {
        batch: 3,
        input: [31, 40],
        channels: 21,
    };
    let input = random::<bf16>(1, shape.input_len());
    let gradient = random::<bf16>(2, shape.output_len());
    for isa in Isa::available() {
        let run = |threads| {
            let context = Context::with_isa(isa, threads).unwrap();
            let mut output = vec![bf16::ZERO; shape.output_len()];
            let mut by_input = vec![bf16::ZERO; shape.input_len()];
            shape.forward(&context, &input, &mut output);
            shape.backward(&context, &gradient, &mut by_input);
            (output, by_input)
        };
        let one = run(1);
        for threads in [2, 3, 8] {
            assert!(run(threads) == one, "{isa}, {threads} threads");
        }
    }
}
