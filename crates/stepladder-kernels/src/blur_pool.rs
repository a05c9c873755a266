//! Half the resolution without aliasing: a fixed binomial filter at every other pixel, as timm's `BlurPool2d` (Zhang, Making
//! Convolutional Networks Shift-Invariant Again, 2019).

use crate::{
    context::Context,
    shape::values,
    simd::{Element, Kernel, Simd},
};

/// Shapes of a blur pooling: input `(batch, height, width, channels)`, output the same with half the height and width, rounded up.
///
/// The filter is `[1 2 1]^T [1 2 1] / 16`, with strides of 2 and a reflected pixel of padding on each side (the one before the first is
/// the second).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlurPool {
    /// Photos in the batch.
    pub batch: usize,
    /// Height and width of the input; at least 2.
    pub input: [usize; 2],
    /// Channels.
    pub channels: usize,
}

/// The filter along an axis, for the pixels before, at and after the window's middle.
const FILTER: [f32; 3] = [0.25, 0.5, 0.25];

/// Pixels that a window sees along an axis, or windows that see a pixel, with their factors; those of none are zero.
type Terms = [(usize, f32); 3];

impl BlurPool {
    /// Height and width of the output.
    ///
    /// # Panics
    ///
    /// The height or the width of the input is less than 2.
    pub fn output(&self) -> [usize; 2] {
        assert!(
            self.input.iter().all(|size| *size >= 2),
            "a map of 2 x 2 pixels at least: {self:?}"
        );
        self.input.map(|size| size.div_ceil(2))
    }

    /// Values in the input.
    pub fn input_len(&self) -> usize {
        values([self.batch, self.input[0], self.input[1], self.channels])
    }

    /// Values in the output.
    pub fn output_len(&self) -> usize {
        let [height, width] = self.output();
        values([self.batch, height, width, self.channels])
    }

    /// `output` from `input`.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn forward<E: Element>(&self, context: &Context, input: &[E], output: &mut [E]) {
        assert_eq!(input.len(), self.input_len(), "input of {self:?}");
        assert_eq!(output.len(), self.output_len(), "output of {self:?}");
        let terms = self.input.map(|size| {
            let windows = 0..size.div_ceil(2);
            windows.map(|window| seen(size, window)).collect::<Vec<_>>()
        });
        self.gather(context, input, self.input, &terms, output);
    }

    /// `input_gradient` from `output_gradient`.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn backward<E: Element>(&self, context: &Context, output_gradient: &[E], input_gradient: &mut [E]) {
        assert_eq!(
            output_gradient.len(),
            self.output_len(),
            "output gradient of {self:?}"
        );
        assert_eq!(
            input_gradient.len(),
            self.input_len(),
            "input gradient of {self:?}"
        );
        let terms = self
            .input
            .map(|size| (0..size).map(|pixel| seen_by(size, pixel)).collect::<Vec<_>>());
        self.gather(context, output_gradient, self.output(), &terms, input_gradient);
    }

    /// `to` = for each of its rows and columns, the sum of those of `from` in their terms.
    fn gather<E: Element>(
        &self,
        context: &Context,
        from: &[E],
        size: [usize; 2],
        terms: &[Vec<Terms>; 2],
        to: &mut [E],
    ) {
        let [rows, columns] = terms;
        let isa = context.isa();
        context.for_each_part(to, columns.len() * self.channels, |line, to| {
            let (photo, row) = (line / rows.len(), line % rows.len());
            let length = size[0] * size[1] * self.channels;
            E::blur_pool(
                isa,
                Gather {
                    channels: self.channels,
                    width: size[1],
                    from: &from[photo * length..][..length],
                    rows: &rows[row],
                    columns,
                    to,
                },
            );
        });
    }
}

/// Where a place beyond the map's ends is reflected to.
fn reflected(size: usize, at: isize) -> usize {
    let at = at.unsigned_abs();
    if at < size { at } else { 2 * (size - 1) - at }
}

/// The pixels that a window sees.
fn seen(size: usize, window: usize) -> Terms {
    [0, 1, 2].map(|i| (reflected(size, (2 * window + i) as isize - 1), FILTER[i]))
}

/// The windows that see a pixel: those whose middle is at most one pixel away.
fn seen_by(size: usize, pixel: usize) -> Terms {
    let windows = size.div_ceil(2);
    [0, 1, 2].map(|i| {
        let window = (pixel / 2 + i).wrapping_sub(1);
        if window >= windows {
            return (0, 0.0);
        }
        let own = seen(size, window).into_iter().filter(|(at, _)| *at == pixel);
        (window, own.map(|(_, factor)| factor).sum())
    })
}

/// A row.
pub(crate) struct Gather<'a, E> {
    channels: usize,
    /// Columns of `from`.
    width: usize,
    /// The photo.
    from: &'a [E],
    rows: &'a Terms,
    columns: &'a [Terms],
    to: &'a mut [E],
}

impl<E: Element> Kernel for Gather<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.channels;
        for (columns, to) in self.columns.iter().zip(self.to.chunks_exact_mut(channels)) {
            for first in (0..channels).step_by(S::LANES) {
                let n = (channels - first).min(S::LANES);
                let mut sum = s.splat(0.0);
                for (row, by_row) in self.rows {
                    for (column, by_column) in columns {
                        let factor = by_row * by_column;
                        if factor == 0.0 {
                            continue;
                        }
                        let pixel = &self.from[(row * self.width + column) * channels..][..channels];
                        // Safety: a pixel has `first + n` channels.
                        let x = unsafe { E::load_first(s, pixel.as_ptr().add(first), n) };
                        sum = s.mul_add(x, s.splat(factor), sum);
                    }
                }
                // Safety: as above.
                unsafe { E::store_first(s, to.as_mut_ptr().add(first), sum, n) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_seen_by_the_windows_that_see_them() {
        for size in 2..9_usize {
            for pixel in 0..size {
                for window in 0..size.div_ceil(2) {
                    let total = |terms: Terms, at: usize| -> f32 {
                        let own = terms.iter().filter(|(place, _)| *place == at);
                        own.map(|(_, factor)| factor).sum()
                    };
                    let (forward, backward) = (
                        total(seen(size, window), pixel),
                        total(seen_by(size, pixel), window),
                    );
                    assert_eq!(forward, backward, "pixel {pixel} of {size}, window {window}");
                }
            }
        }
    }
}
