//! What this machine can do at best, measured: multiply-adds per second of the dot products, or matrix products, that the kernels are
//! made of, and bytes per second of memory. Kernels are judged by their share of it.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use crate::{
    context::Context,
    simd::{Kernel, Simd},
};

/// Multiply-adds on registers alone, with enough independent sums to hide their latency.
struct DotProducts {
    rounds: usize,
    bf16: bool,
}

/// Independent sums; 12 is above latency times throughput of every core known to us.
const SUMS: usize = 12;

impl Kernel for DotProducts {
    /// A number that depends on all the work, and the floating-point operations done.
    type Output = (f32, f64);

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> (f32, f64) {
        let mut sums = [s.splat(black_box(0.0)); SUMS];
        let per_dot = if self.bf16 {
            let (a, b) = (
                s.splat_pair(black_box(0x3f80_3f80)),
                s.splat_pair(black_box(0x3f80_3f80)),
            );
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = s.dot(*sum, a, b);
                }
            }
            4
        } else {
            let (a, b) = (s.splat(black_box(1.0)), s.splat(black_box(1.0)));
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = s.mul_add(a, b, *sum);
                }
            }
            2
        };
        let total = sums.iter().map(|sum| s.sum(*sum)).sum();
        (total, (self.rounds * SUMS * S::LANES * per_dot) as f64)
    }
}

/// Runs `rounds` rounds of dot products of f32 or bf16 on each thread, on matrix tiles where the instruction set has them: work for the
/// caller to time.
pub fn dot_products(context: &Context, bf16: bool, rounds: usize) {
    context.for_each(context.threads(), |_| {
        #[cfg(target_arch = "x86_64")]
        if let Some(amx) = context.isa().amx().filter(|_| bf16) {
            return matrix::products(amx, rounds);
        }
        black_box(context.isa().run(DotProducts { rounds, bf16 }));
    });
}

/// Floating-point operations (a multiply-add counts as two) of [`dot_products`], all threads together.
pub fn dot_product_operations(context: &Context, bf16: bool, rounds: usize) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if bf16 && context.isa().amx().is_some() {
        return matrix::OPERATIONS * (rounds * context.threads()) as f64;
    }
    let (_, operations) = context.isa().run(DotProducts { rounds: 1, bf16 });
    operations * (rounds * context.threads()) as f64
}

/// Floating-point operations per second of all threads together, on dot products of f32 or bf16, over about `time`.
pub fn dot_product_peak(context: &Context, bf16: bool, time: Duration) -> f64 {
    let seconds = |rounds: usize| {
        let start = Instant::now();
        dot_products(context, bf16, rounds);
        start.elapsed().as_secs_f64()
    };
    let probe = 100_000;
    let rounds = (probe as f64 * time.as_secs_f64() / seconds(probe).max(1e-9)) as usize;
    let rounds = rounds.max(1000);
    dot_product_operations(context, bf16, rounds) / seconds(rounds)
}

/// Bytes per second that all threads together read and write (counted once each) when they copy `bytes` from one buffer
/// to another, over about `time`. Choose `bytes` far above the caches to measure memory.
pub fn copy_bandwidth(context: &Context, bytes: usize, time: Duration) -> f64 {
    let values = bytes / size_of::<f32>();
    let source = context.buffers().take_zeroed::<f32>(values);
    let mut target = context.buffers().take_zeroed::<f32>(values);
    // 256 KiB: a part fits in the nearer caches, and there are enough of them for any number of threads.
    let part = 65_536;
    let start = Instant::now();
    let mut copied = 0.0;
    while copied == 0.0 || start.elapsed() < time {
        context.for_each_part(&mut target, part, |item, to| {
            to.copy_from_slice(&source[item * part..][..to.len()]);
        });
        black_box(&mut target);
        copied += 2.0 * bytes as f64;
    }
    copied / start.elapsed().as_secs_f64()
}

/// Products of matrix tiles.
#[cfg(target_arch = "x86_64")]
mod matrix {
    use std::hint::black_box;

    use crate::simd::x86_64::amx::{Amx, Product, ROW, Rows, Run, SIDE};

    /// Operations of a round: 32 x 32 sums of 32 products.
    pub(super) const OPERATIONS: f64 = (2 * 32 * 32 * 32) as f64;

    /// A tile of ones.
    #[repr(align(64))]
    struct Tile([u16; SIDE * ROW]);

    /// Rounds of products by the same operands, which stay in the nearest cache.
    pub(super) fn products(amx: Amx, rounds: usize) {
        let tile = Tile([0x3f80; SIDE * ROW]);
        let mut sums = [0.0_f32; 32 * 32];
        let tiles = amx.tiles(SIDE);
        let left = Rows {
            at: tile.0.as_ptr().cast(),
            stride: 2 * ROW,
        };
        let run = Run {
            left: [left; 2],
            right: [tile.0.as_ptr().cast(); 2],
        };
        let product = Product {
            steps: rounds.max(1),
            step_bytes: [0, 0],
            right_stride: 2 * ROW,
            sums: sums.as_mut_ptr(),
            sums_stride: 4 * 32,
            add: 0,
            offset: [0, 0],
        };
        // Safety: all operands are the one tile, again and again, and the sums are 32 rows of 32.
        unsafe { tiles.multiply(&product, &[run]) };
        black_box(sums);
    }
}
