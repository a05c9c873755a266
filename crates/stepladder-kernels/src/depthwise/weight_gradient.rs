//! The gradient of depthwise weights: per channel and place of the kernel, the sum over pixels of input times output
//! gradient.

use crate::{
    context::Context,
    simd::{Element, Kernel, Simd, unrolled},
};

use super::{DepthwiseConv2d, ITEMS};

pub(super) fn run<E: Element>(
    shape: &DepthwiseConv2d,
    context: &Context,
    input: &[E],
    output_gradient: &[E],
    gradient: &mut [f32],
) {
    let lines = shape.batch * shape.output()[0];
    let part = lines.div_ceil(ITEMS);
    let parts = lines.div_ceil(part);
    let weights = gradient.len();
    let mut sums = context.buffers().take_zeroed::<f32>(parts * weights);
    let isa = context.isa();
    context.for_each_part(&mut sums, weights, |item, sums| {
        let lines = item * part..((item + 1) * part).min(lines);
        isa.run(Part {
            shape,
            input,
            output_gradient,
            lines,
            sums,
        });
    });
    for (i, to) in gradient.iter_mut().enumerate() {
        *to = sums
            .chunks_exact(weights)
            .map(|part| f64::from(part[i]))
            .sum::<f64>() as f32;
    }
}

/// The terms of some output rows.
struct Part<'a, E> {
    shape: &'a DepthwiseConv2d,
    input: &'a [E],
    output_gradient: &'a [E],
    lines: std::ops::Range<usize>,
    sums: &'a mut [f32],
}

impl<E: Element> Kernel for Part<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let channels = self.shape.channels;
        for line in self.lines.clone() {
            for first in (0..channels).step_by(S::LANES) {
                let n = (channels - first).min(S::LANES);
                // Safety: `first + n` channels exist, and the line is a row of the output.
                unsafe {
                    match (self.shape.window.kernel[1], self.shape.window.stride[1]) {
                        (3, 1) => self.line::<S, 3, 1>(s, line, first, n),
                        (3, 2) => self.line::<S, 3, 2>(s, line, first, n),
                        (5, 1) => self.line::<S, 5, 1>(s, line, first, n),
                        (5, 2) => self.line::<S, 5, 2>(s, line, first, n),
                        _ => self.any_line(s, line, first, n),
                    }
                }
            }
        }
    }
}

impl<E: Element> Part<'_, E> {
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

    /// One output row, a row of the kernel at a time: its sums and columns stay in registers, and each column is read once.
    #[inline(always)]
    unsafe fn line<S: Simd, const KW: usize, const STRIDE: usize>(
        &mut self,
        s: S,
        line: usize,
        first: usize,
        n: usize,
    ) {
        let channels = self.shape.channels;
        let width = self.shape.input[1];
        let windows = self.shape.output()[1];
        let before = self.shape.window.before[1];
        // Safety: the caller promises line and channels; input rows exist, and columns are tested.
        unsafe {
            let gradient = self
                .output_gradient
                .as_ptr()
                .add(line * windows * channels + first);
            for ky in 0..self.shape.window.kernel[0] {
                let Some(row) = self.input_row(line, ky, first) else {
                    continue;
                };
                let column = |ix: usize| {
                    if ix < width {
                        E::load_first(s, row.add(ix * channels), n)
                    } else {
                        s.splat(0.0)
                    }
                };
                let mut sums = [s.splat(0.0); KW];
                let mut columns = [s.splat(0.0); KW];
                // Before the first window, the columns are as if it had moved there by its stride.
                unrolled!(KW, |kx| {
                    if kx >= STRIDE {
                        columns[kx] = column((kx - STRIDE).wrapping_sub(before));
                    }
                });
                for x in 0..windows {
                    let g = E::load_first(s, gradient.add(x * channels), n);
                    let left = (x * STRIDE).wrapping_sub(before);
                    unrolled!(KW, |kx| {
                        columns[kx] = if kx + STRIDE < KW {
                            columns[kx + STRIDE]
                        } else {
                            column(left.wrapping_add(kx))
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

    /// One output row, of any window.
    #[inline(always)]
    unsafe fn any_line<S: Simd>(&mut self, s: S, line: usize, first: usize, n: usize) {
        let channels = self.shape.channels;
        let window = &self.shape.window;
        let windows = self.shape.output()[1];
        // Safety: as in `line`.
        unsafe {
            let gradient = self
                .output_gradient
                .as_ptr()
                .add(line * windows * channels + first);
            for ky in 0..window.kernel[0] {
                let Some(row) = self.input_row(line, ky, first) else {
                    continue;
                };
                for kx in 0..window.kernel[1] {
                    let mut sum = s.splat(0.0);
                    for x in 0..windows {
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
