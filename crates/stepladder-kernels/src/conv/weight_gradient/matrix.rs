//! The gradient of weights on AMX: 32 channels by 32 filters at a time, summed over 32 pixels a step.
//!
//! The left operand's rows are channels, and its columns pixels, one after the other: the input is turned over. As pixels then lie side by
//! side, another place of the kernel is the same operand a few values on, where the rows of the output's gradient are as long as those of the
//! turned input: their last pixels are zeros. In narrow maps that would be a large part, and each column of the kernel has a copy without
//! them. The right operand is the output's gradient in pairs of pixels.

use std::ops::Range;

use crate::{
    buffer::Buffer,
    context::{Context, Shared},
    simd::{
        Element, Kernel, Simd,
        x86_64::amx::{Amx, Product, ROW, Rows, Run, SIDE, Tiles},
    },
    workspace::largest,
};

use super::{
    Reduction,
    division::{Division, Unit, filters},
    ranges::AddUp,
};

/// Channels, and filters, that are multiplied at a time.
const BLOCK: usize = 2 * SIDE;

/// Pixels of a unit, wanted at least: sums are read and written once per so many. Both operands of a block are 128 KiB then, of the
/// second-level cache; with fewer pixels they would stay in the nearest one, which pays less than it costs.
const PIXELS: usize = 1024;

/// What is packed at a time. Every CPU with AMX has 2 MiB of second-level cache for each core.
const PACKED_BYTES: usize = 1 << 20;

/// Columns of the output, at most, of a narrow map.
const NARROW: usize = 16;

/// Where a unit's pixels are in the operands: in values of the left one, and pixels of the right one.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// From row to row, in both.
    pitch: usize,
    /// Columns of the kernel that have planes of their own; with strides, those that share none of the input's columns.
    copies: usize,
    /// Rows of a plane, of one photo.
    plane_rows: usize,
    /// From photo to photo of a plane.
    left_photo: usize,
    /// From photo to photo of the output's gradient. If it is as long as in a plane, all photos are one run.
    right_photo: usize,
    /// From plane to plane.
    plane: usize,
    /// From channel to channel.
    channel: usize,
    /// Pixels of the output's gradient, padding included.
    pixels: usize,
}

/// Whether each column of the kernel has its own copy of the input.
fn is_narrow(shape: &Reduction) -> bool {
    shape.output[1] <= NARROW
}

impl Layout {
    /// Of `rows` rows of each of `photos` photos.
    fn new(shape: &Reduction, rows: usize, photos: usize) -> Layout {
        let [_, width] = shape.output;
        let beside = (shape.kernel[1] - 1) / shape.stride[1];
        let pitch = if is_narrow(shape) { width } else { width + beside };
        let copies = if is_narrow(shape) {
            shape.kernel[1]
        } else {
            shape.stride[1].min(shape.kernel[1])
        };
        let plane_rows = shape.phase_rows(rows);
        let left_photo = plane_rows * pitch;
        let alone = (rows * pitch).next_multiple_of(ROW);
        let joined = (photos * left_photo).next_multiple_of(ROW);
        let (right_photo, pixels) = if joined < photos * alone {
            (left_photo, joined)
        } else {
            (alone, photos * alone)
        };
        // The last run reads on for less than a step, and as far as the kernel's last place is.
        let plane =
            (photos * left_photo + 2 * ROW + pitch * (plane_rows - rows) + beside).next_multiple_of(ROW);
        let planes = copies * shape.phases();
        // An odd number of cache lines, so that channels do not fall into the same few sets of the nearest cache.
        let channel = ((planes * plane / ROW) | 1) * ROW;
        Layout {
            pitch,
            copies,
            plane_rows,
            left_photo,
            right_photo,
            plane,
            channel,
            pixels,
        }
    }

    /// The first value of a place of the kernel, in a channel.
    fn place(&self, shape: &Reduction, y: usize, x: usize) -> usize {
        let (copy, column) = if is_narrow(shape) {
            (x, 0)
        } else {
            (x % shape.stride[1], x / shape.stride[1])
        };
        let plane = copy * shape.phases() + y % shape.stride[0];
        plane * self.plane + y / shape.stride[0] * self.pitch + column
    }

    /// Bytes of `channels` channels, and of `filters` filters.
    fn bytes(&self, channels: usize, filters: usize) -> [usize; 2] {
        [2 * channels * self.channel, 2 * filters * self.pixels]
    }
}

/// Whether a gradient is computed so.
pub(super) fn suits<E: Element>(shape: &Reduction) -> bool {
    E::BF16 && shape.channels >= SIDE / 2 && shape.batch * shape.output[0] * shape.output[1] >= SIDE
}

/// Pixels that are packed at a time: whole photos, or equal parts of one.
fn units(shape: &Reduction) -> Vec<Unit> {
    let [height, width] = shape.output;
    if height * width < PIXELS {
        let photos = PIXELS.div_ceil(height * width);
        let cut = (0..shape.batch).step_by(photos);
        return cut
            .map(|first| Unit {
                photos: first..(first + photos).min(shape.batch),
                rows: 0..height,
            })
            .collect();
    }
    let parts = (height * width / PIXELS).clamp(1, height);
    let cut = |photo| {
        (0..parts).map(move |i| Unit {
            photos: photo..photo + 1,
            rows: i * height / parts..(i + 1) * height / parts,
        })
    };
    (0..shape.batch).flat_map(cut).collect()
}

/// How the work is divided.
fn division<S: Simd>(shape: &Reduction) -> Division {
    Division::new::<S>(shape, |_| units(shape))
}

/// Channels and filters with those that fill up blocks.
fn padded(shape: &Reduction) -> [usize; 2] {
    [shape.channels, shape.filters].map(|count| count.next_multiple_of(BLOCK))
}

/// Values of one range's sums.
fn sums_len(shape: &Reduction) -> usize {
    let [channels, filters] = padded(shape);
    shape.kernel[0] * shape.kernel[1] * channels * filters
}

/// Whether sums are written where the gradient is.
fn in_place(shape: &Reduction, ranges: usize) -> bool {
    ranges == 1 && padded(shape) == [shape.channels, shape.filters]
}

/// Blocks of channels packed at a time, and words that the input and the output's gradient take then.
fn packing<S: Simd>(shape: &Reduction, units: &[Unit], blocks: &Range<usize>) -> (usize, [usize; 2]) {
    let filters = blocks.len() * BLOCK;
    let sizes = units
        .iter()
        .map(|unit| Layout::new(shape, unit.rows.len(), unit.photos.len()).bytes(BLOCK, filters));
    let [input, output] = sizes.fold([0, 0], |most, size| [most[0].max(size[0]), most[1].max(size[1])]);
    let together =
        (PACKED_BYTES.saturating_sub(output) / input.max(1)).clamp(1, shape.channels.div_ceil(BLOCK));
    (together, [together * input / 4, output / 4])
}

/// Buffers that [`run`] takes, in bytes.
pub(super) fn buffers<S: Simd>(shape: &Reduction, threads: usize) -> Vec<usize> {
    let division = division::<S>(shape);
    let items = division.ranges * division.groups();
    let packing = (0..items).map(|item| {
        let (range, blocks) = division.item(item);
        packing::<S>(shape, &division.units[range], &blocks).1
    });
    let of_item = largest(packing.map(|words| words.map(|words| 4 * words).to_vec()));
    let sums = (!in_place(shape, division.ranges)).then_some(4 * division.ranges * sums_len(shape));
    let zeros = 4 * shape.channels.max(shape.filters);
    let at_once = std::iter::repeat_n(of_item, threads.min(items)).flatten();
    std::iter::once(zeros).chain(sums).chain(at_once).collect()
}

/// `gradient` of a shape that [`suits`].
pub(super) fn run<S: Simd, E: Element>(
    amx: Amx,
    shape: &Reduction,
    context: &Context,
    input: &[E],
    output: &[E],
    gradient: &mut [f32],
) {
    let division = division::<S>(shape);
    let (ranges, groups) = (division.ranges, division.groups());
    let length = sums_len(shape);
    let zeros = context
        .buffers()
        .take_zeroed::<u32>(shape.channels.max(shape.filters));
    let mut sums = (!in_place(shape, ranges)).then(|| context.buffers().take::<f32>(ranges * length));
    let shared = Shared::new(sums.as_deref_mut().unwrap_or(&mut *gradient));
    let isa = context.isa();
    context.for_each(ranges * groups, |item| {
        let (units, blocks) = division.item(item);
        isa.run(Item {
            amx,
            shape,
            context,
            input,
            output,
            zeros: zeros.as_ptr().cast(),
            units: &division.units[units],
            blocks,
            // Each range has its own sums, and each group its own filters of them.
            sums: shared.start().wrapping_add(item / groups * length),
        });
    });
    if let Some(sums) = sums {
        add_up(context, shape, &sums, gradient);
    }
}

/// `gradient` = the sum of the ranges' sums, in their order, without the channels and filters that fill up blocks.
fn add_up(context: &Context, shape: &Reduction, sums: &[f32], gradient: &mut [f32]) {
    let [channels, filters] = padded(shape);
    let stride = sums_len(shape);
    let isa = context.isa();
    context.for_each_part(gradient, shape.channels * shape.filters, |place, gradient| {
        for (channel, to) in gradient.chunks_exact_mut(shape.filters).enumerate() {
            isa.run(AddUp {
                sums,
                stride,
                first: (place * channels + channel) * filters,
                to,
            });
        }
    });
}

/// Some units times some blocks of filters.
struct Item<'a, E> {
    amx: Amx,
    shape: &'a Reduction,
    context: &'a Context,
    input: &'a [E],
    output: &'a [E],
    /// Zeros for as many values as a pixel of either map has.
    zeros: *const E,
    units: &'a [Unit],
    blocks: Range<usize>,
    sums: *mut f32,
}

impl<E: Element> Kernel for Item<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Item { shape, context, .. } = self;
        let (together, [left, right]) = packing::<S>(shape, self.units, &self.blocks);
        let mut left = context.buffers().take::<u32>(left);
        let mut right = context.buffers().take::<u32>(right);
        let tiles = self.amx.tiles(SIDE);
        let channel_blocks = shape.channels.div_ceil(BLOCK);
        for (i, unit) in self.units.iter().enumerate() {
            let layout = Layout::new(shape, unit.rows.len(), unit.photos.len());
            self.pack_output::<S>(unit, &layout, &mut right);
            for first in (0..channel_blocks).step_by(together) {
                let channels = first..(first + together).min(channel_blocks);
                self.pack_input(unit, &layout, channels.clone(), &mut left);
                self.multiply(&tiles, unit, &layout, channels, [&left, &right], i > 0);
            }
        }
    }
}

impl<E: Element> Item<'_, E> {
    /// The left operand: channels `(channel, plane, photo, row, column)`.
    fn pack_input(&self, unit: &Unit, layout: &Layout, blocks: Range<usize>, to: &mut Buffer<u32>) {
        let shape = self.shape;
        let mut pixels = vec![self.zeros; layout.plane];
        for plane in 0..layout.copies * shape.phases() {
            let (copy, phase) = (plane / shape.phases(), plane % shape.phases());
            pixels.fill(self.zeros);
            for (photo_at, photo) in unit.photos.clone().enumerate() {
                for row in 0..layout.plane_rows {
                    let y = ((unit.rows.start + row) * shape.stride[0] + phase).wrapping_sub(shape.before[0]);
                    if y >= shape.input[0] {
                        continue;
                    }
                    let line = photo * shape.input_stride[0] + y * shape.input_stride[1];
                    let at = photo_at * layout.left_photo + row * layout.pitch;
                    for (column, pixel) in pixels[at..at + layout.pitch].iter_mut().enumerate() {
                        let x = (column * shape.stride[1] + copy).wrapping_sub(shape.before[1]);
                        if x < shape.input[1] {
                            *pixel = &raw const self.input[line + x * shape.input_stride[2]];
                        }
                    }
                }
            }
            for (tile_at, tile) in (2 * blocks.start..2 * blocks.end).enumerate() {
                let first = tile * SIDE;
                let Some(channels) = shape.channels.checked_sub(first).filter(|left| *left > 0) else {
                    continue;
                };
                let start = tile_at * SIDE * layout.channel + plane * layout.plane;
                for (step, pixels) in pixels.as_chunks::<ROW>().0.iter().enumerate() {
                    let pixels = pixels.map(|pixel| pixel.wrapping_add(first).cast());
                    let to = to.as_mut_ptr().cast::<u16>().wrapping_add(start + step * ROW);
                    // Safety: pixels are in the map or zeros, and the operand has all channels of these blocks.
                    unsafe { self.amx.transpose(&pixels, channels, to, layout.channel) };
                }
            }
        }
    }

    /// The right operand: `(16 filters, photo, row, column)` in pairs of pixels.
    fn pack_output<S: Simd>(&self, unit: &Unit, layout: &Layout, to: &mut Buffer<u32>) {
        let shape = self.shape;
        let [height, width] = shape.output;
        let range = filters::<S>(shape, &self.blocks);
        let mut pixels = vec![self.zeros; layout.pixels];
        for (photo_at, photo) in unit.photos.clone().enumerate() {
            for (row, y) in unit.rows.clone().enumerate() {
                let at = photo_at * layout.right_photo + row * layout.pitch;
                for (column, pixel) in pixels[at..at + width].iter_mut().enumerate() {
                    let index = (photo * height + y) * width + column;
                    *pixel = &raw const self.output[index * shape.output_pixel];
                }
            }
        }
        for (tile, first) in range.clone().step_by(SIDE).enumerate() {
            let count = (range.end - first).min(SIDE);
            let start = tile * SIDE * layout.pixels / 2;
            for (pair, [a, b]) in pixels.as_chunks::<2>().0.iter().enumerate() {
                let pixels = [a, b].map(|pixel| pixel.wrapping_add(first).cast());
                let to = to[start + pair * SIDE..].as_mut_ptr();
                // Safety: pixels are in the map or zeros, and the slice has a whole row left: the operand has whole tiles of all filters.
                unsafe { self.amx.interleave(pixels, count, to) };
            }
        }
    }

    fn multiply(
        &self,
        tiles: &Tiles,
        unit: &Unit,
        layout: &Layout,
        channel_blocks: Range<usize>,
        [left, right]: [&Buffer<u32>; 2],
        add: bool,
    ) {
        let shape = self.shape;
        let joined = layout.right_photo == layout.left_photo;
        let photos = if joined { 1 } else { unit.photos.len() };
        let steps = layout.pixels / photos / ROW;
        let tile_words = SIDE * layout.pixels / 2;
        let runs: Vec<Run> = (0..photos)
            .map(|photo| {
                let rows = |half: usize| Rows {
                    at: left
                        .as_ptr()
                        .cast::<u8>()
                        .wrapping_add(2 * (half * SIDE * layout.channel + photo * layout.left_photo)),
                    stride: 2 * layout.channel,
                };
                let pairs = |half: usize| {
                    right
                        .as_ptr()
                        .wrapping_add(half * tile_words + photo * layout.right_photo / 2 * SIDE)
                };
                Run {
                    left: [rows(0), rows(1)],
                    right: [pairs(0), pairs(1)],
                }
            })
            .collect();
        let [channels, filters] = padded(shape);
        for (block_at, block) in channel_blocks.enumerate() {
            for place in 0..shape.kernel[0] * shape.kernel[1] {
                let (y, x) = (place / shape.kernel[1], place % shape.kernel[1]);
                let left = block_at * BLOCK * layout.channel + layout.place(shape, y, x);
                for (filters_at, filter_block) in self.blocks.clone().enumerate() {
                    let at = (place * channels + block * BLOCK) * filters + filter_block * BLOCK;
                    let product = Product {
                        steps,
                        step_bytes: [2 * ROW, 4 * SIDE * SIDE],
                        right_stride: 4 * SIDE,
                        sums: self.sums.wrapping_add(at),
                        sums_stride: 4 * filters,
                        add: usize::from(add),
                        offset: [2 * left, 4 * filters_at * 2 * tile_words],
                    };
                    // Safety: planes are as long as the last place's last step reaches, and both operands hold whole blocks; sums are padded
                    // to blocks, and these filters of them are this item's.
                    unsafe { tiles.multiply(&product, &runs) };
                }
            }
        }
    }
}
