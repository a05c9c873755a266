//! The gradient of convolution weights: for each place of the kernel, the product of the input's channels by the output
//! gradient's filters, summed over pixels.
//!
//! The sum runs over pixels, so both operands are first rearranged, some rows or photos at a time, such that it walks
//! memory in order: the gradient in blocks of filters, then the input in tiles of channels, a few tiles at a time. For bf16
//! dot products two pixels side by side become pairs; as their distance in the input is the stride, each column of the kernel
//! has its own copy. A tile of channels times a block of filters stays in registers for all pixels that are packed at a time.
//!
//! Where that order is nearly there already, [`direct`] multiplies without it.
//!
//! Work items are ranges of pixels (each with sums of its own, added up in order at the end) times groups of filters.

mod direct;
#[cfg(target_arch = "x86_64")]
mod matrix;
mod pack;
pub(super) mod product;

use std::ops::Range;

use crate::{
    context::{Context, Shared},
    conv::pack::together,
    isa::Isa,
    simd::{Element, Kernel, Simd},
};

use pack::{PackInput, PackOutput};
use product::MultiplyUnit;

/// Words that a tile of channels takes per step: a power of two that holds the instruction set's largest tile.
const fn tile_words<S: Simd>() -> usize {
    S::TILE_PIXELS.next_power_of_two()
}

/// Steps packed at a time, wanted at least: the sums of a tile are read and written once per so many steps.
const STEPS: usize = 320;

/// What is packed at a time should stay in the second-level cache, which has 512 KiB or more on CPUs of the last years.
const PACKED_BYTES: usize = 320 << 10;

/// Work items wanted at least.
const ITEMS: usize = 16;

/// Blocks of filters that a work item takes at least, where there are so many: each item packs the input for itself.
const BLOCKS: usize = 4;

/// Memory for separate sums, wanted and at most.
const SUMS_BYTES: usize = 8 << 20;
const SUMS_BYTES_MOST: usize = 64 << 20;

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
        assert_eq!(gradient.len(), self.weights(), "{self:?}");
        let kernel = Reduce {
            shape: self,
            context,
            input,
            output,
            gradient,
        };
        E::conv_reduce(context.isa(), kernel);
    }

    /// Buffers that [`Reduction::run`] takes, in bytes: for sums, and for what each of `threads` threads packs.
    pub(super) fn buffers<S: Simd, E: Element>(&self, isa: Isa, threads: usize) -> Vec<usize> {
        if direct::suits::<S, E>(self) {
            return vec![4 * direct::ranges(self) * self.weights()];
        }
        #[cfg(target_arch = "x86_64")]
        if isa.amx().is_some() && matrix::suits::<E>(self) {
            return matrix::buffers::<S>(self, threads);
        }
        // AMX alone asks for it.
        #[cfg(not(target_arch = "x86_64"))]
        let _ = isa;
        let layout = Layout::new::<S, E>(self);
        let division = Division::new::<S>(self, |filters| layout.units(self, filters));
        let items = division.ranges * division.groups();
        let packing = (0..items).map(|item| {
            let (range, blocks) = division.item(item);
            Packing::new::<S>(self, &layout, &division.units[range], &blocks)
        });
        let most = packing.fold([0, 0], |most, packing| {
            let [input, output] = [packing.together * packing.tile, packing.output];
            [most[0].max(4 * input), most[1].max(4 * output)]
        });
        let sums = (division.ranges > 1).then_some(4 * division.ranges * self.weights());
        let at_once = std::iter::repeat_n(most, threads.min(items)).flatten();
        sums.into_iter().chain(at_once).collect()
    }

    fn weights(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.channels * self.filters
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
        let together = together::<S, E>();
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

/// How the work is divided: pixels into ranges with sums of their own, filters into groups of blocks.
struct Division {
    units: Vec<Unit>,
    ranges: usize,
    /// Blocks of filters in all, and in a group.
    blocks: usize,
    group: usize,
}

impl Division {
    /// `units` cuts the pixels, for items of so many filters.
    fn new<S: Simd>(shape: &Reduction, units: impl FnOnce(usize) -> Vec<Unit>) -> Division {
        let lanes = S::TILE_VECTORS * S::LANES;
        let blocks = shape.filters.div_ceil(lanes);
        let bytes = 4 * shape.weights();

        // Few weights: split the pixels. Many: split the filters, so that no more sums are kept than needed.
        let mut ranges = (SUMS_BYTES / bytes).clamp(1, ITEMS);
        if ranges * blocks < ITEMS {
            ranges = (SUMS_BYTES_MOST / bytes).clamp(1, ITEMS.div_ceil(blocks));
        }
        let group = blocks.div_ceil(ITEMS.div_ceil(ranges).min(blocks));
        let group = group.max(BLOCKS.min(blocks));
        let units = units((group * lanes).min(shape.filters));
        Division {
            ranges: ranges.min(units.len()),
            units,
            blocks,
            group,
        }
    }

    fn groups(&self) -> usize {
        self.blocks.div_ceil(self.group)
    }

    /// The units and the blocks of a work item.
    fn item(&self, item: usize) -> (Range<usize>, Range<usize>) {
        let (range, group) = (item / self.groups(), item % self.groups());
        let units = self.units.len();
        (
            range * units / self.ranges..(range + 1) * units / self.ranges,
            group * self.group..((group + 1) * self.group).min(self.blocks),
        )
    }
}

/// What a work item packs at a time.
struct Packing {
    /// Tiles of channels, and the words of one.
    together: usize,
    tile: usize,
    /// Words of the output's gradient.
    output: usize,
}

impl Packing {
    fn new<S: Simd>(shape: &Reduction, layout: &Layout, units: &[Unit], blocks: &Range<usize>) -> Packing {
        let padded = filters::<S>(shape, blocks).len().next_multiple_of(S::LANES);
        let sizes = units.iter().map(|unit| {
            let rows = unit.rows.len();
            let tile = layout.input_words(shape, rows) * unit.photos.len();
            (tile, rows * layout.steps * padded * unit.photos.len())
        });
        let (tile, output) = sizes.fold((0, 0), |most, size| (most.0.max(size.0), most.1.max(size.1)));
        // As many tiles as fit beside the output: the pixels' lines are then read by few, and while they are near.
        let together = (PACKED_BYTES / 4).saturating_sub(output) / tile.max(1);
        Packing {
            together: together.clamp(1, layout.tiles),
            tile,
            output,
        }
    }
}

/// The filters of some blocks.
fn filters<S: Simd>(shape: &Reduction, blocks: &Range<usize>) -> Range<usize> {
    let lanes = S::TILE_VECTORS * S::LANES;
    blocks.start * lanes..(blocks.end * lanes).min(shape.filters)
}

pub(crate) struct Reduce<'a, E> {
    shape: &'a Reduction,
    context: &'a Context,
    input: &'a [E],
    output: &'a [E],
    gradient: &'a mut [f32],
}

impl<E: Element> Kernel for Reduce<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Reduce {
            shape,
            context,
            input,
            output,
            gradient,
        } = self;
        if direct::suits::<S, E>(shape) {
            return direct::run::<S, E>(shape, context, input, output, gradient);
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(amx) = context.isa().amx().filter(|_| matrix::suits::<E>(shape)) {
            return matrix::run::<S, E>(amx, shape, context, input, output, gradient);
        }
        let layout = Layout::new::<S, E>(shape);
        let division = Division::new::<S>(shape, |filters| layout.units(shape, filters));
        let (ranges, groups) = (division.ranges, division.groups());

        let isa = context.isa();
        sum_over_ranges(context, [ranges, groups], gradient, |item, sums| {
            let (units, blocks) = division.item(item);
            isa.run(Item {
                shape,
                context,
                layout,
                input,
                output,
                units: &division.units[units],
                blocks,
                sums,
            });
        });
    }
}

/// Runs `each` work item with the gradient of its range to write to, and adds these up to `gradient`. Items of a range follow each other, one
/// for each of `groups`, and write filters of their own.
pub(super) fn sum_over_ranges(
    context: &Context,
    [ranges, groups]: [usize; 2],
    gradient: &mut [f32],
    each: impl Fn(usize, *mut f32) + Sync,
) {
    let weights = gradient.len();
    let mut sums = (ranges > 1).then(|| context.buffers().take::<f32>(ranges * weights));
    let shared = Shared::new(sums.as_deref_mut().unwrap_or(&mut *gradient));
    context.for_each(ranges * groups, |item| {
        each(item, shared.start().wrapping_add(item / groups * weights));
    });
    if let Some(sums) = sums {
        add_up(context, &sums, gradient);
    }
}

/// `gradient` = the sum of the ranges' sums, each as long as it.
fn add_up(context: &Context, sums: &[f32], gradient: &mut [f32]) {
    let stride = gradient.len();
    let isa = context.isa();
    context.for_each_part(gradient, 1 << 14, |item, to| {
        isa.run(AddUp {
            sums,
            stride,
            first: item << 14,
            to,
        });
    });
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
        let filters = filters::<S>(shape, &self.blocks);
        let Packing {
            together,
            tile,
            output,
        } = Packing::new::<S>(shape, &layout, self.units, &self.blocks);
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
