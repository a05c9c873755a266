//! Depthwise convolution by several kernels for each channel: the same as by one on an input that has each channel so many times.

use crate::{buffer::Buffer, context::Context, elementwise, simd::Element, workspace::Workspace};

use super::DepthwiseConv2d;

/// Values of a work item, about.
const PART: usize = 1 << 14;

/// `input` with each channel `multiplier` times.
pub(super) fn expand<E: Element>(shape: &DepthwiseConv2d, context: &Context, input: &[E]) -> Buffer<E> {
    let times = shape.multiplier;
    let part = (PART / times).max(1);
    let mut expanded = context.buffers().take::<E>(input.len() * times);
    context.for_each_part(&mut expanded, part * times, |item, to| {
        for (to, x) in to.chunks_exact_mut(times).zip(&input[item * part..]) {
            to.fill(*x);
        }
    });
    expanded
}

/// `input_gradient`: the sum of the gradients by each channel's copies. These are f32, so that the sum is rounded once.
pub(super) fn input_gradient<E: Element>(
    shape: &DepthwiseConv2d,
    context: &Context,
    output_gradient: &[E],
    weights: &[f32],
    input_gradient: &mut [E],
) {
    let expanded = shape.expanded();
    if E::BF16 {
        let mut wide = context.buffers().take::<f32>(output_gradient.len());
        elementwise::convert(context, output_gradient, &mut wide);
        let mut copies = context.buffers().take::<f32>(expanded.input_len());
        expanded.input_gradient(context, &wide, weights, &mut copies);
        add_up(context, &copies, shape.multiplier, input_gradient);
    } else {
        let mut copies = context.buffers().take::<E>(expanded.input_len());
        expanded.input_gradient(context, output_gradient, weights, &mut copies);
        add_up(context, &copies, shape.multiplier, input_gradient);
    }
}

/// `to` = the sums of `times` values each.
fn add_up<A: Element, B: Element>(context: &Context, from: &[A], times: usize, to: &mut [B]) {
    let part = (PART / times).max(1);
    context.for_each_part(to, part, |item, to| {
        let from = from[item * part * times..].chunks_exact(times);
        for (to, copies) in to.iter_mut().zip(from) {
            *to = B::from_f32(copies.iter().map(|x| x.to_f32()).sum());
        }
    });
}

/// As [`DepthwiseConv2d::workspace`].
pub(super) fn workspace<E: Element>(shape: &DepthwiseConv2d) -> Workspace {
    let expanded = shape.expanded();
    let input = size_of::<E>() * expanded.input_len();
    let of_expanded = expanded.workspace::<E>();
    let with = |own: &[usize], buffers: &[usize]| [own, buffers].concat();
    let mut gradient = vec![size_of::<f32>() * expanded.input_len()];
    gradient.extend(E::BF16.then_some(size_of::<f32>() * expanded.output_len()));
    let bias = crate::reduce::channel_sums_bytes(shape.output_len(), shape.out_channels());
    let weights = vec![input, super::weight_gradient::sums_bytes(&expanded)];
    Workspace {
        forward: with(&[input], &of_expanded.forward),
        inference: vec![input],
        input_gradient: with(&gradient, &of_expanded.input_gradient),
        weight_gradient: crate::workspace::largest([weights, vec![bias]]),
    }
}
