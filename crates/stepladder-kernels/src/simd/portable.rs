//! Vectors in plain Rust: eight lanes in an array, which the compiler maps to whatever the target has.

use half::bf16;

use super::{Element, Kernel, Simd};

/// The token of the portable kernels; any CPU runs them.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

const LANES: usize = 8;

type F = [f32; LANES];

#[inline(always)]
fn map(f: impl Fn(usize) -> f32) -> F {
    let mut out = [0.0; LANES];
    for (i, x) in out.iter_mut().enumerate() {
        *x = f(i);
    }
    out
}

impl Simd for Portable {
    type F = F;
    type I = [u32; LANES];
    type M = [bool; LANES];

    const LANES: usize = LANES;
    const TILE_PIXELS: usize = 4;
    const TILE_VECTORS: usize = 1;

    #[inline(always)]
    fn enter<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        [x; LANES]
    }

    #[inline(always)]
    fn splat_pair(self, x: u32) -> [u32; LANES] {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> F {
        // Safety: the caller promises LANES readable values; an array of f32 read unaligned has any bit pattern.
        unsafe { from.cast::<F>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> F {
        let mut out = [0.0; LANES];
        // Safety: the caller promises `n` readable values, and n <= LANES.
        unsafe { std::ptr::copy_nonoverlapping(from, out.as_mut_ptr(), n) };
        out
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const bf16) -> F {
        // Safety: the caller promises LANES readable values.
        let halves = unsafe { from.cast::<[bf16; LANES]>().read_unaligned() };
        map(|i| Element::to_f32(halves[i]))
    }

    #[inline(always)]
    unsafe fn load_pairs(self, from: *const u32) -> [u32; LANES] {
        // Safety: the caller promises LANES readable words.
        unsafe { from.cast::<[u32; LANES]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: F) {
        // Safety: the caller promises LANES writable values.
        unsafe { to.cast::<F>().write_unaligned(x) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, x: F, n: usize) {
        // Safety: the caller promises `n` writable values, and n <= LANES.
        unsafe { std::ptr::copy_nonoverlapping(x.as_ptr(), to, n) }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16, x: F) {
        let mut out = [bf16::ZERO; LANES];
        for (to, x) in out.iter_mut().zip(x) {
            *to = Element::from_f32(x);
        }
        // Safety: the caller promises LANES writable values.
        unsafe { to.cast::<[bf16; LANES]>().write_unaligned(out) }
    }

    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        map(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        map(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        map(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn div(self, a: F, b: F) -> F {
        map(|i| a[i] / b[i])
    }

    // Two roundings: without the instruction, f32::mul_add is a library call some fifty times slower.
    #[inline(always)]
    fn mul_add(self, a: F, b: F, c: F) -> F {
        map(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        map(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        map(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn sqrt(self, a: F) -> F {
        map(|i| a[i].sqrt())
    }

    #[inline(always)]
    fn gt(self, a: F, b: F) -> [bool; LANES] {
        let mut out = [false; LANES];
        for (i, m) in out.iter_mut().enumerate() {
            *m = a[i] > b[i];
        }
        out
    }

    #[inline(always)]
    fn eq(self, a: F, b: F) -> [bool; LANES] {
        std::array::from_fn(|i| a[i] == b[i])
    }

    #[inline(always)]
    fn any(self, m: [bool; LANES]) -> bool {
        m.contains(&true)
    }

    #[inline(always)]
    fn select(self, m: [bool; LANES], a: F, b: F) -> F {
        map(|i| if m[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn round(self, a: F) -> F {
        // Adding 1.5 x 2^23 leaves no bits for a fraction: the sum is rounded to a whole number, ties to even.
        const SHIFT: f32 = 12_582_912.0;
        map(|i| (a[i] + SHIFT) - SHIFT)
    }

    #[inline(always)]
    fn exp2_whole(self, n: F) -> F {
        map(|i| f32::from_bits(((n[i] as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    fn sum(self, a: F) -> f32 {
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }

    #[inline(always)]
    fn dot(self, acc: F, a: [u32; LANES], b: [u32; LANES]) -> F {
        let sum = self.mul_add(self.low(a), self.low(b), acc);
        self.mul_add(self.high(a), self.high(b), sum)
    }

    #[inline(always)]
    fn low(self, a: [u32; LANES]) -> F {
        map(|i| f32::from_bits(a[i] << 16))
    }

    #[inline(always)]
    fn high(self, a: [u32; LANES]) -> F {
        map(|i| f32::from_bits(a[i] & 0xffff_0000))
    }
}
