//! Pooling and plain passes against plain loops, on every instruction set of this CPU.

mod reference;

use half::bf16;
use proptest::prelude::*;
use reference::{Sum, assert_sums, contexts, random};
use stepladder_kernels::{Context, Element, GlobalAveragePool, Isa, Pool2d, PoolKind, Window, elementwise};

fn check<E: Element>(shape: &Pool2d, seed: u64) {
    let input = random::<E>(seed, shape.input_len());
    let gradient = random::<E>(seed + 1, shape.output_len());
    let mut forward = vec![Sum::default(); shape.output_len()];
    let mut backward = vec![Sum::default(); shape.input_len()];
    let [height, width] = shape.output();
    let window = &shape.window;
    for o in 0..shape.output_len() {
        let (c, ox) = (o % shape.channels, o / shape.channels % width);
        let (oy, n) = (
            o / shape.channels / width % height,
            o / shape.channels / width / height,
        );
        let mut seen = Vec::new();
        for k in 0..window.kernel[0] * window.kernel[1] {
            let iy = (oy * window.stride[0] + k / window.kernel[1]).wrapping_sub(window.before[0]);
            let ix = (ox * window.stride[1] + k % window.kernel[1]).wrapping_sub(window.before[1]);
            if iy < shape.input[0] && ix < shape.input[1] {
                seen.push(((n * shape.input[0] + iy) * shape.input[1] + ix) * shape.channels + c);
            }
        }
        let value = |i: usize| f64::from(input[i].to_f32());
        let g = f64::from(gradient[o].to_f32());
        match shape.kind {
            PoolKind::Max => {
                let most = seen.iter().map(|i| value(*i)).fold(f64::NEG_INFINITY, f64::max);
                forward[o].add(most);
                if let Some(first) = seen.iter().find(|i| value(**i) == most) {
                    backward[*first].add(g);
                }
            }
            PoolKind::Average => {
                for i in &seen {
                    forward[o].add(value(*i) / seen.len() as f64);
                    backward[*i].add(g / seen.len() as f64);
                }
            }
        }
    }
    for context in contexts(3) {
        let mut output = vec![E::default(); shape.output_len()];
        shape.forward(&context, &input, &mut output);
        assert_sums("forward", &context, &output, &forward);
        let mut by_input = vec![E::default(); shape.input_len()];
        shape.backward(&context, &input, &gradient, &mut by_input);
        assert_sums("backward", &context, &by_input, &backward);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn agrees(
        batch in 1..3_usize,
        input in [1..12_usize, 1..12_usize],
        channels in 1..40_usize,
        kernel in [1..4_usize, 1..4_usize],
        stride in [1..4_usize, 1..4_usize],
        same in any::<bool>(),
        max in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let fits = [kernel[0].min(input[0]), kernel[1].min(input[1])];
        let window = if same { Window::same(kernel, stride, input) } else { Window::valid(fits, stride) };
        let kind = if max { PoolKind::Max } else { PoolKind::Average };
        let shape = Pool2d { batch, input, channels, window, kind };
        check::<f32>(&shape, seed);
        check::<bf16>(&shape, seed);
    }
}

#[test]
fn global_average() {
    let shape = GlobalAveragePool {
        batch: 3,
        pixels: 35,
        channels: 21,
    };
    let input = random::<f32>(1, 3 * 35 * 21);
    let mut expected = vec![Sum::default(); 3 * 21];
    for (i, x) in input.iter().enumerate() {
        expected[i / (35 * 21) * 21 + i % 21].add(f64::from(*x) / 35.0);
    }
    for context in contexts(2) {
        let mut output = vec![0.0_f32; 3 * 21];
        shape.forward(&context, &input, &mut output);
        assert_sums("forward", &context, &output, &expected);
        let mut back = vec![0.0_f32; input.len()];
        shape.backward(&context, &output, &mut back);
        assert!(
            back.iter()
                .enumerate()
                .all(|(i, x)| *x == output[i / (35 * 21) * 21 + i % 21] * (1.0 / 35.0))
        );
    }
}

#[test]
fn dropout_keeps_its_rate_and_its_mask() {
    let ones = vec![1.0_f32; 200_001];
    let mut first = None;
    for isa in Isa::available() {
        for threads in [1, 2, 3, 8] {
            let context = Context::with_isa(isa, threads).unwrap();
            let mut dropped = vec![0.0; ones.len()];
            elementwise::dropout(&context, 7, 0.25, &ones, &mut dropped);
            let kept = dropped.iter().filter(|x| **x != 0.0).count() as f64 / ones.len() as f64;
            assert!((kept - 0.75).abs() < 0.005, "{kept}");
            assert!(dropped.iter().all(|x| *x == 0.0 || *x == 1.0 / 0.75));
            assert!(
                *first.get_or_insert(dropped.clone()) == dropped,
                "{isa}, {threads} threads"
            );
        }
    }
}

#[test]
fn conversion_and_addition() {
    let x = random::<f32>(1, 100_003);
    for context in contexts(2) {
        let mut narrow = vec![bf16::ZERO; x.len()];
        elementwise::convert(&context, &x, &mut narrow);
        assert!(narrow.iter().zip(&x).all(|(a, b)| *a == bf16::from_f32(*b)));
        let mut sum = vec![1.0; x.len()];
        elementwise::accumulate(&context, &x, &mut sum);
        assert!(sum.iter().zip(&x).all(|(sum, x)| *sum == x + 1.0));
    }
}
