//! The multiplications of a tile under one tap: in f32, in pairs of bf16 where the CPU multiplies them, and widened where it does not.

use crate::simd::Simd;

#[inline(always)]
pub(super) unsafe fn multiply_f32<S: Simd, const P: usize, const V: usize>(
    s: S,
    acc: &mut [[S::F; V]; P],
    pixels: &[*const f32; P],
    mut weights: *const f32,
    channels: usize,
) {
    for c in 0..channels {
        // Safety: each pixel has `channels` values, and the weights a step of V vectors for each.
        unsafe {
            let mut w = [s.splat(0.0); V];
            for (v, w) in w.iter_mut().enumerate() {
                *w = s.load(weights.add(v * S::LANES));
            }
            for p in 0..P {
                let x = s.splat(*pixels[p].add(c));
                for v in 0..V {
                    acc[p][v] = s.mul_add(x, w[v], acc[p][v]);
                }
            }
            weights = weights.add(V * S::LANES);
        }
    }
}

/// The pair of channels that starts at `at`, or the last channel alone where there is no second.
#[inline(always)]
unsafe fn pair(at: *const u16, whole: bool) -> u32 {
    // Safety: the caller promises two values at `at`, or one if not `whole`.
    unsafe {
        if whole {
            at.cast::<u32>().read_unaligned()
        } else {
            u32::from(at.read())
        }
    }
}

#[inline(always)]
pub(super) unsafe fn multiply_pairs<S: Simd, const P: usize, const V: usize>(
    s: S,
    acc: &mut [[S::F; V]; P],
    pixels: &[*const u16; P],
    weights: *const u32,
    channels: usize,
) {
    // Safety: each pixel has `channels` values, and the weights a step of V vectors for each pair.
    unsafe {
        // An odd last channel is left to the caller.
        for step in 0..channels / 2 {
            pair_step(s, acc, pixels, weights.add(step * V * S::LANES), 2 * step, true);
        }
    }
}

#[inline(always)]
pub(super) unsafe fn pair_step<S: Simd, const P: usize, const V: usize>(
    s: S,
    acc: &mut [[S::F; V]; P],
    pixels: &[*const u16; P],
    weights: *const u32,
    channel: usize,
    whole: bool,
) {
    // Safety: the caller promises V vectors of weights, and a pair of channels in each pixel, or one if not `whole`.
    unsafe {
        let mut w = [s.splat_pair(0); V];
        for (v, w) in w.iter_mut().enumerate() {
            *w = s.load_pairs(weights.add(v * S::LANES));
        }
        for p in 0..P {
            let x = s.splat_pair(pair(pixels[p].add(channel), whole));
            for v in 0..V {
                acc[p][v] = s.dot(acc[p][v], x, w[v]);
            }
        }
    }
}

/// bf16 values by weights widened to f32, on CPUs without the dot product: a pair's halves are f32 after a shift or mask.
#[inline(always)]
pub(super) unsafe fn multiply_widened<S: Simd, const P: usize, const V: usize>(
    s: S,
    acc: &mut [[S::F; V]; P],
    pixels: &[*const u16; P],
    weights: *const f32,
    channels: usize,
) {
    // Safety: each pixel has `channels` values, and the weights two steps of V vectors for each pair.
    unsafe {
        for step in 0..channels / 2 {
            widened_step(
                s,
                acc,
                pixels,
                weights.add(2 * step * V * S::LANES),
                2 * step,
                true,
            );
        }
        if channels % 2 == 1 {
            widened_step(
                s,
                acc,
                pixels,
                weights.add((channels - 1) * V * S::LANES),
                channels - 1,
                false,
            );
        }
    }
}

#[inline(always)]
unsafe fn widened_step<S: Simd, const P: usize, const V: usize>(
    s: S,
    acc: &mut [[S::F; V]; P],
    pixels: &[*const u16; P],
    weights: *const f32,
    channel: usize,
    whole: bool,
) {
    // Safety: the caller promises 2 V vectors of weights, and a pair of channels in each pixel, or one if not `whole`.
    unsafe {
        let mut w = [s.splat(0.0); V];
        for (v, w) in w.iter_mut().enumerate() {
            *w = s.load(weights.add(v * S::LANES));
        }
        for p in 0..P {
            let x = s.low(s.splat_pair(pair(pixels[p].add(channel), whole)));
            for v in 0..V {
                acc[p][v] = s.mul_add(x, w[v], acc[p][v]);
            }
        }
        for (v, w) in w.iter_mut().enumerate() {
            *w = s.load(weights.add((V + v) * S::LANES));
        }
        for p in 0..P {
            let x = s.high(s.splat_pair(pair(pixels[p].add(channel), whole)));
            for v in 0..V {
                acc[p][v] = s.mul_add(x, w[v], acc[p][v]);
            }
        }
    }
}
