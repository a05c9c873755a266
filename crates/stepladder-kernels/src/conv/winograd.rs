//! 3x3 convolutions of stride 1 in f32 with 16 multiplications where 36 are usual: Winograd's minimal filtering F(2x2, 3x3) (Lavin and
//! Gray 2016, "Fast Algorithms for Convolutional Neural Networks").
//!
//! A tile is 2x2 output pixels. Its 4x4 input pixels and the 3x3 weights are transformed to 4x4 points, at each of which the product
//! is a matrix product over channels, and the sums are transformed back. A work item has some tiles, so that what it
//! transforms stays in the second-level cache.

use std::ops::Range;

use super::{
    Conv2d,
    grid::{Extras, finish_statistics},
    tile::{Inputs, MOST_PIXELS, Places, Start, Tile},
};
use crate::{
    activation::{Activation, InPlace},
    buffer::Buffer,
    context::{Context, Shared},
    isa::Isa,
    simd::{Element, Kernel, MAX_LANES, Simd},
    window::Window,
};

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
pub(super) fn pays<E: Element>(conv: &Conv2d) -> bool {
    let window = &conv.window;
    let channels = [conv.in_channels, conv.out_channels];
    !E::BF16
        && window.kernel == [3, 3]
        && window.stride == [1, 1]
        && channels.iter().all(|&channels| channels >= LEAST_CHANNELS)
        && channels[0] * channels[1] <= MOST_PAIRS
}

/// Words of the packed weights: blocks of filters, in each the points, in each the channels, in each the block's filters.
fn words<S: Simd>(conv: &Conv2d) -> usize {
    POINTS * conv.in_channels * conv.out_channels.next_multiple_of(S::LANES)
}

/// Transforms and packs `weights` as Keras has them, for the forward product of `conv`.
pub(super) fn pack(context: &Context, conv: &Conv2d, weights: &[f32]) -> Buffer<u32> {
    let isa = context.isa();
    isa.run(Pack {
        context,
        conv,
        weights,
        mirrored: false,
    })
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

/// Transforms and packs `weights`, those of `conv`, for the product of [`mirrored`].
pub(super) fn pack_mirrored(context: &Context, conv: &Conv2d, weights: &[f32]) -> Buffer<u32> {
    let isa = context.isa();
    isa.run(Pack {
        context,
        conv: &mirrored(conv),
        weights,
        mirrored: true,
    })
}

/// Packs for the product of `conv`, whose `weights` have their channels exchanged and their places turned about where it is
/// `mirrored`.
struct Pack<'a> {
    context: &'a Context,
    conv: &'a Conv2d,
    weights: &'a [f32],
    mirrored: bool,
}

impl Kernel for Pack<'_> {
    type Output = Buffer<u32>;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Buffer<u32> {
        let Pack {
            context,
            conv,
            weights,
            mirrored,
        } = self;
        assert_eq!(weights.len(), conv.weights_len(), "weights of {conv:?}");
        let mut packed = context.buffers().take::<u32>(words::<S>(conv));
        let block = POINTS * conv.in_channels * S::TILE_VECTORS * S::LANES;
        let isa = context.isa();
        context.for_each_part(&mut packed, block, |item, to| {
            isa.run(PackBlock {
                conv,
                weights,
                mirrored,
                first: item * S::TILE_VECTORS * S::LANES,
                to,
            });
        });
        packed
    }
}

/// The filters from `first` on, a block of them: `G g G'` with the rows `1 0 0`, `½ ½ ½`, `½ -½ ½`, `0 0 1`.
struct PackBlock<'a> {
    conv: &'a Conv2d,
    weights: &'a [f32],
    mirrored: bool,
    first: usize,
    to: &'a mut [u32],
}

impl Kernel for PackBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (channels, filters) = (self.conv.in_channels, self.conv.out_channels);
        let lanes = self.to.len() / (POINTS * channels);
        for channel in 0..channels {
            for vector in (0..lanes).step_by(S::LANES) {
                let filter = self.first + vector;
                let n = (filters - filter).min(S::LANES);
                let mut places = [s.splat(0.0); PLACES];
                for (place, values) in places.iter_mut().enumerate() {
                    if self.mirrored {
                        let matrix = &self.weights[(PLACES - 1 - place) * channels * filters..];
                        let mut column = [0.0; MAX_LANES];
                        for (lane, value) in column[..n].iter_mut().enumerate() {
                            *value = matrix[(filter + lane) * channels + channel];
                        }
                        // Safety: MAX_LANES values.
                        *values = unsafe { s.load(column.as_ptr()) };
                    } else {
                        let row = &self.weights[(place * channels + channel) * filters + filter..][..n];
                        // Safety: `n` values.
                        *values = unsafe { s.load_first(row.as_ptr(), n) };
                    }
                }
                let mut columns = [[s.splat(0.0); 4]; 3];
                for x in 0..3 {
                    columns[x] = weights_row(s, [places[x], places[3 + x], places[6 + x]]);
                }
                for y in 0..4 {
                    let points = weights_row(s, [columns[0][y], columns[1][y], columns[2][y]]);
                    for x in 0..4 {
                        let at = ((4 * y + x) * channels + channel) * lanes + vector;
                        let to = &mut self.to[at..at + S::LANES];
                        // Safety: `LANES` values, and any bits of an f32 are a word.
                        unsafe { s.store(to.as_mut_ptr().cast(), points[x]) };
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn weights_row<S: Simd>(s: S, [a, b, c]: [S::F; 3]) -> [S::F; 4] {
    let half = s.splat(0.5);
    let (ends, middle) = (s.mul(half, s.add(a, c)), s.mul(half, b));
    [a, s.add(ends, middle), s.sub(ends, middle), c]
}

#[inline(always)]
fn input_row<S: Simd>(s: S, [a, b, c, d]: [S::F; 4]) -> [S::F; 4] {
    [s.sub(a, c), s.add(b, c), s.sub(c, b), s.sub(b, d)]
}

#[inline(always)]
fn output_row<S: Simd>(s: S, [a, b, c, d]: [S::F; 4]) -> [S::F; 2] {
    [s.add(s.add(a, b), c), s.sub(s.sub(b, c), d)]
}

/// How a convolution is cut into tiles and work items.
struct Cut {
    /// Tiles along height and width of a photo.
    tiles: [usize; 2],
    /// Tiles of all photos.
    all: usize,
    /// Tiles of a work item.
    part: usize,
    parts: usize,
    /// Blocks of filters of a work item.
    group: usize,
    groups: usize,
}

impl Cut {
    fn new<S: Simd>(conv: &Conv2d) -> Cut {
        let tiles = conv.output().map(|side| side.div_ceil(2));
        let all = conv.batch * tiles[0] * tiles[1];
        let by_cache = INPUT_BYTES / (POINTS * size_of::<f32>() * conv.in_channels);
        let part = by_cache.min(all / ITEMS).max(1).next_multiple_of(TILES_STEP);
        let parts = all.div_ceil(part);
        let blocks = conv.out_channels.div_ceil(S::TILE_VECTORS * S::LANES);
        let group = blocks.div_ceil((GROUPED_ITEMS / parts.max(1)).clamp(1, blocks));
        Cut {
            tiles,
            all,
            part,
            parts,
            group,
            groups: blocks.div_ceil(group),
        }
    }

    /// Values from one point to the next, of the transformed input and of a block's sums.
    fn strides<S: Simd>(&self, conv: &Conv2d) -> [usize; 2] {
        let tiles = self.part.min(self.all);
        [
            tiles * conv.in_channels + GAP,
            tiles * S::TILE_VECTORS * S::LANES + GAP,
        ]
    }

    /// Values that a work item holds: the same for most convolutions, so that one buffer serves them all.
    fn scratch<S: Simd>(&self, conv: &Conv2d) -> usize {
        let needed = POINTS * self.strides::<S>(conv).iter().sum::<usize>();
        needed.max(SCRATCH_BYTES / size_of::<f32>())
    }
}

/// Bytes of each buffer that the product takes, with the weights' packing.
pub(super) fn workspace<S: Simd>(conv: &Conv2d, threads: usize) -> Vec<usize> {
    let scratch = size_of::<f32>() * Cut::new::<S>(conv).scratch::<S>(conv);
    let mut buffers = vec![size_of::<u32>() * words::<S>(conv)];
    buffers.extend(std::iter::repeat_n(scratch, threads));
    buffers
}

/// The forward product by weights that [`pack`] made.
///
/// # Panics
///
/// A slice's length is not that of the shape.
pub(super) fn multiply(
    context: &Context,
    conv: &Conv2d,
    input: &[f32],
    packed: &[u32],
    output: &mut [f32],
    extras: Extras<'_>,
) {
    assert_eq!(input.len(), conv.input_len(), "input of {conv:?}");
    assert_eq!(output.len(), conv.output_len(), "output of {conv:?}");
    context.isa().run(Multiply {
        context,
        conv,
        input,
        packed,
        output,
        extras,
    });
}

struct Multiply<'a, 'b> {
    context: &'a Context,
    conv: &'a Conv2d,
    input: &'a [f32],
    packed: &'a [u32],
    output: &'a mut [f32],
    extras: Extras<'b>,
}

impl Kernel for Multiply<'_, '_> {
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
        assert_eq!(packed.len(), words::<S>(conv), "packed weights of {conv:?}");
        let cut = Cut::new::<S>(conv);
        let zeros = context.buffers().take_zeroed::<f32>(conv.in_channels);
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
        let isa: Isa = context.isa();
        context.for_each(cut.parts * cut.groups, |item| {
            let (group, part) = (item / cut.parts, item % cut.parts);
            let mut scratch = context.buffers().take::<f32>(cut.scratch::<S>(conv));
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
                tiles: part * cut.part..((part + 1) * cut.part).min(cut.all),
                blocks: group * cut.group
                    ..((group + 1) * cut.group).min(filters.div_ceil(S::TILE_VECTORS * S::LANES)),
            });
        });
        if let (Some(statistics), Some(sums)) = (extras.statistics, sums) {
            let [height, width] = conv.output();
            finish_statistics(statistics, &sums, padded, conv.batch * height * width);
        }
    }
}

/// Some tiles times some blocks of filters.
struct Item<'a> {
    conv: &'a Conv2d,
    cut: &'a Cut,
    input: *const f32,
    /// Zeros for as many channels as an input pixel has.
    zeros: *const f32,
    packed: &'a [u32],
    /// Padded to whole vectors.
    bias: *const f32,
    output: *mut f32,
    accumulate: bool,
    activation: Activation,
    /// Sums and sums of squares of all filters, padded; null if not wanted.
    sums: *mut f32,
    scratch: &'a mut [f32],
    tiles: Range<usize>,
    blocks: Range<usize>,
}

impl Kernel for Item<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let [input_stride, sums_stride] = self.cut.strides::<S>(self.conv);
        let lanes = S::TILE_VECTORS * S::LANES;
        let channels = self.conv.in_channels;
        let filters = self.conv.out_channels;
        let scratch = std::mem::take(&mut self.scratch);
        let (transformed, products) = scratch.split_at_mut(POINTS * input_stride);
        self.transform(s, transformed, input_stride);
        let words = POINTS * channels;
        for block in self.blocks.clone() {
            let first = block * lanes;
            let of_block = lanes.min(filters - first);
            let vectors = of_block.div_ceil(S::LANES);
            for point in 0..POINTS {
                for tile in (0..self.tiles.len()).step_by(S::TILE_PIXELS) {
                    let count = (self.tiles.len() - tile).min(S::TILE_PIXELS);
                    let product = Product {
                        channels,
                        inputs: transformed[point * input_stride + tile * channels..].as_ptr(),
                        // In bounds: packed weights are whole blocks; this one's points are `channels` vectors each.
                        weights: self
                            .packed
                            .as_ptr()
                            .wrapping_add(words * first + point * channels * vectors * S::LANES),
                        output: products[point * sums_stride + tile * lanes..].as_mut_ptr(),
                        lanes,
                        filters: of_block,
                        count,
                    };
                    if vectors == 2 {
                        product.pixels::<S, 2>(s);
                    } else {
                        product.pixels::<S, 1>(s);
                    }
                }
            }
            self.back(s, products, sums_stride, first, of_block);
        }
        if self.activation != Activation::Linear {
            self.activate(s);
        }
    }
}

impl Item<'_> {
    /// The photo, row and column of a tile.
    #[inline(always)]
    fn place(&self, tile: usize) -> [usize; 3] {
        let [height, width] = self.cut.tiles;
        [tile / (height * width), tile / width % height, tile % width]
    }

    /// The input of all tiles at all points: `B' d B` with the rows `1 0 -1 0`, `0 1 1 0`, `0 -1 1 0`, `0 1 0 -1`.
    #[inline(always)]
    fn transform<S: Simd>(&self, s: S, to: &mut [f32], stride: usize) {
        let conv = self.conv;
        let channels = conv.in_channels;
        assert!(to.len() >= POINTS * stride && stride >= self.tiles.len() * channels);
        for (index, tile) in self.tiles.clone().enumerate() {
            let [photo, y, x] = self.place(tile);
            let mut pixels = [self.zeros; POINTS];
            for (at, pixel) in pixels.iter_mut().enumerate() {
                // Below zero it wraps, and lies beyond the input.
                let y = (2 * y + at / 4).wrapping_sub(conv.window.before[0]);
                let x = (2 * x + at % 4).wrapping_sub(conv.window.before[1]);
                if y < conv.input[0] && x < conv.input[1] {
                    let pixel_at = (photo * conv.input[0] + y) * conv.input[1] + x;
                    *pixel = self.input.wrapping_add(pixel_at * channels);
                }
            }
            for channel in (0..channels).step_by(S::LANES) {
                let n = (channels - channel).min(S::LANES);
                // Safety: each pixel is one of the input or the zeros, with `channels` values; each point has room for
                // `channels` values of each of these tiles.
                unsafe {
                    let mut columns = [[s.splat(0.0); 4]; 4];
                    for x in 0..4 {
                        let first = s.load_first(pixels[x].add(channel), n);
                        let second = s.load_first(pixels[4 + x].add(channel), n);
                        let third = s.load_first(pixels[8 + x].add(channel), n);
                        let fourth = s.load_first(pixels[12 + x].add(channel), n);
                        columns[x] = input_row(s, [first, second, third, fourth]);
                    }
                    let to = to.as_mut_ptr().add(index * channels + channel);
                    for y in 0..4 {
                        let row = [columns[0][y], columns[1][y], columns[2][y], columns[3][y]];
                        let points = input_row(s, row);
                        for x in 0..4 {
                            s.store_first(to.add((4 * y + x) * stride), points[x], n);
                        }
                    }
                }
            }
        }
    }

    /// The output of all tiles for a block of filters: `A' m A` with the rows `1 1 1 0`, `0 1 -1 -1`, and the bias.
    #[inline(always)]
    fn back<S: Simd>(&self, s: S, products: &[f32], stride: usize, first: usize, filters: usize) {
        let lanes = S::TILE_VECTORS * S::LANES;
        let [height, width] = self.conv.output();
        let padded = self.conv.out_channels.next_multiple_of(S::LANES);
        assert!(products.len() >= POINTS * stride && stride >= self.tiles.len() * lanes);
        for vector in (0..filters).step_by(S::LANES) {
            let n = (filters - vector).min(S::LANES);
            let filter = first + vector;
            let (mut sum, mut squares) = (s.splat(0.0), s.splat(0.0));
            for (index, tile) in self.tiles.clone().enumerate() {
                let [photo, y, x] = self.place(tile);
                // Safety: the products of these tiles, `lanes` values for each at each point; the bias and the sums are padded to
                // whole vectors; the output's pixels are inside it, and nobody else writes these filters of them.
                unsafe {
                    let from = products.as_ptr().add(index * lanes + vector);
                    let mut columns = [[s.splat(0.0); 2]; 4];
                    for x in 0..4 {
                        let first = s.load(from.add(x * stride));
                        let second = s.load(from.add((4 + x) * stride));
                        let third = s.load(from.add((8 + x) * stride));
                        let fourth = s.load(from.add((12 + x) * stride));
                        columns[x] = output_row(s, [first, second, third, fourth]);
                    }
                    let bias = s.load(self.bias.add(filter));
                    for dy in 0..2 {
                        let row = [columns[0][dy], columns[1][dy], columns[2][dy], columns[3][dy]];
                        let pair = output_row(s, row);
                        for dx in 0..2 {
                            let (y, x) = (2 * y + dy, 2 * x + dx);
                            if y < height && x < width {
                                let pixel = (photo * height + y) * width + x;
                                let at = self.output.add(pixel * self.conv.out_channels + filter);
                                let mut value = s.add(pair[dx], bias);
                                if self.accumulate {
                                    value = s.add(value, s.load_first(at, n));
                                }
                                if !self.sums.is_null() {
                                    sum = s.add(sum, value);
                                    squares = s.mul_add(value, value, squares);
                                }
                                s.store_first(at, value, n);
                            }
                        }
                    }
                }
            }
            if !self.sums.is_null() {
                // Safety: as above. Beyond the last filter, weights and bias are zero, and so are the sums.
                unsafe {
                    s.store(self.sums.add(filter), sum);
                    s.store(self.sums.add(padded + filter), squares);
                }
            }
        }
    }

    /// The activation of what the item has written.
    #[inline(always)]
    fn activate<S: Simd>(&self, s: S) {
        let lanes = S::TILE_VECTORS * S::LANES;
        let [height, width] = self.conv.output();
        let filters = self.conv.out_channels;
        let first = self.blocks.start * lanes;
        let count = (self.blocks.end * lanes).min(filters) - first;
        for tile in self.tiles.clone() {
            let [photo, y, x] = self.place(tile);
            for (y, x) in [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(dy, dx)| (2 * y + dy, 2 * x + dx)) {
                if y < height && x < width {
                    let pixel = (photo * height + y) * width + x;
                    let values = InPlace {
                        activation: self.activation,
                        values: self.output.wrapping_add(pixel * filters + first),
                        count,
                    };
                    // Safety: filters of a pixel that this item alone has just written.
                    unsafe { values.run(s) };
                }
            }
        }
    }
}

/// Some tiles at one point times a block of filters.
struct Product {
    channels: usize,
    /// The first tile's transformed input; the next tile's follows.
    inputs: *const f32,
    weights: *const u32,
    /// The first tile's sums; the next tile's are `lanes` values on.
    output: *mut f32,
    lanes: usize,
    filters: usize,
    count: usize,
}

impl Product {
    #[inline(always)]
    fn pixels<S: Simd, const V: usize>(self, s: S) {
        match super::grid::tile_pixels::<S>(self.count) {
            1 => self.tile::<S, 1, V>(s),
            4 => self.tile::<S, 4, V>(s),
            6 => self.tile::<S, 6, V>(s),
            8 => self.tile::<S, 8, V>(s),
            12 => self.tile::<S, 12, V>(s),
            _ => self.tile::<S, 14, V>(s),
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const P: usize, const V: usize>(self, s: S) {
        // Those beyond the last are computed from the last one's, and dropped.
        let row = |index: usize| index.min(self.count - 1);
        let inputs = Inputs(std::array::from_fn(|index| {
            self.inputs.wrapping_add(row(index) * self.channels)
        }));
        let places = Places {
            input: [0; MOST_PIXELS],
            y: [0; MOST_PIXELS],
            x: [0; MOST_PIXELS],
            output: std::array::from_fn(|index| row(index) * self.lanes),
            count: self.count,
            interior: true,
        };
        s.enter(Tile::<f32, P, V> {
            channels: self.channels,
            taps: &[inputs],
            places: &places,
            weights: self.weights,
            start: Start::Zero,
            output: self.output,
            // Whole vectors: beyond the last filter there are zeros to read, and room to write.
            filters: self.filters.next_multiple_of(S::LANES),
            sums: std::ptr::null_mut(),
            sums_stride: 0,
        });
    }
}
