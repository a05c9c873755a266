//! Rearranges both operands, so that a product walks memory in order.

use std::ops::Range;

use crate::simd::{Element, Kernel, Simd};

use super::{
    Reduction,
    division::{Layout, Unit, tile_words},
};

/// `(tile, photo, kernel column, phase, row, step, channel)`, from the input's pixels.
pub(super) struct PackInput<'a, E> {
    pub shape: &'a Reduction,
    pub layout: Layout,
    pub unit: &'a Unit,
    pub tiles: Range<usize>,
    pub from: &'a [E],
    pub to: &'a mut [u32],
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
pub(super) struct PackOutput<'a, E> {
    pub shape: &'a Reduction,
    pub layout: Layout,
    pub unit: &'a Unit,
    pub filters: Range<usize>,
    pub from: &'a [E],
    pub to: &'a mut [u32],
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
                        (x < width).then(|| (start + x) * shape.output_pixel + first)
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
