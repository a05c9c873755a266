//! The weights that are part of the program: EfficientNet-Lite0, trained on ImageNet, without its head.
//!
//! Kernels are rounded to f16 and normalizations kept in f32. `oracle/shipped_weights.py` makes the file, and
//! `weights/NOTICE.md` says where it comes from and what its license asks.

use crate::preprocessing::{Interpolation, Preprocessing};
use crate::safetensors_file;
use crate::tensor::Weights;
use std::path::Path;

/// The rung that the shipped weights are of.
pub const SHIPPED_RUNG: &str = "efficientnet-lite0";

/// The shipped weights as a safetensors file. Not a constant, of which each crate that names it would have a copy of its own.
pub static SHIPPED_BYTES: &[u8] = include_bytes!("../weights/efficientnet-lite0.safetensors");

/// The shipped weights, by timm's names (`tf_efficientnet_lite0`): all of the network but its classifier.
pub fn shipped() -> Weights {
    let weights = safetensors_file::tensors(Path::new("the shipped weights"), SHIPPED_BYTES);
    weights.expect("a file that is part of the program, and that tests read")
}

/// How the shipped weights want their photos: (x - 127) / 128 of bytes, as in TensorFlow's training of them.
pub fn shipped_preprocessing() -> Preprocessing {
    Preprocessing {
        mean: [127.0 / 255.0; 3],
        deviation: [128.0 / 255.0; 3],
        size: 224,
        interpolation: Interpolation::Bicubic,
        crop_fraction: 0.875,
    }
}
