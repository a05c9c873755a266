//! Passes over plain arrays: conversion between storage types, addition, factors, moving averages, dropout.

use crate::{
    context::Context,
    simd::{Element, Kernel, Simd},
};

/// Values of a work item.
const PART: usize = 1 << 15;

/// Rounds or widens `from` into `to`.
///
/// # Panics
///
/// The lengths differ.
pub fn convert<A: Element, B: Element>(context: &Context, from: &[A], to: &mut [B]) {
    assert_eq!(from.len(), to.len(), "converted values");
    let isa = context.isa();
    context.for_each_part(to, PART, |item, to| {
        isa.run(Convert {
            from: &from[item * PART..][..to.len()],
            to,
        });
    });
}

struct Convert<'a, A, B> {
    from: &'a [A],
    to: &'a mut [B],
}

impl<A: Element, B: Element> Kernel for Convert<'_, A, B> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for at in (0..self.to.len()).step_by(S::LANES) {
            let n = (self.to.len() - at).min(S::LANES);
            // Safety: `at + n` is at most the length of both.
            unsafe {
                let x = A::load_first(s, self.from.as_ptr().add(at), n);
                B::store_first(s, self.to.as_mut_ptr().add(at), x, n);
            }
        }
    }
}

/// `to` = `to` + `from`, rounded once: the gradients of a map that has several readers.
///
/// # Panics
///
/// The lengths differ.
pub fn accumulate<E: Element>(context: &Context, from: &[E], to: &mut [E]) {
    assert_eq!(from.len(), to.len(), "added values");
    let isa = context.isa();
    context.for_each_part(to, PART, |item, to| {
        let from = &from[item * PART..][..to.len()];
        E::accumulate(isa, Accumulate { from, to });
    });
}

pub(crate) struct Accumulate<'a, E> {
    from: &'a [E],
    to: &'a mut [E],
}

impl<E: Element> Kernel for Accumulate<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for at in (0..self.to.len()).step_by(S::LANES) {
            let n = (self.to.len() - at).min(S::LANES);
            // Safety: `at + n` is at most the length of both.
            unsafe {
                let to = self.to.as_mut_ptr().add(at);
                let sum = s.add(
                    E::load_first(s, to, n),
                    E::load_first(s, self.from.as_ptr().add(at), n),
                );
                E::store_first(s, to, sum, n);
            }
        }
    }
}

/// `to` = `from`, the values of each photo times its factor of `factors`; of a factor of 0 zeros, whatever the values are. With
/// factors of 0 and 1 / (1 - rate) it is stochastic depth, whose backward pass is the same call on the gradient.
///
/// # Panics
///
/// The lengths of `from` and `to` differ, or are not a multiple of the number of factors.
pub fn scale_photos<E: Element>(context: &Context, factors: &[f32], from: &[E], to: &mut [E]) {
    assert_eq!(from.len(), to.len(), "scaled values");
    if to.is_empty() {
        return;
    }
    assert!(
        !factors.is_empty() && to.len().is_multiple_of(factors.len()),
        "one factor a photo"
    );
    let photo = to.len() / factors.len();
    let isa = context.isa();
    context.for_each_part(to, photo, |n, to| {
        let (from, factor) = (&from[n * photo..][..photo], factors[n]);
        if factor == 0.0 {
            to.fill(E::default());
        } else {
            E::scale(isa, Scale { factor, from, to });
        }
    });
}

pub(crate) struct Scale<'a, E> {
    factor: f32,
    from: &'a [E],
    to: &'a mut [E],
}

impl<E: Element> Kernel for Scale<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let factor = s.splat(self.factor);
        for at in (0..self.to.len()).step_by(S::LANES) {
            let n = (self.to.len() - at).min(S::LANES);
            // Safety: `at + n` is at most the length of both.
            unsafe {
                let x = E::load_first(s, self.from.as_ptr().add(at), n);
                E::store_first(s, self.to.as_mut_ptr().add(at), s.mul(x, factor), n);
            }
        }
    }
}

/// `average` = `momentum` `average` + (1 - `momentum`) `value`.
///
/// # Panics
///
/// The lengths differ.
pub fn moving_average(context: &Context, momentum: f32, value: &[f32], average: &mut [f32]) {
    assert_eq!(value.len(), average.len(), "averaged values");
    context.for_each_part(average, PART, |item, average| {
        let value = &value[item * PART..][..average.len()];
        for (average, value) in average.iter_mut().zip(value) {
            *average = momentum * *average + (1.0 - momentum) * value;
        }
    });
}

/// `to` = `from`, each value zeroed with probability `rate`, the others divided by `1 - rate`. Which ones are zeroed depends
/// on `seed` and their place alone: the backward pass is the same call on the gradient.
///
/// # Panics
///
/// The lengths differ, or `rate` is not in [0, 1).
pub fn dropout<E: Element>(context: &Context, seed: u64, rate: f32, from: &[E], to: &mut [E]) {
    assert_eq!(from.len(), to.len(), "dropped-out values");
    assert!(
        (0.0..1.0).contains(&rate),
        "dropout rate must be at least 0 and less than 1, not {rate}"
    );
    let isa = context.isa();
    context.for_each_part(to, PART, |item, to| {
        let from = &from[item * PART..][..to.len()];
        E::dropout(
            isa,
            Dropout {
                seed,
                rate,
                first: (item * PART) as u64,
                from,
                to,
            },
        );
    });
}

pub(crate) struct Dropout<'a, E> {
    seed: u64,
    rate: f32,
    first: u64,
    from: &'a [E],
    to: &'a mut [E],
}

impl<E: Element> Kernel for Dropout<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        // Plain loops: the compiler makes them vectors of the instruction set.
        let threshold = (f64::from(self.rate) * f64::from(u32::MAX)) as u32;
        let scale = 1.0 / (1.0 - self.rate);
        // A part is shorter than 2^32 values and starts at a multiple of its length: the high word is the same throughout.
        let key = mix((self.seed >> 32) as u32 ^ mix((self.first >> 32) as u32));
        let (low, first) = (self.seed as u32, self.first as u32);
        for (i, (to, from)) in self.to.iter_mut().zip(self.from).enumerate() {
            let random = mix(mix(first.wrapping_add(i as u32) ^ low).wrapping_add(key));
            *to = E::from_f32(if random >= threshold {
                from.to_f32() * scale
            } else {
                0.0
            });
        }
    }
}

/// A mix of 32 bits with low bias: "lowbias32" of Chris Wellons' hash-prospector.
#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}
