//! AVX2 with FMA: eight lanes, sixteen registers.

use std::arch::x86_64::*;

use half::bf16;

use crate::simd::{Kernel, Simd};

/// The token of AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

/// The first `n` lanes are those of `MASK[8 - n..]` whose sign bit is set.
const MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// Wraps intrinsics that are unsafe only for the instruction set that they need.
macro_rules! avx2 {
    ($e:expr) => {
        // Safety: `self` exists only where `new` saw that this CPU has AVX2 and FMA; the intrinsics touch no memory.
        unsafe { $e }
    };
}

impl Avx2 {
    /// The token, if this CPU has the instructions.
    #[inline(always)]
    pub(crate) fn new() -> Option<Avx2> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
    }
}

impl Simd for Avx2 {
    type F = __m256;
    type I = __m256i;
    type M = __m256;

    const LANES: usize = 8;
    // 6 x 2 accumulators, 2 vectors of weights and a broadcast: 15 of 16 registers.
    const TILE_PIXELS: usize = 6;

    #[inline(always)]
    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // Safety: `self` exists only where `new` saw that this CPU has AVX2 and FMA.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        avx2!(_mm256_set1_ps(x))
    }

    #[inline(always)]
    fn splat_pair(self, x: u32) -> __m256i {
        avx2!(_mm256_set1_epi32(x as i32))
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // Safety: the caller promises 8 readable values.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> __m256 {
        if n == Self::LANES {
            // Safety: the caller promises `n` readable values.
            return unsafe { self.load(from) };
        }
        // Safety: 0 < n <= 8 keeps the mask's load inside MASK; a masked load reads only the `n` values promised.
        unsafe {
            let mask = _mm256_loadu_si256(MASK.as_ptr().add(8 - n).cast());
            _mm256_maskload_ps(from, mask)
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const bf16) -> __m256 {
        // Safety: the caller promises 8 readable halves.
        unsafe {
            let halves = _mm_loadu_si128(from.cast());
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
        }
    }

    #[inline(always)]
    unsafe fn load_pairs(self, from: *const u32) -> __m256i {
        // Safety: the caller promises 8 readable words.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: __m256) {
        // Safety: the caller promises 8 writable values.
        unsafe { _mm256_storeu_ps(to, x) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, x: __m256, n: usize) {
        // A masked store takes AMD's cores a dozen cycles, so that whole vectors, the common case, must not be one.
        if n == Self::LANES {
            // Safety: the caller promises `n` writable values.
            return unsafe { self.store(to, x) };
        }
        // Safety: 0 < n <= 8 keeps the mask's load inside MASK; a masked store writes only the `n` values promised.
        unsafe {
            let mask = _mm256_loadu_si256(MASK.as_ptr().add(8 - n).cast());
            _mm256_maskstore_ps(to, mask, x);
        }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16, x: __m256) {
        // Safety: the caller promises 8 writable halves.
        unsafe {
            let bits = _mm256_castps_si256(x);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let bias = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let rounded = _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, bias));
            let nan = _mm256_or_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(0x40));
            let is_nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
            let words = _mm256_blendv_epi8(rounded, nan, is_nan);
            let packed = _mm256_packus_epi32(words, words);
            let halves = _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b1000>(packed));
            _mm_storeu_si128(to.cast(), halves);
        }
    }

    #[inline(always)]
    fn prefetch_write<T>(self, at: *const T) {
        avx2!(_mm_prefetch::<_MM_HINT_ET0>(at.cast()))
    }

    #[inline(always)]
    fn prefetch_read<T>(self, at: *const T) {
        avx2!(_mm_prefetch::<_MM_HINT_T0>(at.cast()))
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_mul_ps(a, b))
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_div_ps(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        avx2!(_mm256_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_max_ps(a, b))
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_min_ps(a, b))
    }

    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        avx2!(_mm256_sqrt_ps(a))
    }

    #[inline(always)]
    fn gt(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b))
    }

    #[inline(always)]
    fn eq(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b))
    }

    #[inline(always)]
    fn any(self, m: __m256) -> bool {
        avx2!(_mm256_movemask_ps(m)) != 0
    }

    #[inline(always)]
    fn select(self, m: __m256, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_blendv_ps(b, a, m))
    }

    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        avx2!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }

    #[inline(always)]
    fn exp2_whole(self, n: __m256) -> __m256 {
        avx2!({
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        })
    }

    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        avx2!({
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        })
    }

    #[inline(always)]
    fn dot(self, acc: __m256, a: __m256i, b: __m256i) -> __m256 {
        let sum = self.mul_add(self.low(a), self.low(b), acc);
        self.mul_add(self.high(a), self.high(b), sum)
    }

    #[inline(always)]
    fn low(self, a: __m256i) -> __m256 {
        avx2!(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(a)))
    }

    #[inline(always)]
    fn high(self, a: __m256i) -> __m256 {
        avx2!(_mm256_castsi256_ps(_mm256_and_si256(
            a,
            _mm256_set1_epi32(0xffff_0000_u32 as i32)
        )))
    }
}
