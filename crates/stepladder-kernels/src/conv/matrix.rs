//! The product of a grid of output pixels by packed weights on AMX: 32 pixels by 32 filters at a time.
//!
//! Sixteen pixels whose inputs lie at equal distances, and inside the map, are multiplied where they lie: most are so, as they are neighbors
//! in a row. The others, and those at the map's edges, are copied together first. Weights are packed as for bf16 dot products, whose rows
//! of pairs are what AMX wants.

use std::ops::Range;

use crate::{
    activation::InPlace,
    context::Context,
    simd::{
        Element, Kernel, Simd,
        x86_64::amx::{Amx, Product, Rows, Run, SIDE},
    },
};

use super::{
    grid::{Grid, Item, Tap, Walk},
    pack,
    tile::{Places, Start},
};

/// Pixels, and filters, that are multiplied at a time.
const BLOCK: usize = 2 * SIDE;

/// Channels that are multiplied at a time, at most and at least: with fewer, the tiles are too empty.
pub(super) const CHANNELS: Range<usize> = 16..2 * SIDE + 1;

/// Weights that each tile is multiplied by before the next tile. Every CPU with AMX has 2 MiB of second-level cache for each core.
const WEIGHTS_BYTES: usize = 1 << 20;

/// Pixels of a work item are a multiple of this.
pub(super) const PIXELS_STEP: usize = BLOCK;

/// Channels that are multiplied at a time: an even part of all of them. None where that is too few for AMX.
pub(super) fn channels_at_once<E: Element>(grid: &Grid) -> Option<usize> {
    let whole = |part: &usize| grid.channels.is_multiple_of(*part) && part.is_multiple_of(2);
    let part = CHANNELS.rev().find(whole);
    // A phase of a strided kernel may have no taps at all.
    part.filter(|_| E::BF16 && !grid.taps.is_empty())
}

/// An [`Item`] computed by AMX.
pub(super) struct MatrixItem<'a, E> {
    pub amx: Amx,
    pub context: &'a Context,
    pub item: Item<'a, E>,
    /// As [`channels_at_once`] says.
    pub channels_at_once: usize,
}

/// Sums of a block.
#[repr(align(64))]
struct Sums([f32; BLOCK * BLOCK]);

impl<E: Element> Kernel for MatrixItem<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let MatrixItem {
            amx,
            context,
            item,
            channels_at_once,
        } = self;
        let grid = item.grid;
        let steps = pack::steps::<S, E>(grid.channels);
        let padded = grid.filters.next_multiple_of(SIDE);
        let words = grid.taps.len() * steps;
        let tiles = amx.tiles(channels_at_once / 2);
        let walk = Walk::new(grid);
        let mut copies = context.buffers().take::<u32>(grid.taps.len() * BLOCK * steps);
        let nothing = Rows {
            at: item.zeros.cast(),
            stride: 0,
        };
        let mut runs = vec![
            Run {
                left: [nothing; 2],
                right: [std::ptr::null(); 2],
            };
            grid.taps.len()
        ];
        let mut sums = Sums([0.0; BLOCK * BLOCK]);
        let round = (WEIGHTS_BYTES / (4 * words * BLOCK)).max(1);
        for blocks in item
            .blocks
            .clone()
            .step_by(round)
            .map(|first| first..(first + round).min(item.blocks.end))
        {
            let mut at = walk.start(item.pixels.start);
            while at.pixel < item.pixels.end {
                let mut output = [0_usize; BLOCK];
                let count = (item.pixels.end - at.pixel).min(BLOCK);
                for half in 0..2 {
                    let first = half * SIDE;
                    if first >= count {
                        runs.iter_mut().for_each(|run| run.left[half] = nothing);
                        continue;
                    }
                    let places = walk.places::<S>(&mut at, (count - first).min(SIDE));
                    output[first..first + SIDE].copy_from_slice(&places.output);
                    for (tap_at, (run, tap)) in runs.iter_mut().zip(&grid.taps).enumerate() {
                        let copy = (tap_at * 2 + half) * SIDE * steps;
                        let found = Find {
                            item: &item,
                            tap,
                            places: &places,
                            copy: &mut copies[copy..copy + SIDE * steps],
                        };
                        run.left[half] = s.enter(found);
                    }
                }
                for block in blocks.clone() {
                    let first = block * BLOCK;
                    let lanes = BLOCK.min(padded - first);
                    for (tap, run) in runs.iter_mut().enumerate() {
                        let right = item.packed[tap * steps * lanes..].as_ptr();
                        // A block of 16 filters alone is multiplied twice, for want of others.
                        run.right = [right, right.wrapping_add(lanes - SIDE)];
                    }
                    let product = Product {
                        steps: grid.channels / channels_at_once,
                        step_bytes: [2 * channels_at_once, 2 * channels_at_once * lanes],
                        right_stride: 4 * lanes,
                        sums: sums.0.as_mut_ptr(),
                        sums_stride: 4 * BLOCK,
                        add: 0,
                        offset: [0, 4 * words * first],
                    };
                    // Safety: the left operands are 16 pixels of all channels, in the map, the copies or the zeros; packed weights have
                    // `steps` rows of `lanes` words for each tap.
                    unsafe { tiles.multiply(&product, &runs) };
                    s.enter(Finish {
                        item: &item,
                        sums: &sums.0,
                        output: &output[..count],
                        filters: first..(first + BLOCK).min(grid.filters),
                        padded,
                    });
                }
                let first = blocks.start * BLOCK;
                for place in &output[..count] {
                    let values = InPlace {
                        activation: item.activation,
                        values: item.output.wrapping_add(place + first),
                        count: (blocks.end * BLOCK).min(grid.filters) - first,
                    };
                    // Safety: the pixel's filters of these blocks, which this item alone has just written.
                    unsafe { values.run(s) };
                }
            }
        }
    }
}

/// Finds the inputs of 16 pixels under a tap, and copies them together where they do not lie at equal distances.
struct Find<'a, E> {
    item: &'a Item<'a, E>,
    tap: &'a Tap,
    places: &'a Places,
    copy: &'a mut [u32],
}

impl<E: Element> Kernel for Find<'_, E> {
    type Output = Rows;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Rows {
        let Find {
            item,
            tap,
            places,
            copy,
        } = self;
        let size = item.grid.input.map(|size| size as u32);
        let distance = places.input[1] - places.input[0];
        let (mut inside, mut even) = ([false; SIDE], true);
        for p in 0..SIDE {
            let y = (places.y[p] + tap.at[0]) as u32;
            let x = (places.x[p] + tap.at[1]) as u32;
            inside[p] = (y < size[0]) & (x < size[1]) & (p < places.count);
            even &= places.input[p] == places.input[0] + p as isize * distance;
        }
        let start = |p: usize| item.input.as_ptr().wrapping_offset(places.input[p] + tap.offset);
        if even && distance >= 0 && inside.iter().all(|inside| *inside) {
            return Rows {
                at: start(0).cast(),
                stride: size_of::<E>() * distance as usize,
            };
        }
        if !inside.iter().any(|inside| *inside) {
            return Rows {
                at: item.zeros.cast(),
                stride: 0,
            };
        }
        let words = copy.len() / SIDE;
        for (p, to) in copy.chunks_exact_mut(words).enumerate() {
            let from = if inside[p] { start(p) } else { item.zeros };
            let (from, to) = (from.cast::<f32>(), to.as_mut_ptr().cast::<f32>());
            for first in (0..words).step_by(S::LANES) {
                let n = (words - first).min(S::LANES);
                // Safety: a pixel inside the map, and the zeros, have `words` pairs of channels, and so has its place in the copy. Loads
                // and stores leave the bits as they are.
                unsafe { s.store_first(to.add(first), s.load_first(from.add(first), n), n) };
            }
        }
        Rows {
            at: copy.as_ptr().cast(),
            stride: 4 * words,
        }
    }
}

/// Writes a block of sums to the output, after what it starts from, and leaves its statistics.
struct Finish<'a, E> {
    item: &'a Item<'a, E>,
    sums: &'a [f32; BLOCK * BLOCK],
    /// Places of the pixels.
    output: &'a [usize],
    filters: Range<usize>,
    /// All filters, in whole vectors.
    padded: usize,
}

impl<E: Element> Kernel for Finish<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Finish {
            item,
            sums,
            output,
            filters,
            padded,
        } = self;
        for first in filters.clone().step_by(S::LANES) {
            let n = (filters.end - first).min(S::LANES);
            let (mut total, mut squares) = (s.splat(0.0), s.splat(0.0));
            for (place, row) in output.iter().zip(sums.as_chunks::<BLOCK>().0) {
                let to = item.output.wrapping_add(place + first);
                // Safety: rows of sums and the bias are whole vectors, and the place is a pixel of the output, with `filters.end` values.
                let value = unsafe {
                    let sum = s.load(row.as_ptr().add(first - filters.start));
                    let value = match item.start {
                        Start::Zero => sum,
                        Start::Bias(bias) => s.add(sum, s.load(bias.add(first))),
                        Start::Output => s.add(sum, E::load_first(s, to, n)),
                    };
                    E::store_first(s, to, value, n);
                    value
                };
                total = s.add(total, value);
                squares = s.mul_add(value, value, squares);
            }
            if !item.sums.is_null() {
                // Safety: both rows of the part's sums hold `padded` values.
                unsafe {
                    let to = item.sums.add(first);
                    s.store(to, s.add(s.load(to), total));
                    let to = to.add(padded);
                    s.store(to, s.add(s.load(to), squares));
                }
            }
        }
    }
}
