//! Maps side by side: the channels of several maps become those of one, pixel by pixel, and the gradient is split again.

use crate::{
    context::{Context, Shared},
    shape::values,
    simd::Element,
};

/// Values of a work item, about.
const PART: usize = 1 << 14;

/// `output` = the channels of all `inputs`, one after the other, at each pixel. An input is `(pixels, channels)`, given with its
/// number of channels, where pixels are those of all photos; the output is `(pixels, channels of all inputs)`.
///
/// # Panics
///
/// A slice's length does not fit.
pub fn forward<E: Element>(context: &Context, inputs: &[(&[E], usize)], output: &mut [E]) {
    let channels = total(inputs.iter().map(|(_, channels)| *channels));
    let pixels = pixels(output.len(), channels);
    for (input, channels) in inputs {
        assert_eq!(input.len(), pixels * channels, "an input of {channels} channels");
    }
    let part = (PART / channels).max(1);
    context.for_each_part(output, part * channels, |item, output| {
        let mut start = 0;
        for (input, own) in inputs.iter().filter(|(_, own)| *own > 0) {
            let input = input[item * part * own..].chunks_exact(*own);
            for (to, from) in output.chunks_exact_mut(channels).zip(input) {
                to[start..start + own].copy_from_slice(from);
            }
            start += own;
        }
    });
}

/// The gradient of the loss by each input, from `output_gradient`, that by the output: its channels. Where the gradient of an input is
/// not wanted it is None, with its number of channels all the same.
///
/// # Panics
///
/// A slice's length does not fit.
pub fn backward<E: Element>(
    context: &Context,
    output_gradient: &[E],
    input_gradients: &mut [(Option<&mut [E]>, usize)],
) {
    let channels = total(input_gradients.iter().map(|(_, channels)| *channels));
    let pixels = pixels(output_gradient.len(), channels);
    let mut start = 0;
    let mut wanted = Vec::with_capacity(input_gradients.len());
    for (gradient, own) in input_gradients {
        if let Some(gradient) = gradient.as_deref_mut().filter(|_| *own > 0) {
            assert_eq!(
                gradient.len(),
                pixels * *own,
                "the gradient of an input of {own} channels"
            );
            wanted.push((Shared::new(gradient), *own, start));
        }
        start += *own;
    }
    let part = (PART / channels).max(1);
    context.for_each(pixels.div_ceil(part), |item| {
        let first = item * part;
        let count = part.min(pixels - first);
        for (gradient, own, start) in &wanted {
            // Safety: each item has its own pixels of each gradient.
            let to = unsafe { gradient.slice(first * own, count * own) };
            let from = output_gradient[first * channels..].chunks_exact(channels);
            for (to, from) in to.chunks_exact_mut(*own).zip(from) {
                to.copy_from_slice(&from[*start..start + own]);
            }
        }
    });
}

fn pixels(values: usize, channels: usize) -> usize {
    assert!(
        channels > 0 && values.is_multiple_of(channels),
        "pixels of {channels} channels"
    );
    values / channels
}

/// Channels of all inputs together.
fn total(channels: impl Iterator<Item = usize>) -> usize {
    let total = channels.into_iter().try_fold(0_usize, usize::checked_add);
    values([total.expect("channels that memory can hold")])
}
