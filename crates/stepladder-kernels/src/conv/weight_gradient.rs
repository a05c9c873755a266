//! The gradient of convolution weights: for each place of the kernel, the product of the input's channels by the output
//! gradient's filters, summed over pixels.
//!
//! The sum runs over pixels, so both operands are first rearranged, some rows or photos at a time, such that it walks
//! memory in order: the gradient in blocks of filters, then the input in tiles of channels, a few tiles at a time. For bf16
//! dot products two pixels side by side become pairs; as their distance in the input is the stride, each column of the kernel
//! has its own copy. A tile of channels times a block of filters stays in registers for all pixels that are packed at a time.
//!
//! Work items are ranges of pixels (each with sums of its own, added up in order at the end) times groups of filters.

use std::ops::Range;

use crate::{
    context::{Context, Shared},
    simd::{Element, Kernel, Simd, unrolled},
};

/// Words that a tile of channels takes per step: a power of two that holds the instruction set's largest tile.
const fn tile_words<S: Simd>() -> usize {
    S::TILE_PIXELS.next_power_of_two()
}

/// Steps packed at a time, wanted at least: the sums of a tile are read and written once per so many steps.
const STEPS: usize = 320;

/// What is packed at a time should stay in the second-level cache, which has 512 KiB or more on CPUs of the last years.
pub(crate) const PACKED_BYTES: usize = 320 << 10;

/// Work items wanted at least.
pub(crate) const ITEMS: usize = 16;

/// Blocks of filters that a work item takes at least, where there are so many: each item packs the input for itself.
const BLOCKS: usize = 4;

/// Memory for separate sums, wanted and at most.
pub(crate) const SUMS_BYTES: usize = 8 << 20;
pub(crate) const SUMS_BYTES_MOST: usize = 64 << 20;

/// The shapes; strides of the input are in values: of photos, rows, pixels. The output gradient is contiguous.
#[derive(Debug)]
pub(super) struct Reduction {
    pub batch: usize,
    /// Rows and columns of the output.
    pub output: [usize; 2],
    /// Rows and columns of the input.
    pub input: [usize; 2],
    pub input_stride: [usize; 3],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Padding before the first row and column.
    pub before: [usize; 2],
    pub channels: usize,
    pub filters: usize,
}

impl Reduction {
    /// A kernel of one pixel over a batch of maps.
    pub(super) fn pointwise(
        [batch, height, width]: [usize; 3],
        channels: usize,
        filters: usize,
    ) -> Reduction {
        // Pairs of pixels must not waste half of one in each row; a row as long as a small photo does not.
        let [batch, height, width] = if height * width == 1 {
            [1, 1, batch]
        } else if width % 2 == 1 && height * width <= 4096 {
            [batch, 1, height * width]
        } else {
            [batch, height, width]
        };
        Reduction {
            batch,
            output: [height, width],
            input: [height, width],
            input_stride: [height * width * channels, width * channels, channels],
            kernel: [1, 1],
            stride: [1, 1],
            before: [0, 0],
            channels,
            filters,
        }
    }

    /// `gradient`, `(kernel height, kernel width, channels, filters)`, from the layer's input and output gradient.
    pub(super) fn run<E: Element>(&self, context: &Context, input: &[E], output: &[E], gradient: &mut [f32]) {
        let [height, width] = self.input;
        let [photo, row, pixel] = self.input_stride;
        let end = (self.batch - 1) * photo + (height - 1) * row + (width - 1) * pixel + self.channels;
        assert!(end <= input.len(), "input is too short for {self:?}");
        assert_eq!(
            output.len(),
            self.batch * self.output[0] * self.output[1] * self.filters,
            "{self:?}"
        );
        assert_eq!(
            gradient.len(),
            self.kernel[0] * self.kernel[1] * self.channels * self.filters,
            "{self:?}"
        );
        context.isa().run(Run {
            shape: self,
            context,
            input,
            output,
            gradient,
        });
    }

    /// Distinct vertical phases of input rows.
    fn phases(&self) -> usize {
        self.stride[0].min(self.kernel[0])
    }

    /// Input rows of one phase that `rows` output rows read.
    fn phase_rows(&self, rows: usize) -> usize {
        rows + (self.kernel[0] - 1) / self.stride[0]
    }
}

/// Pixels packed at a time: rows of one photo, or several whole photos.
#[derive(Clone, Debug)]
struct Unit {
    photos: Range<usize>,
    rows: Range<usize>,
}

/// Sizes of the packed operands.
#[derive(Clone, Copy)]
struct Layout {
    /// Pixels in a step: 2 where bf16 dot products are used.
    together: usize,
    /// Steps in a row of the output.
    steps: usize,
    /// Words (f32, or pairs of bf16) that a tile takes per step.
    words: usize,
    /// Channel tiles; the first `wide` have `tile` channels, the others one less.
    tiles: usize,
    tile: usize,
    wide: usize,
}

impl Layout {
    fn new<S: Simd, E: Element>(shape: &Reduction) -> Layout {
        let together = if E::BF16 && S::BF16_DOT { 2 } else { 1 };
        let tiles = shape.channels.div_ceil(S::TILE_PIXELS);
        let tile = shape.channels.div_ceil(tiles);
        let wide = shape.channels - tiles * (tile - 1);
        Layout {
            together,
            steps: shape.output[1].div_ceil(together),
            words: tile_words::<S>(),
            tiles,
            tile,
            wide,
        }
    }

    /// The channels of a tile.
    #[inline(always)]
    fn channels(&self, tile: usize) -> Range<usize> {
        let first = tile * self.tile - tile.saturating_sub(self.wide);
        first..first + self.tile - usize::from(tile >= self.wide)
    }

    /// Words of one tile of one photo's input, for `rows` output rows.
    fn input_words(&self, shape: &Reduction, rows: usize) -> usize {
        shape.kernel[1] * shape.phases() * shape.phase_rows(rows) * self.steps * self.words
    }

    /// Pixels to pack at a time: some [`STEPS`], or as many as fit with their filters and a tile of channels.
    fn units(&self, shape: &Reduction, filters: usize) -> Vec<Unit> {
        let [height, _] = shape.output;
        let bytes = |rows: usize| 4 * (self.input_words(shape, rows) + rows * self.steps * filters);
        let photo_steps = height * self.steps;
        if photo_steps <= STEPS && bytes(height) <= PACKED_BYTES {
            let photos = (PACKED_BYTES / bytes(height)).min(STEPS.div_ceil(photo_steps));
            let cut = (0..shape.batch).step_by(photos);
            cut.map(|first| Unit {
                photos: first..(first + photos).min(shape.batch),
                rows: 0..height,
            })
            .collect()
        } else {
            // Equal parts: a photo's last rows should not be a sliver.
            let by_bytes = bytes(height).div_ceil(PACKED_BYTES);
            let parts = by_bytes.max(photo_steps / STEPS).clamp(1, height);
            let cut = move |photo| {
                (0..parts).map(move |i| Unit {
                    photos: photo..photo + 1,
                    rows: i * height / parts..(i + 1) * height / parts,
                })
            };
            (0..shape.batch).flat_map(cut).collect()
        }
    }
}

struct Run<'a, E> {
    shape: &'a Reduction,
    context: &'a Context,
    input: &'a [E],
    output: &'a [E],
    gradient: &'a mut [f32],
}

impl<E: Element> Kernel for Run<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Run {
            shape,
            context,
            input,
            output,
            gradient,
        } = self;
        let layout = Layout::new::<S, E>(shape);
        let lanes = S::TILE_VECTORS * S::LANES;
        let blocks = shape.filters.div_ceil(lanes);
        let bytes = 4 * gradient.len();

        // Few weights: split the pixels. Many: split the filters, so that no more sums are kept than needed.
        let mut ranges = (SUMS_BYTES / bytes).clamp(1, ITEMS);
        if ranges * blocks < ITEMS {
            ranges = (SUMS_BYTES_MOST / bytes).clamp(1, ITEMS.div_ceil(blocks));
        }
        let group = blocks.div_ceil(ITEMS.div_ceil(ranges).min(blocks));
        let group = group.max(BLOCKS.min(blocks));
        let groups = blocks.div_ceil(group);
        let units = layout.units(shape, (group * lanes).min(shape.filters));
        let ranges = ranges.min(units.len());

        let weights = gradient.len();
        let mut sums = (ranges > 1).then(|| context.buffers().take::<f32>(ranges * weights));
        let shared = Shared::new(sums.as_deref_mut().unwrap_or(&mut *gradient));
        let isa = context.isa();
        context.for_each(ranges * groups, |item| {
            let (range, group_at) = (item / groups, item % groups);
            isa.run(Item {
                shape,
                context,
                layout,
                input,
                output,
                units: &units[range * units.len() / ranges..(range + 1) * units.len() / ranges],
                blocks: group_at * group..((group_at + 1) * group).min(blocks),
                // Each range has its own sums, and each group its own filters of them.
                sums: shared.start().wrapping_add(range * weights),
            });
        });
        if let Some(sums) = sums {
            context.for_each_part(gradient, 1 << 14, |item, to| {
                isa.run(AddUp {
                    sums: &sums,
                    stride: weights,
                    first: item << 14,
                    to,
                });
            });
        }
    }
}

/// Adds up `to.len()` sums of each range, from `first` on, in the order of the ranges.
struct AddUp<'a> {
    sums: &'a [f32],
    stride: usize,
    first: usize,
    to: &'a mut [f32],
}

impl Kernel for AddUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let AddUp {
            sums,
            stride,
            first,
            to,
        } = self;
        for (range, sums) in sums.chunks_exact(stride).enumerate() {
            let from = &sums[first..first + to.len()];
            if range == 0 {
                to.copy_from_slice(from);
            } else {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
        }
    }
}

/// Some units times some blocks of filters.
struct Item<'a, E> {
    shape: &'a Reduction,
    context: &'a Context,
    layout: Layout,
    input: &'a [E],
    output: &'a [E],
    units: &'a [Unit],
    blocks: Range<usize>,
    sums: *mut f32,
}

impl<E: Element> Kernel for Item<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Item {
            shape,
            context,
            layout,
            ..
        } = self;
        let lanes = S::TILE_VECTORS * S::LANES;
        let filters = self.blocks.start * lanes..(self.blocks.end * lanes).min(shape.filters);
        let padded = filters.len().next_multiple_of(S::LANES);
        let sizes = self.units.iter().map(|unit| {
            let rows = unit.rows.len();
            let tile = layout.input_words(shape, rows) * unit.photos.len();
            (tile, rows * layout.steps * padded * unit.photos.len())
        });
        let (tile, output) = sizes.fold((0, 0), |most, size| (most.0.max(size.0), most.1.max(size.1)));
        // As many tiles as fit beside the output: the pixels' lines are then read by few, and while they are near.
        let together = (PACKED_BYTES / 4).saturating_sub(output) / tile.max(1);
        let together = together.clamp(1, layout.tiles);
        // A tile may have fewer channels than words: its last words are never used.
        let mut packed_input = context.buffers().take::<u32>(together * tile);
        let mut packed_output = context.buffers().take::<u32>(output);
        for (i, unit) in self.units.iter().enumerate() {
            s.enter(PackOutput {
                shape,
                layout,
                unit,
                filters: filters.clone(),
                from: self.output,
                to: &mut packed_output,
            });
            for first in (0..layout.tiles).step_by(together) {
                let tiles = first..(first + together).min(layout.tiles);
                s.enter(PackInput {
                    shape,
                    layout,
                    unit,
                    tiles: tiles.clone(),
                    from: self.input,
                    to: &mut packed_input,
                });
                s.enter(MultiplyUnit::<E> {
                    shape,
                    layout,
                    unit,
                    tiles,
                    filters: filters.clone(),
                    input: &packed_input,
                    output: &packed_output,
                    sums: self.sums,
                    first: i == 0,
                    of: std::marker::PhantomData,
                });
            }
        }
    }
}

/// `(tile, photo, kernel column, phase, row, step, channel)`, from the input's pixels.
struct PackInput<'a, E> {
    shape: &'a Reduction,
    layout: Layout,
    unit: &'a Unit,
    tiles: Range<usize>,
    from: &'a [E],
    to: &'a mut [u32],
}

impl<E: Element> Kernel for PackInput<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        // Constant lengths become vectors.
        match tile_words::<S>() {
            4 => self.pack::<4>(),
            8 => self.pack::<8>(),
            _ => self.pack::<16>(),
        }
    }
}

impl<E: Element> PackInput<'_, E> {
    #[inline(always)]
    fn pack<const W: usize>(self) {
        let PackInput {
            shape,
            layout,
            unit,
            tiles,
            from,
            to,
        } = self;
        let rows = shape.phase_rows(unit.rows.len());
        let row_words = layout.steps * W;
        let photo_words = layout.input_words(shape, unit.rows.len());
        let tile_words = photo_words * unit.photos.len();
        for (photo_at, photo) in unit.photos.clone().enumerate() {
            for phase in 0..shape.phases() {
                for row in 0..rows {
                    let y = ((unit.rows.start + row) * shape.stride[0] + phase).wrapping_sub(shape.before[0]);
                    if y >= shape.input[0] {
                        // Padding: `MultiplyUnit` leaves these rows out.
                        continue;
                    }
                    let line = photo * shape.input_stride[0] + y * shape.input_stride[1];
                    for column in 0..shape.kernel[1] {
                        let at = photo_at * photo_words
                            + ((column * shape.phases() + phase) * rows + row) * row_words;
                        for tile in tiles.clone() {
                            let channels = layout.channels(tile);
                            let to = &mut to[(tile - tiles.start) * tile_words + at..][..row_words];
                            for (step, to) in to.as_chunks_mut::<W>().0.iter_mut().enumerate() {
                                let pixel = |i: usize| {
                                    let output = step * layout.together + i;
                                    let x = (output * shape.stride[1] + column).wrapping_sub(shape.before[1]);
                                    (output < shape.output[1] && x < shape.input[1])
                                        .then(|| line + x * shape.input_stride[2] + channels.start)
                                };
                                pack_words::<E, W>(from, layout.together, pixel, channels.len(), to);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `(block, photo, row, step, filter)`, from the output gradient's pixels.
struct PackOutput<'a, E> {
    shape: &'a Reduction,
    layout: Layout,
    unit: &'a Unit,
    filters: Range<usize>,
    from: &'a [E],
    to: &'a mut [u32],
}

impl<E: Element> Kernel for PackOutput<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let PackOutput {
            shape,
            layout,
            unit,
            filters,
            from,
            to,
        } = self;
        let lanes = S::TILE_VECTORS * S::LANES;
        let [height, width] = shape.output;
        let lines = unit.photos.len() * unit.rows.len();
        let mut block_at = 0;
        for first in filters.clone().step_by(lanes) {
            let count = lanes.min(filters.end - first);
            let words = count.next_multiple_of(S::LANES);
            for line in 0..lines {
                let photo = unit.photos.start + line / unit.rows.len();
                let y = unit.rows.start + line % unit.rows.len();
                let start = (photo * height + y) * width;
                for step in 0..layout.steps {
                    let to = &mut to[block_at + (line * layout.steps + step) * words..][..words];
                    let pixel = |i: usize| {
                        let x = step * layout.together + i;
                        (x < width).then(|| (start + x) * shape.filters + first)
                    };
                    if count == 32 && words == 32 {
                        if let Some(to) = to.as_chunks_mut::<32>().0.first_mut() {
                            pack_words::<E, 32>(from, layout.together, pixel, 32, to);
                        }
                    } else if count == 16 && words == 16 {
                        if let Some(to) = to.as_chunks_mut::<16>().0.first_mut() {
                            pack_words::<E, 16>(from, layout.together, pixel, 16, to);
                        }
                    } else {
                        for (i, to) in to.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                            let count = count.saturating_sub(4 * i).min(4);
                            let pixel = |at: usize| pixel(at).filter(|_| count > 0).map(|at| at + 4 * i);
                            pack_words::<E, 4>(from, layout.together, pixel, count, to);
                        }
                    }
                }
            }
            block_at += lines * layout.steps * words;
        }
    }
}

/// `count` values from `pixel(0)` on, as f32; or if `together` is 2, the pairs of those and the values from `pixel(1)`
/// on. Where a pixel is None, zeros. Reads, and writes, up to `N` values where that stays inside `from`: constant lengths
/// become vectors.
#[inline(always)]
fn pack_words<E: Element, const N: usize>(
    from: &[E],
    together: usize,
    pixel: impl Fn(usize) -> Option<usize>,
    count: usize,
    to: &mut [u32; N],
) {
    let read = |i: usize| -> [E; N] {
        let Some(at) = pixel(i) else {
            return [E::default(); N];
        };
        match from.get(at..at + N).and_then(|from| from.first_chunk::<N>()) {
            // Beyond `count` lie the next channels: fine in a tile, whose extra sums are dropped.
            Some(from) => *from,
            None => {
                let mut values = [E::default(); N];
                values[..count].copy_from_slice(&from[at..at + count]);
                values
            }
        }
    };
    if together == 2 {
        let (a, b) = (read(0), read(1));
        for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
            *to = (a.to_f32().to_bits() >> 16) | (b.to_f32().to_bits() & 0xffff_0000);
        }
    } else {
        for (to, a) in to.iter_mut().zip(read(0)) {
            *to = a.to_f32().to_bits();
        }
    }
}

/// Multiplies some packed tiles of a unit.
struct MultiplyUnit<'a, E> {
    shape: &'a Reduction,
    layout: Layout,
    unit: &'a Unit,
    tiles: Range<usize>,
    filters: Range<usize>,
    input: &'a [u32],
    output: &'a [u32],
    sums: *mut f32,
    /// Whether the sums start from zero.
    first: bool,
    of: std::marker::PhantomData<E>,
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
                        pairs: layout.together == 2,
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
struct Tile {
    input: *const u32,
    /// Words from photo to photo.
    input_photo: usize,
    output: *const u32,
    output_photo: usize,
    photos: usize,
    /// Steps per photo.
    steps: usize,
    sums: *mut f32,
    /// Values from channel to channel of the sums.
    sums_row: usize,
    /// Filters in the block.
    filters: usize,
    from_zero: bool,
    /// Whether words are pairs of bf16.
    pairs: bool,
}

/// A [`Tile`] of `P` channels and `V` vectors.
struct Sized<const P: usize, const V: usize>(Tile);

impl Tile {
    #[inline(always)]
    fn channels<S: Simd, const V: usize>(self, s: S, channels: usize) {
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
                // Where there are no such dot products the branch must go: sums that live through it would not all stay in
                // registers.
                if S::BF16_DOT && tile.pairs {
                    multiply_pairs(s, &mut acc, input, output, tile.steps);
                } else {
                    multiply_f32(s, &mut acc, input.cast(), output.cast(), tile.steps);
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
    input: *const u32,
    output: *const u32,
    steps: usize,
) {
    for step in 0..steps {
        // Safety: the caller promises `steps` steps of both operands.
        unsafe {
            let mut w = [s.splat_pair(0); V];
            for (v, w) in w.iter_mut().enumerate() {
                *w = s.load_pairs(output.add((step * V + v) * S::LANES));
            }
            for (p, acc) in acc.iter_mut().enumerate() {
                let x = s.splat_pair(*input.add(step * tile_words::<S>() + p));
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
    input: *const f32,
    output: *const f32,
    steps: usize,
) {
    for step in 0..steps {
        // Safety: the caller promises `steps` steps of both operands.
        unsafe {
            let mut w = [s.splat(0.0); V];
            for (v, w) in w.iter_mut().enumerate() {
                *w = s.load(output.add((step * V + v) * S::LANES));
            }
            for (p, acc) in acc.iter_mut().enumerate() {
                let x = s.splat(*input.add(step * tile_words::<S>() + p));
                for v in 0..V {
                    acc[v] = s.mul_add(x, w[v], acc[v]);
                }
            }
        }
    }
}
