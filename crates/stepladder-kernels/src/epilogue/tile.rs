//! One window of one vector of channels: what forward and backward share.

use crate::{
    activation::Function,
    simd::{Element, Simd},
};

use super::{Affine, Epilogue};

/// Output pixels that a vector of channels is walked over before the next: its constants stay in registers, and the other
/// half of its cache lines is still near when its turn comes.
pub(super) const SEGMENT: usize = 16;

/// Where a window is, and what z is made of.
#[derive(Clone, Copy)]
pub(super) struct Source<'a, E> {
    pub shape: &'a Epilogue,
    pub input: &'a [E],
    pub affine: Option<&'a Affine>,
    pub skip: Option<&'a [E]>,
}

/// A vector of channels, and its constants.
#[derive(Clone, Copy)]
pub(super) struct Channels<S: Simd> {
    pub first: usize,
    pub n: usize,
    scale: S::F,
    shift: S::F,
}

impl<'a, E: Element> Source<'a, E> {
    #[inline(always)]
    pub(super) fn channels<S: Simd>(&self, s: S, first: usize) -> Channels<S> {
        let n = (self.shape.channels - first).min(S::LANES);
        let (scale, shift) = match self.affine {
            // Safety: scale and shift have as many values as there are channels.
            Some(affine) => unsafe {
                let (scale, shift) = (affine.scale.as_ptr(), affine.shift.as_ptr());
                (
                    s.load_first(scale.add(first), n),
                    s.load_first(shift.add(first), n),
                )
            },
            None => (s.splat(1.0), s.splat(0.0)),
        };
        Channels {
            first,
            n,
            scale,
            shift,
        }
    }

    /// Where the window of output row `line` (of the whole batch) and column `x` starts.
    #[inline(always)]
    pub(super) fn window(&self, line: usize, x: usize) -> usize {
        let shape = self.shape;
        let height = shape.input[0] / shape.pool[0];
        let (photo, y) = (line / height, line % height);
        let row = photo * shape.input[0] + y * shape.pool[0];
        (row * shape.input[1] + x * shape.pool[1]) * shape.channels
    }

    /// x at `at`.
    ///
    /// # Safety
    ///
    /// `at` is a pixel of the input.
    #[inline(always)]
    pub(super) unsafe fn x<S: Simd>(&self, s: S, channels: &Channels<S>, at: usize) -> S::F {
        // Safety: the caller's promise; `first + n` channels exist.
        unsafe { E::load_first(s, self.input.as_ptr().add(at + channels.first), channels.n) }
    }

    /// z of that x.
    ///
    /// # Safety
    ///
    /// As for [`Source::x`].
    #[inline(always)]
    pub(super) unsafe fn z<S: Simd>(&self, s: S, channels: &Channels<S>, at: usize, x: S::F) -> S::F {
        let z = s.mul_add(x, channels.scale, channels.shift);
        match self.skip {
            // Safety: the skip is as long as the input.
            Some(skip) => unsafe {
                s.add(
                    z,
                    E::load_first(s, skip.as_ptr().add(at + channels.first), channels.n),
                )
            },
            None => z,
        }
    }

    /// The z whose activation is the window's maximum, and which of the window's pixels it is (the first of equals, counted
    /// in rows).
    ///
    /// # Safety
    ///
    /// `at` starts a window inside the input.
    #[inline(always)]
    pub(super) unsafe fn winner<S: Simd, A: Function>(
        &self,
        s: S,
        activation: A,
        channels: &Channels<S>,
        at: usize,
    ) -> (S::F, S::F) {
        let [height, width] = self.shape.pool;
        let zero = s.splat(0.0);
        // Safety: the caller's promise.
        let first = unsafe { self.z(s, channels, at, self.x(s, channels, at)) };
        let (mut most, mut most_at, mut least, mut least_at) = (first, zero, first, zero);
        for i in 1..height * width {
            let at = at + self.offset(i);
            // Safety: the caller's promise.
            let z = unsafe { self.z(s, channels, at, self.x(s, channels, at)) };
            let place = s.splat(i as f32);
            let above = s.gt(z, most);
            most = s.select(above, z, most);
            most_at = s.select(above, place, most_at);
            if !A::MONOTONE {
                let below = s.gt(least, z);
                least = s.select(below, z, least);
                least_at = s.select(below, place, least_at);
            }
        }
        if A::MONOTONE {
            return (most, most_at);
        }
        let below = s.gt(activation.value(s, least), activation.value(s, most));
        (s.select(below, least, most), s.select(below, least_at, most_at))
    }

    /// Where the window's pixel `i` is, from its start.
    #[inline(always)]
    pub(super) fn offset(&self, i: usize) -> usize {
        let width = self.shape.pool[1];
        (i / width * self.shape.input[1] + i % width) * self.shape.channels
    }
}
