//! Pooling on its own: any window with padding, and the mean of whole maps. Max pooling without overlap after a
//! convolution is better fused, see [`crate::Epilogue`].

use crate::{
    context::Context,
    shape::values,
    simd::{Element, Kernel, Simd},
    window::Window,
    workspace::Workspace,
};

/// What becomes of a window. Padding takes no part in either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The largest value; its gradient goes to the first of equals.
    Max,
    /// The mean.
    Average,
}

/// Shapes of a pooling: input `(batch, height, width, channels)`, output `(batch, windows, windows, channels)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pool2d {
    /// Photos in the batch.
    pub batch: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Channels.
    pub channels: usize,
    /// Pool size, strides and padding.
    pub window: Window,
    /// Maximum or mean.
    pub kind: PoolKind,
}

impl Pool2d {
    /// Height and width of the output.
    ///
    /// # Panics
    ///
    /// As [`Window::output`].
    pub fn output(&self) -> [usize; 2] {
        self.window.output(self.input)
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

    /// What the passes take with `threads` threads: the forward pass nothing, the backward pass, as `input_gradient`, the sums of a
    /// photo for each thread.
    pub fn workspace(&self, threads: usize) -> Workspace {
        let photo = size_of::<f32>() * self.input_len() / self.batch;
        Workspace {
            input_gradient: vec![photo; threads.min(self.batch)],
            ..Workspace::default()
        }
    }

    /// `output` from `input`.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn forward<E: Element>(&self, context: &Context, input: &[E], output: &mut [E]) {
        assert_eq!(input.len(), self.input_len(), "input of {self:?}");
        assert_eq!(output.len(), self.output_len(), "output of {self:?}");
        let isa = context.isa();
        let row = self.output()[1] * self.channels;
        context.for_each_part(output, row, |line, output| {
            E::pool_forward(
                isa,
                Forward {
                    shape: self,
                    input,
                    line,
                    output,
                },
            )
        });
    }

    /// `input_gradient` from `output_gradient` and the forward pass's `input`.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn backward<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        output_gradient: &[E],
        input_gradient: &mut [E],
    ) {
        assert_eq!(input.len(), self.input_len(), "input of {self:?}");
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
        let isa = context.isa();
        let photo = self.input_len() / self.batch;
        context.for_each_part(input_gradient, photo, |n, to| {
            // Windows may overlap: their gradients meet in f32.
            let mut sums = context.buffers().take_zeroed::<f32>(photo);
            let input = &input[n * photo..][..photo];
            let length = output_gradient.len() / self.batch;
            let output_gradient = &output_gradient[n * length..][..length];
            E::pool_backward(
                isa,
                Backward {
                    shape: self,
                    input,
                    output_gradient,
                    sums: &mut sums,
                },
            );
            to.iter_mut()
                .zip(&*sums)
                .for_each(|(to, sum)| *to = E::from_f32(*sum));
        });
    }

    /// The input rows (axis 0) or columns (axis 1) that window `at` sees.
    #[inline(always)]
    fn seen(&self, axis: usize, at: usize) -> std::ops::Range<usize> {
        let from = at * self.window.stride[axis];
        let end = (from + self.window.kernel[axis]).saturating_sub(self.window.before[axis]);
        from.saturating_sub(self.window.before[axis])..end.min(self.input[axis])
    }
}

/// One output row.
pub(crate) struct Forward<'a, E> {
    shape: &'a Pool2d,
    input: &'a [E],
    line: usize,
    output: &'a mut [E],
}

impl<E: Element> Kernel for Forward<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Forward {
            shape,
            input,
            line,
            output,
        } = self;
        let [height, width] = shape.output();
        let rows = shape.seen(0, line % height);
        let top = line / height * shape.input[0];
        for x in 0..width {
            let columns = shape.seen(1, x);
            let share = s.splat(1.0 / (rows.len() * columns.len()) as f32);
            for first in (0..shape.channels).step_by(S::LANES) {
                let n = (shape.channels - first).min(S::LANES);
                let max = shape.kind == PoolKind::Max;
                let mut acc = s.splat(if max { f32::NEG_INFINITY } else { 0.0 });
                for y in rows.clone() {
                    for x in columns.clone() {
                        let at = ((top + y) * shape.input[1] + x) * shape.channels + first;
                        // Safety: a pixel of the input, whose channels `first + n` exist.
                        let value = unsafe { E::load_first(s, input.as_ptr().add(at), n) };
                        acc = if max {
                            s.max(acc, value)
                        } else {
                            s.mul_add(value, share, acc)
                        };
                    }
                }
                // Safety: a pixel of the output row.
                unsafe { E::store_first(s, output.as_mut_ptr().add(x * shape.channels + first), acc, n) };
            }
        }
    }
}

/// One photo.
pub(crate) struct Backward<'a, E> {
    shape: &'a Pool2d,
    input: &'a [E],
    output_gradient: &'a [E],
    sums: &'a mut [f32],
}

impl<E: Element> Kernel for Backward<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Backward {
            shape,
            input,
            output_gradient,
            sums,
        } = self;
        let width = shape.output()[1];
        for (window, gradient) in output_gradient.chunks_exact(shape.channels).enumerate() {
            let rows = shape.seen(0, window / width);
            let columns = shape.seen(1, window % width);
            let share = s.splat(1.0 / (rows.len() * columns.len()) as f32);
            for first in (0..shape.channels).step_by(S::LANES) {
                let n = (shape.channels - first).min(S::LANES);
                let places = || {
                    let columns = columns.clone();
                    let pixels = rows
                        .clone()
                        .flat_map(move |y| columns.clone().map(move |x| (y, x)));
                    pixels.map(|(y, x)| (y * shape.input[1] + x) * shape.channels + first)
                };
                // Safety: places are pixels of the photo, whose channels `first + n` exist.
                unsafe {
                    let g = E::load_first(s, gradient.as_ptr().add(first), n);
                    let mut winner = s.splat(0.0);
                    if shape.kind == PoolKind::Max {
                        let mut most = s.splat(f32::NEG_INFINITY);
                        for (i, at) in places().enumerate() {
                            let value = E::load_first(s, input.as_ptr().add(at), n);
                            let above = s.gt(value, most);
                            most = s.select(above, value, most);
                            winner = s.select(above, s.splat(i as f32), winner);
                        }
                    }
                    for (i, at) in places().enumerate() {
                        let part = match shape.kind {
                            PoolKind::Max => crate::epilogue::only(s, g, winner, i),
                            PoolKind::Average => s.mul(g, share),
                        };
                        let to = sums.as_mut_ptr().add(at);
                        s.store_first(to, s.add(s.load_first(to, n), part), n);
                    }
                }
            }
        }
    }
}

/// Mean over each photo's map: input `(batch, pixels, channels)`, output `(batch, channels)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GlobalAveragePool {
    /// Photos in the batch.
    pub batch: usize,
    /// Height times width.
    pub pixels: usize,
    /// Channels.
    pub channels: usize,
}

impl GlobalAveragePool {
    /// `output` from `input`.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn forward<E: Element>(&self, context: &Context, input: &[E], output: &mut [E]) {
        let photo = values([self.pixels, self.channels]);
        assert_eq!(input.len(), values([self.batch, photo]), "input of {self:?}");
        assert_eq!(
            output.len(),
            values([self.batch, self.channels]),
            "output of {self:?}"
        );
        let isa = context.isa();
        context.for_each_part(output, self.channels, |n, output| {
            E::pool_mean(
                isa,
                Mean {
                    channels: self.channels,
                    input: &input[n * photo..][..photo],
                    output,
                },
            );
        });
    }

    /// `input_gradient` from `output_gradient`.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn backward<E: Element>(&self, context: &Context, output_gradient: &[E], input_gradient: &mut [E]) {
        let photo = values([self.pixels, self.channels]);
        assert_eq!(
            output_gradient.len(),
            values([self.batch, self.channels]),
            "output gradient of {self:?}"
        );
        assert_eq!(
            input_gradient.len(),
            values([self.batch, photo]),
            "input gradient of {self:?}"
        );
        let share = 1.0 / self.pixels as f32;
        context.for_each_part(input_gradient, photo, |n, to| {
            let gradient = &output_gradient[n * self.channels..][..self.channels];
            let (first, rest) = to.split_at_mut(self.channels);
            first
                .iter_mut()
                .zip(gradient)
                .for_each(|(to, g)| *to = E::from_f32(g.to_f32() * share));
            rest.chunks_exact_mut(self.channels)
                .for_each(|to| to.copy_from_slice(first));
        });
    }
}

/// One photo's means.
pub(crate) struct Mean<'a, E> {
    channels: usize,
    input: &'a [E],
    output: &'a mut [E],
}

impl<E: Element> Kernel for Mean<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Mean {
            channels,
            input,
            output,
        } = self;
        let share = s.splat(channels as f32 / input.len() as f32);
        for first in (0..channels).step_by(S::LANES) {
            let n = (channels - first).min(S::LANES);
            let mut sum = s.splat(0.0);
            // Safety: every pixel, and the output, has `first + n` channels.
            unsafe {
                for pixel in input.chunks_exact(channels) {
                    sum = s.add(sum, E::load_first(s, pixel.as_ptr().add(first), n));
                }
                E::store_first(s, output.as_mut_ptr().add(first), s.mul(sum, share), n);
            }
        }
    }
}
