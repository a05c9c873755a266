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
    #[error("{}: damaged: {}; copy or download it again", path.display(), plain(reason))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A pickle names something of Python's that is not plain data.
    #[error("{}: holds `{}`, which only Python can run; save the tensors alone: torch.save(model.state_dict(), FILE)", path.display(), plain(class))]
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
    /// The hub has no such model.
    #[cfg(feature = "hub")]
    #[error("hf:{name}: {endpoint} has no such model, or none with {files}; look at the name there")]
    NotOnHub {
        /// `timm/resnet18.a1_in1k`
        name: String,
        /// The hub.
        endpoint: String,
        /// The files of weights that are looked for.
        files: String,
    },
    /// The hub answers, and not with the model.
    #[cfg(feature = "hub")]
    #[error(
        "hf:{name}: {endpoint} answers {status}; there is no such model, or it is private: look at the name, and set HF_TOKEN where it is private"
    )]
    Refused {
        /// `timm/resnet18.a1_in1k`
        name: String,
        /// The hub.
        endpoint: String,
        /// `401 Unauthorized`
        status: String,
    },
    /// The hub leaves out what a download is checked by.
    #[cfg(feature = "hub")]
    #[error(
        "hf:{name}: {endpoint} does not say {what}; take another hub (HF_ENDPOINT), or download the file by hand and name it"
    )]
    Unclear {
        /// `timm/resnet18.a1_in1k`
        name: String,
        /// The hub.
        endpoint: String,
        /// What it does not say.
        what: &'static str,
    },
    /// The connection failed, again and again.
    #[cfg(feature = "hub")]
    #[error(
        "hf:{name}: the download from {endpoint} failed; what has come is kept, so that the same command goes on from there"
    )]
    Download {
        /// `timm/resnet18.a1_in1k`
        name: String,
        /// The hub.
        endpoint: String,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The user stopped the download.
    #[cfg(feature = "hub")]
    #[error("hf:{name}: the download was stopped; the same command goes on from there")]
    DownloadStopped {
        /// `timm/resnet18.a1_in1k`
        name: String,
    },
    /// What came has another hash than the hub said.
    #[cfg(feature = "hub")]
    #[error(
        "hf:{name}: what {endpoint} sent is not what it promised (SHA-256), and was thrown away; try again"
    )]
    NotAsPromised {
        /// `timm/resnet18.a1_in1k`
        name: String,
        /// The hub.
        endpoint: String,
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
    #[error("{}: tensor `{}` has type {}, where weights are F32, F16 or BF16; save it anew as one of these", path.display(), plain(tensor), plain(found))]
    Type {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The type, as the file calls it.
        found: String,
    },
    /// NaN or infinity among the values.
    #[error("{}: tensor `{}` has values that are not finite; the training that it comes from has failed, or the file is damaged", path.display(), plain(tensor))]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
}

/// A text from a file, of a length that can be read and without control characters.
fn plain(text: &str) -> String {
    const LONGEST: usize = 200;
    let characters = text.chars().take(LONGEST);
    characters
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}
