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
    /// Channels that the product multiplies: those, and more that weigh nothing.
    pub multiplied: usize,
    /// Channels that come out.
    pub filters: usize,
    /// Values from one place of the kernel to the next.
    pub tap_stride: usize,
    /// A place's matrix is `(reduced, filters)`, or with `transposed` `(filters, reduced)`.
    pub transposed: bool,
}

impl Plan {
    /// Words that the packed weights take.
    pub(super) fn words<S: Simd, E: Element>(&self) -> usize {
        self.taps.len() * steps::<S, E>(self.multiplied) * self.filters.next_multiple_of(S::LANES)
    }
}

/// Blocks that are packed together, so that long stretches of a row of weights are read at a time.
const BLOCKS: usize = 8;

/// Steps that are packed together where rows are filters, so that what is read and written stays in the nearest cache.
const STEPS: usize = 32;

/// Steps that are packed together where rows are channels: few, since rows that lie a power of two apart share few places of
/// that cache.
const STEPS_ACROSS: usize = 4;

/// Words (u32 or f32) that one vector of filters takes per tap.
pub(super) fn steps<S: Simd, E: Element>(channels: usize) -> usize {
    match (E::BF16, S::BF16_DOT) {
        (false, _) => channels,
        (true, true) => channels.div_ceil(2),
        (true, false) => channels.next_multiple_of(2),
    }
}

/// Values that a word holds: pairs where bf16 dot products are used.
pub(super) const fn together<S: Simd, E: Element>() -> usize {
    if E::BF16 && S::BF16_DOT { 2 } else { 1 }
}

/// Packs `weights` for products of `E` values.
pub(super) fn pack<E: Element>(context: &Context, plan: &Plan, weights: &[f32]) -> Buffer<u32> {
    let kernel = Pack::<E> {
        context,
        plan,
        weights,
        of: std::marker::PhantomData,
    };
    E::conv_pack(context.isa(), kernel)
}

pub(crate) struct Pack<'a, E> {
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
        let steps = steps::<S, E>(plan.multiplied);
        let lanes = S::TILE_VECTORS * S::LANES;
        let mut packed = context.buffers().take(plan.words::<S, E>());
        let block = plan.taps.len() * steps * lanes;
        let isa = context.isa();
        if block > 0 {
            context.for_each_part(&mut packed, block * BLOCKS, |item, to| {
                isa.run(PackBlocks::<E>::new(plan, weights, item * lanes * BLOCKS, to));
            });
        }
        packed
    }
}

/// Packs the filters from `first` on, some blocks of them.
pub(super) struct PackBlocks<'a, E> {
    plan: &'a Plan,
    weights: &'a [f32],
    first: usize,
    to: &'a mut [u32],
    of: std::marker::PhantomData<E>,
}

impl<'a, E: Element> PackBlocks<'a, E> {
    /// As many filters as `to` has room for.
    pub(super) fn new(plan: &'a Plan, weights: &'a [f32], first: usize, to: &'a mut [u32]) -> Self {
        PackBlocks {
            plan,
            weights,
            first,
            to,
            of: std::marker::PhantomData,
        }
    }
}

impl<E: Element> Kernel for PackBlocks<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let PackBlocks {
            plan,
            weights,
            first,
            to,
            ..
        } = self;
        let steps = steps::<S, E>(plan.multiplied);
        let whole = S::TILE_VECTORS * S::LANES;
        let together = together::<S, E>();
        let (words, length) = (plan.taps.len() * steps, to.len());
        let blocks = length.div_ceil(words * whole);
        // Asked for ahead: what comes next in the rows, or the same filters of the next channels.
        let [stretch_steps, ahead] = if plan.transposed {
            [STEPS, 1]
        } else {
            [STEPS_ACROSS, blocks]
        };
        let stretches = steps.div_ceil(stretch_steps);
        for (tap, place) in plan.taps.iter().enumerate() {
            let matrix = &weights[place * plan.tap_stride..][..plan.reduced * plan.filters];
            let piece = |i: usize| {
                // In the order of memory: along the rows if they are filters, through all blocks if they are channels.
                let [block, stretch] = if plan.transposed {
                    [i / stretches, i % stretches]
                } else {
                    [i % blocks, i / blocks]
                };
                let (start, step) = (block * words * whole, stretch * stretch_steps);
                let lanes = whole.min((length - start) / words);
                let first = first + block * whole;
                let piece = Piece {
                    plan,
                    matrix,
                    first,
                    filters: lanes.min(plan.filters - first),
                    lanes,
                    channel: step * together,
                    steps: stretch_steps.min(steps - step),
                    together,
                };
                (piece, start + (tap * steps + step) * lanes)
            };
            for i in 0..blocks * stretches {
                if i + ahead < blocks * stretches {
                    piece(i + ahead).0.prefetch(s);
                }
                let (piece, start) = piece(i);
                let to = &mut to[start..start + piece.steps * piece.lanes];
                if plan.transposed {
                    piece.transposed::<S, E>(s, to);
                } else {
                    piece.straight::<S, E>(s, to);
                }
            }
        }
    }
}

/// Some steps of one tap, for one block.
struct Piece<'a> {
    plan: &'a Plan,
    matrix: &'a [f32],
    first: usize,
    filters: usize,
    lanes: usize,
    /// The first step's channel.
    channel: usize,
    steps: usize,
    /// Channels of a step.
    together: usize,
}

#[inline(always)]
fn pair(a: f32, b: f32) -> u32 {
    u32::from(round_to_bf16(a.to_bits())) | u32::from(round_to_bf16(b.to_bits())) << 16
}

#[inline(always)]
fn single<E: Element>(a: f32) -> u32 {
    E::from_f32(a).to_f32().to_bits()
}

impl Piece<'_> {
    /// Asks for the weights: they are some values of many rows, which the CPU does not fetch ahead by itself.
    #[inline(always)]
    fn prefetch<S: Simd>(&self, s: S) {
        let channels = self.channel..(self.channel + self.steps * self.together).min(self.plan.reduced);
        let filters = self.first..self.first + self.filters;
        let (rows, columns, length) = if self.plan.transposed {
            (filters, channels, self.plan.reduced)
        } else {
            (channels, filters, self.plan.filters)
        };
        const LINE: usize = 64 / size_of::<f32>();
        for row in rows {
            let row = self.matrix.as_ptr().wrapping_add(row * length);
            for column in columns.clone().step_by(LINE) {
                s.prefetch_read(row.wrapping_add(column));
            }
        }
    }

    /// From a matrix whose rows are filters.
    #[inline(always)]
    fn transposed<S: Simd, E: Element>(&self, s: S, to: &mut [u32]) {
        let is_whole =
            self.filters == self.lanes && self.channel + self.steps * self.together <= self.plan.reduced;
        if !is_whole {
            to.fill(0);
        }
        let turned = if self.together == 2 {
            self.turn_over(s, to)
        } else {
            0
        };
        for lane in turned..self.filters {
            let row = &self.matrix[(self.first + lane) * self.plan.reduced..][..self.plan.reduced];
            let end = self.channel + self.steps * self.together;
            let row = &row[self.channel.min(row.len())..end.min(row.len())];
            if self.together == 2 {
                for (to, values) in to.chunks_exact_mut(self.lanes).zip(row.chunks(2)) {
                    to[lane] = pair(values[0], values.get(1).copied().unwrap_or(0.0));
                }
            } else {
                for (to, value) in to.chunks_exact_mut(self.lanes).zip(row) {
                    to[lane] = single::<E>(*value);
                }
            }
        }
    }

    /// [`Piece::transposed`] of the first filters, so many as whole squares of values allow; says how many.
    #[inline(always)]
    fn turn_over<S: Simd>(&self, s: S, to: &mut [u32]) -> usize {
        const SIDE: usize = 16;
        let whole = self.steps.is_multiple_of(SIDE) && self.channel + 2 * self.steps <= self.plan.reduced;
        let squares = if whole { self.filters / SIDE } else { 0 };
        for square in 0..squares {
            let first = (self.first + square * SIDE) * self.plan.reduced + self.channel;
            for step in (0..self.steps).step_by(SIDE) {
                let row = |i: usize| {
                    let from = first + i * self.plan.reduced + 2 * step;
                    self.matrix[from..from + 2 * SIDE].as_ptr()
                };
                let to = &mut to[step * self.lanes..][..SIDE * self.lanes];
                // Safety: the slices are as long as the rows, and the place of 16 steps; squares lie side by side in it.
                let is_done = unsafe {
                    s.transpose_pairs(
                        &std::array::from_fn(row),
                        to.as_mut_ptr().add(square * SIDE),
                        self.lanes,
                    )
                };
                if !is_done {
                    return 0;
                }
            }
        }
        squares * SIDE
    }

    /// From a matrix whose rows are channels.
    #[inline(always)]
    fn straight<S: Simd, E: Element>(&self, s: S, to: &mut [u32]) {
        let row = |channel: usize| {
            (channel < self.plan.reduced)
                .then(|| &self.matrix[channel * self.plan.filters + self.first..][..self.filters])
        };
        for (step, to) in to.chunks_exact_mut(self.lanes).enumerate() {
            let channel = self.channel + step * self.together;
            if self.together == 2 {
                let rows = [row(channel), row(channel + 1)];
                for (at, to) in to.chunks_exact_mut(S::LANES).enumerate() {
                    let first = at * S::LANES;
                    let n = self.filters.saturating_sub(first).min(S::LANES);
                    let [a, b] = rows.map(|row| match row {
                        // Safety: the row has `filters` values, `n` of them from `first` on.
                        Some(row) if n > 0 => unsafe { s.load_first(row.as_ptr().add(first), n) },
                        _ => s.splat(0.0),
                    });
                    // Safety: the slice has `LANES` words.
                    unsafe { s.store_pairs(to.as_mut_ptr(), a, b) };
                }
            } else {
                let (to, padding) = to.split_at_mut(self.filters);
                padding.fill(0);
                match row(channel) {
                    Some(row) => to.iter_mut().zip(row).for_each(|(to, x)| *to = single::<E>(*x)),
                    None => to.fill(0),
                }
            }
        }
    }
}
