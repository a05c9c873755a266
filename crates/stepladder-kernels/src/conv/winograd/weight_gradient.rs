//! The gradient of the weights: at each point the product of the transformed input's channels by the transformed output gradient's
//! filters, summed over tiles. The sums are transformed back once, at the end.
//!
//! It is the forward product's derivative: where that is `A' [(G g G') (B' d B)] A`, this is `G' [(A y A') (B' d B)] G` for an
//! output gradient `y`.

use std::ops::Range;

use super::{POINTS, Tiles, tiles::load, transform};
use crate::{
    context::Context,
    conv::{
        Conv2d,
        pack::together,
        weight_gradient::{
            product::{Tile, Words},
            sum_over_ranges,
        },
    },
    simd::{Element, Kernel, Simd},
};

/// Sums of a work item, in bytes, at most where a block of filters does not have more: they are read and written once per so many tiles
/// as are transformed at a time.
const SUMS_BYTES: usize = 512 << 10;

/// What is transformed at a time, in bytes, and tiles of it at least.
const TRANSFORMED_BYTES: usize = 320 << 10;
const LEAST_TILES: usize = 32;

/// Work items wanted at least.
const ITEMS: usize = 16;

/// Words between what lies a power of two apart, so that it does not fall into the same sets of a cache.
const GAP: usize = 16;

/// How the work is divided: tiles into ranges with sums of their own, filters into groups of blocks.
struct Division {
    tiles: Tiles,
    /// Tiles that are transformed at a time, and how often that is.
    chunk: usize,
    chunks: usize,
    ranges: usize,
    /// Filters of a group: whole blocks.
    group: usize,
    groups: usize,
    /// Tiles in a step of the product: 2 where bf16 dot products are used.
    together: usize,
}

impl Division {
    fn new<S: Simd, E: Element>(conv: &Conv2d) -> Division {
        let tiles = Tiles::new(conv);
        let lanes = S::TILE_VECTORS * S::LANES;
        let (channels, filters) = (conv.in_channels, conv.out_channels);
        let by_sums = SUMS_BYTES / (POINTS * size_of::<f32>() * channels) / lanes;
        let groups = filters.div_ceil(lanes).div_ceil(by_sums.max(1));
        let group = filters.div_ceil(lanes).div_ceil(groups) * lanes;
        let groups = filters.div_ceil(group);
        let bytes = POINTS * size_of::<E>() * (channels + group.min(filters));
        let together = together::<S, E>();
        let chunk = (TRANSFORMED_BYTES / bytes)
            .max(LEAST_TILES)
            .min(tiles.all())
            .next_multiple_of(together);
        let chunks = tiles.all().div_ceil(chunk);
        Division {
            tiles,
            chunk,
            chunks,
            ranges: ITEMS.div_ceil(groups).min(chunks),
            group,
            groups,
            together,
        }
    }

    /// Words of a step of the input, and of the output's gradient.
    fn rows<S: Simd>(&self, conv: &Conv2d) -> [usize; 2] {
        let filters = self.group.min(conv.out_channels);
        [conv.in_channels, filters].map(|values| values.next_multiple_of(S::LANES) + GAP)
    }

    /// Words of a point of the input, and of the output's gradient.
    fn strides<S: Simd>(&self, conv: &Conv2d) -> [usize; 2] {
        let steps = self.chunk / self.together;
        self.rows::<S>(conv).map(|row| steps * row + GAP)
    }

    /// Values of a point of the sums.
    fn sums<S: Simd>(&self, conv: &Conv2d) -> usize {
        let filters = self.group.min(conv.out_channels);
        conv.in_channels * filters.next_multiple_of(S::LANES) + GAP
    }
}

/// Bytes of each buffer that the gradient takes.
pub(in crate::conv) fn workspace<S: Simd, E: Element>(conv: &Conv2d, threads: usize) -> Vec<usize> {
    let division = Division::new::<S, E>(conv);
    let [input, output] = division.strides::<S>(conv);
    let of_item = [input, output, division.sums::<S>(conv)].map(|words| 4 * POINTS * words);
    let at_once = threads.min(division.ranges * division.groups);
    let sums = (division.ranges > 1).then_some(4 * division.ranges * conv.weights_len());
    let zeros = size_of::<E>() * conv.in_channels.max(conv.out_channels);
    std::iter::once(zeros)
        .chain(sums)
        .chain(std::iter::repeat_n(of_item, at_once).flatten())
        .collect()
}

/// `gradient`, laid out as the weights, from the layer's input and its output's gradient.
///
/// # Panics
///
/// A slice's length is not that of the shape.
pub(in crate::conv) fn weight_gradient<E: Element>(
    context: &Context,
    conv: &Conv2d,
    input: &[E],
    output: &[E],
    gradient: &mut [f32],
) {
    assert_eq!(input.len(), conv.input_len(), "input of {conv:?}");
    assert_eq!(output.len(), conv.output_len(), "output gradient of {conv:?}");
    assert_eq!(gradient.len(), conv.weights_len(), "weight gradient of {conv:?}");
    let kernel = Reduce {
        context,
        conv,
        input,
        output,
        gradient,
    };
    E::winograd_reduce(context.isa(), kernel);
}

pub(crate) struct Reduce<'a, E> {
    context: &'a Context,
    conv: &'a Conv2d,
    input: &'a [E],
    output: &'a [E],
    gradient: &'a mut [f32],
}

impl<E: Element> Kernel for Reduce<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Reduce {
            context,
            conv,
            input,
            output,
            gradient,
        } = self;
        let division = Division::new::<S, E>(conv);
        let Division {
            ranges,
            chunks,
            groups,
            ..
        } = division;
        let zeros = context
            .buffers()
            .take_zeroed::<E>(conv.in_channels.max(conv.out_channels));
        let isa = context.isa();
        sum_over_ranges(context, [ranges, groups], gradient, |item, gradient| {
            let (range, group) = (item / groups, item % groups);
            let [input_stride, output_stride] = division.strides::<S>(conv);
            let sums = POINTS * division.sums::<S>(conv);
            isa.run(Item {
                conv,
                division: &division,
                input: input.as_ptr(),
                output: output.as_ptr(),
                zeros: zeros.as_ptr(),
                chunks: range * chunks / ranges..(range + 1) * chunks / ranges,
                filters: group * division.group..((group + 1) * division.group).min(conv.out_channels),
                transformed_input: &mut context.buffers().take(POINTS * input_stride),
                transformed_output: &mut context.buffers().take(POINTS * output_stride),
                sums: &mut context.buffers().take(sums),
                gradient,
            });
        });
    }
}

/// Some chunks of tiles times some filters.
struct Item<'a, E> {
    conv: &'a Conv2d,
    division: &'a Division,
    input: *const E,
    output: *const E,
    /// Zeros for as many channels as a pixel of either has.
    zeros: *const E,
    chunks: Range<usize>,
    filters: Range<usize>,
    transformed_input: &'a mut [u32],
    transformed_output: &'a mut [u32],
    sums: &'a mut [f32],
    gradient: *mut f32,
}

impl<E: Element> Kernel for Item<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let division = self.division;
        for chunk in self.chunks.clone() {
            let first = chunk * division.chunk;
            let tiles = first..(first + division.chunk).min(division.tiles.all());
            self.transform_input(s, tiles.clone());
            self.transform_output(s, tiles.clone());
            let steps = tiles.len().div_ceil(division.together);
            self.multiply(s, steps, chunk == self.chunks.start);
        }
        self.back(s);
    }
}

impl<E: Element> Item<'_, E> {
    /// The input of some tiles at all points: `B' d B`.
    #[inline(always)]
    fn transform_input<S: Simd>(&mut self, s: S, tiles: Range<usize>) {
        let (conv, division) = (self.conv, self.division);
        let ([row, _], [stride, _]) = (division.rows::<S>(conv), division.strides::<S>(conv));
        for (step, first) in tiles.clone().step_by(division.together).enumerate() {
            let mut pixels = [[self.zeros; POINTS]; 2];
            for (tile, pixels) in (first..tiles.end.min(first + division.together)).zip(&mut pixels) {
                *pixels = division.tiles.input(conv, tile, self.input, self.zeros);
            }
            for channel in (0..conv.in_channels).step_by(S::LANES) {
                let n = (conv.in_channels - channel).min(S::LANES);
                // Safety: each pixel is one of the input or the zeros, with `in_channels` values.
                let [first, second] =
                    unsafe { [load(s, &pixels[0], channel, n), load(s, &pixels[1], channel, n)] };
                let to = &mut self.transformed_input[step * row + channel..];
                let (first, second) = (transform::input(s, first), transform::input(s, second));
                store::<S, E>(s, first, second, to, stride);
            }
        }
    }

    /// The output's gradient of some tiles at all points: `A y A'`.
    #[inline(always)]
    fn transform_output<S: Simd>(&mut self, s: S, tiles: Range<usize>) {
        let (conv, division) = (self.conv, self.division);
        let ([_, row], [_, stride]) = (division.rows::<S>(conv), division.strides::<S>(conv));
        for (step, first) in tiles.clone().step_by(division.together).enumerate() {
            let mut pixels = [[self.zeros; 4]; 2];
            for (tile, pixels) in (first..tiles.end.min(first + division.together)).zip(&mut pixels) {
                *pixels = division.tiles.output(conv, tile, self.output, self.zeros);
            }
            for filter in self.filters.clone().step_by(S::LANES) {
                let n = (self.filters.end - filter).min(S::LANES);
                // Safety: each pixel is one of the output's gradient or the zeros, with `out_channels` values.
                let [first, second] =
                    unsafe { [load(s, &pixels[0], filter, n), load(s, &pixels[1], filter, n)] };
                let at = step * row + filter - self.filters.start;
                let to = &mut self.transformed_output[at..];
                let first = transform::output_gradient(s, first);
                let second = transform::output_gradient(s, second);
                store::<S, E>(s, first, second, to, stride);
            }
        }
    }

    /// Adds the products of `steps` steps to the sums of all points.
    #[inline(always)]
    fn multiply<S: Simd>(&mut self, s: S, steps: usize, from_zero: bool) {
        let (conv, division) = (self.conv, self.division);
        let [input_row, output_row] = division.rows::<S>(conv);
        let [input_stride, output_stride] = division.strides::<S>(conv);
        let lanes = S::TILE_VECTORS * S::LANES;
        let (channels, filters) = (conv.in_channels, self.filters.len());
        // Whole vectors: beyond the last filter there are words to read, and room to write.
        let padded = filters.next_multiple_of(S::LANES);
        let tiles = channels.div_ceil(S::TILE_PIXELS);
        for point in 0..POINTS {
            let sums = &mut self.sums[point * division.sums::<S>(conv)..];
            let input = &self.transformed_input[point * input_stride..];
            let output = &self.transformed_output[point * output_stride..];
            for block in (0..padded).step_by(lanes) {
                for tile in 0..tiles {
                    // Tiles that differ by one channel at most.
                    let from = tile * channels / tiles;
                    let to = (tile + 1) * channels / tiles;
                    let count = lanes.min(padded - block);
                    let run = Tile {
                        input: input[from..].as_ptr(),
                        input_photo: 0,
                        output: output[block..].as_ptr(),
                        output_photo: 0,
                        photos: 1,
                        steps,
                        sums: sums[from * padded + block..].as_mut_ptr(),
                        sums_row: padded,
                        filters: count,
                        from_zero,
                        words: if division.together == 2 {
                            Words::PairsApart(input_row, output_row)
                        } else {
                            Words::Apart(input_row, output_row)
                        },
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

    /// The weights' gradient from the sums of all points: `G' m G`.
    #[inline(always)]
    fn back<S: Simd>(&self, s: S) {
        let (conv, filters) = (self.conv, self.filters.len());
        let (padded, stride) = (filters.next_multiple_of(S::LANES), self.division.sums::<S>(conv));
        for channel in 0..conv.in_channels {
            for vector in (0..filters).step_by(S::LANES) {
                let n = (filters - vector).min(S::LANES);
                let mut points = [s.splat(0.0); POINTS];
                for (point, values) in points.iter_mut().enumerate() {
                    let from = &self.sums[point * stride + channel * padded + vector..][..S::LANES];
                    // Safety: `LANES` values.
                    *values = unsafe { s.load(from.as_ptr()) };
                }
                let places = transform::weight_gradient(s, points);
                for (place, values) in places.into_iter().enumerate() {
                    let at = (place * conv.in_channels + channel) * conv.out_channels;
                    // Safety: filters of the gradient that this item alone writes.
                    unsafe {
                        let to = self.gradient.add(at + self.filters.start + vector);
                        s.store_first(to, values, n);
                    }
                }
            }
        }
    }
}

/// Writes the points of a step, `stride` words apart: pairs of its two tiles in bf16, and the first alone in f32.
#[inline(always)]
fn store<S: Simd, E: Element>(
    s: S,
    first: [S::F; POINTS],
    second: [S::F; POINTS],
    to: &mut [u32],
    stride: usize,
) {
    assert!(to.len() >= (POINTS - 1) * stride + S::LANES);
    for point in 0..POINTS {
        // Safety: `LANES` words of the slice, as has just been seen. Any bits of an f32 are a word.
        unsafe {
            let to = to.as_mut_ptr().add(point * stride);
            if together::<S, E>() == 2 {
                s.store_pairs(to, first[point], second[point]);
            } else {
                s.store(to.cast(), first[point]);
            }
        }
    }
}
