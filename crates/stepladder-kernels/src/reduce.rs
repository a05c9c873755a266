//! Sums over a batch, per channel.

use crate::{
    context::Context,
    conv::{Statistics, finish_statistics},
    simd::{Element, Kernel, Simd},
    workspace::Workspace,
};

/// Values in a part: few enough for f32 sums, enough parts for a few threads.
const PART: usize = 1 << 16;

/// Values of a part, whole pixels, and how many parts there are.
fn parts(values: usize, channels: usize) -> (usize, usize) {
    let part = (PART / channels).max(1) * channels;
    (part, values.div_ceil(part))
}

/// Bytes that [`channel_sums`] takes.
pub(crate) fn channel_sums_bytes(values: usize, channels: usize) -> usize {
    size_of::<f32>() * parts(values, channels).1 * channels
}

/// What [`channel_statistics`] takes, as its forward pass.
pub fn channel_statistics_workspace(pixels: usize, channels: usize) -> Workspace {
    Workspace {
        forward: vec![2 * channel_sums_bytes(pixels * channels, channels)],
        ..Workspace::default()
    }
}

/// `sums[c]` = the sum of `values[i * channels + c]` over i: f32 within parts of fixed size, f64 over parts in order.
///
/// # Panics
///
/// `sums` has not `channels` values, or `values` not a multiple of them.
pub(crate) fn channel_sums<E: Element>(context: &Context, values: &[E], channels: usize, sums: &mut [f32]) {
    assert_eq!(sums.len(), channels, "one sum per channel");
    assert!(values.len().is_multiple_of(channels), "whole pixels");
    let (part, parts) = parts(values.len(), channels);
    let mut partial = context.buffers().take_zeroed::<f32>(parts * channels);
    let isa = context.isa();
    context.for_each_part(&mut partial, channels, |item, sums| {
        let values = &values[item * part..((item + 1) * part).min(values.len())];
        E::channel_sums(
            isa,
            ChannelSums {
                values,
                sums,
                squares: None,
            },
        );
    });
    add_up_parts(&partial, channels, 0, sums);
}

/// Mean and population variance of each channel of `values` `(pixels, channels)`, for a batch norm whose input no
/// convolution wrote: those leave their statistics behind themselves.
///
/// # Panics
///
/// `values` has no whole number of pixels, or `statistics` has not a value for each of `channels`.
pub fn channel_statistics<E: Element>(
    context: &Context,
    values: &[E],
    channels: usize,
    statistics: Statistics<'_>,
) {
    assert_eq!(statistics.mean.len(), channels, "one mean per channel");
    assert!(values.len().is_multiple_of(channels), "whole pixels");
    let (part, parts) = parts(values.len(), channels);
    let mut sums = context.buffers().take_zeroed::<f32>(parts * 2 * channels);
    let isa = context.isa();
    context.for_each_part(&mut sums, 2 * channels, |item, sums| {
        let values = &values[item * part..((item + 1) * part).min(values.len())];
        let (sums, squares) = sums.split_at_mut(channels);
        E::channel_sums(
            isa,
            ChannelSums {
                values,
                sums,
                squares: Some(squares),
            },
        );
    });
    finish_statistics(statistics, &sums, channels, channels, values.len() / channels);
}

/// `to[i]` = the sum over parts of `sums[start + i]`, parts being `stride` values long: f64, in the order of the parts.
pub(crate) fn add_up_parts(sums: &[f32], stride: usize, start: usize, to: &mut [f32]) {
    for (i, to) in to.iter_mut().enumerate() {
        let parts = sums.chunks_exact(stride);
        *to = parts.map(|part| f64::from(part[start + i])).sum::<f64>() as f32;
    }
}

pub(crate) struct ChannelSums<'a, E> {
    values: &'a [E],
    sums: &'a mut [f32],
    /// Sums of squares, where they are wanted too.
    squares: Option<&'a mut [f32]>,
}

impl<E: Element> Kernel for ChannelSums<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let channels = self.sums.len();
        for first in (0..channels).step_by(S::LANES) {
            let n = (channels - first).min(S::LANES);
            let (mut sum, mut square) = (s.splat(0.0), s.splat(0.0));
            for pixel in self.values.chunks_exact(channels) {
                // Safety: `first + n` is at most the pixel's length.
                let x = unsafe { E::load_first(s, pixel.as_ptr().add(first), n) };
                sum = s.add(sum, x);
                square = s.mul_add(x, x, square);
            }
            // Safety: as above, of the sums, and of the squares, which are as many.
            unsafe {
                s.store_first(self.sums.as_mut_ptr().add(first), sum, n);
                if let Some(squares) = &mut self.squares {
                    s.store_first(squares.as_mut_ptr().add(first), square, n);
                }
            }
        }
    }
}
