//! Operations that join maps against f64: products, concatenation, accumulation, and factors of photos.

mod reference;

use half::bf16;
use proptest::prelude::*;
use reference::{Sum, assert_sums, contexts, random};
use stepladder_kernels::{Context, Element, Isa, Multiply, concatenate, elementwise};

fn check_product<E: Element>(shape: &Multiply, seed: u64) {
    let lengths = shape.input_len();
    let [a, b] = [0, 1].map(|i| random::<E>(seed + i as u64, lengths[i]));
    let dy = random::<E>(seed + 2, shape.output_len());
    let mut forward = vec![Sum::default(); shape.output_len()];
    let mut gradients = lengths.map(|length| vec![Sum::default(); length]);
    let pixels = shape.pixels[0].max(shape.pixels[1]);
    for (o, sum) in forward.iter_mut().enumerate() {
        let (c, pixel) = (o % shape.channels, o / shape.channels);
        let at = shape.pixels.map(|own| {
            let pixel = if own == pixels { pixel } else { pixel / pixels };
            pixel * shape.channels + c
        });
        let wide = |x: E| f64::from(x.to_f32());
        sum.add(wide(a[at[0]]) * wide(b[at[1]]));
        gradients[0][at[0]].add(wide(dy[o]) * wide(b[at[1]]));
        gradients[1][at[1]].add(wide(dy[o]) * wide(a[at[0]]));
    }
    for context in contexts(2) {
        let nan = |length| vec![E::from_f32(f32::NAN); length];
        let mut y = nan(shape.output_len());
        shape.forward(&context, &a, &b, &mut y);
        assert_sums("product", &context, &y, &forward);
        let [mut by_a, mut by_b] = lengths.map(nan);
        shape.backward(&context, &a, &b, &dy, Some(&mut by_a), Some(&mut by_b));
        assert_sums("gradient of the first", &context, &by_a, &gradients[0]);
        assert_sums("gradient of the second", &context, &by_b, &gradients[1]);
        let mut alone = nan(lengths[1]);
        shape.backward(&context, &a, &b, &dy, None, Some(&mut alone));
        assert!(alone == by_b);
    }
}

fn check_concatenation<E: Element>(pixels: usize, channels: &[usize], seed: u64) {
    let inputs: Vec<Vec<E>> = (seed..)
        .zip(channels)
        .map(|(seed, channels)| random(seed, pixels * channels))
        .collect();
    let expected: Vec<E> = (0..pixels)
        .flat_map(|pixel| {
            let own = inputs.iter().zip(channels);
            own.flat_map(move |(input, own)| input[pixel * own..(pixel + 1) * own].to_vec())
        })
        .collect();
    let given: Vec<(&[E], usize)> = inputs
        .iter()
        .map(Vec::as_slice)
        .zip(channels.iter().copied())
        .collect();
    for context in contexts(2) {
        let mut output = vec![E::from_f32(f32::NAN); expected.len()];
        concatenate::forward(&context, &given, &mut output);
        assert!(output == expected);
        let mut split: Vec<Vec<E>> = inputs
            .iter()
            .map(|input| vec![E::from_f32(f32::NAN); input.len()])
            .collect();
        let mut gradients: Vec<(Option<&mut [E]>, usize)> = split
            .iter_mut()
            .zip(channels)
            .enumerate()
            .map(|(i, (to, own))| ((i != 1).then_some(&mut to[..]), *own))
            .collect();
        concatenate::backward(&context, &expected, &mut gradients);
        for (i, (split, input)) in split.iter().zip(&inputs).enumerate() {
            let is_left_alone = split.iter().all(|x| x.to_f32().is_nan());
            assert!(if i == 1 { is_left_alone } else { split == input }, "input {i}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn products_agree(
        batch in 1..4_usize,
        pixels in 1..600_usize,
        gate in 0..3_usize,
        channels in 1..40_usize,
        seed in 0..1000_u64,
    ) {
        let mut shape = Multiply { batch, pixels: [pixels; 2], channels };
        if gate < 2 {
            shape.pixels[gate] = 1;
        }
        check_product::<f32>(&shape, seed);
        check_product::<bf16>(&shape, seed);
    }

    #[test]
    fn concatenation_agrees(
        pixels in 1..900_usize,
        channels in prop::collection::vec(1..30_usize, 1..5),
        seed in 0..1000_u64,
    ) {
        check_concatenation::<f32>(pixels, &channels, seed);
        check_concatenation::<bf16>(pixels, &channels, seed);
    }
}

#[test]
fn accumulation_and_factors() {
    fn check<E: Element>() {
        let (a, b) = (random::<E>(1, 100_002), random::<E>(2, 100_002));
        let factors = [0.0, 1.25, 1.0];
        for context in contexts(2) {
            let mut sum = b.clone();
            elementwise::accumulate(&context, &a, &mut sum);
            let mut broken = a.clone();
            broken[5] = E::from_f32(f32::NAN);
            let mut scaled = vec![E::from_f32(f32::NAN); a.len()];
            elementwise::scale_photos(&context, &factors, &broken, &mut scaled);
            for i in 0..a.len() {
                assert!(sum[i] == E::from_f32(a[i].to_f32() + b[i].to_f32()));
                let factor = factors[i / 33_334];
                assert!(
                    scaled[i] == E::from_f32(a[i].to_f32() * factor),
                    "a NaN times 0 too"
                );
            }
        }
    }
    check::<f32>();
    check::<bf16>();
}

#[test]
#[should_panic(expected = "both maps must have as many pixels")]
fn maps_that_differ_are_refused() {
    let shape = Multiply {
        batch: 1,
        pixels: [2, 3],
        channels: 1,
    };
    let context = Context::with_isa(Isa::Portable, 1).unwrap();
    shape.forward(&context, &[1.0_f32; 2], &[1.0; 3], &mut [0.0; 3]);
}

#[test]
fn threads_do_not_change_a_bit() {
    for isa in Isa::available() {
        let run = |threads| {
            let context = Context::with_isa(isa, threads).unwrap();
            let mut results = Vec::new();
            for pixels in [[5000, 5000], [5000, 1], [1, 5000]] {
                let shape = Multiply {
                    batch: 3,
                    pixels,
                    channels: 21,
                };
                let [a, b] = shape.input_len().map(|length| random::<bf16>(1, length));
                let dy = random::<bf16>(2, shape.output_len());
                let mut y = vec![bf16::ZERO; shape.output_len()];
                let [mut by_a, mut by_b] = shape.input_len().map(|length| vec![bf16::ZERO; length]);
                shape.forward(&context, &a, &b, &mut y);
                shape.backward(&context, &a, &b, &dy, Some(&mut by_a), Some(&mut by_b));
                results.extend([y, by_a, by_b]);
            }
            let mut sum = results[0].clone();
            elementwise::accumulate(&context, &results[0], &mut sum);
            let mut scaled = sum.clone();
            elementwise::scale_photos(&context, &[0.5, 0.0, 3.0], &sum, &mut scaled);
            results.extend([sum, scaled]);
            results
        };
        let one = run(1);
        for threads in [2, 3, 8] {
            assert!(run(threads) == one, "{isa}, {threads} threads");
        }
    }
}
