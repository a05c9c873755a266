//! The input's gradient of a depthwise convolution with strides: each input pixel gathers from the windows that saw it.

use crate::{
    context::Context,
    simd::{Element, Kernel, Simd},
};

use super::{DepthwiseConv2d, ITEMS};

pub(super) fn strided<E: Element>(
    shape: &DepthwiseConv2d,
    context: &Context,
    output_gradient: &[E],
    weights: &[f32],
    input_gradient: &mut [E],
) {
    let lines = shape.batch * shape.input[0];
    let part = lines.div_ceil(ITEMS);
    let isa = context.isa();
    context.for_each_part(
        input_gradient,
        part * shape.input[1] * shape.channels,
        |item, to| {
            E::depthwise_gather(
                isa,
                Gather {
                    shape,
                    output_gradient,
                    weights,
                    first_line: item * part,
                    to,
                },
            );
        },
    );
}

/// Some rows of the input's gradient.
pub(crate) struct Gather<'a, E> {
    shape: &'a DepthwiseConv2d,
    output_gradient: &'a [E],
    weights: &'a [f32],
    first_line: usize,
    to: &'a mut [E],
}

impl<E: Element> Kernel for Gather<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Gather {
            shape,
            output_gradient,
            weights,
            first_line,
            to,
        } = self;
        let [height, width] = shape.input;
        let output = shape.output();
        let window = &shape.window;
        let channels = shape.channels;
        // The window that saw input place `at` at its place `k`, if any.
        let seen = |axis: usize, at: usize, k: usize| {
            let from = (at + window.before[axis]).checked_sub(k)?;
            let index = from / window.stride[axis];
            (from.is_multiple_of(window.stride[axis]) && index < output[axis]).then_some(index)
        };
        // (offset in the output gradient's photo, offset in the weights) of a pixel's terms.
        let mut terms = Vec::with_capacity(window.kernel[0] * window.kernel[1]);
        for (at, to) in to.chunks_exact_mut(channels).enumerate() {
            let line = first_line + at / width;
            let (photo, y, x) = (line / height, line % height, at % width);
            terms.clear();
            for ky in 0..window.kernel[0] {
                let Some(oy) = seen(0, y, ky) else { continue };
                for kx in 0..window.kernel[1] {
                    if let Some(ox) = seen(1, x, kx) {
                        let from = ((photo * output[0] + oy) * output[1] + ox) * channels;
                        terms.push((from, (ky * window.kernel[1] + kx) * channels));
                    }
                }
            }
            for first in (0..channels).step_by(S::LANES) {
                let n = (channels - first).min(S::LANES);
                let mut acc = s.splat(0.0);
                // Safety: terms are pixels of the output gradient and of the weights, each with `channels` values, of
                // which `first + n` exist.
                unsafe {
                    for (from, weight) in &terms {
                        let value = E::load_first(s, output_gradient.as_ptr().add(from + first), n);
                        acc = s.mul_add(value, s.load_first(weights.as_ptr().add(weight + first), n), acc);
                    }
                    E::store_first(s, to.as_mut_ptr().add(first), acc, n);
                }
            }
        }
    }
}
