//! From a file to named tensors, whatever its format. The first bytes decide, not the file's name.

use crate::error::WeightsError;
use crate::pth;
use crate::safetensors_file;
use crate::tensor::Weights;
use std::io::Read;
use std::path::Path;

/// The largest file that is read, in bytes. ResNet-50 takes 100 MB.
pub(crate) const LARGEST_FILE: u64 = 4 << 30;

/// The tensors of a file of safetensors or of PyTorch's (`.pth`, `.pt`), with values of 32 or 16 bits.
///
/// Counters of batches (`num_batches_tracked`), which PyTorch keeps beside batch normalization, are left out. The file may come
/// from anywhere: no more memory is taken than a few times its length.
///
/// # Errors
///
/// Where the file cannot be read, is of no known format, is damaged, or has tensors of other types or values that are not finite.
pub fn read(path: &Path) -> Result<Weights, WeightsError> {
    from_bytes(path, &content(path)?)
}

/// The bytes of a file that is not too large to be weights.
pub(crate) fn content(path: &Path) -> Result<Vec<u8>, WeightsError> {
    let failed = |source| WeightsError::Io {
        path: path.to_owned(),
        source,
    };
    let file = stepladder_files::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    if bytes > LARGEST_FILE {
        return Err(WeightsError::TooLarge {
            path: path.to_owned(),
            bytes,
            limit: LARGEST_FILE,
        });
    }
    let mut content = Vec::new();
    file.take(LARGEST_FILE)
        .read_to_end(&mut content)
        .map_err(failed)?;
    Ok(content)
}

/// As [`read`], of a file's content; `path` is what errors call it.
///
/// # Errors
///
/// As [`read`].
pub fn from_bytes(path: &Path, content: &[u8]) -> Result<Weights, WeightsError> {
    let weights = if safetensors_file::is_one(content) {
        safetensors_file::tensors(path, content)?
    } else if pth::is_one(content) {
        pth::tensors(path, content)?
    } else {
        return Err(WeightsError::UnknownFormat {
            path: path.to_owned(),
        });
    };
    let is_finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
    match weights
        .tensors
        .iter()
        .find(|(_, tensor)| !is_finite(&tensor.values))
    {
        Some((name, _)) => Err(WeightsError::NotFinite {
            path: path.to_owned(),
            tensor: name.clone(),
        }),
        None => Ok(weights),
    }
}

/// Whether a tensor is PyTorch's count of the batches that a normalization has seen: an integer that no network computes with.
pub(crate) fn is_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}
