//! Where tiles lie: 2x2 pixels of the output, and the 4x4 pixels of the input that they are computed from.

use super::POINTS;
use crate::{
    conv::Conv2d,
    simd::{Element, Simd},
};

/// The tiles of all photos, in the order of photos, rows and columns.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    photos: usize,
    /// Tiles along height and width of a photo.
    size: [usize; 2],
}

impl Tiles {
    pub(super) fn new(conv: &Conv2d) -> Tiles {
        Tiles {
            photos: conv.batch,
            size: conv.output().map(|side| side.div_ceil(2)),
        }
    }

    /// Their number.
    pub(super) fn all(&self) -> usize {
        self.photos * self.size[0] * self.size[1]
    }

    /// The photo, row and column of a tile.
    #[inline(always)]
    pub(super) fn place(&self, tile: usize) -> [usize; 3] {
        let [height, width] = self.size;
        [tile / (height * width), tile / width % height, tile % width]
    }

    /// Where a tile's pixels start in `input`; `zeros` for those beyond its edges.
    #[inline(always)]
    pub(super) fn input<E>(
        &self,
        conv: &Conv2d,
        tile: usize,
        input: *const E,
        zeros: *const E,
    ) -> [*const E; POINTS] {
        let [photo, y, x] = self.place(tile);
        let mut pixels = [zeros; POINTS];
        for (at, pixel) in pixels.iter_mut().enumerate() {
            // Below zero it wraps, and lies beyond the input.
            let y = (2 * y + at / 4).wrapping_sub(conv.window.before[0]);
            let x = (2 * x + at % 4).wrapping_sub(conv.window.before[1]);
            if y < conv.input[0] && x < conv.input[1] {
                let pixel_at = (photo * conv.input[0] + y) * conv.input[1] + x;
                *pixel = input.wrapping_add(pixel_at * conv.in_channels);
            }
        }
        pixels
    }

    /// Where a tile's pixels start in `output`; `zeros` for those beyond its edges.
    #[inline(always)]
    pub(super) fn output<E>(
        &self,
        conv: &Conv2d,
        tile: usize,
        output: *const E,
        zeros: *const E,
    ) -> [*const E; 4] {
        let [photo, y, x] = self.place(tile);
        let [height, width] = conv.output();
        let mut pixels = [zeros; 4];
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let (y, x) = (2 * y + at / 2, 2 * x + at % 2);
            if y < height && x < width {
                let pixel_at = (photo * height + y) * width + x;
                *pixel = output.wrapping_add(pixel_at * conv.out_channels);
            }
        }
        pixels
    }
}

/// Reads `n` values of each pixel, from `first` on.
///
/// # Safety
///
/// Each pixel has as many values.
#[inline(always)]
pub(super) unsafe fn load<S: Simd, E: Element, const P: usize>(
    s: S,
    pixels: &[*const E; P],
    first: usize,
    n: usize,
) -> [S::F; P] {
    let mut values = [s.splat(0.0); P];
    for (value, pixel) in values.iter_mut().zip(pixels) {
        // Safety: the caller's promise.
        *value = unsafe { E::load_first(s, pixel.add(first), n) };
    }
    values
}
