//! AMX with bf16: eight registers that hold a matrix each, and an instruction that multiplies two of them into a third.
//!
//! A tile has up to 16 rows of 64 bytes. Registers 0 to 3 hold sums, 16 x 16 of f32; 4 and 5 hold rows of the left operand, 16 x `2 pairs`
//! of bf16; 6 and 7 hold the right one, `pairs` x 16 pairs of bf16, each pair two values that lie below each other
//! (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18).
//!
//! The language has no stable intrinsics for them, so that this is assembly. What the compiler makes never touches tile registers or their
//! configuration, for nothing here is compiled with AMX enabled; both last from one block of assembly to the next.

use std::{
    arch::{asm, x86_64::*},
    sync::OnceLock,
};

use super::{Avx512Bf16, avx512::transposed};

/// Rows of a tile, and its columns of 32 bits.
pub(crate) const SIDE: usize = 16;

/// The token of AMX with bf16, on a CPU that has [`Avx512Bf16`] too.
#[derive(Clone, Copy)]
pub(crate) struct Amx(());

impl Amx {
    /// The token, if this CPU has the instructions and the system lets this process use them.
    pub(crate) fn new() -> Option<Amx> {
        static USABLE: OnceLock<bool> = OnceLock::new();
        let usable = || Avx512Bf16::new().is_some() && has_amx_bf16() && may_use_tiles();
        USABLE.get_or_init(usable).then_some(Amx(()))
    }

    /// Configures this thread's tile registers for a left operand of `pairs` pairs of columns, until the value is dropped.
    ///
    /// # Panics
    ///
    /// `pairs` is not in 1 to 16.
    pub(crate) fn tiles(self, pairs: usize) -> Tiles {
        assert!((1..=SIDE).contains(&pairs), "{pairs} pairs of columns");
        let mut configuration = Configuration {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [0; 16],
            rows: [0; 16],
        };
        for register in 0..8 {
            configuration.row_bytes[register] = if matches!(register, 4 | 5) {
                4 * pairs as u16
            } else {
                64
            };
            configuration.rows[register] = if register >= 6 { pairs as u8 } else { SIDE as u8 };
        }
        // Safety: the token says that the instruction is there, and the configuration is valid for palette 1.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, readonly));
        }
        Tiles {
            of_this_thread: std::marker::PhantomData,
        }
    }
}

/// Values of bf16 in a row of a left operand.
pub(crate) const ROW: usize = 2 * SIDE;

/// Both operands of a product over pixels, from maps whose pixels are rows of channels.
impl Amx {
    /// Sixteen rows of a left operand, `stride` values apart: row `c` is channel `c` of all pixels. Of `channels` channels, 16 at most; the
    /// rows beyond are zeros.
    ///
    /// # Safety
    ///
    /// Each pixel has `channels` values, and 16 rows of [`ROW`] values at `to` are nobody else's.
    #[inline(always)]
    pub(crate) unsafe fn transpose(
        self,
        pixels: &[*const u16; ROW],
        channels: usize,
        to: *mut u16,
        stride: usize,
    ) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
        unsafe fn compiled(pixels: &[*const u16; ROW], mask: __mmask16, to: *mut u16, stride: usize) {
            // Safety: a masked load reads the channels alone.
            let pairs = |i: usize| unsafe { interleaved([pixels[2 * i], pixels[2 * i + 1]], mask) };
            let rows = transposed(std::array::from_fn(pairs));
            for (channel, row) in rows.into_iter().enumerate() {
                // Safety: the caller promises 16 rows.
                unsafe { _mm512_storeu_si512(to.add(channel * stride).cast(), row) };
            }
        }
        // Safety: the token says that the CPU has AVX-512; the rest is the caller's promise.
        unsafe { compiled(pixels, first(channels), to, stride) }
    }

    /// A row of a right operand: pairs of two pixels' values, `count` of them, 16 at most; the pairs beyond are zeros.
    ///
    /// # Safety
    ///
    /// Both pixels have `count` values, and 16 words at `to` are nobody else's.
    #[inline(always)]
    pub(crate) unsafe fn interleave(self, pixels: [*const u16; 2], count: usize, to: *mut u32) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
        unsafe fn compiled(pixels: [*const u16; 2], mask: __mmask16, to: *mut u32) {
            // Safety: the caller's promise.
            unsafe { _mm512_storeu_si512(to.cast(), interleaved(pixels, mask)) };
        }
        // Safety: as above.
        unsafe { compiled(pixels, first(count), to) }
    }
}

/// Pairs of two pixels' values where `mask` is set, and zeros.
///
/// # Safety
///
/// Both pixels have the masked values.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn interleaved([a, b]: [*const u16; 2], mask: __mmask16) -> __m512i {
    // Safety: the caller's promise; masked loads read nothing else.
    let read =
        |from: *const u16| unsafe { _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from.cast())) };
    _mm512_or_si512(read(a), _mm512_slli_epi32::<16>(read(b)))
}

/// The mask of the first `n` of 16 values.
fn first(n: usize) -> __mmask16 {
    (0xffff_u32 >> (SIDE - n.min(SIDE))) as __mmask16
}

/// Whether the CPU multiplies tiles of bf16: leaf 7, EDX, bits 22 (AMX-BF16) and 24 (AMX-TILE).
fn has_amx_bf16() -> bool {
    let bits = 1 << 22 | 1 << 24;
    __cpuid_count(0, 0).eax >= 7 && __cpuid_count(7, 0).edx & bits == bits
}

/// Asks the system for the 8 KiB that it must save of each thread that uses tiles; Linux gives them to processes that ask.
#[cfg(target_os = "linux")]
fn may_use_tiles() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // Safety: the call changes nothing but what this process may use.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn may_use_tiles() -> bool {
    false
}

/// The operand of `ldtilecfg`.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// This thread's tile registers, configured.
pub(crate) struct Tiles {
    of_this_thread: std::marker::PhantomData<*const ()>,
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // Safety: AMX is there, since a `Tiles` is.
        unsafe {
            asm!("tilerelease", options(nostack, nomem));
        }
    }
}

/// Sixteen rows of a left operand.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Rows {
    /// The first.
    pub at: *const u8,
    /// Bytes from row to row; 0 where all are the same.
    pub stride: usize,
}

/// Operands that are multiplied in as many steps as the [`Product`] says, all of one stride.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Run {
    /// The left operand: rows 0 to 15, and 16 to 31.
    pub left: [Rows; 2],
    /// The right operand: columns 0 to 15, and 16 to 31.
    pub right: [*const u32; 2],
}

/// A product of 32 rows by 32 columns.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Product {
    /// Steps of each run, one at least: in each, `pairs` pairs of columns are multiplied by as many rows of pairs.
    pub steps: usize,
    /// Bytes from step to step of the left operand, and of the right.
    pub step_bytes: [usize; 2],
    /// Bytes from row to row of the right operand.
    pub right_stride: usize,
    /// 32 rows of 32 sums.
    pub sums: *mut f32,
    /// Bytes from row to row of the sums.
    pub sums_stride: usize,
    /// Nonzero where the product is added to what the sums hold.
    pub add: usize,
    /// Bytes from where the runs say that the operands are to where they are, left and right: many products can share their runs.
    pub offset: [usize; 2],
}

impl Tiles {
    /// Multiplies the runs' left operands by their right ones, and adds all up.
    ///
    /// # Safety
    ///
    /// For each run and each step, 16 rows of `4 pairs` bytes can be read in both halves of the left operand, and `pairs` rows of 64 bytes in
    /// both of the right one. The sums are 32 rows of 32 values that nobody else touches meanwhile, to be read too where they are added to.
    #[inline(always)]
    pub(crate) unsafe fn multiply(&self, product: &Product, runs: &[Run]) {
        debug_assert!(product.steps > 0);
        if runs.is_empty() {
            return;
        }
        // Safety: the caller's promise; `self` says that the registers are configured, and all that is changed is declared.
        unsafe {
            asm!(
                "mov {left_0}, [{product} + 32]",
                "mov {stride_0}, [{product} + 40]",
                "cmp qword ptr [{product} + 48], 0",
                "je 2f",
                "mov {left_1}, {stride_0}",
                "shl {left_1}, 4",
                "add {left_1}, {left_0}",
                "tileloadd tmm0, [{left_0} + {stride_0}*1]",
                "tileloadd tmm1, [{left_0} + {stride_0}*1 + 64]",
                "tileloadd tmm2, [{left_1} + {stride_0}*1]",
                "tileloadd tmm3, [{left_1} + {stride_0}*1 + 64]",
                "jmp 3f",
                "2:",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "3:",
                "mov {left_0}, [{run}]",
                "mov {stride_0}, [{run} + 8]",
                "mov {left_1}, [{run} + 16]",
                "mov {stride_1}, [{run} + 24]",
                "mov {right_0}, [{run} + 32]",
                "mov {right_1}, [{run} + 40]",
                "add {left_0}, [{product} + 56]",
                "add {left_1}, [{product} + 56]",
                "add {right_0}, [{product} + 64]",
                "add {right_1}, [{product} + 64]",
                "mov {right_stride}, [{product} + 24]",
                "mov {steps}, [{product}]",
                "4:",
                "tileloadd tmm6, [{right_0} + {right_stride}*1]",
                "tileloadd tmm4, [{left_0} + {stride_0}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{right_1} + {right_stride}*1]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{left_1} + {stride_1}*1]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {left_0}, [{product} + 8]",
                "add {left_1}, [{product} + 8]",
                "add {right_0}, [{product} + 16]",
                "add {right_1}, [{product} + 16]",
                "dec {steps}",
                "jnz 4b",
                "add {run}, 48",
                "dec {runs}",
                "jnz 3b",
                "mov {left_0}, [{product} + 32]",
                "mov {stride_0}, [{product} + 40]",
                "mov {left_1}, {stride_0}",
                "shl {left_1}, 4",
                "add {left_1}, {left_0}",
                "tilestored [{left_0} + {stride_0}*1], tmm0",
                "tilestored [{left_0} + {stride_0}*1 + 64], tmm1",
                "tilestored [{left_1} + {stride_0}*1], tmm2",
                "tilestored [{left_1} + {stride_0}*1 + 64], tmm3",
                product = in(reg) product,
                run = inout(reg) runs.as_ptr() => _,
                runs = inout(reg) runs.len() => _,
                left_0 = out(reg) _,
                left_1 = out(reg) _,
                right_0 = out(reg) _,
                right_1 = out(reg) _,
                stride_0 = out(reg) _,
                stride_1 = out(reg) _,
                right_stride = out(reg) _,
                steps = out(reg) _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}
