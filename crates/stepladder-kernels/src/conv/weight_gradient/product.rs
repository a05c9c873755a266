//! Products of packed operands: tiles of channels times blocks of filters.

use std::ops::Range;

use crate::simd::{Element, Kernel, Simd, unrolled};

use super::{
    Reduction,
    division::{Layout, Unit, tile_words},
};

/// Multiplies some packed tiles of a unit.
pub(super) struct MultiplyUnit<'a, E> {
    pub shape: &'a Reduction,
    pub layout: Layout,
    pub unit: &'a Unit,
    pub tiles: Range<usize>,
    pub filters: Range<usize>,
    pub input: &'a [u32],
    pub output: &'a [u32],
    pub sums: *mut f32,
    /// Whether the sums start from zero.
    pub first: bool,
    pub of: std::marker::PhantomData<E>,
}

impl<E: Element> Kernel for MultiplyUnit<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let MultiplyUnit {
            shape,
            layout,
            unit,
            tiles,
            filters,
            input,
            output,
            ..
        } = self;
        let lanes = S::TILE_VECTORS * S::LANES;
        let rows = shape.phase_rows(unit.rows.len());
        let photo_words = layout.input_words(shape, unit.rows.len());
        let photos = unit.photos.len();
        let mut block_at = 0;
        for first in filters.clone().step_by(lanes) {
            let count = lanes.min(filters.end - first);
            let words = count.next_multiple_of(S::LANES);
            let line_words = layout.steps * words;
            for tile in tiles.clone() {
                let channels = layout.channels(tile);
                for place in 0..shape.kernel[0] * shape.kernel[1] {
                    let (y, x) = (place / shape.kernel[1], place % shape.kernel[1]);
                    // Output rows whose input row, row * stride + y - before, exists.
                    let least = shape.before[0]
                        .saturating_sub(y)
                        .div_ceil(shape.stride[0])
                        .max(unit.rows.start);
                    let most = (shape.input[0] + shape.before[0])
                        .saturating_sub(y)
                        .div_ceil(shape.stride[0]);
                    let most = most.min(unit.rows.end).max(least);
                    let phase = (x * shape.phases() + y % shape.stride[0]) * rows;
                    let row = least - unit.rows.start;
                    let input_at = (tile - tiles.start) * photo_words * photos
                        + (phase + row + y / shape.stride[0]) * layout.steps * layout.words;
                    let output_at = block_at + row * line_words;
                    let run = Tile {
                        // In bounds where there is a row at all; else never read.
                        input: input.as_ptr().wrapping_add(input_at),
                        input_photo: photo_words,
                        output: output.as_ptr().wrapping_add(output_at),
                        output_photo: unit.rows.len() * line_words,
                        photos,
                        steps: (most - least) * layout.steps,
                        sums: self
                            .sums
                            .wrapping_add((place * shape.channels + channels.start) * shape.filters + first),
                        sums_row: shape.filters,
                        filters: count,
                        from_zero: self.first,
                        words: if layout.together == 2 {
                            Words::Pairs
                        } else {
                            Words::Single
                        },
                    };
                    if words > S::LANES {
                        run.channels::<S, 2>(s, channels.len());
                    } else {
                        run.channels::<S, 1>(s, channels.len());
                    }
                }
            }
            block_at += photos * unit.rows.len() * line_words;
        }
    }
}

/// A tile of channels times a block of filters, for one place of the kernel.
#[derive(Clone, Copy)]
pub(in crate::conv) struct Tile {
    pub input: *const u32,
    /// Words from photo to photo.
    pub input_photo: usize,
    pub output: *const u32,
    pub output_photo: usize,
    pub photos: usize,
    /// Steps per photo.
    pub steps: usize,
    pub sums: *mut f32,
    /// Values from channel to channel of the sums.
    pub sums_row: usize,
    /// Filters in the block.
    pub filters: usize,
    pub from_zero: bool,
    pub words: Words,
}

/// What a step's words are, and where the next step's lie.
#[derive(Clone, Copy)]
pub(in crate::conv) enum Words {
    /// Packed f32.
    Single,
    /// Packed pairs of bf16.
    Pairs,
    /// f32 that do not lie side by side: values from step to step of input and output.
    Apart(usize, usize),
    /// Pairs of bf16, likewise.
    PairsApart(usize, usize),
}

/// A [`Tile`] of `P` channels and `V` vectors.
struct Sized<const P: usize, const V: usize>(Tile);

impl Tile {
    /// Multiplies a tile of `channels` channels.
    #[inline(always)]
    pub(in crate::conv) fn channels<S: Simd, const V: usize>(self, s: S, channels: usize) {
        match channels {
            1 => s.enter(Sized::<1, V>(self)),
            2 => s.enter(Sized::<2, V>(self)),
            3 => s.enter(Sized::<3, V>(self)),
            4 => s.enter(Sized::<4, V>(self)),
            5 => s.enter(Sized::<5, V>(self)),
            6 => s.enter(Sized::<6, V>(self)),
            7 => s.enter(Sized::<7, V>(self)),
            8 => s.enter(Sized::<8, V>(self)),
            9 => s.enter(Sized::<9, V>(self)),
            10 => s.enter(Sized::<10, V>(self)),
            11 => s.enter(Sized::<11, V>(self)),
            12 => s.enter(Sized::<12, V>(self)),
            13 => s.enter(Sized::<13, V>(self)),
            14 => s.enter(Sized::<14, V>(self)),
            _ => unreachable!("no instruction set has a larger tile"),
        }
    }
}

impl<const P: usize, const V: usize> Kernel for Sized<P, V> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let tile = self.0;
        // Safety: `MultiplyUnit` points at `steps` packed steps in each photo, and at sums of P channels by `filters`
        // filters that no other item writes.
        unsafe {
            let mut acc = [[s.splat(0.0); V]; P];
            if !tile.from_zero {
                unrolled!(P, |p| {
                    for v in 0..V {
                        let n = (tile.filters - v * S::LANES).min(S::LANES);
                        acc[p][v] = s.load_first(tile.sums.add(p * tile.sums_row + v * S::LANES), n);
                    }
                });
            }
            for photo in 0..tile.photos {
                let input = tile.input.wrapping_add(photo * tile.input_photo);
                let output = tile.output.wrapping_add(photo * tile.output_photo);
                let (single, steps) = ((input.cast(), output.cast()), tile.steps);
                let packed = [tile_words::<S>(), V * S::LANES];
                match tile.words {
                    Words::Pairs if S::BF16_DOT => {
                        multiply_pairs(s, &mut acc, (input, output), steps, packed)
                    }
                    Words::PairsApart(apart_input, apart_output) if S::BF16_DOT => {
                        let apart = [apart_input, apart_output];
                        multiply_pairs(s, &mut acc, (input, output), steps, apart)
                    }
                    Words::Apart(input, output) => multiply_f32(s, &mut acc, single, steps, [input, output]),
                    _ => multiply_f32(s, &mut acc, single, steps, packed),
                }
            }
            unrolled!(P, |p| {
                for v in 0..V {
                    let n = (tile.filters - v * S::LANES).min(S::LANES);
                    s.store_first(tile.sums.add(p * tile.sums_row + v * S::LANES), acc[p][v], n);
                }
            });
        }
    }
}

#[inline(always)]
unsafe fn multiply_pairs<S: Simd, const P: usize, const V: usize>(
    s: S,
    acc: &mut [[S::F; V]; P],
    (input, output): (*const u32, *const u32),
    steps: usize,
    [input_step, output_step]: [usize; 2],
) {
    for step in 0..steps {
        // Safety: the caller promises `steps` steps of both operands.
        unsafe {
            let mut w = [s.splat_pair(0); V];
            for (v, w) in w.iter_mut().enumerate() {
                *w = s.load_pairs(output.add(step * output_step + v * S::LANES));
            }
            for (p, acc) in acc.iter_mut().enumerate() {
                let x = s.splat_pair(*input.add(step * input_step + p));
                for v in 0..V {
                    acc[v] = s.dot(acc[v], x, w[v]);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn multiply_f32<S: Simd, const P: usize, const V: usize>(
    s: S,
    acc: &mut [[S::F; V]; P],
    (input, output): (*const f32, *const f32),
    steps: usize,
    [input_step, output_step]: [usize; 2],
) {
    for step in 0..steps {
        // Safety: the caller promises `steps` steps of both operands.
        unsafe {
            let mut w = [s.splat(0.0); V];
            for (v, w) in w.iter_mut().enumerate() {
                *w = s.load(output.add(step * output_step + v * S::LANES));
            }
            for (p, acc) in acc.iter_mut().enumerate() {
                let x = s.splat(*input.add(step * input_step + p));
                for v in 0..V {
                    acc[v] = s.mul_add(x, w[v], acc[v]);
                }
            }
        }
    }
}
