//! The cache that Hugging Face's programs share; with the feature `hub`, models are downloaded into it.
//!
//! ```text
//! models--timm--resnet18.a1_in1k/
//!   refs/main                               the commit, in hexadecimal digits
//!   snapshots/<commit>/config.json          -> ../../blobs/<git's SHA-1>
//!   snapshots/<commit>/model.safetensors    -> ../../blobs/<SHA-256 of the content>
//! ```

#[cfg(feature = "hub")]
mod download;
#[cfg(feature = "hub")]
mod server;

#[cfg(feature = "hub")]
pub use download::Transferred;
#[cfg(feature = "hub")]
pub use server::HubServer;

use crate::error::WeightsError;
use std::env;
use std::path::{Path, PathBuf};

/// Files of weights that a model may have, the first that is there counts.
pub(crate) const FILES: &[&str] = &["model.safetensors", "pytorch_model.bin"];

/// The cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    root: PathBuf,
}

/// Where a model lies in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubModel {
    /// `timm/resnet18.a1_in1k`
    pub name: String,
    /// The version, in hexadecimal digits.
    pub commit: String,
    /// Its folder, with `config.json` beside the weights.
    pub folder: PathBuf,
    /// The file of weights in it.
    pub weights: PathBuf,
}

impl Hub {
    /// The cache in this folder.
    pub fn new(root: impl Into<PathBuf>) -> Hub {
        Hub { root: root.into() }
    }

    /// The user's cache: `$HF_HUB_CACHE`, or `hub` in `$HF_HOME`, or `huggingface/hub` in `$XDG_CACHE_HOME` or `~/.cache`.
    pub fn of_user() -> Hub {
        let variable = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let home = || {
            variable("HOME")
                .or_else(|| variable("USERPROFILE"))
                .unwrap_or_default()
        };
        let cache = || variable("XDG_CACHE_HOME").unwrap_or_else(|| home().join(".cache"));
        let of_home = || variable("HF_HOME").unwrap_or_else(|| cache().join("huggingface"));
        Hub::new(variable("HF_HUB_CACHE").unwrap_or_else(|| of_home().join("hub")))
    }

    /// The folder that the cache is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the cache has the main version of `name`, which is OWNER/NAME.
    ///
    /// # Errors
    ///
    /// Where `name` is no such name, or the model is not there; the error says which command downloads it.
    pub fn find(&self, name: &str) -> Result<HubModel, WeightsError> {
        check(name)?;
        let missing = || WeightsError::NotCached {
            name: name.to_owned(),
            cache: self.root.clone(),
        };
        self.model(name).ok_or_else(missing)
    }

    /// The folder of a model, whose name was checked.
    fn folder(&self, name: &str) -> PathBuf {
        self.root.join(format!("models--{}", name.replace('/', "--")))
    }

    fn model(&self, name: &str) -> Option<HubModel> {
        let model = self.folder(name);
        let commit = commit(&model.join("refs/main"))?;
        let folder = model.join("snapshots").join(&commit);
        let weights = weights_in(&folder)?;
        Some(HubModel {
            name: name.to_owned(),
            commit,
            folder,
            weights,
        })
    }
}

/// The file of weights in a folder.
pub(crate) fn weights_in(folder: &Path) -> Option<PathBuf> {
    FILES
        .iter()
        .map(|file| folder.join(file))
        .find(|file| file.is_file())
}

/// The SHA-256 that a file of the cache says that it has: it is a link to a file that is called so.
pub(crate) fn promised(path: &Path) -> Option<String> {
    let blob = path.canonicalize().ok()?;
    let name = blob.file_name()?.to_str()?;
    (name.len() == 64 && is_hexadecimal(name)).then(|| name.to_owned())
}

/// The commit that a file of `refs` names, which becomes a part of a path.
fn commit(reference: &Path) -> Option<String> {
    let text = stepladder_files::read_to_string(reference, 1 << 10).ok()?;
    let commit = text.trim();
    is_commit(commit).then(|| commit.to_owned())
}

fn is_commit(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && is_hexadecimal(text)
}

/// Bytes in hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Refuses what is not OWNER/NAME: the name becomes a part of a path.
fn check(name: &str) -> Result<(), WeightsError> {
    let plain = |part: &str| {
        let is_plain =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.len() <= 96
            && part.chars().all(is_plain)
            && !part.contains("..")
            && !part.contains("--")
    };
    match name.split_once('/') {
        Some((owner, model)) if plain(owner) && plain(model) => Ok(()),
        _ => Err(WeightsError::HubName {
            name: name
                .chars()
                .take(100)
                .filter(|character| !character.is_control())
                .collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_owner_and_a_model() {
        for name in [
            "timm/resnet18.a1_in1k",
            "timm/mobilenetv4_conv_small.e2400_r224_in1k",
        ] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in [
            "resnet18",
            "timm/../../etc",
            "timm/a/b",
            "/etc",
            "timm/",
            "../x",
            "timm/.x",
            "timm/a..b",
            "a b/c",
        ] {
            let message = check(name).unwrap_err().to_string();
            assert!(message.contains("write OWNER/NAME"), "{message}");
        }
    }
}
