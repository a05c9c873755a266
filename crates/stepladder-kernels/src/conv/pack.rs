//! Weights, rearranged so that the product's inner loop reads them in order.
//!
//! Filters are cut into blocks of [`Simd::TILE_VECTORS`] vectors (the last block may have fewer vectors). A block holds,
//! for each tap and each step of the reduction, its vectors side by side. A step is one channel of f32 (or of bf16
//! widened to f32, two steps a pair, where the CPU has no bf16 dot product), or two channels of bf16 as pairs. Places
//! beyond the last filter or channel are zero.

use crate::{
    buffer::Buffer,
    context::Context,
    simd::{Element, Kernel, Simd, round_to_bf16},
};

/// What to pack: which taps of the kernel, and which axis of its matrix is reduced.
pub(super) struct Plan {
    /// Places in the kernel, in the order of the product's taps.
    pub taps: Vec<usize>,
    /// Channels that are summed over.
    pub reduced: usize,
    /// Channels that come out.
    pub filters: usize,
    /// Values from one place of the kernel to the next.
    pub tap_stride: usize,
    /// A place's matrix is `(reduced, filters)`, or with `transposed` `(filters, reduced)`.
    pub transposed: bool,
}

/// Words (u32 or f32) that one vector of filters takes per tap.
pub(super) fn steps<S: Simd, E: Element>(channels: usize) -> usize {
    match (E::BF16, S::BF16_DOT) {
        (false, _) => channels,
        (true, true) => channels.div_ceil(2),
        (true, false) => channels.next_multiple_of(2),
    }
}

/// Packs `weights` for products of `E` values.
pub(super) fn pack<E: Element>(context: &Context, plan: &Plan, weights: &[f32]) -> Buffer<u32> {
    context.isa().run(Pack::<E> {
        context,
        plan,
        weights,
        of: std::marker::PhantomData,
    })
}

struct Pack<'a, E> {
    context: &'a Context,
    plan: &'a Plan,
    weights: &'a [f32],
    of: std::marker::PhantomData<E>,
}

impl<E: Element> Kernel for Pack<'_, E> {
    type Output = Buffer<u32>;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Buffer<u32> {
        let Pack {
            context,
            plan,
            weights,
            ..
        } = self;
        let steps = steps::<S, E>(plan.reduced);
        let lanes = S::TILE_VECTORS * S::LANES;
        let mut packed = context
            .buffers()
            .take(plan.taps.len() * steps * plan.filters.next_multiple_of(S::LANES));
        let block = plan.taps.len() * steps * lanes;
        let isa = context.isa();
        if block > 0 {
            context.for_each_part(&mut packed, block, |item, to| {
                isa.run(PackBlock::<E> {
                    plan,
                    weights,
                    first: item * lanes,
                    steps,
                    to,
                    of: std::marker::PhantomData,
                });
            });
        }
        packed
    }
}

/// Packs the filters from `first` on, as many as `to` has room for.
struct PackBlock<'a, E> {
    plan: &'a Plan,
    weights: &'a [f32],
    first: usize,
    steps: usize,
    to: &'a mut [u32],
    of: std::marker::PhantomData<E>,
}

impl<E: Element> Kernel for PackBlock<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let PackBlock {
            plan,
            weights,
            first,
            steps,
            to,
            ..
        } = self;
        let lanes = to.len() / (plan.taps.len() * steps);
        let filters = lanes.min(plan.filters - first);
        let words = |a: f32, b: f32| {
            let (a, b) = (round_to_bf16(a.to_bits()), round_to_bf16(b.to_bits()));
            u32::from(a) | u32::from(b) << 16
        };
        let widened = |a: f32| {
            if E::BF16 {
                u32::from(round_to_bf16(a.to_bits())) << 16
            } else {
                a.to_bits()
            }
        };
        let paired = E::BF16 && S::BF16_DOT;
        to.fill(0);
        for (to, &place) in to.chunks_exact_mut(steps * lanes).zip(&plan.taps) {
            let matrix = &weights[place * plan.tap_stride..][..plan.reduced * plan.filters];
            if plan.transposed {
                for lane in 0..filters {
                    let row = &matrix[(first + lane) * plan.reduced..][..plan.reduced];
                    if paired {
                        let pairs = row.chunks_exact(2);
                        let rest = pairs.remainder();
                        for (to, pair) in to.chunks_exact_mut(lanes).zip(pairs) {
                            to[lane] = words(pair[0], pair[1]);
                        }
                        if let [last] = rest {
                            to[(steps - 1) * lanes + lane] = words(*last, 0.0);
                        }
                    } else {
                        for (to, value) in to.chunks_exact_mut(lanes).zip(row) {
                            to[lane] = widened(*value);
                        }
                    }
                }
            } else {
                let row = |r: usize| &matrix[r * plan.filters + first..][..filters];
                if paired {
                    for (step, to) in to.chunks_exact_mut(lanes).enumerate() {
                        if 2 * step + 1 < plan.reduced {
                            for ((to, a), b) in to.iter_mut().zip(row(2 * step)).zip(row(2 * step + 1)) {
                                *to = words(*a, *b);
                            }
                        } else {
                            for (to, a) in to.iter_mut().zip(row(2 * step)) {
                                *to = words(*a, 0.0);
                            }
                        }
                    }
                } else {
                    for (r, to) in to.chunks_exact_mut(lanes).take(plan.reduced).enumerate() {
                        for (to, a) in to.iter_mut().zip(row(r)) {
                            *to = widened(*a);
                        }
                    }
                }
            }
        }
    }
}
