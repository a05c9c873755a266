//! Vectors of f32 lanes behind one trait, so that a kernel is written once and compiled for each instruction set.
//!
//! A [`Simd`] value is a token: it can be had only on a CPU that runs its instructions, so that its methods are safe to
//! call. A [`Kernel`] is the body that is compiled for a token's instruction set by `#[target_feature]`; everything it
//! calls with the token must be `#[inline(always)]`, else it would be compiled without those instructions.

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
pub(crate) mod portable;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;

use half::bf16;

use crate::compiled::Compiled;

/// A body to be compiled for an instruction set.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;

    /// Runs it; implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Lanes of the widest vectors.
const MOST_LANES: usize = 16;

/// The vectors of one instruction set.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// A vector of [`Simd::LANES`] f32.
    type F: Copy;
    /// The same lanes as 32-bit words, each a pair of bf16 (the first in the low half).
    type I: Copy;
    /// A truth value per lane.
    type M: Copy;

    /// f32 lanes in a vector.
    const LANES: usize;
    /// Pixels of a matrix tile: with [`Simd::TILE_VECTORS`] the accumulators that, with the weights and one broadcast,
    /// fill the registers.
    const TILE_PIXELS: usize;
    /// Vectors of output channels in a matrix tile.
    const TILE_VECTORS: usize = 2;
    /// Whether [`Simd::dot`] is one instruction, so that weights are packed as bf16 pairs.
    const BF16_DOT: bool = false;

    /// Runs another kernel as a function of its own, compiled for the same instruction set.
    fn enter<K: Kernel>(self, kernel: K) -> K::Output;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::F;
    /// All lanes the word `x`.
    fn splat_pair(self, x: u32) -> Self::I;

    /// Reads `LANES` values; any alignment.
    ///
    /// # Safety
    ///
    /// `from` is valid for reads of `LANES` values.
    unsafe fn load(self, from: *const f32) -> Self::F;
    /// Reads the first `n` values, 0 < `n` <= `LANES`; the other lanes are zero.
    ///
    /// # Safety
    ///
    /// `from` is valid for reads of `n` values.
    unsafe fn load_first(self, from: *const f32, n: usize) -> Self::F;
    /// Reads `LANES` bf16 values.
    ///
    /// # Safety
    ///
    /// `from` is valid for reads of `LANES` values.
    unsafe fn load_bf16(self, from: *const bf16) -> Self::F;
    /// Reads `LANES` words.
    ///
    /// # Safety
    ///
    /// `from` is valid for reads of `LANES` words.
    unsafe fn load_pairs(self, from: *const u32) -> Self::I;
    /// Writes `LANES` values.
    ///
    /// # Safety
    ///
    /// `to` is valid for writes of `LANES` values.
    unsafe fn store(self, to: *mut f32, x: Self::F);
    /// Writes the first `n` lanes, 0 < `n` <= `LANES`.
    ///
    /// # Safety
    ///
    /// `to` is valid for writes of `n` values.
    unsafe fn store_first(self, to: *mut f32, x: Self::F, n: usize);
    /// Writes `LANES` values rounded to the nearest bf16, ties to even.
    ///
    /// # Safety
    ///
    /// `to` is valid for writes of `LANES` values.
    unsafe fn store_bf16(self, to: *mut bf16, x: Self::F);

    /// Writes `LANES` words: `a` and `b`, rounded to bf16, in the low and the high halves. Numbers too small for a normal bf16 may become 0,
    /// as which bf16 dot products take them. Fast where [`Simd::BF16_DOT`], for whose sake pairs are packed.
    ///
    /// # Safety
    ///
    /// `to` is valid for writes of `LANES` words.
    unsafe fn store_pairs(self, to: *mut u32, a: Self::F, b: Self::F) {
        let mut halves = [[bf16::ZERO; MOST_LANES]; 2];
        for (half, x) in halves.iter_mut().zip([a, b]) {
            // Safety: no vector has more lanes.
            unsafe { self.store_bf16(half.as_mut_ptr(), x) };
        }
        for lane in 0..Self::LANES {
            let [a, b] = halves.map(|half| u32::from(half[lane].to_bits()));
            // Safety: the caller promises `LANES` words.
            unsafe { to.add(lane).write(a | b << 16) };
        }
    }

    /// Asks for the cache line of `at`, to write to it soon. Never faults, whatever `at` is.
    fn prefetch_write<T>(self, _at: *const T) {}

    /// Asks for the cache line of `at`, to read it soon. Never faults, whatever `at` is.
    fn prefetch_read<T>(self, _at: *const T) {}

    /// a + b
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// a - b
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// a b
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// a / b
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// a b + c, rounded once where the CPU can
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The greater; `b` where either is not a number.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The smaller; `b` where either is not a number.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// Square root.
    fn sqrt(self, a: Self::F) -> Self::F;
    /// a / b, to 3 units in the last place.
    fn quotient(self, a: Self::F, b: Self::F) -> Self::F {
        self.div(a, b)
    }
    /// a > b
    fn gt(self, a: Self::F, b: Self::F) -> Self::M;
    /// a = b
    fn eq(self, a: Self::F, b: Self::F) -> Self::M;
    /// Whether it is true of any lane.
    fn any(self, m: Self::M) -> bool;
    /// `a` where `m`, else `b`.
    fn select(self, m: Self::M, a: Self::F, b: Self::F) -> Self::F;
    /// Nearest whole number, ties to even, for |a| < 2^22.
    fn round(self, a: Self::F) -> Self::F;
    /// 2 to the power of the whole number `n`, -126 <= n <= 127.
    fn exp2_whole(self, n: Self::F) -> Self::F;
    /// The sum of all lanes, in an order that is fixed for the instruction set.
    fn sum(self, a: Self::F) -> f32;

    /// Turns over 16 rows of 32 values, rounded to bf16: word `i` of `to`'s row `j`, `stride` words apart, is values `2 j` and `2 j + 1` of row
    /// `i`. False, with nothing done, on instruction sets that have no fast way.
    ///
    /// # Safety
    ///
    /// `rows` are valid for reads of 32 values, and `to` for writes of 16 rows of 16 words.
    unsafe fn transpose_pairs(self, _rows: &[*const f32; 16], _to: *mut u32, _stride: usize) -> bool {
        false
    }

    /// acc + a.low b.low + a.high b.high, per lane.
    fn dot(self, acc: Self::F, a: Self::I, b: Self::I) -> Self::F;
    /// The low halves as f32.
    fn low(self, a: Self::I) -> Self::F;
    /// The high halves as f32.
    fn high(self, a: Self::I) -> Self::F;
}

/// Runs a block for each `i` below a constant of at most 16, unrolled by hand: where all indices of an array of vectors are
/// literals it lives in registers, and the compiler does not unroll a long loop before it decides that. Short loops need none
/// of this, and each use costs time to compile.
macro_rules! unrolled {
    ($n:expr, |$i:ident| $body:block) => {
        unrolled!(@ $n, $i, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $n:expr, $i:ident, $body:block, $($at:literal)*) => {
        $(if const { $at < $n } {
            let $i: usize = $at;
            $body
        })*
    };
}
pub(crate) use unrolled;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::bf16 {}
}

/// How activations are stored: `f32` or [`bf16`]. Arithmetic and sums are f32 in both.
#[allow(
    private_interfaces,
    private_bounds,
    reason = "sealed: the vector methods are for this crate's kernels"
)]
pub trait Element:
    crate::Plain + Copy + Default + PartialEq + Send + Sync + 'static + sealed::Sealed + Lanes + Compiled
{
    /// Whether it is [`bf16`].
    const BF16: bool;
    /// The nearest value, ties to even.
    fn from_f32(x: f32) -> Self;
    /// The value, exactly.
    fn to_f32(self) -> f32;
}

/// Vector access to an [`Element`] type.
pub(crate) trait Lanes: Copy + Sized {
    /// Reads the first `n` values, 0 < `n` <= `LANES`; the other lanes are zero.
    ///
    /// # Safety
    ///
    /// `from` is valid for reads of `n` values.
    unsafe fn load_first<S: Simd>(s: S, from: *const Self, n: usize) -> S::F;
    /// Writes the first `n` lanes, 0 < `n` <= `LANES`.
    ///
    /// # Safety
    ///
    /// `to` is valid for writes of `n` values.
    unsafe fn store_first<S: Simd>(s: S, to: *mut Self, x: S::F, n: usize);
}

impl Element for f32 {
    const BF16: bool = false;

    #[inline(always)]
    fn from_f32(x: f32) -> f32 {
        x
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

impl Lanes for f32 {
    #[inline(always)]
    unsafe fn load_first<S: Simd>(s: S, from: *const f32, n: usize) -> S::F {
        // Safety: the caller's promise.
        unsafe { s.load_first(from, n) }
    }

    #[inline(always)]
    unsafe fn store_first<S: Simd>(s: S, to: *mut f32, x: S::F, n: usize) {
        // Safety: the caller's promise.
        unsafe { s.store_first(to, x, n) }
    }
}

impl Element for bf16 {
    const BF16: bool = true;

    #[inline(always)]
    fn from_f32(x: f32) -> bf16 {
        bf16::from_bits(round_to_bf16(x.to_bits()))
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
}

impl Lanes for bf16 {
    #[inline(always)]
    unsafe fn load_first<S: Simd>(s: S, from: *const bf16, n: usize) -> S::F {
        if n == S::LANES {
            // Safety: the caller's promise.
            return unsafe { s.load_bf16(from) };
        }
        let mut lanes = [bf16::ZERO; MAX_LANES];
        // Safety: the caller promises `n` readable values, and n < LANES <= MAX_LANES.
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n);
            s.load_bf16(lanes.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store_first<S: Simd>(s: S, to: *mut bf16, x: S::F, n: usize) {
        if n == S::LANES {
            // Safety: the caller's promise.
            return unsafe { s.store_bf16(to, x) };
        }
        let mut lanes = [bf16::ZERO; MAX_LANES];
        // Safety: the caller promises `n` writable values, and n < LANES <= MAX_LANES.
        unsafe {
            s.store_bf16(lanes.as_mut_ptr(), x);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n);
        }
    }
}

/// The most lanes that any instruction set here has.
pub(crate) const MAX_LANES: usize = 16;

/// The bits of the bf16 nearest to an f32 given by its bits, ties to even; not-a-number stays so. Without branches, so
/// that loops over it become vectors.
#[inline(always)]
pub(crate) fn round_to_bf16(bits: u32) -> u16 {
    let rounded = (bits.wrapping_add(0x7fff + ((bits >> 16) & 1))) >> 16;
    let nan = (bits >> 16) | 0x40;
    (if bits & 0x7fff_ffff > 0x7f80_0000 {
        nan
    } else {
        rounded
    }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;

    #[test]
    fn rounding_to_bf16_agrees_with_half() {
        for bits in (0..=u32::MAX).step_by(65_521) {
            let x = f32::from_bits(bits);
            let (ours, halfs) = (<bf16 as Element>::from_f32(x), bf16::from_f32(x));
            assert!(ours == halfs || x.is_nan() && ours.is_nan(), "{bits:x}");
        }
    }

    /// Values whose roundings go up, down and to even, with both signs.
    fn values<const N: usize>(first: usize) -> [f32; N] {
        std::array::from_fn(|i| {
            let bits = 0x3f80_0000 + 0x2_4000 * (first + i) as u32 + 0x8000 * (i as u32 % 3);
            f32::from_bits(bits | (i as u32 % 2) << 31)
        })
    }

    fn pair(a: f32, b: f32) -> u32 {
        u32::from(bf16::from_f32(a).to_bits()) | u32::from(bf16::from_f32(b).to_bits()) << 16
    }

    #[test]
    fn pairs_are_rounded_and_side_by_side() {
        struct Pairs;
        impl Kernel for Pairs {
            type Output = (usize, [u32; MOST_LANES]);

            #[inline(always)]
            fn run<S: Simd>(self, s: S) -> Self::Output {
                let (a, b) = (values::<MOST_LANES>(0), values::<MOST_LANES>(100));
                let mut words = [0; MOST_LANES];
                // Safety: no vector has more lanes.
                unsafe { s.store_pairs(words.as_mut_ptr(), s.load(a.as_ptr()), s.load(b.as_ptr())) };
                (S::LANES, words)
            }
        }
        let (a, b) = (values::<MOST_LANES>(0), values::<MOST_LANES>(100));
        for isa in Isa::available() {
            let (lanes, words) = isa.run(Pairs);
            for lane in 0..lanes {
                assert_eq!(words[lane], pair(a[lane], b[lane]), "lane {lane} on {isa}");
            }
        }
    }

    #[test]
    fn pairs_of_rows_become_columns() {
        const STRIDE: usize = 24;
        struct Turn<'a>(&'a [[f32; 32]; 16]);
        impl Kernel for Turn<'_> {
            type Output = Option<Vec<u32>>;

            #[inline(always)]
            fn run<S: Simd>(self, s: S) -> Self::Output {
                let mut words = vec![7; 16 * STRIDE];
                let rows = std::array::from_fn(|i| self.0[i].as_ptr());
                // Safety: rows have 32 values, and the words are 16 rows.
                unsafe { s.transpose_pairs(&rows, words.as_mut_ptr(), STRIDE) }.then_some(words)
            }
        }
        let rows: [[f32; 32]; 16] = std::array::from_fn(|i| values(32 * i));
        for isa in Isa::available() {
            let Some(words) = isa.run(Turn(&rows)) else {
                assert!(!matches!(isa, Isa::AmxBf16 | Isa::Avx512Bf16), "{isa} turns over");
                continue;
            };
            for (j, words) in words.chunks_exact(STRIDE).enumerate() {
                let columns: Vec<u32> = rows.iter().map(|row| pair(row[2 * j], row[2 * j + 1])).collect();
                assert_eq!(words[..16], columns, "row {j} on {isa}");
                assert!(
                    words[16..].iter().all(|word| *word == 7),
                    "beyond row {j} on {isa}"
                );
            }
        }
    }
}
