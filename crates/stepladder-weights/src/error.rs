//! Why weights cannot be had from a file.

use std::io;
use std::path::PathBuf;

/// Why weights cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file system refused.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The refusal.
        #[source]
        source: io::Error,
    },
    /// Too large to be weights of an image classifier.
    #[error("{}: {bytes} bytes, more than the {limit} that are read as weights", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The most that is read.
        limit: u64,
    },
    /// The first bytes are those of no format that is known.
    #[error("{}: no weights that can be read here; give a .safetensors, .pth or .pt file", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The format is known, and the content breaks its rules.
    #[error("{}: damaged: {reason}; copy or download it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A pickle names something of Python's that is not plain data.
    #[error("{}: holds `{class}`, which only Python can run; save the tensors alone: torch.save(model.state_dict(), FILE)", path.display())]
    Class {
        /// The file.
        path: PathBuf,
        /// What it names.
        class: String,
    },
    /// A folder that has no file of weights under a usual name.
    #[error("{}: a folder without {files}; name the file of weights", path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
        /// The usual names.
        files: String,
    },
    /// What stands behind `hf:` is no name of the hub's.
    #[error("`{name}` is no model of the Hugging Face hub; write OWNER/NAME, as in hf:timm/resnet18.a1_in1k")]
    HubName {
        /// What stands there.
        name: String,
    },
    /// The cache of Hugging Face's programs does not have the model.
    #[error("hf:{name}: not in the cache of Hugging Face, {}; download it first: hf download {name}", cache.display())]
    NotCached {
        /// `timm/resnet18.a1_in1k`
        name: String,
        /// The cache.
        cache: PathBuf,
    },
    /// A file of the cache is not what its name says.
    #[error("{}: its SHA-256 is not the one in its name, so that it is damaged; delete it, and download it again: hf download {name}", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// `timm/resnet18.a1_in1k`
        name: String,
    },
    /// Values of a type that is not a floating-point number of 16 or 32 bits.
    #[error("{}: tensor `{tensor}` has type {found}, where weights are F32, F16 or BF16; save it anew as one of these", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The type, as the file calls it.
        found: String,
    },
    /// NaN or infinity among the values.
    #[error("{}: tensor `{tensor}` has values that are not finite; the training that it comes from has failed, or the file is damaged", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
}
