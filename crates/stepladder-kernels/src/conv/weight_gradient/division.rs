//! How the work is divided: pixels into ranges with sums of their own, these into what is packed at a time, filters into groups of blocks.

use std::ops::Range;

use crate::{
    conv::pack::together,
    simd::{Element, Simd},
};

use super::Reduction;

/// Words that a tile of channels takes per step: a power of two that holds the instruction set's largest tile.
pub(super) const fn tile_words<S: Simd>() -> usize {
    S::TILE_PIXELS.next_power_of_two()
}

/// Steps packed at a time, wanted at least: the sums of a tile are read and written once per so many steps.
const STEPS: usize = 320;

/// What is packed at a time should stay in the second-level cache, which has 512 KiB or more on CPUs of the last years.
const PACKED_BYTES: usize = 320 << 10;

/// Work items wanted at least.
pub(super) const ITEMS: usize = 16;

/// Blocks of filters that a work item takes at least, where there are so many: each item packs the input for itself.
const BLOCKS: usize = 4;

/// Memory for separate sums, wanted and at most.
const SUMS_BYTES: usize = 8 << 20;
const SUMS_BYTES_MOST: usize = 64 << 20;

/// Pixels packed at a time: rows of one photo, or several whole photos.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub photos: Range<usize>,
    pub rows: Range<usize>,
}

/// Sizes of the packed operands.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Pixels in a step: 2 where bf16 dot products are used.
    pub together: usize,
    /// Steps in a row of the output.
    pub steps: usize,
    /// Words (f32, or pairs of bf16) that a tile takes per step.
    pub words: usize,
    /// Channel tiles; the first `wide` have `tile` channels, the others one less.
    pub tiles: usize,
    pub tile: usize,
    pub wide: usize,
}

impl Layout {
    pub fn new<S: Simd, E: Element>(shape: &Reduction) -> Layout {
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
    pub fn channels(&self, tile: usize) -> Range<usize> {
        let first = tile * self.tile - tile.saturating_sub(self.wide);
        first..first + self.tile - usize::from(tile >= self.wide)
    }

    /// Words of one tile of one photo's input, for `rows` output rows.
    pub fn input_words(&self, shape: &Reduction, rows: usize) -> usize {
        shape.kernel[1] * shape.phases() * shape.phase_rows(rows) * self.steps * self.words
    }

    /// Pixels to pack at a time: some [`STEPS`], or as many as fit with their filters and a tile of channels.
    pub fn units(&self, shape: &Reduction, filters: usize) -> Vec<Unit> {
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
pub(super) struct Division {
    pub units: Vec<Unit>,
    pub ranges: usize,
    /// Blocks of filters in all, and in a group.
    pub blocks: usize,
    pub group: usize,
}

impl Division {
    /// `units` cuts the pixels, for items of so many filters.
    pub fn new<S: Simd>(shape: &Reduction, units: impl FnOnce(usize) -> Vec<Unit>) -> Division {
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

    pub fn groups(&self) -> usize {
        self.blocks.div_ceil(self.group)
    }

    /// The units and the blocks of a work item.
    pub fn item(&self, item: usize) -> (Range<usize>, Range<usize>) {
        let (range, group) = (item / self.groups(), item % self.groups());
        let units = self.units.len();
        (
            range * units / self.ranges..(range + 1) * units / self.ranges,
            group * self.group..((group + 1) * self.group).min(self.blocks),
        )
    }
}

/// What a work item packs at a time.
pub(super) struct Packing {
    /// Tiles of channels, and the words of one.
    pub together: usize,
    pub tile: usize,
    /// Words of the output's gradient.
    pub output: usize,
}

impl Packing {
    pub fn new<S: Simd>(
        shape: &Reduction,
        layout: &Layout,
        units: &[Unit],
        blocks: &Range<usize>,
    ) -> Packing {
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
pub(super) fn filters<S: Simd>(shape: &Reduction, blocks: &Range<usize>) -> Range<usize> {
    let lanes = S::TILE_VECTORS * S::LANES;
    blocks.start * lanes..(blocks.end * lanes).min(shape.filters)
}
