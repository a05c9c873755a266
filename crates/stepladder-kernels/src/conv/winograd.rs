//! 3x3 convolutions of stride 1 with 16 multiplications where 36 are usual: Winograd's minimal filtering F(2x2, 3x3) (Lavin and
//! Gray 2016, "Fast Algorithms for Convolutional Neural Networks").
//!
//! A tile is 2x2 output pixels ([`tiles`]). Its 4x4 input pixels and the 3x3 weights ([`weights`]) are transformed to 4x4 points
//! ([`transform`]), at each of which the product is a matrix product over channels, and the sums are transformed back ([`item`]). A work
//! item has some tiles, so that what it transforms stays in the second-level cache. [`weight_gradient`] is its counterpart.
//!
//! In bf16, transformed input and weights are rounded to bf16, where the usual way rounds the weights alone: the output's error is
//! 0.5% of its root mean square instead of 0.2%, most of which is the rounding of the output itself.

mod item;
mod tiles;
mod transform;
mod weight_gradient;
mod weights;

use super::{
    Conv2d,
    grid::{Extras, finish_statistics},
};
use crate::{
    context::{Context, Shared},
    isa::Isa,
    simd::{Element, Kernel, Simd},
    window::Window,
};
use item::Item;
use tiles::Tiles;
pub(crate) use weight_gradient::Reduce;
pub(super) use weight_gradient::{weight_gradient, workspace as weight_gradient_workspace};
pub(crate) use weights::Pack;
use weights::words;
pub(super) use weights::{pack, pack_mirrored};

/// Places of the kernel, and points of a transformed tile.
const PLACES: usize = 9;
const POINTS: usize = 16;

/// Fewer channels on either side leave the products too short beside the transforms.
const LEAST_CHANNELS: usize = 32;

/// Transformed weights, 16 for each pair of channels, are read once per work item; beyond so many pairs they come from afar.
const MOST_PAIRS: usize = 1 << 16;

/// Transformed input of a work item, in bytes: it is read once per block of filters, and should stay in the second-level cache.
const INPUT_BYTES: usize = 192 << 10;

/// What a work item holds at least, in bytes.
const SCRATCH_BYTES: usize = 320 << 10;

/// Work items wanted, so that a few threads end at about the same time; and those for which the filters are divided as well.
const ITEMS: usize = 48;
const GROUPED_ITEMS: usize = 8;

/// Work items hold a multiple of this many tiles.
const TILES_STEP: usize = 12;

/// Values between the points of a work item beyond what they take, so that they do not fall into the same sets of a cache.
const GAP: usize = 16;

/// Whether `conv` is computed this way. It does not depend on the size of the maps, so that weights are packed once for all.
pub(super) fn pays<E: Element>(isa: Isa, conv: &Conv2d) -> bool {
    // bf16 where vectors multiply it: AMX has a way of its own, and where neither does, bf16 is there to save memory.
    let is_fast = !E::BF16 || (isa.has_bf16_dot() && isa != Isa::AmxBf16);
    let window = &conv.window;
    let channels = [conv.in_channels, conv.out_channels];
    is_fast
        && window.kernel == [3, 3]
        && window.stride == [1, 1]
        && channels.iter().all(|&channels| channels >= LEAST_CHANNELS)
        && channels[0] * channels[1] <= MOST_PAIRS
}

/// Along height and width, terms that the gradient of a weight has at least: what rounding leaves in it is in proportion to its tiles, and
/// must be little beside its own terms.
const LEAST_TERMS: usize = 3;

/// Whether the gradient of `conv`'s weights is computed this way.
pub(super) fn weight_gradient_pays<E: Element>(isa: Isa, conv: &Conv2d) -> bool {
    let output = conv.output();
    // Along an axis, the windows whose place `place` lies on the input and not on its padding.
    let terms = |axis: usize, place: usize| {
        let before = conv.window.before[axis];
        let end = (conv.input[axis] + before)
            .saturating_sub(place)
            .min(output[axis]);
        end.saturating_sub(before.saturating_sub(place))
    };
    pays::<E>(isa, conv) && (0..2).all(|axis| (0..3).all(|place| terms(axis, place) >= LEAST_TERMS))
}

/// The gradient of `conv`'s input from that of its output, as a convolution: places of the kernel turned about, channels exchanged.
pub(super) fn mirrored(conv: &Conv2d) -> Conv2d {
    let window = &conv.window;
    Conv2d {
        batch: conv.batch,
        input: conv.output(),
        in_channels: conv.out_channels,
        out_channels: conv.in_channels,
        window: Window {
            before: window.before.map(|pad| 2 - pad),
            after: window.after.map(|pad| 2 - pad),
            ..*window
        },
    }
}

/// How a convolution is cut into tiles and work items.
struct Cut {
    tiles: Tiles,
    /// Tiles of a work item.
    part: usize,
    parts: usize,
    /// Blocks of filters of a work item.
    group: usize,
    groups: usize,
}

impl Cut {
    fn new<S: Simd, E: Element>(conv: &Conv2d) -> Cut {
        let tiles = Tiles::new(conv);
        let all = tiles.all();
        let by_cache = INPUT_BYTES / (POINTS * size_of::<E>() * conv.in_channels);
        let part = by_cache.min(all / ITEMS).max(1).next_multiple_of(TILES_STEP);
        let parts = all.div_ceil(part);
        let blocks = conv.out_channels.div_ceil(S::TILE_VECTORS * S::LANES);
        let group = blocks.div_ceil((GROUPED_ITEMS / parts.max(1)).clamp(1, blocks));
        Cut {
            tiles,
            part,
            parts,
            group,
            groups: blocks.div_ceil(group),
        }
    }

    /// Values from one point to the next, of the transformed input and of a block's sums.
    fn strides<S: Simd>(&self, conv: &Conv2d) -> [usize; 2] {
        let tiles = self.part.min(self.tiles.all());
        [
            tiles * conv.in_channels + GAP,
            tiles * S::TILE_VECTORS * S::LANES + GAP,
        ]
    }

    /// Values that a work item holds: the same for most convolutions, so that one buffer serves them all.
    fn scratch<S: Simd, E: Element>(&self, conv: &Conv2d) -> usize {
        let [input, sums] = self.strides::<S>(conv);
        let needed = POINTS * input * size_of::<E>() / size_of::<f32>() + POINTS * sums;
        needed.max(SCRATCH_BYTES / size_of::<f32>())
    }
}

/// Bytes of the packed weights.
pub(super) fn packed_bytes<S: Simd, E: Element>(conv: &Conv2d) -> usize {
    size_of::<u32>() * words::<S, E>(conv)
}

/// Bytes of each buffer that [`multiply`] takes.
pub(super) fn buffers<S: Simd, E: Element>(
    conv: &Conv2d,
    threads: usize,
    has_statistics: bool,
) -> Vec<usize> {
    let cut = Cut::new::<S, E>(conv);
    let padded = conv.out_channels.next_multiple_of(S::LANES);
    let values = |count: usize| size_of::<f32>() * count;
    let mut buffers = vec![size_of::<E>() * conv.in_channels, values(padded)];
    buffers.extend(has_statistics.then(|| values(cut.parts * 2 * padded)));
    let scratch = values(cut.scratch::<S, E>(conv));
    buffers.extend(std::iter::repeat_n(scratch, threads.min(cut.parts * cut.groups)));
    buffers
}

/// The forward product by weights that [`pack`] made.
///
/// # Panics
///
/// A slice's length is not that of the shape.
pub(super) fn multiply<E: Element>(
    context: &Context,
    conv: &Conv2d,
    input: &[E],
    packed: &[u32],
    output: &mut [E],
    extras: Extras<'_>,
) {
    assert_eq!(input.len(), conv.input_len(), "input of {conv:?}");
    assert_eq!(output.len(), conv.output_len(), "output of {conv:?}");
    let kernel = Multiply {
        context,
        conv,
        input,
        packed,
        output,
        extras,
    };
    E::winograd_multiply(context.isa(), kernel);
}

pub(crate) struct Multiply<'a, 'b, E> {
    context: &'a Context,
    conv: &'a Conv2d,
    input: &'a [E],
    packed: &'a [u32],
    output: &'a mut [E],
    extras: Extras<'b>,
}

impl<E: Element> Kernel for Multiply<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Multiply {
            context,
            conv,
            input,
            packed,
            output,
            extras,
        } = self;
        let filters = conv.out_channels;
        let padded = filters.next_multiple_of(S::LANES);
        assert_eq!(packed.len(), words::<S, E>(conv), "packed weights of {conv:?}");
        let cut = Cut::new::<S, E>(conv);
        let zeros = context.buffers().take_zeroed::<E>(conv.in_channels);
        let mut bias = context.buffers().take_zeroed::<f32>(padded);
        if let Some(values) = extras.bias {
            assert_eq!(values.len(), filters, "bias of {conv:?}");
            bias[..filters].copy_from_slice(values);
        }
        let mut sums = extras
            .statistics
            .is_some()
            .then(|| context.buffers().take_zeroed::<f32>(cut.parts * 2 * padded));
        let shared_sums = sums.as_deref_mut().map(Shared::new);
        let shared_output = Shared::new(output);
        let isa = context.isa();
        context.for_each(cut.parts * cut.groups, |item| {
            let (group, part) = (item / cut.parts, item % cut.parts);
            let mut scratch = context.buffers().take::<f32>(cut.scratch::<S, E>(conv));
            isa.run(Item {
                conv,
                cut: &cut,
                input: input.as_ptr(),
                zeros: zeros.as_ptr(),
                packed,
                bias: bias.as_ptr(),
                output: shared_output.start(),
                accumulate: extras.accumulate,
                activation: extras.activation,
                // In bounds: each part has its own 2 * padded sums, and each group its own filters of them.
                sums: shared_sums.as_ref().map_or(std::ptr::null_mut(), |sums| {
                    sums.start().wrapping_add(part * 2 * padded)
                }),
                scratch: &mut scratch,
                tiles: part * cut.part..((part + 1) * cut.part).min(cut.tiles.all()),
                blocks: group * cut.group
                    ..((group + 1) * cut.group).min(filters.div_ceil(S::TILE_VECTORS * S::LANES)),
            });
        });
        if let (Some(statistics), Some(sums)) = (extras.statistics, sums) {
            let [height, width] = conv.output();
            finish_statistics(statistics, &sums, padded, padded, conv.batch * height * width);
        }
    }
}
