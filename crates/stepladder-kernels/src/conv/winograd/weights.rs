//! The weights at all points, packed so that the products read them in order.

use std::marker::PhantomData;

use super::{PLACES, POINTS, mirrored, transform};
use crate::{
    buffer::Buffer,
    context::Context,
    conv::{
        Conv2d,
        pack::{steps, together},
    },
    simd::{Element, Kernel, MAX_LANES, Simd},
};

/// Words of the packed weights: blocks of filters, in each the points, in each the channels (pairs of them in bf16), in each the block's
/// filters.
pub(super) fn words<S: Simd, E: Element>(conv: &Conv2d) -> usize {
    POINTS * steps::<S, E>(conv.in_channels) * conv.out_channels.next_multiple_of(S::LANES)
}

/// Transforms and packs `weights` as Keras has them, for the forward product of `conv`.
pub(in crate::conv) fn pack<E: Element>(context: &Context, conv: &Conv2d, weights: &[f32]) -> Buffer<u32> {
    let kernel = Pack::<E> {
        context,
        conv,
        weights,
        mirrored: false,
        of: PhantomData,
    };
    E::winograd_pack(context.isa(), kernel)
}

/// Transforms and packs `weights`, those of `conv`, for the product of [`mirrored`].
pub(in crate::conv) fn pack_mirrored<E: Element>(
    context: &Context,
    conv: &Conv2d,
    weights: &[f32],
) -> Buffer<u32> {
    let kernel = Pack::<E> {
        context,
        conv: &mirrored(conv),
        weights,
        mirrored: true,
        of: PhantomData,
    };
    E::winograd_pack(context.isa(), kernel)
}

/// Packs for the product of `conv`, whose `weights` have their channels exchanged and their places turned about where it is
/// `mirrored`.
pub(crate) struct Pack<'a, E> {
    context: &'a Context,
    conv: &'a Conv2d,
    weights: &'a [f32],
    mirrored: bool,
    of: PhantomData<E>,
}

impl<E: Element> Kernel for Pack<'_, E> {
    type Output = Buffer<u32>;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Buffer<u32> {
        let Pack {
            context,
            conv,
            weights,
            mirrored,
            of,
        } = self;
        assert_eq!(weights.len(), conv.weights_len(), "weights of {conv:?}");
        let mut packed = context.buffers().take::<u32>(words::<S, E>(conv));
        let block = POINTS * steps::<S, E>(conv.in_channels) * S::TILE_VECTORS * S::LANES;
        let isa = context.isa();
        context.for_each_part(&mut packed, block, |item, to| {
            isa.run(PackBlock {
                conv,
                weights,
                mirrored,
                first: item * S::TILE_VECTORS * S::LANES,
                to,
                of,
            });
        });
        packed
    }
}

/// The filters from `first` on, a block of them: `G g G'` for each pair of channels.
struct PackBlock<'a, E> {
    conv: &'a Conv2d,
    weights: &'a [f32],
    mirrored: bool,
    first: usize,
    to: &'a mut [u32],
    of: PhantomData<E>,
}

impl<E: Element> Kernel for PackBlock<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.conv.in_channels;
        let steps = steps::<S, E>(channels);
        let lanes = self.to.len() / (POINTS * steps);
        for step in 0..steps {
            for vector in (0..lanes).step_by(S::LANES) {
                let place = |point: usize| (point * steps + step) * lanes + vector;
                if together::<S, E>() == 2 {
                    let first = self.points(s, 2 * step, vector);
                    let second = if 2 * step + 1 < channels {
                        self.points(s, 2 * step + 1, vector)
                    } else {
                        [s.splat(0.0); POINTS]
                    };
                    for point in 0..POINTS {
                        let to = &mut self.to[place(point)..][..S::LANES];
                        // Safety: `LANES` words.
                        unsafe { s.store_pairs(to.as_mut_ptr(), first[point], second[point]) };
                    }
                } else {
                    let points = self.points(s, step, vector);
                    for point in 0..POINTS {
                        let to = &mut self.to[place(point)..][..S::LANES];
                        // Safety: `LANES` values, and any bits of an f32 are a word.
                        unsafe { s.store(to.as_mut_ptr().cast(), points[point]) };
                    }
                }
            }
        }
    }
}

impl<E: Element> PackBlock<'_, E> {
    /// The weights of a channel for the filters of a vector, at all points.
    #[inline(always)]
    fn points<S: Simd>(&self, s: S, channel: usize, vector: usize) -> [S::F; POINTS] {
        let (channels, filters) = (self.conv.in_channels, self.conv.out_channels);
        let filter = self.first + vector;
        let n = (filters - filter).min(S::LANES);
        let mut places = [s.splat(0.0); PLACES];
        for (place, values) in places.iter_mut().enumerate() {
            if self.mirrored {
                let matrix = &self.weights[(PLACES - 1 - place) * channels * filters..];
                let mut column = [0.0; MAX_LANES];
                for (lane, value) in column[..n].iter_mut().enumerate() {
                    *value = matrix[(filter + lane) * channels + channel];
                }
                // Safety: MAX_LANES values.
                *values = unsafe { s.load(column.as_ptr()) };
            } else {
                let row = &self.weights[(place * channels + channel) * filters + filter..][..n];
                // Safety: `n` values.
                *values = unsafe { s.load_first(row.as_ptr(), n) };
            }
        }
        transform::weights(s, places)
    }
}
