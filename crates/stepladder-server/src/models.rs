//! The models being served, each under a name, and replaced in place when its file is.

use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;
use stepladder_classifier::{Classifier, ClassifierError, Predictor};
use stepladder_model::ImageSize;
use stepladder_nn::Device;

/// Why models cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// A file is no model.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// None was given.
    #[error("there is no model to serve; name a run directory or a model.safetensors")]
    None,
}

/// Models under their names, the first of which answers where a request names none.
#[derive(Debug)]
pub struct Models {
    slots: Vec<Slot>,
}

/// What a server says of a model.
#[derive(Debug, Clone, Serialize)]
pub struct ModelInfo {
    /// The name that requests use.
    pub name: String,
    /// The rung that was trained.
    pub rung: String,
    /// Class names, in the order of the model's outputs.
    pub classes: Vec<String>,
    /// Height and width of the network's input in pixels.
    pub size: ImageSize,
    /// How a photo takes that shape: `crop`, `pad` or `stretch`.
    pub fit: String,
    /// Trainable parameters.
    pub parameters: u64,
    /// How activations are stored: `f32` or `bf16`.
    pub precision: String,
    /// What calibrates the probabilities; null where nothing does.
    pub temperature: Option<f64>,
    /// How often a newer file has replaced it since the server started.
    pub reloads: u64,
}

/// A model as it was loaded. Requests hold on to the one that they began with.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub info: ModelInfo,
    pub plain: Predictor,
    pub flipped: Predictor,
}

/// A name, its file, and the model in it.
#[derive(Debug)]
struct Slot {
    file: PathBuf,
    device: Device,
    current: RwLock<Arc<Loaded>>,
    /// The file when it was last taken or refused.
    seen: Mutex<Stamp>,
    /// Why it could not be read at the last look, so that this is said once.
    unread: Mutex<Option<String>>,
}

/// What tells a file from the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// What became of a file that changed.
#[derive(Debug)]
pub(crate) enum Reload {
    /// The newer model answers from now on.
    Done(String),
    /// The file is no model; the one before goes on.
    Failed(String, ClassifierError),
}

impl Models {
    /// Loads a model from each file. Names are those of the run's directory or, for a file that is called anything but
    /// `model.safetensors`, of the file; a second one of a name gets `-2`.
    ///
    /// # Errors
    ///
    /// There is no file, or one is no model.
    pub fn load(files: &[PathBuf], device: Device) -> Result<Models, ModelsError> {
        let mut taken = HashSet::new();
        let mut slots = Vec::new();
        for file in files {
            let name = unused(&name_of(file), &mut taken);
            let stamp = Stamp::of(file);
            slots.push(Slot {
                current: RwLock::new(Arc::new(Loaded::read(file, name, device, 0)?)),
                file: file.clone(),
                device,
                seen: Mutex::new(stamp),
                unread: Mutex::default(),
            });
        }
        if slots.is_empty() {
            return Err(ModelsError::None);
        }
        Ok(Models { slots })
    }

    /// What is served now, in the order in which it was given.
    pub fn info(&self) -> Vec<ModelInfo> {
        self.slots
            .iter()
            .map(|slot| slot.current().info.clone())
            .collect()
    }

    /// The model of that name, or the first.
    pub(crate) fn get(&self, name: Option<&str>) -> Option<Arc<Loaded>> {
        let mut current = self.slots.iter().map(Slot::current);
        match name {
            Some(name) => current.find(|loaded| loaded.info.name == name),
            None => current.next(),
        }
    }

    /// Looks at every file, and loads those that changed.
    pub(crate) fn refresh(&self) -> Vec<Reload> {
        self.slots.iter().filter_map(Slot::refresh).collect()
    }
}

impl Slot {
    fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn refresh(&self) -> Option<Reload> {
        let now = Stamp::of(&self.file);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that is gone may be about to be replaced.
        if *seen == now || now.modified.is_none() {
            return None;
        }
        let ModelInfo { name, reloads, .. } = self.current().info.clone();
        let loaded = Loaded::read(&self.file, name.clone(), self.device, reloads + 1);
        // What says nothing of the file, such as too many open ones, may go better at the next look.
        let again = loaded.as_ref().is_err_and(|error| !error.is_final());
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        let said = loaded.as_ref().err().filter(|_| again).map(ToString::to_string);
        let is_news = said.is_none() || *unread != said;
        *unread = said;
        if !again {
            *seen = now;
        }
        match loaded {
            Ok(loaded) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
                Some(Reload::Done(name))
            }
            Err(error) => is_news.then_some(Reload::Failed(name, error)),
        }
    }
}

impl Loaded {
    fn read(file: &Path, name: String, device: Device, reloads: u64) -> Result<Loaded, ClassifierError> {
        let classifier = Classifier::load(file, device)?;
        let plain = classifier.predictor();
        Ok(Loaded {
            info: ModelInfo {
                name,
                rung: classifier.rung().name.clone(),
                classes: classifier.classes().to_vec(),
                size: classifier.size(),
                fit: classifier.scaling().fit().name().to_owned(),
                parameters: classifier.model().graph().trainable_parameter_count(),
                precision: classifier.model().precision().to_string(),
                temperature: classifier.temperature().map(|temperature| temperature.value()),
                reloads,
            },
            flipped: plain.clone().with_flips(true),
            plain,
        })
    }
}

impl Stamp {
    fn of(file: &Path) -> Stamp {
        let metadata = std::fs::metadata(file).ok();
        Stamp {
            modified: metadata.as_ref().and_then(|metadata| metadata.modified().ok()),
            bytes: metadata.as_ref().map_or(0, std::fs::Metadata::len),
            inode: metadata.as_ref().map_or(0, inode),
        }
    }
}

#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_metadata: &std::fs::Metadata) -> u64 {
    0
}

/// What a model file is called by.
fn name_of(file: &Path) -> String {
    let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
    let named = match whole.file_stem() {
        Some(stem) if stem != "model" => Some(stem),
        _ => whole.parent().and_then(Path::file_name),
    };
    named.map_or_else(
        || String::from("model"),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// `name`, or it with the first number from 2 that is not taken.
fn unused(name: &str, taken: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_string()).chain(numbered);
    let free = names.find(|name| taken.insert(name.clone()));
    free.unwrap_or_else(|| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_runs_and_never_shared() {
        assert_eq!(
            name_of(Path::new("runs/flowers5-m13-1/model.safetensors")),
            "flowers5-m13-1"
        );
        assert_eq!(name_of(Path::new("roses.safetensors")), "roses");
        let mut taken = HashSet::new();
        let names = ["a", "a", "b", "a"].map(|name| unused(name, &mut taken));
        assert_eq!(names, ["a", "a-2", "b", "a-3"]);
    }
}
