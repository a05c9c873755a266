//! Arrays in a safetensors file, with one JSON document in its header.

use crate::atomic::write_atomically;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use stepladder_nn::Array;

/// The header's only key: a second one would make the order of a hash map show in the file's bytes.
const KEY: &str = "stepladder";

/// The largest file that is read, in bytes; no rung comes near.
const LARGEST_FILE: u64 = 16 << 30;

/// The content of a weights file.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightsFile<D> {
    /// What the file says of itself.
    pub document: D,
    /// Every array, sorted by name.
    pub arrays: Vec<Array>,
}

/// Why a weights file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The refusal.
        source: std::io::Error,
    },
    /// The bytes are no safetensors file, or a damaged one.
    #[error("{}: damaged or not a safetensors file ({reason}); copy it again, or train again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser met.
        reason: String,
    },
    /// A safetensors file of another program.
    #[error("{}: not a Stepladder file: its header has no `stepladder` entry", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Too large to be a model.
    #[error("{}: {bytes} bytes, more than any model here has", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
}

/// Writes `arrays` and `document` to `path` in one atomic step; equal content gives equal bytes.
pub fn write_arrays<D: Serialize>(path: &Path, document: &D, arrays: &[Array]) -> Result<(), WeightsError> {
    let damaged = |reason: String| WeightsError::Damaged {
        path: path.to_path_buf(),
        reason,
    };
    let document = serde_json::to_string(document).map_err(|error| damaged(error.to_string()))?;
    let views = arrays.iter().map(|array| {
        // The format is little-endian, as is every machine that Rust and Burn's CPU back end meet in practice.
        let bytes: &[u8] = bytemuck::cast_slice(&array.values);
        Ok((
            array.name.as_str(),
            TensorView::new(Dtype::F32, array.shape.clone(), bytes)?,
        ))
    });
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let header = HashMap::from([(KEY.to_string(), document)]);
    let bytes = views.and_then(|views| safetensors::serialize(views, Some(header)));
    let bytes = bytes.map_err(|error| damaged(error.to_string()))?;
    write_atomically(path, &bytes).map_err(|source| WeightsError::Io {
        path: path.to_path_buf(),
        source,
    })
}

/// Reads the arrays and the document of a file that [`write_arrays`] wrote.
///
/// The file may be hostile: sizes are checked before memory is taken, and every value is f32 or refused.
pub fn read_arrays<D: DeserializeOwned>(path: &Path) -> Result<WeightsFile<D>, WeightsError> {
    let io = |source| WeightsError::Io {
        path: path.to_path_buf(),
        source,
    };
    let damaged = |reason: String| WeightsError::Damaged {
        path: path.to_path_buf(),
        reason,
    };
    let mut file = std::fs::File::open(path).map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    if bytes > LARGEST_FILE {
        return Err(WeightsError::TooLarge {
            path: path.to_path_buf(),
            bytes,
        });
    }
    let mut buffer = Vec::new();
    file.by_ref()
        .take(LARGEST_FILE)
        .read_to_end(&mut buffer)
        .map_err(io)?;
    drop(file);

    let (_, header) = SafeTensors::read_metadata(&buffer).map_err(|error| damaged(error.to_string()))?;
    let document = header.metadata().as_ref().and_then(|header| header.get(KEY));
    let document = document.ok_or_else(|| WeightsError::Foreign {
        path: path.to_path_buf(),
    })?;
    let document = serde_json::from_str(document).map_err(|error| damaged(error.to_string()))?;

    let tensors = SafeTensors::deserialize(&buffer).map_err(|error| damaged(error.to_string()))?;
    let mut arrays = Vec::new();
    for (name, view) in tensors.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(damaged(format!("`{name}` is {:?}, not F32", view.dtype())));
        }
        // The header's length shifts the data, which need not lie on a multiple of four.
        let values = view
            .data()
            .chunks_exact(4)
            .map(bytemuck::pod_read_unaligned)
            .collect();
        arrays.push(Array::new(name, view.shape().to_vec(), values));
    }
    arrays.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(WeightsFile { document, arrays })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arrays() -> Vec<Array> {
        vec![
            Array::new("conv2d/bias", vec![3], vec![0.5, -1.0, f32::MIN_POSITIVE]),
            Array::new("dense/kernel", vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]),
        ]
    }

    fn written(folder: &Path) -> PathBuf {
        let path = folder.join("weights.safetensors");
        write_arrays(&path, &vec!["daisy", "rose"], &arrays()).unwrap();
        path
    }

    #[test]
    fn reads_back_what_was_written_and_writes_the_same_bytes_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let bytes = std::fs::read(&path).unwrap();
        let file: WeightsFile<Vec<String>> = read_arrays(&path).unwrap();
        assert_eq!(file.document, ["daisy", "rose"]);
        assert_eq!(file.arrays, arrays());
        write_arrays(&path, &file.document, &file.arrays).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn a_file_of_another_program_is_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("foreign.safetensors");
        let empty: Vec<(&str, TensorView<'_>)> = Vec::new();
        std::fs::write(&path, safetensors::serialize(empty, None).unwrap()).unwrap();
        assert!(matches!(
            read_arrays::<Vec<String>>(&path),
            Err(WeightsError::Foreign { .. })
        ));
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_an_error_or_a_file_never_a_panic(position in 0_usize..400, value: u8, cut in 0_usize..400) {
            let folder = tempfile::tempdir().unwrap();
            let path = written(folder.path());
            let mut bytes = std::fs::read(&path).unwrap();
            let at = position % bytes.len();
            bytes[at] = value;
            bytes.truncate(bytes.len() - cut % bytes.len());
            std::fs::write(&path, &bytes).unwrap();
            let _ = read_arrays::<Vec<String>>(&path);
        }
    }
}
