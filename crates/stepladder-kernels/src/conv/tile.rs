//! The inner kernel of forward and input gradient: a tile of pixels times a block of filters.
//!
//! A tile is `P` output pixels by `V` vectors of filters, all sums in registers. For each tap it finds where the pixels'
//! inputs start (a row of zeros stands in for the padding), then walks the channels: load `V` vectors of weights, and
//! per pixel broadcast one channel (f32) or one pair of channels (bf16) and multiply-add it to the pixel's sums.

use std::mem::MaybeUninit;

use crate::{
    activation::{Activation, Function, WithActivation},
    simd::{Element, Kernel, Simd, unrolled},
};

use super::grid::Tap;

/// The most pixels in a tile, rounded up to whole vectors of their positions.
pub(super) const MOST_PIXELS: usize = 16;

/// Pixels that are looked for on an instruction set: a tile's, rounded up to whole vectors of their positions.
#[inline(always)]
pub(super) const fn located<S: Simd>() -> usize {
    S::TILE_PIXELS.next_multiple_of(8)
}

/// Channels of a folded row of the most usual first layer: three columns of red, green and blue.
const RGB_ROW: usize = 9;

/// The most filters in a tile's block.
const MOST_FILTERS: usize = 32;

/// Where the pixels of a tile are.
#[derive(Clone, Copy)]
pub(super) struct Places {
    /// Offset of the input pixel under tap (0, 0), which may lie in the padding.
    pub input: [isize; MOST_PIXELS],
    /// Row of that pixel.
    pub y: [i32; MOST_PIXELS],
    /// Column of that pixel.
    pub x: [i32; MOST_PIXELS],
    /// Offset of the output pixel.
    pub output: [usize; MOST_PIXELS],
    /// Pixels that exist; the others are computed from zeros and dropped.
    pub count: usize,
    /// The least and the greatest row.
    pub rows: [i32; 2],
    /// The least and the greatest column.
    pub columns: [i32; 2],
    /// Distance from each pixel's input to the next one's, where all are equal.
    pub distance: Option<usize>,
}

impl Places {
    /// No pixels.
    #[inline(always)]
    pub fn new() -> Places {
        Places {
            input: [0; MOST_PIXELS],
            // Far outside the input under any tap: places that are never set read zeros.
            y: [i32::MIN / 2; MOST_PIXELS],
            x: [0; MOST_PIXELS],
            output: [0; MOST_PIXELS],
            count: 0,
            rows: [i32::MAX, i32::MIN],
            columns: [i32::MAX, i32::MIN],
            distance: None,
        }
    }
}

/// Where the input pixels of a tile are under one tap.
#[derive(Clone, Copy)]
pub(super) struct Inputs<E>(pub [*const E; MOST_PIXELS]);

impl<E> Inputs<E> {
    #[inline(always)]
    fn cast<T, const P: usize>(&self) -> [*const T; P] {
        let mut pixels = [std::ptr::null(); P];
        for (to, from) in pixels.iter_mut().zip(&self.0) {
            *to = from.cast();
        }
        pixels
    }
}

/// Finds where the input pixels are under each tap.
pub(super) struct Locate<'a, E> {
    pub input: *const E,
    /// Height and width of the input, beyond which all is zero.
    pub size: [u32; 2],
    /// Zeros for as many channels as an input pixel has.
    pub zeros: *const E,
    pub taps: &'a [Tap],
    /// Taps that are one, of which only the first is looked for.
    pub run: usize,
    pub places: &'a Places,
    /// Whether every pixel of the tile exists and reads no padding.
    pub interior: bool,
    pub to: &'a mut [Inputs<E>],
}

impl<E: Element> Kernel for Locate<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let places = self.places;
        for (to, tap) in self.to.iter_mut().zip(self.taps.iter().step_by(self.run)) {
            for p in 0..located::<S>() {
                to.0[p] = self.input.wrapping_offset(places.input[p] + tap.offset);
            }
            if !self.interior {
                for p in 0..located::<S>() {
                    let y = (places.y[p] + tap.at[0]) as u32;
                    let x = (places.x[p] + tap.at[1]) as u32;
                    let inside = (y < self.size[0]) & (x < self.size[1]);
                    to.0[p] = if inside { to.0[p] } else { self.zeros };
                }
            }
        }
    }
}

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
pub(super) struct Tile<'a, E, O, const P: usize, const V: usize> {
    /// Values of an input pixel.
    pub channels: usize,
    /// Per tap, where each pixel's input is.
    pub taps: &'a [Inputs<E>],
    pub places: &'a Places,
    /// The block's packed weights.
    pub weights: *const u32,
    pub start: Start,
    /// The output, at the block's first filter.
    pub output: *mut O,
    /// Filters in the block; more than `(V - 1) * LANES`, at most `V * LANES`.
    pub filters: usize,
    /// Sums and sums of squares of the block's filters, `V * LANES` each, `stride` apart; null if not wanted.
    pub sums: *mut f32,
    pub sums_stride: usize,
    /// Applied to what is written, not to the sums above.
    pub activation: Activation,
}

impl<E: Element, O: Element, const P: usize, const V: usize> Kernel for Tile<'_, E, O, P, V> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // Safety: `Grid::multiply` builds tiles only from checked shapes: places are pixels of the output, their inputs
        // under each tap are either inside the input or replaced by `zeros`, weights, bias and sums are whole blocks.
        unsafe {
            // Stores wait for their lines in turn: asked for now, the lines are here by the time the sums are.
            for p in 0..self.places.count {
                let at = self.output.wrapping_add(self.places.output[p]).cast::<u8>();
                for line in (0..self.filters * size_of::<O>()).step_by(64) {
                    s.prefetch_write(at.wrapping_add(line));
                }
            }
            let mut acc = self.start(s);
            let words = super::pack::steps::<S, E>(self.channels) * V * S::LANES;
            // The loops over taps are apart so that each keeps its sums in registers from tap to tap.
            if !E::BF16 && self.channels == RGB_ROW {
                // The compiler knows the loop's length, and unrolls it.
                for (tap, inputs) in self.taps.iter().enumerate() {
                    let weights = self.weights.add(tap * words).cast();
                    multiply_f32::<S, P, V>(s, &mut acc, &inputs.cast(), weights, RGB_ROW);
                }
            } else if !E::BF16 {
                for (tap, inputs) in self.taps.iter().enumerate() {
                    let weights = self.weights.add(tap * words).cast();
                    multiply_f32::<S, P, V>(s, &mut acc, &inputs.cast(), weights, self.channels);
                }
            } else if !S::BF16_DOT {
                for (tap, inputs) in self.taps.iter().enumerate() {
                    let weights = self.weights.add(tap * words).cast();
                    multiply_widened::<S, P, V>(s, &mut acc, &inputs.cast(), weights, self.channels);
                }
            } else if self.channels.is_multiple_of(2) {
                for (tap, inputs) in self.taps.iter().enumerate() {
                    let weights = self.weights.add(tap * words);
                    multiply_pairs::<S, P, V>(s, &mut acc, &inputs.cast(), weights, self.channels);
                }
            } else {
                for (tap, inputs) in self.taps.iter().enumerate() {
                    let weights = self.weights.add(tap * words);
                    let last = weights.add(self.channels / 2 * V * S::LANES);
                    multiply_pairs::<S, P, V>(s, &mut acc, &inputs.cast(), weights, self.channels);
                    pair_step(s, &mut acc, &inputs.cast(), last, self.channels - 1, false);
                }
            }
            if !self.sums.is_null() {
                self.add_to_sums(s, &acc);
            }
            if self.activation == Activation::Linear {
                self.store(s, &acc);
            } else {
                self.activate(s, &acc);
            }
        }
    }
}

impl<E: Element, O: Element, const P: usize, const V: usize> Tile<'_, E, O, P, V> {
    #[inline(always)]
    unsafe fn start<S: Simd>(&self, s: S) -> [[S::F; V]; P] {
        let mut acc = [[s.splat(0.0); V]; P];
        match self.start {
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
                    if p < self.places.count {
                        for v in 0..V {
                            let n = (self.filters - v * S::LANES).min(S::LANES);
                            let at = self.output.wrapping_add(self.places.output[p] + v * S::LANES);
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
                if p < self.places.count {
                    sum = s.add(sum, acc[p][v]);
                    squares = s.mul_add(acc[p][v], acc[p][v], squares);
                }
            });
            // Safety: both rows of sums hold V * LANES values for this block.
            unsafe {
                let to = self.sums.add(v * S::LANES);
                s.store(to, s.add(s.load(to), sum));
                let to = to.add(self.sums_stride);
                s.store(to, s.add(s.load(to), squares));
            }
        }
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(&self, s: S, acc: &[[S::F; V]; P]) {
        let whole = self.filters == V * S::LANES;
        unrolled!(P, |p| {
            if p < self.places.count {
                for v in 0..V {
                    let n = if whole {
                        S::LANES
                    } else {
                        (self.filters - v * S::LANES).min(S::LANES)
                    };
                    // Safety: the place is a pixel of the output, with `filters` values here.
                    unsafe {
                        O::store_first(
                            s,
                            self.output.add(self.places.output[p] + v * S::LANES),
                            acc[p][v],
                            n,
                        )
                    };
                }
            }
        });
    }

    /// As [`Tile::store`], with the activation: no registers are left for it beside the sums, so that it goes over a copy of them.
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
            activation: self.activation,
            values,
            vectors: V,
            places: self.places,
            output: self.output,
            filters: self.filters,
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

/// A tile whose size is not yet fixed; the fields are those of [`Tile`].
pub(super) struct AnyTile<'a, E, O> {
    pub channels: usize,
    pub inputs: &'a [Inputs<E>],
    pub places: &'a Places,
    pub weights: *const u32,
    pub start: Start,
    pub output: *mut O,
    pub filters: usize,
    pub sums: *mut f32,
    pub sums_stride: usize,
    pub activation: Activation,
}

impl<E: Element, O: Element> AnyTile<'_, E, O> {
    /// Computes the first `count` pixels of the tile.
    #[inline(always)]
    pub fn run<S: Simd>(&self, s: S, count: usize) {
        if self.filters > S::LANES {
            self.pixels::<S, 2>(s, count);
        } else {
            self.pixels::<S, 1>(s, count);
        }
    }

    #[inline(always)]
    fn pixels<S: Simd, const V: usize>(&self, s: S, count: usize) {
        match tile_pixels::<S>(count) {
            1 => self.tile::<S, 1, V>(s),
            4 => self.tile::<S, 4, V>(s),
            6 => self.tile::<S, 6, V>(s),
            8 => self.tile::<S, 8, V>(s),
            12 => self.tile::<S, 12, V>(s),
            _ => self.tile::<S, 14, V>(s),
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const P: usize, const V: usize>(&self, s: S) {
        s.enter(Tile::<E, O, P, V> {
            channels: self.channels,
            taps: self.inputs,
            places: self.places,
            weights: self.weights,
            start: self.start,
            output: self.output,
            filters: self.filters,
            sums: self.sums,
            sums_stride: self.sums_stride,
            activation: self.activation,
        });
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

#[inline(always)]
unsafe fn multiply_f32<S: Simd, const P: usize, const V: usize>(
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
unsafe fn multiply_pairs<S: Simd, const P: usize, const V: usize>(
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
unsafe fn pair_step<S: Simd, const P: usize, const V: usize>(
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
unsafe fn multiply_widened<S: Simd, const P: usize, const V: usize>(
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
