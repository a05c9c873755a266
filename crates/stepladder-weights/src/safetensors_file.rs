//! Tensors of a safetensors file (<https://github.com/huggingface/safetensors>): a length, a JSON header, and the values.

use crate::error::WeightsError;
use crate::read::is_counter;
use crate::tensor::{Tensor, Weights};
use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;

/// The longest header that is read, in bytes: ten thousand tensors take one or two million.
const LONGEST_HEADER: u64 = 16 << 20;

/// Whether the content starts as a safetensors file does: with the length of a header that begins with a brace.
pub(crate) fn is_one(content: &[u8]) -> bool {
    content.len() > 8 && content[8] == b'{'
}

pub(crate) fn tensors(path: &Path, content: &[u8]) -> Result<Weights, WeightsError> {
    let damaged = |reason: String| WeightsError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let length = content
        .first_chunk()
        .map_or(0, |length| u64::from_le_bytes(*length));
    if length > LONGEST_HEADER {
        return Err(damaged(format!("a header of {length} bytes")));
    }
    let file = SafeTensors::deserialize(content).map_err(|error| damaged(error.to_string()))?;
    let mut weights = Weights::default();
    for (name, view) in file.iter().filter(|(name, _)| !is_counter(name)) {
        let values = values(&view).ok_or_else(|| WeightsError::Type {
            path: path.to_owned(),
            tensor: name.to_owned(),
            found: format!("{:?}", view.dtype()),
        })?;
        weights.insert(name, Tensor::new(view.shape().to_vec(), values));
    }
    Ok(weights)
}

/// Values of any floating-point type of 16 or 32 bits; none of other types.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the format gains types that are no weights"
)]
fn values(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => Some(wide(data, f32::from_le_bytes)),
        Dtype::F16 => Some(wide(data, |bytes| f16::from_le_bytes(bytes).to_f32())),
        Dtype::BF16 => Some(wide(data, |bytes| bf16::from_le_bytes(bytes).to_f32())),
        _ => None,
    }
}

/// Little-endian values of `N` bytes each.
pub(crate) fn wide<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (chunks, _) = data.as_chunks();
    chunks.iter().map(|chunk| value(*chunk)).collect()
}
