//! The gradient of depthwise weights: per channel and place of the kernel, the sum over pixels of input times output
//! gradient.

use crate::{
    context::Context,
    simd::{Element, Kernel, Simd, unrolled},
};

use super::DepthwiseConv2d;

/// Bytes of the sums.
pub(super) fn sums_bytes(shape: &DepthwiseConv2d) -> usize {
    size_of::<f32>() * shape.parts().1 * shape.weights_len()
}

pub(super) fn run<E: Element>(
    shape: &DepthwiseConv2d,
    context: &Context,
    input: &[E],
    output_gradient: &[E],
    gradient: &mut [f32],
) {
    let lines = shape.batch * shape.output()[0];
    let (part, parts) = shape.parts();
    let weights = gradient.len();
    let mut sums = context.buffers().take_zeroed::<f32>(parts * weights);
    let isa = context.isa();
    context.for_each_part(&mut sums, weights, |item, sums| {
        let lines = item * part..((item + 1) * part).min(lines);
        E::depthwise_reduce(
            isa,
            Reduce {
                shape,
                input,
                output_gradient,
                lines,
                sums,
            },
        );
    });
    crate::reduce::add_up_parts(&sums, weights, 0, gradient);
}

/// Windows of a row that a vector of channels is walked over before the next: the sums of a kernel's row are written to memory
/// only so often, and all channels of these windows fit into the nearest cache.
const SEGMENT: usize = 16;

/// The terms of some output rows.
pub(crate) struct Reduce<'a, E> {
    shape: &'a DepthwiseConv2d,
    input: &'a [E],
    output_gradient: &'a [E],
    lines: std::ops::Range<usize>,
    sums: &'a mut [f32],
}

impl<E: Element> Kernel for Reduce<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let whole = self.shape.channels.is_multiple_of(S::LANES);
        match (whole, self.shape.window.kernel[1], self.shape.window.stride[1]) {
            (true, 3, 1) => self.lines::<S, true, 3, 1>(s),
            (true, 3, 2) => self.lines::<S, true, 3, 2>(s),
            (false, 3, 1) => self.lines::<S, false, 3, 1>(s),
            (false, 3, 2) => self.lines::<S, false, 3, 2>(s),
            (_, 5, 1) => self.lines::<S, false, 5, 1>(s),
            (_, 5, 2) => self.lines::<S, false, 5, 2>(s),
            _ => self.lines::<S, false, 0, 0>(s),
        }
    }
}

impl<E: Element> Reduce<'_, E> {
    /// All rows. `KW` and `STRIDE` are the horizontal kernel and stride, `KW` 0 stands for any. `WHOLE`: channels come in
    /// whole vectors.
    #[inline(always)]
    fn lines<S: Simd, const WHOLE: bool, const KW: usize, const STRIDE: usize>(&mut self, s: S) {
        let channels = self.shape.channels;
        let width = self.shape.output()[1];
        for line in self.lines.clone() {
            for x in (0..width).step_by(SEGMENT) {
                let windows = x..(x + SEGMENT).min(width);
                for first in (0..channels).step_by(S::LANES) {
                    let n = if WHOLE {
                        S::LANES
                    } else {
                        (channels - first).min(S::LANES)
                    };
                    // Safety: `first + n` channels exist, the line is a row of the output, and the windows are in it.
                    unsafe {
                        if KW == 0 {
                            self.any_windows(s, line, windows.clone(), first, n);
                        } else {
                            self.windows::<S, KW, STRIDE>(s, line, windows.clone(), first, n);
                        }
                    }
                }
            }
        }
    }

    /// Where the input row under row `ky` of the kernel starts, if it exists.
    #[inline(always)]
    fn input_row(&self, line: usize, ky: usize, first: usize) -> Option<*const E> {
        let (shape, window) = (self.shape, &self.shape.window);
        let height = shape.output()[0];
        let (photo, y) = (line / height, line % height);
        let iy = (y * window.stride[0] + ky).wrapping_sub(window.before[0]);
        let row = shape.input[1] * shape.channels;
        (iy < shape.input[0]).then(|| {
            self.input
                .as_ptr()
                .wrapping_add((photo * shape.input[0] + iy) * row + first)
        })
    }

    /// The vector of channels at column `ix` of `row`: zero where there is no such column.
    #[inline(always)]
    unsafe fn column<S: Simd>(&self, s: S, row: *const E, ix: usize, n: usize) -> S::F {
        if ix < self.shape.input[1] {
            // Safety: the caller promises a row with `n` channels; its columns are as many as was tested.
            unsafe { E::load_first(s, row.add(ix * self.shape.channels), n) }
        } else {
            s.splat(0.0)
        }
    }

    /// Some windows of an output row, a row of the kernel at a time: its sums and columns stay in registers, and each column is
    /// read once.
    #[inline(always)]
    unsafe fn windows<S: Simd, const KW: usize, const STRIDE: usize>(
        &mut self,
        s: S,
        line: usize,
        windows: std::ops::Range<usize>,
        first: usize,
        n: usize,
    ) {
        let channels = self.shape.channels;
        let width = self.shape.output()[1];
        let before = self.shape.window.before[1];
        // Safety: the caller promises line, windows and channels; input rows exist, and columns are tested.
        unsafe {
            let gradient = self.output_gradient.as_ptr().add(line * width * channels + first);
            for ky in 0..self.shape.window.kernel[0] {
                let Some(row) = self.input_row(line, ky, first) else {
                    continue;
                };
                let mut sums = [s.splat(0.0); KW];
                let mut columns = [s.splat(0.0); KW];
                // Before the first window, the columns are as if it had moved there by its stride.
                let left = (windows.start * STRIDE).wrapping_sub(before + STRIDE);
                unrolled!(KW, |kx| {
                    if kx >= STRIDE {
                        columns[kx] = self.column(s, row, left.wrapping_add(kx), n);
                    }
                });
                for x in windows.clone() {
                    let g = E::load_first(s, gradient.add(x * channels), n);
                    let left = (x * STRIDE).wrapping_sub(before);
                    unrolled!(KW, |kx| {
                        columns[kx] = if kx + STRIDE < KW {
                            columns[kx + STRIDE]
                        } else {
                            self.column(s, row, left.wrapping_add(kx), n)
                        };
                        sums[kx] = s.mul_add(columns[kx], g, sums[kx]);
                    });
                }
                unrolled!(KW, |kx| {
                    let to = self.sums.as_mut_ptr().add((ky * KW + kx) * channels + first);
                    s.store_first(to, s.add(s.load_first(to, n), sums[kx]), n);
                });
            }
        }
    }

    /// Some windows of an output row, whatever their shape.
    #[inline(always)]
    unsafe fn any_windows<S: Simd>(
        &mut self,
        s: S,
        line: usize,
        windows: std::ops::Range<usize>,
        first: usize,
        n: usize,
    ) {
        let channels = self.shape.channels;
        let window = &self.shape.window;
        let width = self.shape.output()[1];
        // Safety: as in `windows`.
        unsafe {
            let gradient = self.output_gradient.as_ptr().add(line * width * channels + first);
            for ky in 0..window.kernel[0] {
                let Some(row) = self.input_row(line, ky, first) else {
                    continue;
                };
                for kx in 0..window.kernel[1] {
                    let mut sum = s.splat(0.0);
                    for x in windows.clone() {
                        let ix = (x * window.stride[1] + kx).wrapping_sub(window.before[1]);
                        if ix < self.shape.input[1] {
                            let g = E::load_first(s, gradient.add(x * channels), n);
                            sum = s.mul_add(E::load_first(s, row.add(ix * channels), n), g, sum);
                        }
                    }
                    let to = self
                        .sums
                        .as_mut_ptr()
                        .add((ky * window.kernel[1] + kx) * channels + first);
                    s.store_first(to, s.add(s.load_first(to, n), sum), n);
                }
            }
        }
    }
}
