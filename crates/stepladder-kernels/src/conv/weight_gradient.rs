//! The gradient of convolution weights: for each place of the kernel, the product of the input's channels by the output
//! gradient's filters, summed over pixels.
//!
//! The sum runs over pixels, so both operands are first rearranged, some rows or photos at a time, such that it walks
//! memory in order: the gradient in blocks of filters, then the input in tiles of channels, a few tiles at a time. For bf16
//! dot products two pixels side by side become pairs; as their distance in the input is the stride, each column of the kernel
//! has its own copy. A tile of channels times a block of filters stays in registers for all pixels that are packed at a time.
//!
//! Where that order is nearly there already, [`direct`] multiplies without it.
//!
//! Work items are ranges of pixels (each with sums of its own, added up in order at the end) times groups of filters.

mod direct;
mod division;
#[cfg(target_arch = "x86_64")]
mod matrix;
mod pack;
pub(super) mod product;
mod ranges;

use std::ops::Range;

use crate::{
    context::Context,
    isa::Isa,
    shape::{end, values},
    simd::{Element, Kernel, Simd},
    workspace::largest,
};

use division::{Division, Layout, Packing, Unit, filters};
use pack::{PackInput, PackOutput};
use product::MultiplyUnit;
pub(super) use ranges::sum_over_ranges;

/// The shapes; strides of the input are in values: of photos, rows, pixels. The output gradient's pixels lie at equal distances.
#[derive(Debug)]
pub(super) struct Reduction {
    pub batch: usize,
    /// Rows and columns of the output.
    pub output: [usize; 2],
    /// Rows and columns of the input.
    pub input: [usize; 2],
    pub input_stride: [usize; 3],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Padding before the first row and column.
    pub before: [usize; 2],
    pub channels: usize,
    pub filters: usize,
    /// Values from one pixel of the output gradient to the next: `filters`, or those of all groups.
    pub output_pixel: usize,
}

impl Reduction {
    /// A kernel of one pixel over a batch of maps, whose pixels lie `pixel` values apart: in the input, and in the output.
    pub(super) fn pointwise(
        [batch, height, width]: [usize; 3],
        [channels, filters]: [usize; 2],
        pixel: [usize; 2],
    ) -> Reduction {
        // Pairs of pixels must not waste half of one in each row; a row as long as a small photo does not.
        let [batch, height, width] = if height * width == 1 {
            [1, 1, batch]
        } else if width % 2 == 1 && height * width <= 4096 {
            [batch, 1, height * width]
        } else {
            [batch, height, width]
        };
        Reduction {
            batch,
            output: [height, width],
            input: [height, width],
            input_stride: [height * width * pixel[0], width * pixel[0], pixel[0]],
            kernel: [1, 1],
            stride: [1, 1],
            before: [0, 0],
            channels,
            filters,
            output_pixel: pixel[1],
        }
    }

    /// `gradient`, `(kernel height, kernel width, channels, filters)`, from the layer's input and output gradient.
    pub(super) fn run<E: Element>(&self, context: &Context, input: &[E], output: &[E], gradient: &mut [f32]) {
        let [height, width] = self.input;
        let last = end([self.batch, height, width], self.input_stride, self.channels);
        assert!(
            last.is_some_and(|end| end <= input.len()),
            "input is too short for {self:?}"
        );
        let pixels = values([self.batch, self.output[0], self.output[1]]);
        let last = end([pixels], [self.output_pixel], self.filters);
        assert!(
            last.is_some_and(|end| end <= output.len()),
            "output gradient is too short for {self:?}"
        );
        assert_eq!(gradient.len(), self.weights(), "{self:?}");
        let kernel = Reduce {
            shape: self,
            context,
            input,
            output,
            gradient,
        };
        E::conv_reduce(context.isa(), kernel);
    }

    /// Buffers that [`Reduction::run`] takes, in bytes: for sums, and for what each of `threads` threads packs.
    pub(super) fn buffers<S: Simd, E: Element>(&self, isa: Isa, threads: usize) -> Vec<usize> {
        if direct::suits::<S, E>(self) {
            return vec![4 * direct::ranges(self) * self.weights()];
        }
        #[cfg(target_arch = "x86_64")]
        if isa.amx().is_some() && matrix::suits::<E>(self) {
            return matrix::buffers::<S>(self, threads);
        }
        // AMX alone asks for it.
        #[cfg(not(target_arch = "x86_64"))]
        let _ = isa;
        let layout = Layout::new::<S, E>(self);
        let division = Division::new::<S>(self, |filters| layout.units(self, filters));
        let items = division.ranges * division.groups();
        let packing = (0..items).map(|item| {
            let (range, blocks) = division.item(item);
            Packing::new::<S>(self, &layout, &division.units[range], &blocks)
        });
        let of_item = largest(packing.map(|packing| {
            let words = [packing.together * packing.tile, packing.output];
            words.map(|words| 4 * words).to_vec()
        }));
        let sums = (division.ranges > 1).then_some(4 * division.ranges * self.weights());
        let at_once = std::iter::repeat_n(of_item, threads.min(items)).flatten();
        sums.into_iter().chain(at_once).collect()
    }

    fn weights(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.channels * self.filters
    }

    /// Distinct vertical phases of input rows.
    fn phases(&self) -> usize {
        self.stride[0].min(self.kernel[0])
    }

    /// Input rows of one phase that `rows` output rows read.
    fn phase_rows(&self, rows: usize) -> usize {
        rows + (self.kernel[0] - 1) / self.stride[0]
    }
}

pub(crate) struct Reduce<'a, E> {
    shape: &'a Reduction,
    context: &'a Context,
    input: &'a [E],
    output: &'a [E],
    gradient: &'a mut [f32],
}

impl<E: Element> Kernel for Reduce<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Reduce {
            shape,
            context,
            input,
            output,
            gradient,
        } = self;
        if direct::suits::<S, E>(shape) {
            return direct::run::<S, E>(shape, context, input, output, gradient);
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(amx) = context.isa().amx().filter(|_| matrix::suits::<E>(shape)) {
            return matrix::run::<S, E>(amx, shape, context, input, output, gradient);
        }
        let layout = Layout::new::<S, E>(shape);
        let division = Division::new::<S>(shape, |filters| layout.units(shape, filters));
        let (ranges, groups) = (division.ranges, division.groups());

        let isa = context.isa();
        sum_over_ranges(context, [ranges, groups], gradient, |item, sums| {
            let (units, blocks) = division.item(item);
            isa.run(Item {
                shape,
                context,
                layout,
                input,
                output,
                units: &division.units[units],
                blocks,
                sums,
            });
        });
    }
}

/// Some units times some blocks of filters.
struct Item<'a, E> {
    shape: &'a Reduction,
    context: &'a Context,
    layout: Layout,
    input: &'a [E],
    output: &'a [E],
    units: &'a [Unit],
    blocks: Range<usize>,
    sums: *mut f32,
}

impl<E: Element> Kernel for Item<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Item {
            shape,
            context,
            layout,
            ..
        } = self;
        let filters = filters::<S>(shape, &self.blocks);
        let Packing {
            together,
            tile,
            output,
        } = Packing::new::<S>(shape, &layout, self.units, &self.blocks);
        // A tile may have fewer channels than words: its last words are never used.
        let mut packed_input = context.buffers().take::<u32>(together * tile);
        let mut packed_output = context.buffers().take::<u32>(output);
        for (i, unit) in self.units.iter().enumerate() {
            s.enter(PackOutput {
                shape,
                layout,
                unit,
                filters: filters.clone(),
                from: self.output,
                to: &mut packed_output,
            });
            for first in (0..layout.tiles).step_by(together) {
                let tiles = first..(first + together).min(layout.tiles);
                s.enter(PackInput {
                    shape,
                    layout,
                    unit,
                    tiles: tiles.clone(),
                    from: self.input,
                    to: &mut packed_input,
                });
                s.enter(MultiplyUnit::<E> {
                    shape,
                    layout,
                    unit,
                    tiles,
                    filters: filters.clone(),
                    input: &packed_input,
                    output: &packed_output,
                    sums: self.sums,
                    first: i == 0,
                    of: std::marker::PhantomData,
                });
            }
        }
    }
}
