//! The inner kernel of forward and input gradient: a tile of pixels times a block of filters.
//!
//! A tile is `P` output pixels by `V` vectors of filters, all sums in registers. For each tap it is told where the pixels'
//! inputs start (a row of zeros stands in for the padding), and walks the channels: load `V` vectors of weights, and
//! per pixel broadcast one channel (f32) or one pair of channels (bf16) and multiply-add it to the pixel's sums.

mod multiply;

use std::mem::MaybeUninit;

use crate::{
    activation::{Activation, Function, WithActivation},
    simd::{Element, Kernel, Simd, unrolled},
};

use super::places::{Inputs, MOST_PIXELS, Places};
use multiply::{multiply_f32, multiply_pairs, multiply_widened, pair_step};

/// Channels of a folded row of the most usual first layer: three columns of red, green and blue.
const RGB_ROW: usize = 9;

/// The most filters in a tile's block.
const MOST_FILTERS: usize = 32;

/// What the sums start from.
#[derive(Clone, Copy)]
pub(super) enum Start {
    /// Zero.
    Zero,
    /// The bias of each filter, padded to whole blocks.
    Bias(*const f32),
    /// What the output holds.
    Output,
}

/// A tile's operands: input of `E`, output of `O`.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, E, O> {
    /// Values of an input pixel.
    pub channels: usize,
    /// Per tap, where each pixel's input is.
    pub inputs: &'a [Inputs<E>],
    pub places: &'a Places,
    /// The block's packed weights.
    pub weights: *const u32,
    pub start: Start,
    /// The output, at the block's first filter.
    pub output: *mut O,
    /// Filters in the block, at most `TILE_VECTORS` vectors of them.
    pub filters: usize,
    /// Sums and sums of squares of the block's filters, whole vectors each, `stride` apart; null if not wanted.
    pub sums: *mut f32,
    pub sums_stride: usize,
    /// Applied to what is written, not to the sums above.
    pub activation: Activation,
}

impl<E: Element, O: Element> Tile<'_, E, O> {
    /// Computes the first `count` pixels of the tile.
    #[inline(always)]
    pub fn run<S: Simd>(self, s: S, count: usize) {
        if self.filters > S::LANES {
            self.pixels::<S, 2>(s, count);
        } else {
            self.pixels::<S, 1>(s, count);
        }
    }

    #[inline(always)]
    fn pixels<S: Simd, const V: usize>(self, s: S, count: usize) {
        match tile_pixels::<S>(count) {
            1 => s.enter(SizedTile::<E, O, 1, V>(self)),
            4 => s.enter(SizedTile::<E, O, 4, V>(self)),
            6 => s.enter(SizedTile::<E, O, 6, V>(self)),
            8 => s.enter(SizedTile::<E, O, 8, V>(self)),
            12 => s.enter(SizedTile::<E, O, 12, V>(self)),
            _ => s.enter(SizedTile::<E, O, 14, V>(self)),
        }
    }
}

/// A tile of `P` pixels by `V` vectors of filters: more than `V - 1` of them, the last perhaps in part.
struct SizedTile<'a, E, O, const P: usize, const V: usize>(Tile<'a, E, O>);

impl<E: Element, O: Element, const P: usize, const V: usize> Kernel for SizedTile<'_, E, O, P, V> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // Safety: `Grid::multiply` builds tiles only from checked shapes: places are pixels of the output, their inputs
        // under each tap are either inside the input or replaced by `zeros`, weights, bias and sums are whole blocks.
        unsafe {
            // Stores wait for their lines in turn: asked for now, the lines are here by the time the sums are.
            for p in 0..self.0.places.count {
                let at = self.0.output.wrapping_add(self.0.places.output[p]).cast::<u8>();
                for line in (0..self.0.filters * size_of::<O>()).step_by(64) {
                    s.prefetch_write(at.wrapping_add(line));
                }
            }
            let mut acc = self.start(s);
            let words = super::pack::steps::<S, E>(self.0.channels) * V * S::LANES;
            // The loops over taps are apart so that each keeps its sums in registers from tap to tap.
            if !E::BF16 && self.0.channels == RGB_ROW {
                // The compiler knows the loop's length, and unrolls it.
                for (tap, inputs) in self.0.inputs.iter().enumerate() {
                    let weights = self.0.weights.add(tap * words).cast();
                    multiply_f32::<S, P, V>(s, &mut acc, &inputs.cast(), weights, RGB_ROW);
                }
            } else if !E::BF16 {
                for (tap, inputs) in self.0.inputs.iter().enumerate() {
                    let weights = self.0.weights.add(tap * words).cast();
                    multiply_f32::<S, P, V>(s, &mut acc, &inputs.cast(), weights, self.0.channels);
                }
            } else if !S::BF16_DOT {
                for (tap, inputs) in self.0.inputs.iter().enumerate() {
                    let weights = self.0.weights.add(tap * words).cast();
                    multiply_widened::<S, P, V>(s, &mut acc, &inputs.cast(), weights, self.0.channels);
                }
            } else if self.0.channels.is_multiple_of(2) {
                for (tap, inputs) in self.0.inputs.iter().enumerate() {
                    let weights = self.0.weights.add(tap * words);
                    multiply_pairs::<S, P, V>(s, &mut acc, &inputs.cast(), weights, self.0.channels);
                }
            } else {
                for (tap, inputs) in self.0.inputs.iter().enumerate() {
                    let weights = self.0.weights.add(tap * words);
                    let last = weights.add(self.0.channels / 2 * V * S::LANES);
                    multiply_pairs::<S, P, V>(s, &mut acc, &inputs.cast(), weights, self.0.channels);
                    pair_step(s, &mut acc, &inputs.cast(), last, self.0.channels - 1, false);
                }
            }
            if !self.0.sums.is_null() {
                self.add_to_sums(s, &acc);
            }
            if self.0.activation == Activation::Linear {
                self.store(s, &acc);
            } else {
                self.activate(s, &acc);
            }
        }
    }
}

impl<E: Element, O: Element, const P: usize, const V: usize> SizedTile<'_, E, O, P, V> {
    #[inline(always)]
    unsafe fn start<S: Simd>(&self, s: S) -> [[S::F; V]; P] {
        let mut acc = [[s.splat(0.0); V]; P];
        match self.0.start {
            Start::Zero => {}
            Start::Bias(bias) => {
                for v in 0..V {
                    // Safety: the bias is padded to whole blocks.
                    let bias = unsafe { s.load(bias.add(v * S::LANES)) };
                    unrolled!(P, |p| {
                        acc[p][v] = bias;
                    });
                }
            }
            Start::Output => {
                unrolled!(P, |p| {
                    if p < self.0.places.count {
                        for v in 0..V {
                            let n = (self.0.filters - v * S::LANES).min(S::LANES);
                            let at = self.0.output.wrapping_add(self.0.places.output[p] + v * S::LANES);
                            // Safety: the first `count` places are pixels of the output, with `filters` values here.
                            acc[p][v] = unsafe { O::load_first(s, at, n) };
                        }
                    }
                });
            }
        }
        acc
    }

    #[inline(always)]
    unsafe fn add_to_sums<S: Simd>(&self, s: S, acc: &[[S::F; V]; P]) {
        for v in 0..V {
            let mut sum = s.splat(0.0);
            let mut squares = s.splat(0.0);
            unrolled!(P, |p| {
                if p < self.0.places.count {
                    sum = s.add(sum, acc[p][v]);
                    squares = s.mul_add(acc[p][v], acc[p][v], squares);
                }
            });
            // Safety: both rows of sums hold V * LANES values for this block.
            unsafe {
                let to = self.0.sums.add(v * S::LANES);
                s.store(to, s.add(s.load(to), sum));
                let to = to.add(self.0.sums_stride);
                s.store(to, s.add(s.load(to), squares));
            }
        }
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(&self, s: S, acc: &[[S::F; V]; P]) {
        let whole = self.0.filters == V * S::LANES;
        unrolled!(P, |p| {
            if p < self.0.places.count {
                for v in 0..V {
                    let n = if whole {
                        S::LANES
                    } else {
                        (self.0.filters - v * S::LANES).min(S::LANES)
                    };
                    // Safety: the place is a pixel of the output, with `filters` values here.
                    unsafe {
                        O::store_first(
                            s,
                            self.0.output.add(self.0.places.output[p] + v * S::LANES),
                            acc[p][v],
                            n,
                        )
                    };
                }
            }
        });
    }

    /// As [`SizedTile::store`], with the activation: no registers are left for it beside the sums, so that it goes over a copy of them.
    #[inline(always)]
    unsafe fn activate<S: Simd>(&self, s: S, acc: &[[S::F; V]; P]) {
        const { assert!(P <= MOST_PIXELS && V * S::LANES <= MOST_FILTERS) };
        let mut copy = Copied(MaybeUninit::uninit());
        let values = copy.0.as_mut_ptr().cast::<f32>();
        unrolled!(P, |p| {
            for v in 0..V {
                // Safety: the copy has room for as many.
                unsafe { s.store(values.add((p * V + v) * S::LANES), acc[p][v]) };
            }
        });
        s.enter(Activate {
            activation: self.0.activation,
            values,
            vectors: V,
            places: self.0.places,
            output: self.0.output,
            filters: self.0.filters,
        });
    }
}

/// A tile's sums outside of registers.
#[repr(align(64))]
struct Copied(MaybeUninit<[f32; MOST_PIXELS * MOST_FILTERS]>);

/// Applies an activation to a tile's values on their way to the output.
struct Activate<'a, E> {
    activation: Activation,
    /// `vectors` for each pixel.
    values: *const f32,
    vectors: usize,
    places: &'a Places,
    output: *mut E,
    filters: usize,
}

impl<E: Element> Kernel for Activate<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.activation.apply(ActivateOn { tile: self, s });
    }
}

/// [`Activate`] on an instruction set, for [`Activation::apply`].
struct ActivateOn<'a, S, E> {
    tile: Activate<'a, E>,
    s: S,
}

impl<S: Simd, E: Element> WithActivation for ActivateOn<'_, S, E> {
    #[inline(always)]
    fn run<A: Function>(self, activation: A) {
        let ActivateOn { tile, s } = self;
        let places = &tile.places.output[..tile.places.count];
        for (p, place) in places.iter().enumerate() {
            let values = tile.values.wrapping_add(p * tile.vectors * S::LANES);
            for first in (0..tile.filters).step_by(S::LANES) {
                let n = (tile.filters - first).min(S::LANES);
                // Safety: each pixel has whole vectors of values, and its place in the output `filters` of them.
                unsafe {
                    let value = activation.value(s, s.load(values.add(first)));
                    E::store_first(s, tile.output.add(place + first), value, n);
                }
            }
        }
    }
}

/// The smallest tile for `count` pixels: few sizes keep the code small, and only the last tile is partial.
#[inline(always)]
pub(super) fn tile_pixels<S: Simd>(count: usize) -> usize {
    match (S::TILE_PIXELS, count) {
        (_, 1) => 1,
        (_, ..=4) => 4,
        (6, _) => 6,
        (_, ..=8) => 8,
        (most, _) => most,
    }
}
