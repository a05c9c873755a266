//! AVX-512, with and without bf16 dot products: sixteen lanes, thirty-two registers.

use std::{arch::x86_64::*, mem::transmute};

use half::bf16;

use crate::simd::{Kernel, Simd};

/// The token of AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

/// The token of AVX-512 with bf16 dot products.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Bf16(());

fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
}

impl Avx512 {
    /// The token, if this CPU has the instructions.
    #[inline(always)]
    pub(crate) fn new() -> Option<Avx512> {
        has_avx512().then_some(Avx512(()))
    }
}

impl Avx512Bf16 {
    /// The token, if this CPU has the instructions.
    #[inline(always)]
    pub(crate) fn new() -> Option<Avx512Bf16> {
        (has_avx512() && is_x86_feature_detected!("avx512bf16")).then_some(Avx512Bf16(()))
    }
}

/// Wraps intrinsics that are unsafe only for the instruction set that they need.
macro_rules! avx512 {
    ($e:expr) => {
        // Safety: `self` exists only where `new` saw that this CPU has the instructions; the intrinsics touch no memory.
        unsafe { $e }
    };
}

/// The methods that both tokens share.
macro_rules! common {
    () => {
        #[inline(always)]
        fn splat(self, x: f32) -> __m512 {
            avx512!(_mm512_set1_ps(x))
        }

        #[inline(always)]
        fn splat_pair(self, x: u32) -> __m512i {
            avx512!(_mm512_set1_epi32(x as i32))
        }

        #[inline(always)]
        unsafe fn load(self, from: *const f32) -> __m512 {
            // Safety: the caller promises 16 readable values.
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn load_first(self, from: *const f32, n: usize) -> __m512 {
            // Safety: a masked load reads only the `n` values that the caller promises.
            unsafe { _mm512_maskz_loadu_ps(first(n), from) }
        }

        #[inline(always)]
        unsafe fn load_bf16(self, from: *const bf16) -> __m512 {
            // Safety: the caller promises 16 readable halves.
            unsafe {
                let halves = _mm256_loadu_si256(from.cast());
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
            }
        }

        #[inline(always)]
        unsafe fn load_pairs(self, from: *const u32) -> __m512i {
            // Safety: the caller promises 16 readable words.
            unsafe { _mm512_loadu_si512(from.cast()) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32, x: __m512) {
            // Safety: the caller promises 16 writable values.
            unsafe { _mm512_storeu_ps(to, x) }
        }

        #[inline(always)]
        unsafe fn store_first(self, to: *mut f32, x: __m512, n: usize) {
            // Safety: a masked store writes only the `n` values that the caller promises.
            unsafe { _mm512_mask_storeu_ps(to, first(n), x) }
        }

        #[inline(always)]
        fn prefetch_write<T>(self, at: *const T) {
            avx512!(_mm_prefetch::<_MM_HINT_ET0>(at.cast()))
        }

        #[inline(always)]
        fn prefetch_read<T>(self, at: *const T) {
            avx512!(_mm_prefetch::<_MM_HINT_T0>(at.cast()))
        }

        #[inline(always)]
        fn add(self, a: __m512, b: __m512) -> __m512 {
            avx512!(_mm512_add_ps(a, b))
        }

        #[inline(always)]
        fn sub(self, a: __m512, b: __m512) -> __m512 {
            avx512!(_mm512_sub_ps(a, b))
        }

        #[inline(always)]
        fn mul(self, a: __m512, b: __m512) -> __m512 {
            avx512!(_mm512_mul_ps(a, b))
        }

        #[inline(always)]
        fn div(self, a: __m512, b: __m512) -> __m512 {
            avx512!(_mm512_div_ps(a, b))
        }

        #[inline(always)]
        fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            avx512!(_mm512_fmadd_ps(a, b, c))
        }

        #[inline(always)]
        fn max(self, a: __m512, b: __m512) -> __m512 {
            avx512!(_mm512_max_ps(a, b))
        }

        #[inline(always)]
        fn min(self, a: __m512, b: __m512) -> __m512 {
            avx512!(_mm512_min_ps(a, b))
        }

        #[inline(always)]
        fn sqrt(self, a: __m512) -> __m512 {
            avx512!(_mm512_sqrt_ps(a))
        }

        #[inline(always)]
        fn quotient(self, a: __m512, b: __m512) -> __m512 {
            // 1 / b to 14 bits, then one step of Newton: a third of a division's time.
            avx512!({
                let x = _mm512_rcp14_ps(b);
                let x = _mm512_mul_ps(x, _mm512_fnmadd_ps(b, x, _mm512_set1_ps(2.0)));
                _mm512_mul_ps(a, x)
            })
        }

        #[inline(always)]
        fn gt(self, a: __m512, b: __m512) -> __mmask16 {
            avx512!(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b))
        }

        #[inline(always)]
        fn eq(self, a: __m512, b: __m512) -> __mmask16 {
            avx512!(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b))
        }

        #[inline(always)]
        fn any(self, m: __mmask16) -> bool {
            m != 0
        }

        #[inline(always)]
        fn select(self, m: __mmask16, a: __m512, b: __m512) -> __m512 {
            avx512!(_mm512_mask_blend_ps(m, b, a))
        }

        #[inline(always)]
        fn round(self, a: __m512) -> __m512 {
            avx512!(_mm512_roundscale_ps::<
                { _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC },
            >(a))
        }

        #[inline(always)]
        fn exp2_whole(self, n: __m512) -> __m512 {
            avx512!({
                let biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
                _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
            })
        }

        #[inline(always)]
        fn sum(self, a: __m512) -> f32 {
            avx512!(_mm512_reduce_add_ps(a))
        }

        #[inline(always)]
        fn low(self, a: __m512i) -> __m512 {
            avx512!(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(a)))
        }

        #[inline(always)]
        fn high(self, a: __m512i) -> __m512 {
            avx512!(_mm512_castsi512_ps(_mm512_and_si512(
                a,
                _mm512_set1_epi32(0xffff_0000_u32 as i32)
            )))
        }
    };
}

/// The mask of the first `n` of 16 lanes.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    (0xffff_u32 >> (16 - n)) as __mmask16
}

/// The transpose of 16 rows of 16 words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transposed(mut rows: [__m512i; 16]) -> [__m512i; 16] {
    for i in (0..16).step_by(2) {
        let (a, b) = (rows[i], rows[i + 1]);
        (rows[i], rows[i + 1]) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    }
    for i in (0..16).step_by(4) {
        let [a, b, c, d] = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]];
        rows[i] = _mm512_unpacklo_epi64(a, c);
        rows[i + 1] = _mm512_unpackhi_epi64(a, c);
        rows[i + 2] = _mm512_unpacklo_epi64(b, d);
        rows[i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    // Row 4 i + j now holds columns j, j + 4, j + 8, j + 12 of rows 4 i to 4 i + 3, in quarters.
    let mut columns = rows;
    for j in 0..4 {
        let [a, b, c, d] = [rows[j], rows[j + 4], rows[j + 8], rows[j + 12]];
        let (low_ab, high_ab) = (
            _mm512_shuffle_i32x4::<0x44>(a, b),
            _mm512_shuffle_i32x4::<0xee>(a, b),
        );
        let (low_cd, high_cd) = (
            _mm512_shuffle_i32x4::<0x44>(c, d),
            _mm512_shuffle_i32x4::<0xee>(c, d),
        );
        columns[j] = _mm512_shuffle_i32x4::<0x88>(low_ab, low_cd);
        columns[j + 4] = _mm512_shuffle_i32x4::<0xdd>(low_ab, low_cd);
        columns[j + 8] = _mm512_shuffle_i32x4::<0x88>(high_ab, high_cd);
        columns[j + 12] = _mm512_shuffle_i32x4::<0xdd>(high_ab, high_cd);
    }
    columns
}

/// The nearest bf16 of each lane, ties to even, as words.
#[inline]
#[target_feature(enable = "avx512f")]
fn rounded(x: __m512) -> __m512i {
    let bits = _mm512_castps_si512(x);
    let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
    let bias = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    let words = _mm512_srli_epi32::<16>(_mm512_add_epi32(bits, bias));
    let nan = _mm512_or_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(0x40));
    _mm512_mask_blend_epi32(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x), words, nan)
}

impl Simd for Avx512 {
    type F = __m512;
    type I = __m512i;
    type M = __mmask16;

    const LANES: usize = 16;
    // 14 x 2 accumulators, 2 vectors of weights and a broadcast: 31 of 32 registers.
    const TILE_PIXELS: usize = 14;

    common!();

    #[inline(always)]
    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        fn compiled<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // Safety: `self` exists only where `new` saw that this CPU has these instructions.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16, x: __m512) {
        // Safety: the caller promises 16 writable halves.
        unsafe {
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(rounded(x)));
        }
    }

    #[inline(always)]
    fn dot(self, acc: __m512, a: __m512i, b: __m512i) -> __m512 {
        let sum = self.mul_add(self.low(a), self.low(b), acc);
        self.mul_add(self.high(a), self.high(b), sum)
    }
}

impl Simd for Avx512Bf16 {
    type F = __m512;
    type I = __m512i;
    type M = __mmask16;

    const LANES: usize = 16;
    const TILE_PIXELS: usize = 14;
    const BF16_DOT: bool = true;

    common!();

    #[inline(always)]
    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
        fn compiled<K: Kernel>(simd: Avx512Bf16, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // Safety: `self` exists only where `new` saw that this CPU has these instructions.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16, x: __m512) {
        // Safety: the caller promises 16 writable halves; __m256bh and __m256i are the same 32 bytes.
        unsafe {
            let halves: __m256i = transmute(_mm512_cvtneps_pbh(x));
            _mm256_storeu_si256(to.cast(), halves);
        }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, to: *mut u32, a: __m512, b: __m512) {
        #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
        unsafe fn compiled(to: *mut u32, a: __m512, b: __m512) {
            // The lanes of `a` are in the lower half, those of `b` in the upper one.
            const TAKE_TURNS: [u16; 32] = {
                let mut places = [0; 32];
                let mut i = 0;
                while i < 32 {
                    places[i] = (i as u16 / 2) + 16 * (i as u16 % 2);
                    i += 1;
                }
                places
            };
            // Safety: the constant is a whole vector, and the caller promises 16 words.
            unsafe {
                let places = _mm512_loadu_si512(TAKE_TURNS.as_ptr().cast());
                let halves: __m512i = transmute(_mm512_cvtne2ps_pbh(b, a));
                _mm512_storeu_si512(to.cast(), _mm512_permutexvar_epi16(places, halves));
            }
        }
        // Safety: `self` exists only where `new` saw these instructions; the rest is the caller's promise.
        unsafe { compiled(to, a, b) }
    }

    #[inline(always)]
    unsafe fn transpose_pairs(self, rows: &[*const f32; 16], to: *mut u32, stride: usize) -> bool {
        // A function of its own: `array::map` would be one without these instructions, and call each of them.
        #[target_feature(enable = "avx512f,avx512bf16")]
        unsafe fn compiled(rows: &[*const f32; 16], to: *mut u32, stride: usize) {
            let mut pairs = [_mm512_setzero_si512(); 16];
            for (pairs, row) in pairs.iter_mut().zip(rows) {
                // Safety: the caller promises 32 values in each row; __m512bh and __m512i are the same 64 bytes.
                *pairs = unsafe {
                    let [low, high] = [_mm512_loadu_ps(*row), _mm512_loadu_ps(row.add(16))];
                    transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low))
                };
            }
            for (step, row) in transposed(pairs).into_iter().enumerate() {
                // Safety: the caller promises 16 rows of 16 words.
                unsafe { _mm512_storeu_si512(to.add(step * stride).cast(), row) };
            }
        }
        // Safety: `self` exists only where `new` saw these instructions; the rest is the caller's promise.
        unsafe { compiled(rows, to, stride) }
        true
    }

    #[inline(always)]
    fn dot(self, acc: __m512, a: __m512i, b: __m512i) -> __m512 {
        // Safety: `self` exists only where `new` saw these instructions; __m512bh and __m512i are the same 64 bytes.
        unsafe {
            _mm512_dpbf16_ps(
                acc,
                transmute::<__m512i, __m512bh>(a),
                transmute::<__m512i, __m512bh>(b),
            )
        }
    }
}
