//! One window of one vector of channels: what forward and backward share.

use crate::{
    activation::Function,
    simd::{Element, Simd},
};

use super::{Affine, Epilogue};

/// What the compiler may know of an epilogue. An inner loop that asks for it at each vector takes as long to ask as to compute.
pub(super) trait Case {
    /// Height and width of the pool's windows, if they are known.
    const POOL: Option<[usize; 2]>;
    /// Whether channels come in whole vectors.
    const WHOLE: bool;
    /// Output pixels that a vector of channels is walked over before the next. With more than one its constants, and the chains of
    /// its sums, are used while they are at hand; with few, memory is still read in order, so that the CPU fetches ahead. A
    /// pool's window already is four pixels.
    const SEGMENT: usize;
}

/// No pooling, whole vectors.
pub(super) struct Single;
/// Windows of 2 x 2, whole vectors.
pub(super) struct Square;
/// Anything.
pub(super) struct Any;

impl Case for Single {
    const POOL: Option<[usize; 2]> = Some([1, 1]);
    const WHOLE: bool = true;
    const SEGMENT: usize = 4;
}

impl Case for Square {
    const POOL: Option<[usize; 2]> = Some([2, 2]);
    const WHOLE: bool = true;
    const SEGMENT: usize = 1;
}

impl Case for Any {
    const POOL: Option<[usize; 2]> = None;
    const WHOLE: bool = false;
    const SEGMENT: usize = 4;
}

/// Calls `$kernel.walk::<S, Case>($s)` with the case of `$shape`.
macro_rules! walk {
    ($shape:expr, $kernel:expr, $s:expr) => {
        match $shape.pool {
            [1, 1] if $shape.channels % S::LANES == 0 => {
                $kernel.walk::<S, $crate::epilogue::tile::Single>($s)
            }
            [2, 2] if $shape.channels % S::LANES == 0 => {
                $kernel.walk::<S, $crate::epilogue::tile::Square>($s)
            }
            _ => $kernel.walk::<S, $crate::epilogue::tile::Any>($s),
        }
    };
}
pub(super) use walk;

/// Where a window is, and what z is made of.
#[derive(Clone, Copy)]
pub(super) struct Source<'a, E> {
    pub shape: &'a Epilogue,
    pub input: &'a [E],
    pub affine: Option<&'a Affine>,
    pub skip: Option<&'a [E]>,
}

/// A vector of channels of one pixel of a window.
#[derive(Clone, Copy)]
pub(super) struct Winner<S: Simd> {
    pub x: S::F,
    pub z: S::F,
    /// Which of the window's pixels it is, counted in rows.
    pub place: S::F,
}

impl<S: Simd> Winner<S> {
    /// `other` where `m`.
    #[inline(always)]
    fn or(self, s: S, m: S::M, other: Self) -> Self {
        Winner {
            x: s.select(m, other.x, self.x),
            z: s.select(m, other.z, self.z),
            place: s.select(m, other.place, self.place),
        }
    }
}

/// `g` where `place` is `i`, else zero.
#[inline(always)]
pub(crate) fn only<S: Simd>(s: S, g: S::F, place: S::F, i: usize) -> S::F {
    s.select(s.eq(place, s.splat(i as f32)), g, s.splat(0.0))
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
    /// Height and width of a window.
    #[inline(always)]
    pub(super) fn pool<C: Case>(&self) -> [usize; 2] {
        C::POOL.unwrap_or(self.shape.pool)
    }

    #[inline(always)]
    pub(super) fn channels<S: Simd, C: Case>(&self, s: S, first: usize) -> Channels<S> {
        let n = if C::WHOLE {
            S::LANES
        } else {
            (self.shape.channels - first).min(S::LANES)
        };
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

    /// The pixel of a window whose activation is the largest: the first of equals. Of a window of one pixel, that.
    ///
    /// # Safety
    ///
    /// `at` starts a window inside the input.
    #[inline(always)]
    pub(super) unsafe fn winner<S: Simd, A: Function, C: Case>(
        &self,
        s: S,
        activation: A,
        channels: &Channels<S>,
        at: usize,
    ) -> Winner<S> {
        let [height, width] = self.pool::<C>();
        // Safety: the caller's promise.
        let mut most = unsafe { self.pixel(s, channels, at, 0) };
        if height * width == 1 {
            return most;
        }
        let mut least = most;
        for i in 1..height * width {
            // Safety: the caller's promise.
            let pixel = unsafe { self.pixel(s, channels, at + self.offset::<C>(i), i) };
            most = most.or(s, s.gt(pixel.z, most.z), pixel);
            if !A::MONOTONE {
                least = least.or(s, s.gt(least.z, pixel.z), pixel);
            }
        }
        // Functions that fall, then rise, do so around 0 from above: the largest z wins unless it is negative.
        let negative = s.gt(s.splat(0.0), most.z);
        if A::MONOTONE || !s.any(negative) {
            return most;
        }
        let exceeded = activation.exceeds(s, least.z, most.z);
        most.or(s, negative, most.or(s, exceeded, least))
    }

    /// The pixel at `at`, which is the window's `i`th.
    ///
    /// # Safety
    ///
    /// As for [`Source::x`].
    #[inline(always)]
    unsafe fn pixel<S: Simd>(&self, s: S, channels: &Channels<S>, at: usize, i: usize) -> Winner<S> {
        // Safety: the caller's promise.
        unsafe {
            let x = self.x(s, channels, at);
            Winner {
                x,
                z: self.z(s, channels, at, x),
                place: s.splat(i as f32),
            }
        }
    }

    /// Where the window's pixel `i` is, from its start.
    #[inline(always)]
    pub(super) fn offset<C: Case>(&self, i: usize) -> usize {
        let [_, width] = self.pool::<C>();
        (i / width * self.shape.input[1] + i % width) * self.shape.channels
    }
}
