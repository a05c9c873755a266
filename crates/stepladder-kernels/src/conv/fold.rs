//! Maps of few channels, unfolded along rows: what a window sees of a row becomes the channels of one pixel.
//!
//! In NHWC the pixels under one row of a window lie side by side, `kernel width x channels` values. Taken as one pixel of
//! that many channels, with the next window's pixel overlapping it, a first layer of 3 channels has long inner loops
//! and wastes no pair of channels. Only a copy with the padding written out is needed.

use crate::{buffer::Buffer, context::Context, isa::Isa, simd::Element};

use super::{
    Conv2d,
    grid::{Grid, Tap},
    pack,
    weight_gradient::Reduction,
};

/// Up to this many channels the inner loop over one pixel's channels is too short.
const FEW: usize = 4;

/// Whether the convolution is better folded.
pub(super) fn pays(conv: &Conv2d) -> bool {
    conv.in_channels <= FEW && conv.window.kernel[1] > 1
}

/// Rows of a photo with the padding written out, and the values of each.
fn padded(conv: &Conv2d) -> [usize; 2] {
    let window = &conv.window;
    [
        conv.input[0] + window.before[0] + window.after[0],
        (conv.input[1] + window.before[1] + window.after[1]) * conv.in_channels,
    ]
}

/// Values of an unfolded pixel, and those that the product reads from its start: on AMX, which wants an even number and not too few, some
/// of the next pixels, which weigh nothing.
fn channels<E: Element>(isa: Isa, conv: &Conv2d) -> [usize; 2] {
    let channels = conv.window.kernel[1] * conv.in_channels;
    [channels, channels + beyond::<E>(isa, channels)]
}

#[cfg(target_arch = "x86_64")]
fn beyond<E: Element>(isa: Isa, channels: usize) -> usize {
    if E::BF16 && isa.amx().is_some() {
        channels.max(super::matrix::CHANNELS.start).next_multiple_of(2) - channels
    } else {
        0
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn beyond<E: Element>(_: Isa, _: usize) -> usize {
    0
}

/// Values of the folded input, and of those that are read beyond its last pixel.
pub(super) fn len<E: Element>(isa: Isa, conv: &Conv2d) -> usize {
    let [channels, multiplied] = channels::<E>(isa, conv);
    conv.batch * padded(conv).iter().product::<usize>() + multiplied - channels
}

/// The input's rows with the padding written out as zeros: `(batch, padded height, padded width, channels)`.
pub(super) fn fold<E: Element>(context: &Context, conv: &Conv2d, input: &[E]) -> Buffer<E> {
    let window = &conv.window;
    let [height, row] = padded(conv);
    let inner = conv.input[1] * conv.in_channels;
    let left = window.before[1] * conv.in_channels;
    let mut rows = context.buffers().take::<E>(len::<E>(context.isa(), conv));
    let (photos, beyond) = rows.split_at_mut(conv.batch * height * row);
    beyond.fill(E::default());
    context.for_each_part(photos, height * row, |photo, to| {
        for (y, to) in to.chunks_exact_mut(row).enumerate() {
            to.fill(E::default());
            if (window.before[0]..window.before[0] + conv.input[0]).contains(&y) {
                let from = (photo * conv.input[0] + y - window.before[0]) * inner;
                to[left..left + inner].copy_from_slice(&input[from..from + inner]);
            }
        }
    });
    rows
}

/// How the weights are packed: a row of the kernel is one tap.
pub(super) fn pack_plan<E: Element>(isa: Isa, conv: &Conv2d) -> pack::Plan {
    let [channels, multiplied] = channels::<E>(isa, conv);
    pack::Plan {
        taps: (0..conv.window.kernel[0]).collect(),
        reduced: channels,
        multiplied,
        filters: conv.out_channels,
        tap_stride: channels * conv.out_channels,
        transposed: false,
    }
}

/// The forward product on what [`fold`] gives.
pub(super) fn grid<E: Element>(isa: Isa, conv: &Conv2d) -> Grid {
    let [height, width] = conv.output();
    let [padded_height, row] = padded(conv);
    Grid {
        batch: conv.batch,
        size: [height, width],
        input: [padded_height, width],
        input_stride: [padded_height * row, row, conv.window.stride[1] * conv.in_channels],
        channels: channels::<E>(isa, conv)[1],
        step: [conv.window.stride[0], 1],
        taps: (0..conv.window.kernel[0])
            .map(|y| Tap::new([y as i32, 0]))
            .collect(),
        side_by_side: 1,
        output_stride: [
            height * width * conv.out_channels,
            width * conv.out_channels,
            conv.out_channels,
        ],
        output_origin: 0,
        filters: conv.out_channels,
    }
}

/// The weights' gradient on what [`fold`] gives.
pub(super) fn reduction(conv: &Conv2d) -> Reduction {
    let output = conv.output();
    let [height, row] = padded(conv);
    Reduction {
        batch: conv.batch,
        output,
        input: [height, output[1]],
        input_stride: [height * row, row, conv.window.stride[1] * conv.in_channels],
        kernel: [conv.window.kernel[0], 1],
        stride: [conv.window.stride[0], 1],
        before: [0, 0],
        channels: conv.window.kernel[1] * conv.in_channels,
        filters: conv.out_channels,
        output_pixel: conv.out_channels,
    }
}
