//! Products of maps as they lie, for kernels of one pixel and few channels.
//!
//! A pixel's channels and its filters already lie side by side. With many of them a step from pixel to pixel would fall into the
//! same few sets of the first-level cache; with few, packing costs more than it saves, for each word is used but a few times.

use std::ops::Range;

use crate::{
    context::{Context, Shared},
    simd::{Element, Kernel, Simd},
};

use super::{
    Reduction,
    division::ITEMS,
    product::{Tile, Words},
    ranges::add_up,
};

/// Channels, and filters, at most.
const MOST: usize = 128;

/// Pixels that are multiplied at a time take about so many bytes, a share of the second-level cache.
const BYTES: usize = 96 << 10;

/// Whether a gradient is computed so. Filters come in whole vectors, since a load must not pass the map's end.
pub(super) fn suits<S: Simd, E: Element>(shape: &Reduction) -> bool {
    let [height, width] = shape.output;
    let contiguous = [
        height * width * shape.channels,
        width * shape.channels,
        shape.channels,
    ];
    !E::BF16
        && shape.kernel == [1, 1]
        && shape.stride == [1, 1]
        && shape.before == [0, 0]
        && shape.input == shape.output
        && shape.input_stride == contiguous
        && shape.output_pixel == shape.filters
        && shape.channels <= MOST
        && shape.filters <= MOST
        && shape.filters.is_multiple_of(S::LANES)
}

/// Pixels that are multiplied at a time, and how many times that is.
fn chunks(shape: &Reduction) -> (usize, usize) {
    let pixels = shape.batch * shape.output[0] * shape.output[1];
    let chunk = (BYTES / (4 * (shape.channels + shape.filters))).clamp(64, 512);
    (chunk, pixels.div_ceil(chunk))
}

/// Ranges of pixels, each of which has sums of its own.
pub(super) fn ranges(shape: &Reduction) -> usize {
    ITEMS.min(chunks(shape).1)
}

/// `gradient` from maps for which [`suits`] holds.
pub(super) fn run<S: Simd, E: Element>(
    shape: &Reduction,
    context: &Context,
    input: &[E],
    output: &[E],
    gradient: &mut [f32],
) {
    let pixels = shape.batch * shape.output[0] * shape.output[1];
    let (chunk, chunks) = chunks(shape);
    let ranges = ranges(shape);
    let weights = gradient.len();
    let mut sums = context.buffers().take::<f32>(ranges * weights);
    let shared = Shared::new(&mut sums);
    let isa = context.isa();
    context.for_each(ranges, |range| {
        let first = range * chunks / ranges * chunk;
        let end = ((range + 1) * chunks / ranges * chunk).min(pixels);
        isa.run(Item {
            shape,
            input,
            output,
            pixels: first..end,
            chunk,
            sums: shared.start().wrapping_add(range * weights),
        });
    });
    add_up(context, &sums, gradient);
}

/// The terms of some pixels.
struct Item<'a, E> {
    shape: &'a Reduction,
    input: &'a [E],
    output: &'a [E],
    pixels: Range<usize>,
    chunk: usize,
    /// As many as there are weights; no other item writes them.
    sums: *mut f32,
}

impl<E: Element> Kernel for Item<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (channels, filters) = (self.shape.channels, self.shape.filters);
        let lanes = S::TILE_VECTORS * S::LANES;
        let tiles = channels.div_ceil(S::TILE_PIXELS);
        for start in self.pixels.clone().step_by(self.chunk) {
            let steps = self.chunk.min(self.pixels.end - start);
            for block in (0..filters).step_by(lanes) {
                let count = lanes.min(filters - block);
                for tile in 0..tiles {
                    // Tiles that differ by one channel at most.
                    let from = tile * channels / tiles;
                    let to = (tile + 1) * channels / tiles;
                    let run = Tile {
                        input: self.input.as_ptr().wrapping_add(start * channels + from).cast(),
                        input_photo: 0,
                        output: self.output.as_ptr().wrapping_add(start * filters + block).cast(),
                        output_photo: 0,
                        photos: 1,
                        steps,
                        sums: self.sums.wrapping_add(from * filters + block),
                        sums_row: filters,
                        filters: count,
                        from_zero: start == self.pixels.start,
                        words: Words::Apart(channels, filters),
                    };
                    if count > S::LANES {
                        run.channels::<S, 2>(s, to - from);
                    } else {
                        run.channels::<S, 1>(s, to - from);
                    }
                }
            }
        }
    }
}
