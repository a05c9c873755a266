//! Convolution of NHWC maps: forward, the gradient of its input, the gradient of its weights.
//!
//! All three are the same blocked matrix product at heart. Forward and the input's gradient multiply pixels, read where
//! they lie ([`grid`], [`places`], [`tile`]), by weights packed beforehand ([`pack`]); a map of few channels is first unfolded along
//! its rows ([`fold`]); 3x3 kernels on many channels take fewer multiplications in all three ([`winograd`]). The weights' gradient of
//! all others has its own kernel ([`weight_gradient`]).

mod fold;
mod grid;
mod grouped;
#[cfg(target_arch = "x86_64")]
mod matrix;
mod pack;
mod packed;
mod places;
mod tile;
mod weight_gradient;
mod winograd;
mod workspace;

use crate::{
    activation::Activation, context::Context, isa::Isa, shape::values, simd::Element, window::Window,
};
pub(crate) use grid::Multiply;
pub(crate) use grid::finish_statistics;
use grid::{Extras, Grid, Tap, Weights};
pub use grouped::GroupedConv2d;
pub(crate) use pack::Pack;
pub use packed::PackedWeights;
pub(crate) use weight_gradient::Reduce;
pub(crate) use winograd::{Multiply as WinogradMultiply, Pack as WinogradPack, Reduce as WinogradReduce};
pub(crate) use workspace::Measure;

/// Shapes of a convolution: input `(batch, height, width, in_channels)`, weights as Keras has them
/// `(kernel height, kernel width, in_channels, out_channels)`, output `(batch, windows, windows, out_channels)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// Photos in the batch.
    pub batch: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Kernel, strides and padding.
    pub window: Window,
}

/// Where a convolution leaves the statistics of its output: per channel, over batch, height and width.
#[derive(Debug)]
pub struct Statistics<'a> {
    /// Means; `out_channels` values.
    pub mean: &'a mut [f32],
    /// Population variances; `out_channels` values.
    pub variance: &'a mut [f32],
}

impl Conv2d {
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
        values([self.batch, self.input[0], self.input[1], self.in_channels])
    }

    /// Values in the output.
    pub fn output_len(&self) -> usize {
        let [height, width] = self.output();
        values([self.batch, height, width, self.out_channels])
    }

    /// Values in the weights.
    pub fn weights_len(&self) -> usize {
        let [height, width] = self.window.kernel;
        values([height, width, self.in_channels, self.out_channels])
    }

    /// Multiply-adds of the forward pass for the whole batch, windows over padding counted in full, as is usual.
    pub fn multiply_adds(&self) -> u64 {
        let [height, width] = self.window.kernel;
        (self.output_len() as u64).saturating_mul(values([height, width, self.in_channels]) as u64)
    }

    /// `output` = convolution of `input` by `weights`, plus `bias` (`out_channels` values), and the output's statistics
    /// where asked for. 3x3 kernels of stride 1 on 32 channels and more take fewer multiplications (Winograd's F(2x2, 3x3)), in bf16 where
    /// vectors have its dot products: the same but for rounding.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn forward<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        weights: &[f32],
        bias: Option<&[f32]>,
        output: &mut [E],
        statistics: Option<Statistics<'_>>,
    ) {
        let extras = Extras {
            bias,
            statistics,
            accumulate: false,
            activation: Activation::Linear,
        };
        if self.packs_weights_itself::<E>(context.isa()) {
            assert_eq!(input.len(), self.input_len(), "input of {self:?}");
            assert_eq!(weights.len(), self.weights_len(), "weights of {self:?}");
            assert_eq!(output.len(), self.output_len(), "output of {self:?}");
            let plan = self.forward_plan();
            let weights = Weights::Plain(&plan, weights);
            self.forward_grid()
                .multiply(context, input, weights, output, extras);
            return;
        }
        let packed = self.pack::<E>(context, weights);
        self.multiply(context, input, &packed, output, extras);
    }

    /// `input_gradient` = the gradient of the loss by the input, from `output_gradient`, that by the output. With
    /// `accumulate` it is added to what `input_gradient` holds, as where a map has several readers.
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
        accumulate: bool,
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
        if winograd::pays::<E>(context.isa(), self) {
            let packed = winograd::pack_mirrored::<E>(context, self, weights);
            let extras = Extras {
                accumulate,
                ..Extras::default()
            };
            let mirrored = winograd::mirrored(self);
            winograd::multiply(
                context,
                &mirrored,
                output_gradient,
                &packed,
                input_gradient,
                extras,
            );
            return;
        }
        for (grid, plan) in self.phases() {
            if accumulate && plan.taps.is_empty() {
                continue;
            }
            let extras = Extras {
                accumulate,
                ..Extras::default()
            };
            let packed;
            let weights = if grid.packs_weights_itself() {
                Weights::Plain(&plan, weights)
            } else {
                packed = pack::pack::<E>(context, &plan, weights);
                Weights::Packed(&packed)
            };
            grid.multiply(context, output_gradient, weights, input_gradient, extras);
        }
    }

    /// `weight_gradient` = the gradient of the loss by the weights (same layout), and `bias_gradient` that by the bias.
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
        if winograd::weight_gradient_pays::<E>(context.isa(), self) {
            winograd::weight_gradient(context, self, input, output_gradient, weight_gradient);
        } else if fold::pays(self) {
            let rows = fold::fold(context, self, input);
            fold::reduction(self).run(context, &rows, output_gradient, weight_gradient);
        } else {
            self.reduction()
                .run(context, input, output_gradient, weight_gradient);
        }
        if let Some(bias_gradient) = bias_gradient {
            crate::reduce::channel_sums(context, output_gradient, self.out_channels, bias_gradient);
        }
    }

    /// Whether the forward pass packs weights piece by piece.
    fn packs_weights_itself<E: Element>(&self, isa: Isa) -> bool {
        !winograd::pays::<E>(isa, self) && !fold::pays(self) && self.forward_grid().packs_weights_itself()
    }

    fn forward_plan(&self) -> pack::Plan {
        let [kernel_height, kernel_width] = self.window.kernel;
        pack::Plan {
            taps: (0..kernel_height * kernel_width).collect(),
            reduced: self.in_channels,
            multiplied: self.in_channels,
            filters: self.out_channels,
            tap_stride: self.in_channels * self.out_channels,
            transposed: false,
        }
    }

    /// Channels of the input and of the output.
    fn channels(&self) -> [usize; 2] {
        [self.in_channels, self.out_channels]
    }

    fn forward_grid(&self) -> Grid {
        self.forward_grid_among(self.channels())
    }

    /// The forward product where pixels of the input, and of the output, lie `pixel` values apart.
    fn forward_grid_among(&self, pixel: [usize; 2]) -> Grid {
        let [height, width] = self.output();
        let window = &self.window;
        if window.is_pointwise() {
            return Grid::pointwise(self.batch * height * width, self.channels(), pixel);
        }
        let [from, to] = pixel;
        let row = self.input[1] * from;
        let mut taps = Vec::with_capacity(window.kernel[0] * window.kernel[1]);
        for y in 0..window.kernel[0] {
            for x in 0..window.kernel[1] {
                taps.push(Tap::new([
                    y as i32 - window.before[0] as i32,
                    x as i32 - window.before[1] as i32,
                ]));
            }
        }
        Grid {
            batch: self.batch,
            size: [height, width],
            input: self.input,
            input_stride: [self.input[0] * row, row, from],
            channels: self.in_channels,
            step: window.stride,
            taps,
            side_by_side: 1,
            output_stride: [height * width * to, width * to, to],
            output_origin: 0,
            filters: self.out_channels,
        }
    }

    /// The parts of the input's gradient: pixels that are a stride apart are reached by the same taps, and each such phase is a
    /// convolution of the output's gradient with stride 1.
    fn phases(&self) -> impl Iterator<Item = (Grid, pack::Plan)> {
        self.phases_among(self.channels())
    }

    /// [`Conv2d::phases`] where pixels of the input, and of the output, lie `pixel` values apart.
    fn phases_among(&self, pixel: [usize; 2]) -> impl Iterator<Item = (Grid, pack::Plan)> {
        let [down, right] = self.window.stride;
        let phases = (0..down).flat_map(move |y| (0..right).map(move |x| self.phase([y, x], pixel)));
        phases.filter(|(grid, _)| grid.pixels() > 0)
    }

    /// The part of the input's gradient at pixels `phase + stride * i`.
    fn phase(&self, phase: [usize; 2], [to, from]: [usize; 2]) -> (Grid, pack::Plan) {
        let window = &self.window;
        let [height, width] = self.output();
        // Along one axis: the kernel's places that reach this phase, each with the offset to the window it reaches from.
        let reach = |axis: usize| {
            let (at, stride) = (phase[axis] + window.before[axis], window.stride[axis]);
            // From the last to the first: in the order in which they lie in memory.
            (0..window.kernel[axis])
                .rev()
                .filter(move |k| at % stride == k % stride)
                .map(move |k| {
                    let offset = (at as i64 - k as i64) / stride as i64;
                    (k, offset as i32)
                })
        };
        let (mut taps, mut places) = (Vec::new(), Vec::new());
        for (y, dy) in reach(0) {
            for (x, dx) in reach(1) {
                taps.push(Tap::new([dy, dx]));
                places.push(y * window.kernel[1] + x);
            }
        }
        let plan = pack::Plan {
            taps: places,
            reduced: self.out_channels,
            multiplied: self.out_channels,
            filters: self.in_channels,
            tap_stride: self.in_channels * self.out_channels,
            transposed: true,
        };
        if window.is_pointwise() {
            let channels = [self.out_channels, self.in_channels];
            let grid = Grid::pointwise(self.batch * height * width, channels, [from, to]);
            return (grid, plan);
        }
        let row = self.input[1] * to;
        let grid = Grid {
            batch: self.batch,
            size: [0, 1].map(|i| self.input[i].saturating_sub(phase[i]).div_ceil(window.stride[i])),
            input: [height, width],
            input_stride: [height * width * from, width * from, from],
            channels: self.out_channels,
            step: [1, 1],
            taps,
            side_by_side: 1,
            output_stride: [self.input[0] * row, window.stride[0] * row, window.stride[1] * to],
            output_origin: phase[0] * row + phase[1] * to,
            filters: self.in_channels,
        };
        (grid, plan)
    }

    fn reduction(&self) -> weight_gradient::Reduction {
        self.reduction_among(self.channels())
    }

    /// The gradient of the weights where pixels of the input, and of the output, lie `pixel` values apart.
    fn reduction_among(&self, pixel: [usize; 2]) -> weight_gradient::Reduction {
        let [height, width] = self.output();
        let window = &self.window;
        if window.is_pointwise() {
            let maps = [self.batch, height, width];
            return weight_gradient::Reduction::pointwise(maps, self.channels(), pixel);
        }
        let row = self.input[1] * pixel[0];
        weight_gradient::Reduction {
            batch: self.batch,
            output: [height, width],
            input: self.input,
            input_stride: [self.input[0] * row, row, pixel[0]],
            kernel: window.kernel,
            stride: window.stride,
            before: window.before,
            channels: self.in_channels,
            filters: self.out_channels,
            output_pixel: pixel[1],
        }
    }
}
