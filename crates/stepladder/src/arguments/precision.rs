//! The number formats that can be asked for.

use clap::ValueEnum;
use stepladder_nn::Device;

/// A number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Precision {
    /// What is fastest and equally accurate on this machine; the output says which
    Auto,
    /// 16-bit floats with the range of f32
    Bf16,
    /// 32-bit floats throughout
    F32,
}

impl Precision {
    /// The precision that this means on `device`.
    pub fn on(self, device: Device) -> stepladder_nn::Precision {
        match self {
            Precision::Auto => device.default_precision(),
            Precision::Bf16 => stepladder_nn::Precision::Bf16,
            Precision::F32 => stepladder_nn::Precision::F32,
        }
    }
}
