//! Why a classifier cannot be exported.

use std::path::{Path, PathBuf};

/// An export that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file could not be written.
    #[error("cannot write {}: {source}; make room or choose another place with --out", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The refusal.
        source: std::io::Error,
    },
    /// The model does not fit into its format.
    #[error(
        "an ONNX file holds 2 GiB and this model would take {bytes} bytes; train it at a smaller --size, or export --format safetensors"
    )]
    TooLarge {
        /// What it would take.
        bytes: usize,
    },
    /// The runtime that checks the file does not take it.
    #[error("rten cannot {doing} the exported model: {reason}; please report this")]
    Runtime {
        /// `load` or `run`.
        doing: &'static str,
        /// What it says.
        reason: String,
    },
    /// The model's own answers are no numbers.
    #[error(
        "the model's probabilities are no numbers: its training diverged; train it again with a smaller --lr"
    )]
    NotNumbers,
    /// The file and the model do not answer the same.
    #[error(
        "the export is wrong: of {photos} photos, {differing} have another class in rten than here, and probabilities differ by up to {difference:.1e}; please report this"
    )]
    Disagreement {
        /// Photos asked about.
        photos: usize,
        /// Photos with another class.
        differing: usize,
        /// The largest difference of a probability.
        difference: f32,
    },
    /// There is nothing to learn ranges from.
    #[error("int8 needs photos to learn the ranges of activations from, and there are none")]
    NoCalibrationPhotos,
}

impl ExportError {
    pub(crate) fn write(path: &Path, source: std::io::Error) -> ExportError {
        ExportError::Write {
            path: path.to_path_buf(),
            source,
        }
    }
}
