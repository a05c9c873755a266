//! Depthwise convolution of NHWC maps: each channel by its own kernel. Forward, and the gradients of input and weights.
//!
//! There is one multiply-add per value read, so what counts is to read each value once: vectors run over channels, a
//! tile of output pixels side by side shares the columns it reads, and rows that overlap stay in the nearest cache.

mod input_gradient;
mod multiplier;
mod weight_gradient;

pub(crate) use input_gradient::Gather;
pub(crate) use weight_gradient::Reduce;

use crate::{
    activation::{Activation, InPlace},
    buffer::Buffer,
    context::{Context, Shared},
    conv::{Statistics, finish_statistics},
    shape::values,
    simd::{Element, Kernel, Simd, unrolled},
    window::Window,
    workspace::{Workspace, largest},
};

/// Shapes of a depthwise convolution: input `(batch, height, width, channels)`, weights
/// `(kernel height, kernel width, channels, multiplier)` as Keras has them, output
/// `(batch, windows, windows, channels x multiplier)`: output channel `c x multiplier + m` is input channel `c` under its `m`th kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DepthwiseConv2d {
    /// Photos in the batch.
    pub batch: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Channels of the input.
    pub channels: usize,
    /// Kernels, and so output channels, for each channel of the input; at least 1. With more than one, passes take a copy of the
    /// input with each channel so many times.
    pub multiplier: usize,
    /// Kernel, strides and padding.
    pub window: Window,
}

/// Work items wanted at least.
const ITEMS: usize = 32;

impl DepthwiseConv2d {
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

    /// Channels of the output.
    ///
    /// # Panics
    ///
    /// The multiplier is 0.
    pub fn out_channels(&self) -> usize {
        assert!(self.multiplier > 0, "the multiplier must be at least 1: {self:?}");
        values([self.channels, self.multiplier])
    }

    /// Values in the output.
    pub fn output_len(&self) -> usize {
        let [height, width] = self.output();
        values([self.batch, height, width, self.out_channels()])
    }

    /// Values in the weights.
    pub fn weights_len(&self) -> usize {
        values([self.window.kernel[0], self.window.kernel[1], self.out_channels()])
    }

    /// Multiply-adds of the forward pass for the whole batch.
    pub fn multiply_adds(&self) -> u64 {
        (self.output_len() as u64).saturating_mul(values(self.window.kernel) as u64)
    }

    /// What the passes take for maps of `E`.
    pub fn workspace<E: Element>(&self) -> Workspace {
        if self.multiplier > 1 {
            return multiplier::workspace::<E>(self);
        }
        let flipped = (self.window.stride == [1, 1]).then_some(size_of::<f32>() * self.weights_len());
        let bias = crate::reduce::channel_sums_bytes(self.output_len(), self.channels);
        Workspace {
            forward: vec![size_of::<f32>() * self.parts().1 * 2 * self.channels],
            inference: Vec::new(),
            input_gradient: flipped.into_iter().collect(),
            // One after the other.
            weight_gradient: largest([vec![weight_gradient::sums_bytes(self)], vec![bias]]),
        }
    }

    /// `output` = convolution of `input` by `weights`, plus `bias` (`channels x multiplier` values), and the output's statistics where
    /// asked for; then `activation`, of which the statistics know nothing. Weights stay f32 whatever the storage.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape, or the activation is not [fused](Activation::is_fused).
    #[allow(clippy::too_many_arguments, reason = "the operands of one fused pass")]
    pub fn forward<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        weights: &[f32],
        bias: Option<&[f32]>,
        activation: Activation,
        output: &mut [E],
        statistics: Option<Statistics<'_>>,
    ) {
        activation.assert_fused();
        assert_eq!(input.len(), self.input_len(), "input of {self:?}");
        assert_eq!(weights.len(), self.weights_len(), "weights of {self:?}");
        assert_eq!(output.len(), self.output_len(), "output of {self:?}");
        if let Some(bias) = bias {
            assert_eq!(bias.len(), self.out_channels(), "bias of {self:?}");
        }
        if self.multiplier > 1 {
            let input = multiplier::expand(self, context, input);
            return self
                .expanded()
                .forward(context, &input, weights, bias, activation, output, statistics);
        }
        let [height, width] = self.output();
        let lines = self.batch * height;
        let (part, parts) = self.parts();
        let mut sums = statistics
            .is_some()
            .then(|| context.buffers().take_zeroed::<f32>(parts * 2 * self.channels));
        let shared = sums.as_deref_mut().map(Shared::new);
        let isa = context.isa();
        context.for_each_part(output, part * width * self.channels, |item, output| {
            E::depthwise_forward(
                isa,
                Forward {
                    shape: self,
                    input,
                    weights,
                    bias,
                    activation,
                    first_line: item * part,
                    output,
                    // Safety: each item has its own 2 * channels sums.
                    sums: shared
                        .as_ref()
                        .map(|sums| unsafe { sums.slice(item * 2 * self.channels, 2 * self.channels) }),
                },
            );
        });
        if let (Some(statistics), Some(sums)) = (statistics, sums) {
            finish_statistics(statistics, &sums, self.channels, self.channels, lines * width);
        }
    }

    /// `input_gradient` = the gradient of the loss by the input, from `output_gradient`, that by the output.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn input_gradient<E: Element>(
        &self,
        context: &Context,
        output_gradient: &[E],
        weights: &[f32],
        input_gradient: &mut [E],
    ) {
        assert_eq!(
            output_gradient.len(),
            self.output_len(),
            "output gradient of {self:?}"
        );
        assert_eq!(weights.len(), self.weights_len(), "weights of {self:?}");
        assert_eq!(
            input_gradient.len(),
            self.input_len(),
            "input gradient of {self:?}"
        );
        if self.multiplier > 1 {
            multiplier::input_gradient(self, context, output_gradient, weights, input_gradient);
        } else if self.window.stride == [1, 1] {
            let (flipped, weights) = self.flipped(context, weights);
            let linear = Activation::Linear;
            flipped.forward(
                context,
                output_gradient,
                &weights,
                None,
                linear,
                input_gradient,
                None,
            );
        } else {
            input_gradient::strided(self, context, output_gradient, weights, input_gradient);
        }
    }

    /// `weight_gradient` = the gradient of the loss by the weights, and `bias_gradient` that by the bias.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn weight_gradient<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        output_gradient: &[E],
        weight_gradient: &mut [f32],
        bias_gradient: Option<&mut [f32]>,
    ) {
        assert_eq!(input.len(), self.input_len(), "input of {self:?}");
        assert_eq!(
            output_gradient.len(),
            self.output_len(),
            "output gradient of {self:?}"
        );
        assert_eq!(
            weight_gradient.len(),
            self.weights_len(),
            "weight gradient of {self:?}"
        );
        if self.multiplier > 1 {
            let input = multiplier::expand(self, context, input);
            weight_gradient::run(
                &self.expanded(),
                context,
                &input,
                output_gradient,
                weight_gradient,
            );
        } else {
            weight_gradient::run(self, context, input, output_gradient, weight_gradient);
        }
        if let Some(bias_gradient) = bias_gradient {
            crate::reduce::channel_sums(context, output_gradient, self.out_channels(), bias_gradient);
        }
    }

    /// The convolution of an input that has each channel `multiplier` times.
    fn expanded(&self) -> DepthwiseConv2d {
        DepthwiseConv2d {
            channels: self.out_channels(),
            multiplier: 1,
            ..*self
        }
    }

    /// Output rows of a work item, and how many items there are.
    fn parts(&self) -> (usize, usize) {
        let lines = self.batch * self.output()[0];
        let part = lines.div_ceil(ITEMS);
        (part, lines.div_ceil(part))
    }

    /// With stride 1, the input's gradient is a convolution of the output's by the kernel reversed along both axes.
    fn flipped(&self, context: &Context, weights: &[f32]) -> (DepthwiseConv2d, Buffer<f32>) {
        let window = &self.window;
        let opposite = |pads: [usize; 2]| [0, 1].map(|i| window.kernel[i] - 1 - pads[i]);
        let turned = Window {
            before: opposite(window.before),
            after: opposite(window.after),
            ..*window
        };
        let mut flipped = context.buffers().take::<f32>(weights.len());
        let pixels = flipped.chunks_exact_mut(self.channels);
        for (to, from) in pixels.zip(weights.rchunks_exact(self.channels)) {
            to.copy_from_slice(from);
        }
        (
            DepthwiseConv2d {
                input: self.output(),
                window: turned,
                ..*self
            },
            flipped,
        )
    }
}

/// Some output rows.
pub(crate) struct Forward<'a, E> {
    shape: &'a DepthwiseConv2d,
    input: &'a [E],
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    activation: Activation,
    /// Of all rows of the batch's output, the first that `output` holds.
    first_line: usize,
    output: &'a mut [E],
    sums: Option<&'a mut [f32]>,
}

impl<E: Element> Kernel for Forward<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let whole = self.shape.channels.is_multiple_of(S::LANES);
        // As many pixels as sums, columns and a weight fit in the registers.
        match (whole, self.shape.window.kernel[1], self.shape.window.stride[1]) {
            (true, 3, 1) => self.tiles::<S, true, 4, 3, 1, 6>(s),
            (true, 3, 2) => self.tiles::<S, true, 4, 3, 2, 9>(s),
            (false, 3, 1) => self.tiles::<S, false, 4, 3, 1, 6>(s),
            (false, 3, 2) => self.tiles::<S, false, 4, 3, 2, 9>(s),
            (_, 5, 1) => self.tiles::<S, false, 4, 5, 1, 8>(s),
            (_, 5, 2) => self.tiles::<S, false, 4, 5, 2, 11>(s),
            _ => self.tiles::<S, false, 1, 0, 0, 0>(s),
        }
    }
}

impl<E: Element> Forward<'_, E> {
    /// All rows, in tiles of `T` pixels. `K` and `STRIDE` are the horizontal kernel and stride, `COLUMNS` the columns that
    /// a tile reads; `K` 0 stands for any. `WHOLE`: channels come in whole vectors.
    #[inline(always)]
    fn tiles<
        S: Simd,
        const WHOLE: bool,
        const T: usize,
        const K: usize,
        const STRIDE: usize,
        const COLUMNS: usize,
    >(
        &mut self,
        s: S,
    ) {
        let [height, width] = self.shape.output();
        let channels = self.shape.channels;
        let lines = self.output.len() / (width * channels);
        for line in 0..lines {
            let (photo, y) = (
                (self.first_line + line) / height,
                (self.first_line + line) % height,
            );
            for x in (0..width).step_by(T) {
                let count = T.min(width - x);
                let at = (line * width + x) * channels;
                for first in (0..channels).step_by(S::LANES) {
                    let n = if WHOLE {
                        S::LANES
                    } else {
                        (channels - first).min(S::LANES)
                    };
                    // Safety: `first + n` channels exist, and `count` pixels from `x` on.
                    unsafe {
                        let acc = if K == 0 {
                            [self.pixel(s, photo, [y, x], first, n); T]
                        } else {
                            self.tile::<S, T, K, STRIDE, COLUMNS>(s, photo, [y, x], first, n)
                        };
                        self.store(s, &acc, count, at + first, first, n);
                    }
                }
            }
            let row = &mut self.output[line * width * channels..][..width * channels];
            let values = InPlace {
                activation: self.activation,
                values: row.as_mut_ptr(),
                count: row.len(),
            };
            // Safety: the row is borrowed until then.
            unsafe { values.run(s) };
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const T: usize, const K: usize, const STRIDE: usize, const COLUMNS: usize>(
        &self,
        s: S,
        photo: usize,
        [y, x]: [usize; 2],
        first: usize,
        n: usize,
    ) -> [S::F; T] {
        let (shape, window) = (self.shape, &self.shape.window);
        let [height, width] = shape.input;
        // Safety: the caller promises the channels; rows and columns are tested.
        unsafe {
            let mut acc = [self.bias(s, first, n); T];
            for ky in 0..window.kernel[0] {
                let iy = (y * window.stride[0] + ky).wrapping_sub(window.before[0]);
                if iy >= height {
                    continue;
                }
                let row = self
                    .input
                    .as_ptr()
                    .add((photo * height + iy) * width * shape.channels + first);
                let left = (x * STRIDE).wrapping_sub(window.before[1]);
                let mut columns = [s.splat(0.0); COLUMNS];
                // The whole tile inside is the common case, and has no tests between its loads.
                if left < width && left + COLUMNS <= width {
                    for (i, column) in columns.iter_mut().enumerate() {
                        *column = E::load_first(s, row.add((left + i) * shape.channels), n);
                    }
                } else {
                    for (i, column) in columns.iter_mut().enumerate() {
                        let ix = left.wrapping_add(i);
                        if ix < width {
                            *column = E::load_first(s, row.add(ix * shape.channels), n);
                        }
                    }
                }
                for kx in 0..K {
                    let at = (ky * K + kx) * shape.channels + first;
                    let w = s.load_first(self.weights.as_ptr().add(at), n);
                    for t in 0..T {
                        acc[t] = s.mul_add(columns[t * STRIDE + kx], w, acc[t]);
                    }
                }
            }
            acc
        }
    }

    /// One output pixel, of any window.
    #[inline(always)]
    unsafe fn pixel<S: Simd>(&self, s: S, photo: usize, [y, x]: [usize; 2], first: usize, n: usize) -> S::F {
        let (shape, window) = (self.shape, &self.shape.window);
        let [height, width] = shape.input;
        // Safety: the caller promises the channels; rows and columns are tested.
        unsafe {
            let mut acc = self.bias(s, first, n);
            for ky in 0..window.kernel[0] {
                for kx in 0..window.kernel[1] {
                    let iy = (y * window.stride[0] + ky).wrapping_sub(window.before[0]);
                    let ix = (x * window.stride[1] + kx).wrapping_sub(window.before[1]);
                    if iy < height && ix < width {
                        let at = ((photo * height + iy) * width + ix) * shape.channels + first;
                        let value = E::load_first(s, self.input.as_ptr().add(at), n);
                        let w = (ky * window.kernel[1] + kx) * shape.channels + first;
                        acc = s.mul_add(value, s.load_first(self.weights.as_ptr().add(w), n), acc);
                    }
                }
            }
            acc
        }
    }

    #[inline(always)]
    unsafe fn bias<S: Simd>(&self, s: S, first: usize, n: usize) -> S::F {
        match self.bias {
            // Safety: the bias has as many values as there are channels.
            Some(bias) => unsafe { s.load_first(bias.as_ptr().add(first), n) },
            None => s.splat(0.0),
        }
    }

    #[inline(always)]
    unsafe fn store<S: Simd, const T: usize>(
        &mut self,
        s: S,
        acc: &[S::F; T],
        count: usize,
        at: usize,
        first: usize,
        n: usize,
    ) {
        let channels = self.shape.channels;
        // Safety: the caller promises `count` pixels at `at` with `n` channels from there on.
        unsafe {
            unrolled!(T, |t| {
                if t < count {
                    E::store_first(s, self.output.as_mut_ptr().add(at + t * channels), acc[t], n);
                }
            });
            if let Some(sums) = &mut self.sums {
                let (sum_at, square_at) = (
                    sums.as_mut_ptr().add(first),
                    sums.as_mut_ptr().add(channels + first),
                );
                let (mut sum, mut squares) = (s.load_first(sum_at, n), s.load_first(square_at, n));
                unrolled!(T, |t| {
                    if t < count {
                        sum = s.add(sum, acc[t]);
                        squares = s.mul_add(acc[t], acc[t], squares);
                    }
                });
                s.store_first(sum_at, sum, n);
                s.store_first(square_at, squares, n);
            }
        }
    }
}
