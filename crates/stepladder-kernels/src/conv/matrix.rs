//! The product of a grid of output pixels by packed weights on AMX: 32 pixels by 32 filters at a time.
//!
//! Sixteen pixels whose inputs lie at equal distances, and inside the map, are multiplied where they lie: most are so, as they are neighbors
//! in a row. The others, and those at the map's edges, are copied together first. Weights are packed as for bf16 dot products, whose rows
//! of pairs are what AMX wants.

use std::ops::Range;

use crate::{
    activation::{Function, WithActivation},
    context::Context,
    simd::{
        Element, Kernel, Simd,
        x86_64::amx::{Amx, Product, Rows, Run, SIDE},
    },
};

use super::{
    grid::{Grid, Item, Tap},
    pack,
    places::{Places, Walk},
    tile::Start,
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

/// Words that a work item takes for pixels that are not multiplied where they lie.
pub(super) fn copied_words<S: Simd, E: Element>(grid: &Grid) -> usize {
    grid.taps.len() * BLOCK * pack::steps::<S, E>(grid.channels)
}

/// An [`Item`] computed by AMX.
pub(super) struct MatrixItem<'a, E> {
    pub amx: Amx,
    pub context: &'a Context,
    pub item: Item<'a, E>,
    /// As [`channels_at_once`] says.
    pub channels_at_once: usize,
}

/// Pixels that are multiplied at a time, in halves.
type Pixels = [Places; 2];

/// A product of pixels and filters that waits to be written to the output.
#[repr(align(64))]
struct Block {
    sums: [f32; BLOCK * BLOCK],
    /// Which of the last pixels.
    pixels: usize,
    filters: Range<usize>,
}

impl Block {
    fn new() -> Block {
        Block {
            sums: [0.0; BLOCK * BLOCK],
            pixels: 0,
            filters: 0..0,
        }
    }
}

impl<E: Element> Kernel for MatrixItem<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let MatrixItem {
            amx,
            context,
            mut item,
            channels_at_once,
        } = self;
        let sums_stride = item.sums.as_ref().map_or(0, |sums| sums.len() / 2);
        let sums = item.sums.take();
        let sums = sums.map_or(std::ptr::null_mut(), |sums| sums.as_mut_ptr());
        let grid = item.grid;
        let steps = pack::steps::<S, E>(grid.channels);
        let padded = grid.filters.next_multiple_of(SIDE);
        let words = grid.taps.len() * steps;
        let tiles = amx.tiles(channels_at_once / 2);
        let walk = Walk::new(grid);
        let mut copies = context.buffers().take::<u32>(copied_words::<S, E>(grid));
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
        // A block is written to the output while the next one is multiplied: the CPU does both at once, for neither waits for the other.
        let mut blocks = [Block::new(), Block::new()];
        let mut pixels = [0, 1].map(|_| [Places::new(), Places::new()]);
        let (mut block_at, mut pixels_at) = (0, 0);
        let mut is_waiting = false;
        let finish = |block: &Block, pixels: &[Pixels; 2]| {
            s.enter(Finish {
                item: &item,
                block,
                pixels: &pixels[block.pixels],
                sums,
                sums_stride,
            });
        };
        let round = (WEIGHTS_BYTES / (4 * words * BLOCK)).max(1);
        for some in item
            .blocks
            .clone()
            .step_by(round)
            .map(|first| first..(first + round).min(item.blocks.end))
        {
            let mut at = walk.start(item.pixels.start);
            while at.pixel < item.pixels.end {
                for (half, places) in pixels[pixels_at].iter_mut().enumerate() {
                    *places = Places::new();
                    if at.pixel == item.pixels.end {
                        runs.iter_mut().for_each(|run| run.left[half] = nothing);
                        continue;
                    }
                    let count = (item.pixels.end - at.pixel).min(SIDE);
                    walk.next::<S>(&mut at, count, places);
                    for (tap_at, (run, tap)) in runs.iter_mut().zip(&grid.taps).enumerate() {
                        run.left[half] = in_place(&item, places, tap).unwrap_or_else(|| {
                            let copy = (tap_at * 2 + half) * SIDE * steps;
                            s.enter(Gather {
                                item: &item,
                                tap,
                                places,
                                copy: &mut copies[copy..copy + SIDE * steps],
                            })
                        });
                    }
                }
                for block in some.clone() {
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
                        sums: blocks[block_at].sums.as_mut_ptr(),
                        sums_stride: 4 * BLOCK,
                        add: 0,
                        offset: [0, 4 * words * (block - item.blocks.start) * BLOCK],
                    };
                    // Safety: the left operands are 16 pixels of all channels, in the map, the copies or the zeros; packed weights have
                    // `steps` rows of `lanes` words for each tap.
                    unsafe { tiles.multiply(&product, &runs) };
                    blocks[block_at].pixels = pixels_at;
                    blocks[block_at].filters = first..(first + BLOCK).min(grid.filters);
                    block_at = 1 - block_at;
                    if is_waiting {
                        finish(&blocks[block_at], &pixels);
                    }
                    is_waiting = true;
                }
                pixels_at = 1 - pixels_at;
            }
        }
        if is_waiting {
            finish(&blocks[1 - block_at], &pixels);
        }
    }
}

/// Sixteen pixels under a tap where they lie, if that is inside the map and at equal distances.
#[inline(always)]
fn in_place<E>(item: &Item<'_, E>, places: &Places, tap: &Tap) -> Option<Rows> {
    let [height, width] = item.grid.input.map(|size| size as i32);
    let distance = places.distance.filter(|_| places.count == SIDE)?;
    let inside = places.rows[0] + tap.at[0] >= 0
        && places.rows[1] + tap.at[0] < height
        && places.columns[0] + tap.at[1] >= 0
        && places.columns[1] + tap.at[1] < width;
    inside.then(|| Rows {
        at: item
            .input
            .as_ptr()
            .wrapping_offset(places.input[0] + tap.offset)
            .cast(),
        stride: size_of::<E>() * distance,
    })
}

/// Copies the inputs of 16 pixels under a tap together.
struct Gather<'a, E> {
    item: &'a Item<'a, E>,
    tap: &'a Tap,
    places: &'a Places,
    copy: &'a mut [u32],
}

impl<E: Element> Kernel for Gather<'_, E> {
    type Output = Rows;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Rows {
        let Gather {
            item,
            tap,
            places,
            copy,
        } = self;
        let size = item.grid.input.map(|size| size as u32);
        let mut inside = [false; SIDE];
        for p in 0..SIDE {
            let y = (places.y[p] + tap.at[0]) as u32;
            let x = (places.x[p] + tap.at[1]) as u32;
            inside[p] = (y < size[0]) & (x < size[1]) & (p < places.count);
        }
        let start = |p: usize| item.input.as_ptr().wrapping_offset(places.input[p] + tap.offset);
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

/// Writes a block of sums to the output, after what it starts from and the activation, and leaves its statistics.
struct Finish<'a, E> {
    item: &'a Item<'a, E>,
    block: &'a Block,
    pixels: &'a Pixels,
    /// Sums of the item's filters, and its sums of squares so many values behind them; null if they are not wanted.
    sums: *mut f32,
    sums_stride: usize,
}

impl<E: Element> Kernel for Finish<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.item.activation.apply(FinishOn { finish: self, s });
    }
}

/// [`Finish`] on an instruction set, for [`Activation::apply`](crate::Activation::apply).
struct FinishOn<'a, S, E> {
    finish: Finish<'a, E>,
    s: S,
}

impl<S: Simd, E: Element> WithActivation for FinishOn<'_, S, E> {
    #[inline(always)]
    fn run<A: Function>(self, activation: A) {
        let s = self.s;
        let Finish {
            item,
            block,
            pixels,
            sums: statistics,
            sums_stride,
        } = self.finish;
        let Block { sums, filters, .. } = block;
        for first in filters.clone().step_by(S::LANES) {
            let n = (filters.end - first).min(S::LANES);
            let (mut total, mut squares) = (s.splat(0.0), s.splat(0.0));
            for (half, rows) in pixels.iter().zip(sums.chunks_exact(SIDE * BLOCK)) {
                for (place, row) in half.output[..half.count].iter().zip(rows.as_chunks::<BLOCK>().0) {
                    let to = item.output.wrapping_add(place + first);
                    // Safety: rows of sums and the bias are whole vectors, and the place is a pixel of the output, with `filters.end` values.
                    let value = unsafe {
                        let sum = s.load(row.as_ptr().add(first - filters.start));
                        let value = match item.start {
                            Start::Zero => sum,
                            Start::Bias(bias) => s.add(sum, s.load(bias.add(first))),
                            Start::Output => s.add(sum, E::load_first(s, to, n)),
                        };
                        E::store_first(s, to, activation.value(s, value), n);
                        value
                    };
                    total = s.add(total, value);
                    squares = s.mul_add(value, value, squares);
                }
            }
            if !statistics.is_null() {
                // Safety: both rows of the item's sums hold its filters, in whole vectors.
                unsafe {
                    let to = statistics.add(first - item.blocks.start * BLOCK);
                    s.store(to, s.add(s.load(to), total));
                    let to = to.add(sums_stride);
                    s.store(to, s.add(s.load(to), squares));
                }
            }
        }
    }
}
