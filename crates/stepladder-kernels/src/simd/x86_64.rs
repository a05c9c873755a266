//! The vector tokens of x86-64.

pub(crate) mod amx;
mod avx2;
mod avx512;

use std::arch::x86_64::__cpuid;

pub(crate) use avx2::Avx2;
pub(crate) use avx512::{Avx512, Avx512Bf16};

/// Whether Intel made this CPU.
pub(crate) fn is_intel() -> bool {
    let answer = __cpuid(0);
    [answer.ebx, answer.edx, answer.ecx]
        .map(u32::to_le_bytes)
        .as_flattened()
        == b"GenuineIntel"
}
