//! The weights that are part of the program: EfficientNet-Lite0, trained on ImageNet, without its head.
//!
//! Kernels are rounded to f16 and normalizations kept in f32. `oracle/shipped_weights.py` makes the file, and
//! `weights/NOTICE.md` says where it comes from and what its license asks.

use crate::preprocessing::{Interpolation, Preprocessing};
use crate::safetensors_file;
use crate::tensor::Weights;
use flate2::read::GzDecoder;
use std::io::Read;
use std::path::Path;

/// The rung that the shipped weights are of.
pub const SHIPPED_RUNG: &str = "efficientnet-lite0";

/// The file, compressed: its bytes at even places, then those at odd ones.
static COMPRESSED: &[u8] = include_bytes!("../weights/efficientnet-lite0.safetensors.gz");

/// The shipped weights as a safetensors file, 7.0 MB.
pub fn shipped_file() -> Vec<u8> {
    let mut halves = Vec::new();
    let read = GzDecoder::new(COMPRESSED).read_to_end(&mut halves);
    read.expect("a file that is part of the program, and that tests read");
    let (even, odd) = halves.split_at(halves.len().div_ceil(2));
    let pairs = even.iter().zip(odd);
    pairs.flat_map(|(even, odd)| [*even, *odd]).collect()
}

/// The shipped weights, by timm's names (`tf_efficientnet_lite0`): all of the network but its classifier.
pub fn shipped() -> Weights {
    let weights = safetensors_file::tensors(Path::new("the shipped weights"), &shipped_file());
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
