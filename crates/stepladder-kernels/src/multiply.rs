//! The product of two maps; one of them may have one value for each photo and channel, as the gate of a squeeze-and-excitation block.

use crate::{
    context::Context,
    shape::values,
    simd::{Element, Kernel, Simd},
};

/// Shapes of a product: operands `(batch, pixels, channels)`, whose pixels are equally many, or one in one of them, which is then
/// multiplied by each pixel of the other; output as the larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Multiply {
    /// Photos in the batch.
    pub batch: usize,
    /// Height times width of the first and of the second operand.
    pub pixels: [usize; 2],
    /// Channels.
    pub channels: usize,
}

/// Values of a work item of products, about.
const PART: usize = 1 << 14;

/// Pixels whose products are summed before they are added to those before them: few enough for f32.
const SUMMED: usize = 256;

impl Multiply {
    /// Values of the first and of the second operand.
    pub fn input_len(&self) -> [usize; 2] {
        self.pixels
            .map(|pixels| values([self.batch, pixels, self.channels]))
    }

    /// Values of the output.
    ///
    /// # Panics
    ///
    /// The numbers of pixels differ, and neither is one.
    pub fn output_len(&self) -> usize {
        values([self.batch, self.output_pixels(), self.channels])
    }

    /// `output` = `first` times `second`.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape, or the shapes do not go together.
    pub fn forward<E: Element>(&self, context: &Context, first: &[E], second: &[E], output: &mut [E]) {
        assert_eq!(
            [first.len(), second.len()],
            self.input_len(),
            "operands of {self:?}"
        );
        assert_eq!(output.len(), self.output_len(), "output of {self:?}");
        self.product(context, [first, second], self.pixels, output);
    }

    /// The gradients of the loss by both operands, where wanted, from `output_gradient`, that by the output: it times the other
    /// operand, and for an operand of one pixel the sum of that over the pixels.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape, or the shapes do not go together.
    pub fn backward<E: Element>(
        &self,
        context: &Context,
        first: &[E],
        second: &[E],
        output_gradient: &[E],
        first_gradient: Option<&mut [E]>,
        second_gradient: Option<&mut [E]>,
    ) {
        let operands = [first, second];
        assert_eq!(operands.map(<[E]>::len), self.input_len(), "operands of {self:?}");
        assert_eq!(
            output_gradient.len(),
            self.output_len(),
            "output gradient of {self:?}"
        );
        let pixels = self.output_pixels();
        for (index, gradient) in [first_gradient, second_gradient].into_iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            assert_eq!(
                gradient.len(),
                self.input_len()[index],
                "gradient of operand {index} of {self:?}"
            );
            let other = operands[1 - index];
            if self.pixels[index] == pixels {
                let of_both = [pixels, self.pixels[1 - index]];
                self.product(context, [output_gradient, other], of_both, gradient);
                continue;
            }
            // The other operand has all pixels.
            let isa = context.isa();
            let photo = pixels * self.channels;
            context.for_each_part(gradient, self.channels, |n, to| {
                let (from, other) = (
                    &output_gradient[n * photo..][..photo],
                    &other[n * photo..][..photo],
                );
                E::multiply_sums(isa, Sums { from, other, to });
            });
        }
    }

    fn output_pixels(&self) -> usize {
        let [first, second] = self.pixels;
        assert!(
            first == second || first == 1 || second == 1,
            "both maps must have as many pixels, or one of them one: {self:?}"
        );
        first.max(second)
    }

    /// `to` = the product of maps of these numbers of pixels.
    fn product<E: Element>(
        &self,
        context: &Context,
        operands: [&[E]; 2],
        of_operands: [usize; 2],
        to: &mut [E],
    ) {
        let pixels = self.output_pixels();
        let isa = context.isa();
        let part = (PART / self.channels.max(1)).max(1);
        context.for_each_part(to, part * self.channels, |item, to| {
            E::multiply(
                isa,
                Product {
                    channels: self.channels,
                    pixels,
                    of_operands,
                    operands,
                    first: item * part,
                    to,
                },
            );
        });
    }
}

/// Some pixels.
pub(crate) struct Product<'a, E> {
    channels: usize,
    /// Pixels of a photo, and of each operand's.
    pixels: usize,
    of_operands: [usize; 2],
    operands: [&'a [E]; 2],
    /// Of all photos' pixels, the first of `to`.
    first: usize,
    to: &'a mut [E],
}

impl<E: Element> Kernel for Product<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.channels;
        for (i, to) in self.to.chunks_exact_mut(channels).enumerate() {
            let pixel = self.first + i;
            let [a, b] = [0, 1].map(|operand| {
                let at = if self.of_operands[operand] == self.pixels {
                    pixel
                } else {
                    pixel / self.pixels
                };
                &self.operands[operand][at * channels..][..channels]
            });
            for first in (0..channels).step_by(S::LANES) {
                let n = (channels - first).min(S::LANES);
                // Safety: all three have `first + n` values.
                unsafe {
                    let a = E::load_first(s, a.as_ptr().add(first), n);
                    let b = E::load_first(s, b.as_ptr().add(first), n);
                    E::store_first(s, to.as_mut_ptr().add(first), s.mul(a, b), n);
                }
            }
        }
    }
}

/// The sum over a photo's pixels of the product of two maps.
pub(crate) struct Sums<'a, E> {
    from: &'a [E],
    other: &'a [E],
    /// One value a channel.
    to: &'a mut [E],
}

impl<E: Element> Kernel for Sums<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.to.len();
        for first in (0..channels).step_by(S::LANES) {
            let n = (channels - first).min(S::LANES);
            let mut total = s.splat(0.0);
            let chunks = self.from.chunks(SUMMED * channels);
            for (from, other) in chunks.zip(self.other.chunks(SUMMED * channels)) {
                let mut sum = s.splat(0.0);
                for (a, b) in from.chunks_exact(channels).zip(other.chunks_exact(channels)) {
                    // Safety: each pixel has `first + n` channels.
                    unsafe {
                        let a = E::load_first(s, a.as_ptr().add(first), n);
                        let b = E::load_first(s, b.as_ptr().add(first), n);
                        sum = s.mul_add(a, b, sum);
                    }
                }
                total = s.add(total, sum);
            }
            // Safety: the output has `first + n` channels.
            unsafe { E::store_first(s, self.to.as_mut_ptr().add(first), total, n) };
        }
    }
}
