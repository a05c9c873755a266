//! Arrays in a safetensors file, with one JSON document in its header.

use crate::seal;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use stepladder_files::Folder;
use stepladder_nn::Array;

/// The header's only key: a second one would make the order of a hash map show in the file's bytes.
const KEY: &str = "stepladder";

/// The largest file that is read, in bytes; no rung comes near.
const LARGEST_FILE: u64 = 16 << 30;

/// The longest header that is read, in bytes: 2048 layers and a thousand classes take less than one of them.
const LONGEST_HEADER: u64 = 64 << 20;

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
        source: io::Error,
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

impl WeightsError {
    /// Whether the file's content is at fault, and not the system that was to read it.
    pub fn is_damage(&self) -> bool {
        match self {
            WeightsError::Damaged { .. } | WeightsError::Foreign { .. } | WeightsError::TooLarge { .. } => {
                true
            }
            WeightsError::Io { .. } => false,
        }
    }

    pub(crate) fn damaged(path: &Path, reason: impl ToString) -> WeightsError {
        WeightsError::Damaged {
            path: path.to_path_buf(),
            reason: reason.to_string(),
        }
    }

    fn io(path: &Path, source: io::Error) -> WeightsError {
        WeightsError::Io {
            path: path.to_path_buf(),
            source,
        }
    }
}

/// Writes `arrays` and `document` to `path` in one atomic step; equal content gives equal bytes.
pub fn write_arrays<D: Serialize>(path: &Path, document: &D, arrays: &[Array]) -> Result<(), WeightsError> {
    ArraysFile::new(path, document, arrays)?.write()
}

/// Reads the arrays and the document of a file that [`write_arrays`] wrote.
///
/// The file may be hostile: sizes are checked before memory is taken, and every value is f32 or refused.
pub fn read_arrays<D: DeserializeOwned>(path: &Path) -> Result<WeightsFile<D>, WeightsError> {
    let opened = OpenedWeights::open(path)?;
    let document = opened.document()?;
    let bytes = opened.read()?;
    Ok(WeightsFile {
        document,
        arrays: arrays(path, &bytes)?,
    })
}

/// [`write_arrays`] to the file `name` in a folder, whose links are not followed.
pub fn write_arrays_in<D: Serialize>(
    folder: &Folder,
    name: &str,
    document: &D,
    arrays: &[Array],
) -> Result<(), WeightsError> {
    let path = folder.path().join(name);
    let file = ArraysFile::new(&path, document, arrays)?;
    let written = folder.replace(name, |to| file.write_to(to));
    written.map_err(|source| WeightsError::io(&path, source))
}

/// [`read_arrays`] of the file `name` in a folder, whose links are not followed; with the document as it stands in the file.
pub fn read_arrays_in(folder: &Folder, name: &str) -> Result<WeightsFile<String>, WeightsError> {
    let path = folder.path().join(name);
    let file = folder.read(name);
    let opened = OpenedWeights::of(&path, file.map_err(|source| WeightsError::io(&path, source))?)?;
    let document = opened.document.clone();
    let bytes = opened.read()?;
    Ok(WeightsFile {
        document,
        arrays: arrays(&path, &bytes)?,
    })
}

/// A weights file to be written: its values are never held a second time.
pub(crate) struct ArraysFile<'a> {
    path: &'a Path,
    /// The length of the header in eight bytes, and the header.
    head: Vec<u8>,
    /// In the order of the file.
    arrays: Vec<&'a Array>,
}

impl<'a> ArraysFile<'a> {
    pub fn new<D: Serialize>(
        path: &'a Path,
        document: &D,
        arrays: &'a [Array],
    ) -> Result<ArraysFile<'a>, WeightsError> {
        let document = serde_json::to_string(document).map_err(|error| WeightsError::damaged(path, error))?;
        let mut arrays: Vec<&Array> = arrays.iter().collect();
        arrays.sort_by(|a, b| a.name.cmp(&b.name));
        let mut end = 0;
        let tensors = arrays.iter().map(|array| {
            let start = end;
            end += bytes(array).len();
            let info = TensorInfo {
                dtype: Dtype::F32,
                shape: array.shape.clone(),
                data_offsets: (start, end),
            };
            (array.name.clone(), info)
        });
        let metadata = HashMap::from([(KEY.to_string(), document)]);
        let header = Metadata::new(Some(metadata), tensors.collect())
            .map_err(|error| WeightsError::damaged(path, error))?;
        let mut header = serde_json::to_vec(&header).map_err(|error| WeightsError::damaged(path, error))?;
        // The data begins on a multiple of eight.
        header.resize(header.len().next_multiple_of(8), b' ');
        let head = [&(header.len() as u64).to_le_bytes()[..], &header].concat();
        Ok(ArraysFile { path, head, arrays })
    }

    /// Puts the checksum into the header, which has a place for it.
    pub fn seal(&mut self) {
        let data = self.arrays.iter().map(|array| bytes(array));
        seal::seal(&mut self.head, data).expect("the header has a place for the sum");
    }

    /// Replaces the file in one step.
    pub fn write(&self) -> Result<(), WeightsError> {
        let written = stepladder_files::write_atomically_by(self.path, |file| self.write_to(file));
        written.map_err(|source| WeightsError::io(self.path, source))
    }

    fn write_to(&self, file: &mut File) -> io::Result<()> {
        let mut file = BufWriter::new(file);
        file.write_all(&self.head)?;
        self.arrays
            .iter()
            .try_for_each(|array| file.write_all(bytes(array)))?;
        file.flush()
    }
}

/// The array's values as they stand in a file. The format is little-endian, as is every machine that Rust and Burn's CPU back end
/// meet in practice.
fn bytes(array: &Array) -> &[u8] {
    bytemuck::cast_slice(&array.values)
}

/// A weights file of which only the header was read, so that its document can say how much there should be.
pub(crate) struct OpenedWeights {
    path: PathBuf,
    file: File,
    /// The length of the header in eight bytes, and the header.
    head: Vec<u8>,
    /// The document in the header, as JSON.
    document: String,
    /// Length of the whole file, in bytes.
    length: u64,
}

/// As much of a safetensors header as holds the document.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "__metadata__")]
    metadata: Option<HashMap<String, String>>,
}

impl OpenedWeights {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> Result<OpenedWeights, WeightsError> {
        let file = stepladder_files::open(path);
        OpenedWeights::of(path, file.map_err(|source| WeightsError::io(path, source))?)
    }

    fn of(path: &Path, file: File) -> Result<OpenedWeights, WeightsError> {
        let io = |source| WeightsError::io(path, source);
        let length = file.metadata().map_err(io)?.len();
        if length > LARGEST_FILE {
            return Err(WeightsError::TooLarge {
                path: path.to_path_buf(),
                bytes: length,
            });
        }
        let mut head = Vec::new();
        (&file).take(8).read_to_end(&mut head).map_err(io)?;
        let size: [u8; 8] = head
            .as_slice()
            .try_into()
            .map_err(|_| WeightsError::damaged(path, format!("{length} bytes are no header")))?;
        let size = u64::from_le_bytes(size);
        if size > LONGEST_HEADER || size > length - 8 {
            let reason = format!("a header of {size} bytes in a file of {length}");
            return Err(WeightsError::damaged(path, reason));
        }
        (&file).take(size).read_to_end(&mut head).map_err(io)?;
        let parsed: Head = serde_json::from_slice(head.get(8..).unwrap_or_default())
            .map_err(|error| WeightsError::damaged(path, error))?;
        let document = parsed.metadata.and_then(|mut metadata| metadata.remove(KEY));
        let document = document.ok_or_else(|| WeightsError::Foreign {
            path: path.to_path_buf(),
        })?;
        Ok(OpenedWeights {
            path: path.to_path_buf(),
            file,
            head,
            document,
            length,
        })
    }

    /// What the file says of itself, or as much of it as `D` asks for.
    pub fn document<D: DeserializeOwned>(&self) -> Result<D, WeightsError> {
        serde_json::from_str(&self.document).map_err(|error| WeightsError::damaged(&self.path, error))
    }

    /// Bytes of the file behind its header.
    pub fn data_bytes(&self) -> u64 {
        self.length - self.head.len() as u64
    }

    /// The whole file.
    pub fn read(self) -> Result<Vec<u8>, WeightsError> {
        let (mut bytes, left) = (self.head, self.length);
        let left = left - bytes.len() as u64;
        let read = self.file.take(left).read_to_end(&mut bytes);
        read.map_err(|source| WeightsError::io(&self.path, source))?;
        Ok(bytes)
    }
}

/// The arrays of a file, sorted by name.
pub(crate) fn arrays(path: &Path, bytes: &[u8]) -> Result<Vec<Array>, WeightsError> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| WeightsError::damaged(path, error))?;
    let mut arrays = Vec::new();
    for (name, view) in tensors.iter() {
        if view.dtype() != Dtype::F32 {
            let reason = format!("`{name}` is {:?}, not F32", view.dtype());
            return Err(WeightsError::damaged(path, reason));
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
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use safetensors::tensor::TensorView;

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
    fn the_bytes_are_those_of_the_safetensors_crate() {
        let folder = tempfile::tempdir().unwrap();
        for (document, arrays) in [
            ("dai\"sy", arrays()),
            ("", arrays().into_iter().rev().collect()),
            ("a", Vec::new()),
            (
                "b",
                vec![
                    Array::new("z", vec![0, 3], Vec::new()),
                    Array::new("a", vec![], vec![1.5]),
                ],
            ),
        ] {
            let path = folder.path().join("weights.safetensors");
            write_arrays(&path, &document, &arrays).unwrap();
            let views = arrays.iter().map(|array| {
                let bytes = bytemuck::cast_slice(&array.values);
                let view = TensorView::new(Dtype::F32, array.shape.clone(), bytes).unwrap();
                (array.name.as_str(), view)
            });
            let header = HashMap::from([(KEY.to_string(), serde_json::to_string(document).unwrap())]);
            let expected = safetensors::serialize(views, Some(header)).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), expected, "{document}");
        }
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

    #[test]
    fn a_header_that_claims_more_than_there_is_takes_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hostile.safetensors");
        for claimed in [9, 1 << 30, u64::MAX] {
            std::fs::write(&path, [claimed.to_le_bytes(), *b"{\"a\":1} "].concat()).unwrap();
            let message = read_arrays::<Vec<String>>(&path).unwrap_err().to_string();
            assert!(message.contains("a header of"), "{message}");
        }
        for short in [&b""[..], b"1234567"] {
            std::fs::write(&path, short).unwrap();
            assert!(matches!(
                read_arrays::<Vec<String>>(&path),
                Err(WeightsError::Damaged { .. })
            ));
        }
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
