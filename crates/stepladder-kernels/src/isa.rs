//! Which instruction set the kernels run on: detection, and the cap that tests and users may set.
//!
//! An [`Isa`] is only a name. The proof that this CPU can run it is the vector token that [`Isa::run`] makes for each
//! call; a name without its CPU falls back to the portable kernels.

use std::{fmt, str::FromStr};

use crate::simd::{Kernel, Simd as _, portable::Portable};

#[cfg(target_arch = "aarch64")]
use crate::simd::aarch64::{Neon, NeonBf16};
#[cfg(target_arch = "x86_64")]
use crate::simd::x86_64::{Avx2, Avx512, Avx512Bf16, amx::Amx};

/// Environment variable that caps the instruction set, by one of the names of [`Isa`].
pub const ISA_VARIABLE: &str = "STEPLADDER_ISA";

/// An instruction set that the kernels are written for, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// AMX's matrix tiles of bf16, beside AVX-512 with bf16 dot products (`amx-bf16`). On Linux.
    AmxBf16,
    /// AVX-512 with bf16 dot products (`avx512-bf16`).
    Avx512Bf16,
    /// AVX-512 F, BW, DQ and VL (`avx512`).
    Avx512,
    /// AVX2 with FMA (`avx2`).
    Avx2,
    /// 64-bit Arm's 128-bit vectors with bf16 dot products (`neon-bf16`).
    NeonBf16,
    /// 64-bit Arm's 128-bit vectors (`neon`).
    Neon,
    /// Plain Rust, on any CPU (`portable`).
    Portable,
}

/// The name given for an instruction set is none that we know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown instruction set \"{0}\": use one of amx-bf16, avx512-bf16, avx512, avx2, neon-bf16, neon, portable"
)]
pub struct UnknownIsa(String);

impl Isa {
    const ALL: [Isa; 7] = [
        Isa::AmxBf16,
        Isa::Avx512Bf16,
        Isa::Avx512,
        Isa::Avx2,
        Isa::NeonBf16,
        Isa::Neon,
        Isa::Portable,
    ];

    /// Every instruction set that this CPU can run, best first; the last is always [`Isa::Portable`].
    pub fn available() -> Vec<Isa> {
        Self::ALL.into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// The best instruction set of this CPU.
    pub fn detect() -> Isa {
        Self::capped(Isa::AmxBf16)
    }

    /// The best instruction set of this CPU that is not above `cap`.
    ///
    /// Caps of the other architecture count by their rank: `neon` on x86-64 leaves the portable kernels.
    pub fn capped(cap: Isa) -> Isa {
        let from = Self::ALL.iter().position(|isa| *isa == cap).unwrap_or(0);
        // On Arm, every x86 cap admits NEON: only `portable` takes it away.
        Self::ALL[from..]
            .iter()
            .copied()
            .find(|isa| isa.is_available())
            .unwrap_or(Isa::Portable)
    }

    /// [`Isa::detect`], capped by the environment variable [`ISA_VARIABLE`] where that is set.
    ///
    /// # Errors
    ///
    /// The variable's value is not the name of an instruction set.
    pub fn from_environment() -> Result<Isa, UnknownIsa> {
        match std::env::var_os(ISA_VARIABLE) {
            None => Ok(Self::detect()),
            Some(name) => Ok(Self::capped(name.to_string_lossy().parse()?)),
        }
    }

    /// Whether this CPU can run it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::AmxBf16 => Amx::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => Avx512Bf16::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Avx512::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Avx2::new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonBf16 => NeonBf16::new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Neon::new().is_some(),
            Isa::Portable => true,
            #[allow(
                unreachable_patterns,
                reason = "which names remain depends on the architecture"
            )]
            _ => false,
        }
    }

    /// Whether it multiplies bf16 pairs directly.
    pub fn has_bf16_dot(self) -> bool {
        matches!(self, Isa::AmxBf16 | Isa::Avx512Bf16 | Isa::NeonBf16)
    }

    /// Whether networks compute faster in bf16 with it, on this CPU, than in f32. Without AMX, Intel's do not: a core of a Xeon of 2023
    /// makes 135 GFLOP/s of dot products of bf16, and 158 of f32 (the example `conv_speed`, in `docs/concepts/speed.md`). Arm's count as
    /// slower, because nobody has measured one.
    pub fn is_faster_in_bf16(self) -> bool {
        match self {
            Isa::AmxBf16 => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => !crate::simd::x86_64::is_intel(),
            _ => false,
        }
    }

    /// The name that [`ISA_VARIABLE`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Isa::AmxBf16 => "amx-bf16",
            Isa::Avx512Bf16 => "avx512-bf16",
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::NeonBf16 => "neon-bf16",
            Isa::Neon => "neon",
            Isa::Portable => "portable",
        }
    }

    /// The token of AMX, where this is it and this CPU has it. It comes beside the vectors, which are those of
    /// [`Isa::Avx512Bf16`].
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn amx(self) -> Option<Amx> {
        if self == Isa::AmxBf16 { Amx::new() } else { None }
    }

    /// Runs `kernel` with this instruction set's vectors.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::AmxBf16 | Isa::Avx512Bf16 => {
                if let Some(simd) = Avx512Bf16::new() {
                    return simd.enter(kernel);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                if let Some(simd) = Avx512::new() {
                    return simd.enter(kernel);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                if let Some(simd) = Avx2::new() {
                    return simd.enter(kernel);
                }
            }
            #[cfg(target_arch = "aarch64")]
            Isa::NeonBf16 => {
                if let Some(simd) = NeonBf16::new() {
                    return simd.enter(kernel);
                }
            }
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => {
                if let Some(simd) = Neon::new() {
                    return simd.enter(kernel);
                }
            }
            _ => {}
        }
        kernel.run(Portable)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = UnknownIsa;

    fn from_str(name: &str) -> Result<Isa, UnknownIsa> {
        Self::ALL
            .into_iter()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| UnknownIsa(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for isa in Isa::ALL {
            assert_eq!(isa.name().parse(), Ok(isa));
        }
        assert!("sse".parse::<Isa>().is_err());
    }

    #[test]
    fn a_cap_is_kept() {
        assert_eq!(Isa::capped(Isa::Portable), Isa::Portable);
        for isa in Isa::available() {
            assert_eq!(Isa::capped(isa), isa);
        }
    }
}
