//! NEON, with and without bf16 dot products: four lanes, thirty-two registers. Tested in an emulator, but not yet run on a CPU.

use std::arch::{aarch64::*, asm};

use half::bf16;

use crate::simd::{Kernel, Simd};

/// The token of NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

/// The token of NEON with bf16 dot products (`FEAT_BF16`).
#[derive(Clone, Copy)]
pub(crate) struct NeonBf16(());

/// Wraps intrinsics that are unsafe only for the instruction set that they need.
macro_rules! neon {
    ($e:expr) => {
        // Safety: `self` exists only where `new` saw that this CPU has NEON; the intrinsics touch no memory.
        unsafe { $e }
    };
}

impl Neon {
    /// The token, if this CPU has the instructions.
    #[inline(always)]
    pub(crate) fn new() -> Option<Neon> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }
}

impl NeonBf16 {
    /// The token, if this CPU has the instructions.
    #[inline(always)]
    pub(crate) fn new() -> Option<NeonBf16> {
        let has_both = std::arch::is_aarch64_feature_detected!("neon")
            && std::arch::is_aarch64_feature_detected!("bf16");
        has_both.then_some(NeonBf16(()))
    }
}

/// What both tokens share.
macro_rules! common {
    () => {
        type F = float32x4_t;
        type I = uint32x4_t;
        type M = uint32x4_t;

        const LANES: usize = 4;
        // 12 x 2 accumulators, 2 vectors of weights and broadcasts: 27 or more of 32 registers.
        const TILE_PIXELS: usize = 12;

        #[inline(always)]
        fn splat(self, x: f32) -> float32x4_t {
            neon!(vdupq_n_f32(x))
        }

        #[inline(always)]
        fn splat_pair(self, x: u32) -> uint32x4_t {
            neon!(vdupq_n_u32(x))
        }

        #[inline(always)]
        unsafe fn load(self, from: *const f32) -> float32x4_t {
            // Safety: the caller promises 4 readable values.
            unsafe { vld1q_f32(from) }
        }

        #[inline(always)]
        unsafe fn load_first(self, from: *const f32, n: usize) -> float32x4_t {
            let mut lanes = [0.0_f32; 4];
            // Safety: the caller promises `n` readable values, and n <= 4.
            unsafe {
                std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n);
                vld1q_f32(lanes.as_ptr())
            }
        }

        #[inline(always)]
        unsafe fn load_bf16(self, from: *const bf16) -> float32x4_t {
            // Safety: the caller promises 4 readable halves.
            unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from.cast()))) }
        }

        #[inline(always)]
        unsafe fn load_pairs(self, from: *const u32) -> uint32x4_t {
            // Safety: the caller promises 4 readable words.
            unsafe { vld1q_u32(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32, x: float32x4_t) {
            // Safety: the caller promises 4 writable values.
            unsafe { vst1q_f32(to, x) }
        }

        #[inline(always)]
        unsafe fn store_first(self, to: *mut f32, x: float32x4_t, n: usize) {
            let mut lanes = [0.0_f32; 4];
            // Safety: the caller promises `n` writable values, and n <= 4.
            unsafe {
                vst1q_f32(lanes.as_mut_ptr(), x);
                std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n);
            }
        }

        #[inline(always)]
        fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
            neon!(vaddq_f32(a, b))
        }

        #[inline(always)]
        fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
            neon!(vsubq_f32(a, b))
        }

        #[inline(always)]
        fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
            neon!(vmulq_f32(a, b))
        }

        #[inline(always)]
        fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
            neon!(vdivq_f32(a, b))
        }

        #[inline(always)]
        fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
            neon!(vfmaq_f32(c, a, b))
        }

        #[inline(always)]
        fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
            self.select(self.gt(a, b), a, b)
        }

        #[inline(always)]
        fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
            self.select(self.gt(b, a), a, b)
        }

        #[inline(always)]
        fn sqrt(self, a: float32x4_t) -> float32x4_t {
            neon!(vsqrtq_f32(a))
        }

        #[inline(always)]
        fn gt(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
            neon!(vcgtq_f32(a, b))
        }

        #[inline(always)]
        fn eq(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
            neon!(vceqq_f32(a, b))
        }

        #[inline(always)]
        fn any(self, m: uint32x4_t) -> bool {
            neon!(vmaxvq_u32(m)) != 0
        }

        #[inline(always)]
        fn select(self, m: uint32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
            neon!(vbslq_f32(m, a, b))
        }

        #[inline(always)]
        fn round(self, a: float32x4_t) -> float32x4_t {
            neon!(vrndnq_f32(a))
        }

        #[inline(always)]
        fn exp2_whole(self, n: float32x4_t) -> float32x4_t {
            neon!(vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(
                vcvtnq_s32_f32(n),
                vdupq_n_s32(127)
            ))))
        }

        #[inline(always)]
        fn sum(self, a: float32x4_t) -> f32 {
            neon!(vaddvq_f32(a))
        }

        #[inline(always)]
        fn low(self, a: uint32x4_t) -> float32x4_t {
            neon!(vreinterpretq_f32_u32(vshlq_n_u32::<16>(a)))
        }

        #[inline(always)]
        fn high(self, a: uint32x4_t) -> float32x4_t {
            neon!(vreinterpretq_f32_u32(vandq_u32(
                a,
                vdupq_n_u32(0xffff_0000)
            )))
        }
    };
}

impl Simd for Neon {
    common!();

    #[inline(always)]
    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "neon")]
        fn compiled<K: Kernel>(simd: Neon, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // Safety: `self` exists only where `new` saw that this CPU has NEON.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16, x: float32x4_t) {
        // Safety: the caller promises 4 writable halves; the intrinsics touch no other memory.
        unsafe {
            let bits = vreinterpretq_u32_f32(x);
            let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
            let rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
            let nan = vorrq_u32(bits, vdupq_n_u32(0x40_0000));
            let words = vbslq_u32(vceqq_f32(x, x), rounded, nan);
            vst1_u16(to.cast(), vshrn_n_u32::<16>(words));
        }
    }

    #[inline(always)]
    fn dot(self, acc: float32x4_t, a: uint32x4_t, b: uint32x4_t) -> float32x4_t {
        let sum = self.mul_add(self.low(a), self.low(b), acc);
        self.mul_add(self.high(a), self.high(b), sum)
    }
}

impl Simd for NeonBf16 {
    common!();

    const BF16_DOT: bool = true;

    #[inline(always)]
    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "neon,bf16")]
        fn compiled<K: Kernel>(simd: NeonBf16, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // Safety: `self` exists only where `new` saw that this CPU has these instructions.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16, x: float32x4_t) {
        // Safety: `self` exists only where `new` saw this instruction; the caller promises 4 writable halves.
        unsafe { vst1_u16(to.cast(), narrowed(x)) }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, to: *mut u32, a: float32x4_t, b: float32x4_t) {
        // Safety: `self` exists only where `new` saw this instruction; the caller promises 4 writable words.
        unsafe {
            let high = vshll_n_u16::<16>(narrowed(b));
            vst1q_u32(to, vorrq_u32(vmovl_u16(narrowed(a)), high));
        }
    }

    #[inline(always)]
    fn dot(self, acc: float32x4_t, a: uint32x4_t, b: uint32x4_t) -> float32x4_t {
        neon!(dot_of_pairs(acc, a, b))
    }
}

/// The nearest bf16 of each lane, ties to even. The standard library has no stable form of this instruction, nor of the next.
#[inline]
#[target_feature(enable = "neon,bf16")]
fn narrowed(x: float32x4_t) -> uint16x4_t {
    let halves: uint16x4_t;
    // Safety: registers alone are read and written.
    unsafe {
        asm!(
            "bfcvtn {to:v}.4h, {from:v}.4s",
            to = lateout(vreg) halves,
            from = in(vreg) x,
            options(pure, nomem, nostack),
        );
    }
    halves
}

/// acc + a.low b.low + a.high b.high, per lane.
#[inline]
#[target_feature(enable = "neon,bf16")]
fn dot_of_pairs(mut acc: float32x4_t, a: uint32x4_t, b: uint32x4_t) -> float32x4_t {
    // Safety: as above.
    unsafe {
        asm!(
            "bfdot {acc:v}.4s, {a:v}.8h, {b:v}.8h",
            acc = inout(vreg) acc,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack),
        );
    }
    acc
}
