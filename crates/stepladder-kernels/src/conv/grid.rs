//! The product of a grid of output pixels by weights: how it is cut into work items, and tiles.

use std::ops::Range;

use crate::{
    activation::Activation,
    context::{Context, Shared},
    isa::Isa,
    shape::end,
    simd::{Element, Kernel, Simd},
};

#[cfg(target_arch = "x86_64")]
use super::matrix::{self, MatrixItem};
use super::{
    Statistics,
    pack::{self, PackBlocks},
    places::{Inputs, Locate, MOST_PIXELS, Places, Walk},
    tile::{Start, Tile, tile_pixels},
};
#[cfg(target_arch = "x86_64")]
use crate::simd::x86_64::amx::Amx;

/// Work items hold a multiple of this many pixels: whole tiles on every instruction set (14, 12, 6 or 4 pixels).
const PIXELS_STEP: usize = 84;

/// Input that one work item reads, at most: it is read once per block of filters, so it should stay in the second-level
/// cache together with a block's weights.
const INPUT_BYTES: usize = 192 << 10;

/// Weights that each tile is multiplied by before the next tile: they should stay in the second-level cache.
const WEIGHTS_BYTES: usize = 256 << 10;

/// Work items wanted, so that a few threads end at about the same time.
const ITEMS: usize = 48;

/// Weights that a work item packs for itself, at most but for one block: they should stay in the second-level cache.
const OWN_BYTES: usize = 1 << 20;

/// Pixels, at most, for which work items pack weights themselves: with more, each weight is used often enough to be packed once for all.
const FEW_PIXELS: usize = 64;

/// Weights, at least, for which they do: fewer, packed, stay in the second-level cache anyway.
const MANY_WEIGHTS: usize = 1 << 20;

/// Work items for which the filters are divided as well, where pixels alone make fewer. Each then finds its pixels' inputs for
/// fewer filters, which is dear beside the product of a few.
const GROUPED_ITEMS: usize = 24;

/// One place of the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    /// Row and column that it reads, from a grid pixel's.
    pub at: [i32; 2],
    /// The same as an offset in values; set by [`Grid::multiply`].
    pub offset: isize,
}

impl Tap {
    pub(super) fn new(at: [i32; 2]) -> Tap {
        Tap { at, offset: 0 }
    }
}

/// Output pixels in rows and columns, each the sum over taps of an input pixel times a matrix of weights. Strides are in
/// values: of photos, rows, pixels.
#[derive(Debug)]
pub(super) struct Grid {
    pub batch: usize,
    /// Rows and columns of output pixels.
    pub size: [usize; 2],
    /// Rows and columns of input pixels; taps beyond them read zeros.
    pub input: [usize; 2],
    pub input_stride: [usize; 3],
    /// Values of an input pixel that are multiplied.
    pub channels: usize,
    /// Input rows and columns from one output pixel to the next.
    pub step: [usize; 2],
    pub taps: Vec<Tap>,
    /// How many taps in a row read side by side, from the first on; set by [`Grid::multiply`]. Where none of them reads
    /// padding they are one tap of as many times the channels.
    pub side_by_side: usize,
    pub output_stride: [usize; 3],
    /// Where the first output pixel is.
    pub output_origin: usize,
    /// Values of an output pixel.
    pub filters: usize,
}

/// What goes into, or comes out of, a product besides its operands.
#[derive(Debug, Default)]
pub(super) struct Extras<'a> {
    pub bias: Option<&'a [f32]>,
    pub statistics: Option<Statistics<'a>>,
    /// Add to what the output holds.
    pub accumulate: bool,
    /// Applied to the output, not with `accumulate`. Statistics are those from before.
    pub activation: Activation,
}

/// Who packs the weights of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// The caller, for all work items.
    Before,
    /// Each work item, those of its filters.
    ByItem,
}

/// What a grid is multiplied by.
#[derive(Clone, Copy)]
pub(super) enum Weights<'a> {
    /// As [`pack::pack`] makes them for the grid's taps and channels.
    Packed(&'a [u32]),
    /// As the layer has them: each work item packs those of its filters. Where each weight is multiplied by few pixels, packing them all
    /// beforehand would move more memory than the product.
    Plain(&'a pack::Plan, &'a [f32]),
}

impl Weights<'_> {
    fn packing(&self) -> Packing {
        match self {
            Weights::Packed(_) => Packing::Before,
            Weights::Plain(..) => Packing::ByItem,
        }
    }
}

impl Grid {
    /// Whether work items should pack weights themselves.
    pub(super) fn packs_weights_itself(&self) -> bool {
        let weights = self.taps.len() * self.channels * self.filters;
        self.pixels() <= FEW_PIXELS && weights >= MANY_WEIGHTS
    }

    /// Blocks of filters whose weights a work item packs for itself, at `words` each.
    fn own_blocks(&self, words: usize) -> usize {
        (OWN_BYTES / (4 * words).max(1)).max(1)
    }

    /// A plain matrix product: `rows` pixels in one row, one tap. They lie `pixel` values apart: in the input, and in the output.
    pub(super) fn pointwise(rows: usize, [channels, filters]: [usize; 2], pixel: [usize; 2]) -> Grid {
        Grid {
            batch: 1,
            size: [1, rows],
            input: [1, rows],
            input_stride: [rows * pixel[0], rows * pixel[0], pixel[0]],
            channels,
            step: [1, 1],
            taps: vec![Tap::new([0, 0])],
            side_by_side: 1,
            output_stride: [rows * pixel[1], rows * pixel[1], pixel[1]],
            output_origin: 0,
            filters,
        }
    }

    pub(super) fn pixels(&self) -> usize {
        self.batch * self.size[0] * self.size[1]
    }

    /// Panics unless every pixel, and every tap inside `size`, is inside slices of these lengths.
    fn check(&self, input: usize, output: usize) {
        let [height, width] = self.input;
        let last = end([self.batch, height, width], self.input_stride, self.channels);
        assert!(
            last.is_some_and(|end| end <= input),
            "input is too short for {self:?}"
        );
        let [height, width] = self.size;
        let last = end([self.batch, height, width], self.output_stride, self.filters);
        let end = last.and_then(|end| end.checked_add(self.output_origin));
        assert!(
            end.is_some_and(|end| end <= output),
            "output is too short for {self:?}"
        );
        let farthest = [0, 1].map(|axis| {
            let steps = self.size[axis].checked_mul(self.step[axis]);
            steps.and_then(|steps| steps.checked_add(self.input[0].max(self.input[1])))
        });
        for farthest in farthest {
            assert!(
                farthest.is_some_and(|farthest| i32::try_from(farthest).is_ok()),
                "rows and columns are counted in 32 bits: {self:?}"
            );
        }
    }

    /// Multiplies `input` by `weights` (of these taps and channels) into `output`.
    pub(super) fn multiply<E: Element>(
        mut self,
        context: &Context,
        input: &[E],
        weights: Weights<'_>,
        output: &mut [E],
        extras: Extras<'_>,
    ) {
        self.check(input.len(), output.len());
        for tap in &mut self.taps {
            tap.offset = tap.at[0] as isize * self.input_stride[1] as isize
                + tap.at[1] as isize * self.input_stride[2] as isize;
        }
        self.side_by_side = self.run_of_taps::<E>();
        let kernel = Multiply {
            context,
            grid: &self,
            input,
            weights,
            output,
            extras,
        };
        E::conv_multiply(context.isa(), kernel);
    }

    /// The length of all runs of taps that read side by side; 1 where runs differ in length, or pairs of channels would tear.
    fn run_of_taps<E: Element>(&self) -> usize {
        let follows = |pair: &[Tap]| pair[1].offset - pair[0].offset == self.channels as isize;
        let run = 1 + self.taps.windows(2).take_while(|pair| follows(pair)).count();
        let even = self.taps.len().is_multiple_of(run)
            && self.taps.chunks(run).all(|run| run.windows(2).all(follows));
        if even && (!E::BF16 || self.channels.is_multiple_of(2)) {
            run
        } else {
            1
        }
    }

    /// Buffers that [`Grid::multiply`] takes, in bytes, for what [`Extras`] has.
    pub(super) fn buffers<S: Simd, E: Element>(
        &self,
        isa: Isa,
        threads: usize,
        weights: Packing,
        has_bias: bool,
        has_statistics: bool,
    ) -> Vec<usize> {
        let cut = Cut::new::<S, E>(self, isa, weights);
        let mut buffers = vec![size_of::<u32>() * self.channels];
        buffers.extend(has_bias.then_some(size_of::<f32>() * cut.padded));
        buffers.extend(has_statistics.then_some(size_of::<f32>() * cut.parts * 2 * cut.padded));
        let at_once = threads.min(cut.parts * cut.groups);
        let own = size_of::<u32>() * cut.words * (cut.group * cut.lanes).min(cut.padded);
        if weights == Packing::ByItem {
            buffers.extend(std::iter::repeat_n(own, at_once));
        }
        #[cfg(target_arch = "x86_64")]
        if cut.matrices.is_some() {
            let copies = size_of::<u32>() * matrix::copied_words::<S, E>(self);
            buffers.extend(std::iter::repeat_n(copies, at_once));
        }
        buffers
    }

    /// Pixels of a work item: a multiple of `step`.
    fn item_pixels<E>(&self, step: usize) -> usize {
        let bytes = self.channels * size_of::<E>() * self.step[0] * self.step[1];
        let by_cache = INPUT_BYTES / bytes.max(1);
        let by_count = self.pixels() / ITEMS;
        by_cache.min(by_count).max(1).next_multiple_of(step)
    }
}

/// How a product is cut into work items: parts of the pixels times groups of blocks of filters.
struct Cut {
    /// Filters of a block.
    lanes: usize,
    /// All filters, in whole vectors.
    padded: usize,
    /// Words of the packed weights of one filter.
    words: usize,
    blocks: usize,
    /// Pixels of a part.
    part: usize,
    parts: usize,
    /// Blocks of a group.
    group: usize,
    groups: usize,
    /// AMX, and the channels that it multiplies at a time.
    #[cfg(target_arch = "x86_64")]
    matrices: Option<(Amx, usize)>,
}

impl Cut {
    #[inline(always)]
    fn new<S: Simd, E: Element>(grid: &Grid, isa: Isa, weights: Packing) -> Cut {
        let lanes = S::TILE_VECTORS * S::LANES;
        let words = grid.taps.len() * pack::steps::<S, E>(grid.channels);
        let blocks = grid.filters.div_ceil(lanes);
        let pixels = grid.pixels();
        #[cfg(target_arch = "x86_64")]
        let matrices = isa.amx().zip(matrix::channels_at_once::<E>(grid));
        #[cfg(target_arch = "x86_64")]
        let step = if matrices.is_some() {
            matrix::PIXELS_STEP
        } else {
            PIXELS_STEP
        };
        // AMX alone asks for it.
        #[cfg(not(target_arch = "x86_64"))]
        let (step, _) = (PIXELS_STEP, isa);
        let part = match weights {
            Packing::Before => grid.item_pixels::<E>(step),
            Packing::ByItem => pixels,
        };
        let parts = pixels.div_ceil(part);
        let groups = (GROUPED_ITEMS / parts).clamp(1, blocks);
        let group = match weights {
            Packing::Before => blocks.div_ceil(groups),
            Packing::ByItem => grid.own_blocks(words * lanes),
        };
        Cut {
            lanes,
            padded: grid.filters.next_multiple_of(S::LANES),
            words,
            blocks,
            part,
            parts,
            group,
            groups: blocks.div_ceil(group),
            #[cfg(target_arch = "x86_64")]
            matrices,
        }
    }
}

pub(crate) struct Multiply<'a, 'b, E> {
    context: &'a Context,
    grid: &'a Grid,
    input: &'a [E],
    weights: Weights<'b>,
    output: &'a mut [E],
    extras: Extras<'b>,
}

impl<E: Element> Kernel for Multiply<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Multiply {
            context,
            grid,
            input,
            weights,
            output,
            extras,
        } = self;
        let cut = Cut::new::<S, E>(grid, context.isa(), weights.packing());
        let Cut {
            lanes,
            padded,
            words,
            blocks,
            part,
            parts,
            group,
            groups,
            ..
        } = cut;
        if let Weights::Packed(packed) = weights {
            assert_eq!(packed.len(), words * padded, "packed weights of {grid:?}");
        }
        let pixels = grid.pixels();

        let zeros = context.buffers().take_zeroed::<u32>(grid.channels);
        let bias = extras.bias.map(|bias| {
            assert_eq!(bias.len(), grid.filters, "bias of {grid:?}");
            let mut buffer = context.buffers().take_zeroed::<f32>(padded);
            buffer[..bias.len()].copy_from_slice(bias);
            buffer
        });
        let mut sums = extras
            .statistics
            .is_some()
            .then(|| context.buffers().take_zeroed::<f32>(parts * 2 * padded));
        let shared_sums = sums.as_deref_mut().map(Shared::new);
        let shared_output = Shared::new(output);
        let isa = context.isa();
        context.for_each(parts * groups, |item| {
            // Neighboring items share weights: all pixels of a group before the next group.
            let (group_at, part_at) = (item / parts, item % parts);
            let blocks = group_at * group..((group_at + 1) * group).min(blocks);
            let filters = blocks.start * lanes..(blocks.end * lanes).min(padded);
            let own;
            let packed = match weights {
                Weights::Packed(packed) => &packed[words * filters.start..words * filters.end],
                Weights::Plain(plan, weights) => {
                    let mut buffer = context.buffers().take::<u32>(words * filters.len());
                    isa.run(PackBlocks::<E>::new(plan, weights, filters.start, &mut buffer));
                    own = buffer;
                    &own[..]
                }
            };
            let item = Item {
                grid,
                input,
                packed,
                zeros: zeros.as_ptr().cast(),
                start: match (&bias, extras.accumulate) {
                    (_, true) => Start::Output,
                    (Some(bias), false) => Start::Bias(bias.as_ptr()),
                    (None, false) => Start::Zero,
                },
                output: shared_output.start(),
                activation: extras.activation,
                sums: shared_sums.as_ref().map(|sums| {
                    let start = 2 * (part_at * padded + filters.start);
                    // Safety: each part has 2 * padded sums, and each group those of its own filters among them.
                    unsafe { sums.slice(start, 2 * filters.len()) }
                }),
                pixels: part_at * part..((part_at + 1) * part).min(pixels),
                blocks,
            };
            #[cfg(target_arch = "x86_64")]
            if let Some((amx, channels_at_once)) = cut.matrices {
                return isa.run(MatrixItem {
                    amx,
                    context,
                    item,
                    channels_at_once,
                });
            }
            isa.run(item);
        });
        if let (Some(statistics), Some(sums)) = (extras.statistics, sums) {
            finish_statistics(statistics, &sums, padded, (group * lanes).min(padded), pixels);
        }
    }
}

/// Means and variances from each part's sums and sums of squares, added in the order of the parts in f64. Of a part there are `padded` each,
/// in groups of `group` channels, the last perhaps fewer: a group's sums, then its sums of squares.
pub(crate) fn finish_statistics(
    statistics: Statistics<'_>,
    sums: &[f32],
    padded: usize,
    group: usize,
    pixels: usize,
) {
    let Statistics { mean, variance } = statistics;
    assert_eq!(mean.len(), variance.len(), "mean and variance");
    assert!(
        mean.len() <= padded,
        "mean has more values than there are channels"
    );
    for (channel, (mean, variance)) in mean.iter_mut().zip(variance).enumerate() {
        let (mut sum, mut squares) = (0.0_f64, 0.0_f64);
        let first = channel / group * group;
        let at = first + channel;
        let width = group.min(padded - first);
        for part in sums.chunks_exact(2 * padded) {
            sum += f64::from(part[at]);
            squares += f64::from(part[at + width]);
        }
        let average = sum / pixels as f64;
        *mean = average as f32;
        *variance = (squares / pixels as f64 - average * average).max(0.0) as f32;
    }
}

/// Some pixels times some blocks of filters.
pub(super) struct Item<'a, E> {
    pub grid: &'a Grid,
    pub input: &'a [E],
    /// Weights of `blocks`.
    pub packed: &'a [u32],
    pub zeros: *const E,
    pub start: Start,
    pub output: *mut E,
    pub activation: Activation,
    /// Sums of the filters of `blocks`, in whole vectors, and as many sums of squares, if they are wanted.
    pub sums: Option<&'a mut [f32]>,
    pub pixels: Range<usize>,
    pub blocks: Range<usize>,
}

impl<E: Element> Kernel for Item<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let grid = self.grid;
        let lanes = S::TILE_VECTORS * S::LANES;
        let sums_stride = self.sums.as_ref().map_or(0, |sums| sums.len() / 2);
        let sums = self
            .sums
            .as_mut()
            .map_or(std::ptr::null_mut(), |sums| sums.as_mut_ptr());
        let words = grid.taps.len() * pack::steps::<S, E>(grid.channels);
        let walk = Walk::new(grid);
        let mut inputs = vec![Inputs([self.zeros; MOST_PIXELS]); grid.taps.len()];
        let round = (WEIGHTS_BYTES / (4 * words * lanes).max(1)).max(1);
        for blocks in self
            .blocks
            .clone()
            .step_by(round)
            .map(|first| first..(first + round).min(self.blocks.end))
        {
            let mut at = walk.start(self.pixels.start);
            while at.pixel < self.pixels.end {
                let count = (self.pixels.end - at.pixel).min(S::TILE_PIXELS);
                let mut places = Places::new();
                walk.next::<S>(&mut at, count, &mut places);
                let interior = walk.is_interior(&places) && tile_pixels::<S>(count) == count;
                let run = if interior { grid.side_by_side } else { 1 };
                s.enter(Locate {
                    input: self.input.as_ptr(),
                    size: grid.input.map(|size| size as u32),
                    zeros: self.zeros,
                    taps: &grid.taps,
                    run,
                    places: &places,
                    interior,
                    to: &mut inputs,
                });
                let inputs = &inputs[..grid.taps.len() / run];
                for block in blocks.clone() {
                    let first = block * lanes;
                    let tile = Tile {
                        channels: run * grid.channels,
                        inputs,
                        places: &places,
                        // In bounds: packed weights, bias and sums extend to whole vectors of filters, and the output's pixels
                        // have `filters`.
                        weights: self
                            .packed
                            .as_ptr()
                            .wrapping_add(words * (block - self.blocks.start) * lanes),
                        start: match self.start {
                            Start::Bias(bias) => Start::Bias(bias.wrapping_add(first)),
                            other => other,
                        },
                        output: self.output.wrapping_add(first),
                        filters: lanes.min(grid.filters - first),
                        sums: if sums.is_null() {
                            sums
                        } else {
                            sums.wrapping_add(first - self.blocks.start * lanes)
                        },
                        sums_stride,
                        activation: self.activation,
                    };
                    tile.run(s, count);
                }
            }
        }
    }
}
