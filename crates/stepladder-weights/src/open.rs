//! What a user names as weights: a file, a folder, or a model of Hugging Face's cache.

use crate::error::WeightsError;
use crate::hub::{self, Hub};
use crate::preprocessing::Config;
use crate::read::{content, from_bytes};
use crate::tensor::Weights;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The longest `config.json` that is read, in bytes: names of 22,000 classes take one tenth.
pub(crate) const LONGEST_CONFIG: u64 = 16 << 20;

/// What begins the name of a model of the hub.
const HUB: &str = "hf:";

/// Weights, and what is known of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// By the file's names.
    pub weights: Weights,
    /// What a `config.json` of timm's beside them says.
    pub config: Option<Config>,
    /// Of the file of weights, in hexadecimal digits.
    pub sha256: String,
}

/// Reads what a user names: a file of weights; a folder with `model.safetensors`, and perhaps `config.json`; a model's folder of
/// Hugging Face's cache; or `hf:OWNER/NAME`, which is looked up in the user's cache. Nothing is fetched.
///
/// A file of the cache that is called after its SHA-256 is compared with it.
///
/// # Errors
///
/// As [`read`](crate::read), [`Hub::find`] and [`Config::from_json`]; and where a file of the cache was changed.
pub fn open(named: &str) -> Result<Opened, WeightsError> {
    found(named, &Hub::of_user())?.open()
}

/// What is said beside the weights that a user names, as [`open`] finds them.
///
/// # Errors
///
/// As [`Hub::find`] and [`Config::from_json`].
pub fn config(named: &str) -> Result<Option<Config>, WeightsError> {
    found(named, &Hub::of_user())?.config()
}

/// Where the weights are that a user names.
struct Found {
    /// What errors call them.
    name: String,
    /// The file of weights.
    file: PathBuf,
    /// Where a `config.json` may be.
    folder: Option<PathBuf>,
}

fn found(named: &str, hub: &Hub) -> Result<Found, WeightsError> {
    if let Some(name) = named.strip_prefix(HUB) {
        let model = hub.find(name)?;
        return Ok(Found {
            name: name.to_owned(),
            file: model.weights,
            folder: Some(model.folder),
        });
    }
    let path = Path::new(named);
    // A model's folder of a cache is one of its own to find it in.
    if let (Some(cache), Some(name)) = (path.parent(), cached_name(path)) {
        return found(&format!("{HUB}{name}"), &Hub::new(cache));
    }
    let is_folder = path.is_dir();
    let file = match is_folder {
        false => path.to_owned(),
        true => hub::weights_in(path).ok_or_else(|| WeightsError::NoWeights {
            path: path.to_owned(),
            files: hub::FILES.join(" or "),
        })?,
    };
    Ok(Found {
        name: named.to_owned(),
        file,
        folder: is_folder.then(|| path.to_owned()),
    })
}

impl Found {
    fn open(&self) -> Result<Opened, WeightsError> {
        let content = content(&self.file)?;
        let sha256 = sha256(&content);
        if hub::promised(&self.file).is_some_and(|promised| promised != sha256) {
            return Err(WeightsError::Checksum {
                path: self.file.clone(),
                name: self.name.clone(),
            });
        }
        Ok(Opened {
            weights: from_bytes(&self.file, &content)?,
            config: self.config()?,
            sha256,
        })
    }

    fn config(&self) -> Result<Option<Config>, WeightsError> {
        let path = self.folder.as_ref().map(|folder| folder.join("config.json"));
        let file = path.and_then(|path| Some((stepladder_files::read(&path, LONGEST_CONFIG).ok()?, path)));
        file.map(|(json, path)| Config::from_json(&path, &json))
            .transpose()
    }
}

/// `timm/resnet18.a1_in1k` of a folder that is called `models--timm--resnet18.a1_in1k`.
fn cached_name(path: &Path) -> Option<String> {
    if !path.is_dir() {
        return None;
    }
    let name = path.file_name()?.to_str()?.strip_prefix("models--")?;
    name.split_once("--")
        .map(|(owner, model)| format!("{owner}/{model}"))
}

/// The SHA-256 of a file's content, in hexadecimal digits.
pub fn sha256(content: &[u8]) -> String {
    hub::hexadecimal(&Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn open_in(named: &str, hub: &Hub) -> Result<Opened, WeightsError> {
        found(named, hub)?.open()
    }

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    const CONFIG: &str =
        r#"{"architecture": "resnet18", "pretrained_cfg": {"tag": "a1_in1k", "mean": [0.5, 0.5, 0.5]}}"#;

    fn weights() -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files");
        fs::read(folder.join("tensors.safetensors")).unwrap()
    }

    /// A cache as `hf download` leaves it, with this content under the weights' name; and the file that has it.
    fn cache(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let cache = tempfile::tempdir().unwrap();
        let model = cache.path().join("models--timm--resnet18.a1_in1k");
        let snapshot = model.join("snapshots").join(COMMIT);
        for folder in ["refs", "blobs"] {
            fs::create_dir_all(model.join(folder)).unwrap();
        }
        fs::create_dir_all(&snapshot).unwrap();
        fs::write(model.join("refs/main"), COMMIT).unwrap();
        let blob = model.join("blobs").join(sha256(&weights()));
        fs::write(&blob, content).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(
            format!("../../blobs/{}", sha256(&weights())),
            snapshot.join("model.safetensors"),
        )
        .unwrap();
        #[cfg(not(unix))]
        fs::write(snapshot.join("model.safetensors"), content).unwrap();
        fs::write(snapshot.join("config.json"), CONFIG).unwrap();
        (cache, blob)
    }

    #[test]
    fn a_model_is_found_by_its_name_and_by_its_folders() {
        let (cache, _) = cache(&weights());
        let hub = Hub::new(cache.path());
        let opened = open_in("hf:timm/resnet18.a1_in1k", &hub).unwrap();
        assert_eq!(opened.sha256, sha256(&weights()));
        assert_eq!(opened.config.as_ref().unwrap().preprocessing.mean, [0.5; 3]);
        let elsewhere = Hub::new("elsewhere");
        let model = cache.path().join("models--timm--resnet18.a1_in1k");
        for folder in [model.clone(), model.join("snapshots").join(COMMIT)] {
            assert_eq!(open_in(folder.to_str().unwrap(), &elsewhere).unwrap(), opened);
        }
        let file = model.join("snapshots").join(COMMIT).join("model.safetensors");
        let alone = open_in(file.to_str().unwrap(), &elsewhere).unwrap();
        assert_eq!((alone.weights, alone.config), (opened.weights, None));
    }

    #[test]
    fn what_is_not_there_is_told_with_the_command_that_fetches_it() {
        let (cache, _) = cache(&weights());
        let message = open_in("hf:timm/resnet34.a1_in1k", &Hub::new(cache.path()))
            .unwrap_err()
            .to_string();
        let expected = format!(
            "hf:timm/resnet34.a1_in1k: not in the cache of Hugging Face, {}; download it first: hf download timm/resnet34.a1_in1k",
            cache.path().display()
        );
        assert_eq!(message, expected);
        let message = open_in(cache.path().to_str().unwrap(), &Hub::new("elsewhere"))
            .unwrap_err()
            .to_string();
        assert!(
            message.ends_with(
                "a folder without model.safetensors or pytorch_model.bin; name the file of weights"
            ),
            "{message}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_changed_is_refused() {
        let mut changed = weights();
        *changed.last_mut().unwrap() ^= 1;
        let (cache, _) = cache(&changed);
        let message = open_in("hf:timm/resnet18.a1_in1k", &Hub::new(cache.path()))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("its SHA-256 is not the one in its name"),
            "{message}"
        );
        assert!(
            message.ends_with("hf download timm/resnet18.a1_in1k"),
            "{message}"
        );
    }

    #[test]
    fn a_reference_leads_nowhere_else() {
        let (cache, _) = cache(&weights());
        let model = cache.path().join("models--timm--resnet18.a1_in1k");
        fs::write(model.join("refs/main"), "../../../../etc").unwrap();
        let error = open_in("hf:timm/resnet18.a1_in1k", &Hub::new(cache.path())).unwrap_err();
        assert!(matches!(error, WeightsError::NotCached { .. }), "{error}");
    }

    #[test]
    fn digests_are_those_of_fips_180() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), expected);
    }
}
