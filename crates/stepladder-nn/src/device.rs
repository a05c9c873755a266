//! Where tensors live and are computed: the CPU, or a GPU whose back end was compiled in.

use crate::cpu::instruction_set;
use crate::precision::Precision;
use std::fmt;
use std::str::FromStr;
use stepladder_kernels::{ISA_VARIABLE, Isa, UnknownIsa};

/// A place to compute on.
///
/// Parsed from `cpu`, `cuda`, `cuda:1`, `vulkan` or `metal`; the GPU names need this crate's feature of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor, with our kernels.
    #[default]
    Cpu,
    /// The NVIDIA GPU of this index.
    #[cfg(feature = "cuda")]
    Cuda(usize),
    /// The default GPU, through Vulkan.
    #[cfg(feature = "vulkan")]
    Vulkan,
    /// The default GPU, through Metal.
    #[cfg(feature = "metal")]
    Metal,
    /// Burn's own back end on the processor, which tests compare the kernels with.
    #[cfg(test)]
    Reference,
}

/// Why a device name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The name is no device at all.
    #[error("unknown device `{0}`; write cpu, cuda, cuda:1, vulkan or metal")]
    Unknown(String),
    /// The name is a device that this build leaves out.
    #[error(
        "this build has no {0} support; build it with `cargo install --path crates/stepladder --features {0}`"
    )]
    NotCompiled(&'static str),
    /// The environment caps the CPU's instruction set by a name that does not exist.
    #[error("{ISA_VARIABLE}: {0}")]
    InstructionSet(#[from] UnknownIsa),
}

impl Device {
    /// The vector instructions that kernels use on this device: `avx512`, `avx2`, ...; `None` on GPUs.
    ///
    /// Sums are taken in another order with another set, so weights are the same, bit for bit, within one set only.
    pub fn instruction_set(self) -> Option<&'static str> {
        match self {
            Device::Cpu => Some(instruction_set().name()),
            #[cfg(any(feature = "burn", test))]
            _ => None,
        }
    }

    /// The precision that is used unless another is asked for: bf16 on CPUs that compute faster in it, where it trains as well;
    /// f32 elsewhere.
    pub fn default_precision(self) -> Precision {
        match self == Device::Cpu && instruction_set().is_faster_in_bf16() {
            true => Precision::Bf16,
            false => Precision::F32,
        }
    }

    /// The device as Burn knows it.
    ///
    /// # Panics
    ///
    /// It is the CPU, which needs no Burn.
    #[cfg(any(feature = "burn", test))]
    pub(crate) fn burn(self) -> burn::tensor::Device {
        #[cfg(any(feature = "vulkan", feature = "metal"))]
        use burn::tensor::DeviceKind::DefaultDevice;
        match self {
            Device::Cpu => panic!("the CPU computes without Burn"),
            #[cfg(test)]
            Device::Reference => burn::tensor::Device::flex(),
            #[cfg(feature = "cuda")]
            Device::Cuda(index) => burn::tensor::Device::cuda(index),
            #[cfg(feature = "spirv")]
            Device::Vulkan => burn::tensor::Device::vulkan(DefaultDevice),
            #[cfg(all(feature = "vulkan", not(feature = "spirv")))]
            Device::Vulkan => burn::tensor::Device::wgpu(DefaultDevice),
            #[cfg(feature = "metal")]
            Device::Metal => burn::tensor::Device::metal(DefaultDevice),
        }
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Device, DeviceError> {
        let (kind, index) = match name.split_once(':') {
            Some((kind, index)) => (
                kind,
                index
                    .parse()
                    .map_err(|_| DeviceError::Unknown(name.to_string()))?,
            ),
            None => (name, 0_usize),
        };
        match (kind, index) {
            ("cpu" | "auto", 0) => {
                Isa::from_environment()?;
                Ok(Device::Cpu)
            }
            #[cfg(feature = "cuda")]
            ("cuda", index) => Ok(Device::Cuda(index)),
            #[cfg(not(feature = "cuda"))]
            ("cuda", _) => Err(DeviceError::NotCompiled("cuda")),
            #[cfg(feature = "vulkan")]
            ("vulkan", 0) => Ok(Device::Vulkan),
            #[cfg(not(feature = "vulkan"))]
            ("vulkan", 0) => Err(DeviceError::NotCompiled("vulkan")),
            #[cfg(feature = "metal")]
            ("metal", 0) => Ok(Device::Metal),
            #[cfg(not(feature = "metal"))]
            ("metal", 0) => Err(DeviceError::NotCompiled("metal")),
            _ => Err(DeviceError::Unknown(name.to_string())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            #[cfg(feature = "cuda")]
            Device::Cuda(index) => write!(f, "cuda:{index}"),
            #[cfg(feature = "vulkan")]
            Device::Vulkan => f.write_str("vulkan"),
            #[cfg(feature = "metal")]
            Device::Metal => f.write_str("metal"),
            #[cfg(test)]
            Device::Reference => f.write_str("reference"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_or_refused_with_the_remedy() {
        assert_eq!("cpu".parse(), Ok(Device::Cpu));
        assert_eq!(Device::Cpu.to_string().parse(), Ok(Device::Cpu));
        assert_eq!("tpu".parse::<Device>(), Err(DeviceError::Unknown("tpu".into())));
        assert_eq!(
            "cpu:3".parse::<Device>(),
            Err(DeviceError::Unknown("cpu:3".into()))
        );
        #[cfg(not(feature = "cuda"))]
        assert!(
            "cuda:1"
                .parse::<Device>()
                .unwrap_err()
                .to_string()
                .contains("--features cuda")
        );
    }
}
