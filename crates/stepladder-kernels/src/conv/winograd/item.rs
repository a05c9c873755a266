//! A work item: the input of some tiles transformed, the products at all points, and the sums transformed back.

use std::ops::Range;

use super::{Cut, POINTS, tiles::load, transform};
use crate::{
    activation::{Activation, InPlace},
    conv::{
        Conv2d,
        pack::steps,
        places::{Inputs, Places},
        tile::{Start, Tile},
    },
    simd::{Element, Kernel, Simd},
};

/// Some tiles times some blocks of filters.
pub(super) struct Item<'a, E> {
    pub conv: &'a Conv2d,
    pub cut: &'a Cut,
    pub input: *const E,
    /// Zeros for as many channels as an input pixel has.
    pub zeros: *const E,
    pub packed: &'a [u32],
    /// Padded to whole vectors.
    pub bias: *const f32,
    pub output: *mut E,
    pub accumulate: bool,
    pub activation: Activation,
    /// Sums and sums of squares of all filters, padded; null if not wanted.
    pub sums: *mut f32,
    pub scratch: &'a mut [f32],
    pub tiles: Range<usize>,
    pub blocks: Range<usize>,
}

impl<E: Element> Kernel for Item<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let [input_stride, sums_stride] = self.cut.strides::<S>(self.conv);
        let lanes = S::TILE_VECTORS * S::LANES;
        let channels = self.conv.in_channels;
        let filters = self.conv.out_channels;
        let scratch = std::mem::take(&mut self.scratch);
        let (transformed, products) =
            scratch.split_at_mut(POINTS * input_stride * size_of::<E>() / size_of::<f32>());
        let transformed = transformed.as_mut_ptr().cast::<E>();
        assert!(input_stride >= self.tiles.len() * channels);
        // Safety: `POINTS` times `input_stride` values, which nobody else touches.
        unsafe { self.transform(s, transformed, input_stride) };
        let steps = steps::<S, E>(channels);
        // The sums of a tile at a point are `lanes` values behind those of the tile before.
        let places = Places {
            output: std::array::from_fn(|tile| tile * lanes),
            count: S::TILE_PIXELS,
            ..Places::new()
        };
        for block in self.blocks.clone() {
            let first = block * lanes;
            let of_block = lanes.min(filters - first);
            // Whole vectors: beyond the last filter there are zeros to read, and room to write.
            let padded = of_block.next_multiple_of(S::LANES);
            for point in 0..POINTS {
                for tile in (0..self.tiles.len()).step_by(S::TILE_PIXELS) {
                    let count = (self.tiles.len() - tile).min(S::TILE_PIXELS);
                    let input = transformed.wrapping_add(point * input_stride + tile * channels);
                    // Those beyond the last are computed from the last one's, and dropped.
                    let inputs = Inputs(std::array::from_fn(|index| {
                        input.wrapping_add(index.min(count - 1) * channels).cast_const()
                    }));
                    let product = Tile::<E, f32> {
                        channels,
                        inputs: &[inputs],
                        places: &Places { count, ..places },
                        // In bounds: packed weights are whole blocks; this one's points are `padded` words for each step.
                        weights: self
                            .packed
                            .as_ptr()
                            .wrapping_add(steps * (POINTS * first + point * padded)),
                        start: Start::Zero,
                        output: products[point * sums_stride + tile * lanes..].as_mut_ptr(),
                        filters: padded,
                        sums: std::ptr::null_mut(),
                        sums_stride: 0,
                        activation: Activation::Linear,
                    };
                    product.run(s, count);
                }
            }
            self.back(s, products, sums_stride, first, of_block);
        }
        if self.activation != Activation::Linear {
            self.activate(s);
        }
    }
}

impl<E: Element> Item<'_, E> {
    /// The input of all tiles at all points: `B' d B`.
    ///
    /// # Safety
    ///
    /// `to` is valid for writes of [`POINTS`] times `stride` values, and `stride` is at least the channels of all tiles.
    #[inline(always)]
    unsafe fn transform<S: Simd>(&self, s: S, to: *mut E, stride: usize) {
        let conv = self.conv;
        let channels = conv.in_channels;
        for (index, tile) in self.tiles.clone().enumerate() {
            let pixels = self.cut.tiles.input(conv, tile, self.input, self.zeros);
            for channel in (0..channels).step_by(S::LANES) {
                let n = (channels - channel).min(S::LANES);
                // Safety: each pixel is one of the input or the zeros, with `channels` values; each point has room for
                // `channels` values of each of these tiles.
                unsafe {
                    let values = load(s, &pixels, channel, n);
                    let to = to.add(index * channels + channel);
                    for (point, value) in transform::input(s, values).into_iter().enumerate() {
                        E::store_first(s, to.add(point * stride), value, n);
                    }
                }
            }
        }
    }

    /// The output of all tiles for a block of filters: `A' m A`, and the bias.
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
                let [photo, y, x] = self.cut.tiles.place(tile);
                // Safety: the products of these tiles, `lanes` values for each at each point; the bias and the sums are padded to
                // whole vectors; the output's pixels are inside it, and nobody else writes these filters of them.
                unsafe {
                    let from = products.as_ptr().add(index * lanes + vector);
                    let mut points = [s.splat(0.0); POINTS];
                    for (point, values) in points.iter_mut().enumerate() {
                        *values = s.load(from.add(point * stride));
                    }
                    let pixels = transform::output(s, points);
                    let bias = s.load(self.bias.add(filter));
                    for dy in 0..2 {
                        for dx in 0..2 {
                            let (y, x) = (2 * y + dy, 2 * x + dx);
                            if y < height && x < width {
                                let pixel = (photo * height + y) * width + x;
                                let at = self.output.add(pixel * self.conv.out_channels + filter);
                                let mut value = s.add(pixels[2 * dy + dx], bias);
                                if self.accumulate {
                                    value = s.add(value, E::load_first(s, at, n));
                                }
                                if !self.sums.is_null() {
                                    sum = s.add(sum, value);
                                    squares = s.mul_add(value, value, squares);
                                }
                                E::store_first(s, at, value, n);
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
            let [photo, y, x] = self.cut.tiles.place(tile);
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
