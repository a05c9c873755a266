//! Which of the photos that a model is asked about it was made with: figures on those say nothing about others.

use serde::Serialize;
use std::path::Path;
use stepladder_data::{Part, PhotoStore};
use stepladder_train::{RunDirectory, parts_of_contents};

/// How many of some photos a training used, by their content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Seen {
    /// Photos that weights were fitted to.
    pub trained_on_images: usize,
    /// Photos by which the epoch was chosen.
    pub validated_on_images: usize,
}

impl Seen {
    /// Counts those among `asked`. `None` where nothing is known: of a model file without its run, or a run of an early version.
    pub fn new(run: &Path, store: &PhotoStore, asked: &[u32]) -> Option<Seen> {
        let run = RunDirectory::open(directory(run)?);
        let table = run.read(&run.content()).ok()?;
        let parts = parts_of_contents(std::str::from_utf8(&table).ok()?);
        let part = |photo: &u32| parts.get(&store.content_hash(*photo)?);
        let count = |wanted| asked.iter().filter(|photo| part(photo) == Some(&wanted)).count();
        Some(Seen {
            trained_on_images: count(Part::Train),
            validated_on_images: count(Part::Validation),
        })
    }

    /// What a reader of the figures must know; `None` where all of the photos are new to the model.
    pub fn warning(&self, asked: usize) -> Option<String> {
        let Seen {
            trained_on_images: trained,
            validated_on_images: validated,
        } = *self;
        let of = |photos: usize| match photos == asked {
            true => String::from("all of these photos"),
            false => format!("{photos} of these {asked} photos"),
        };
        let what = match (trained, validated) {
            (0, 0) => return None,
            (0, _) => format!("{} chose the epoch that was kept", of(validated)),
            (_, 0) => format!("the model was trained on {}", of(trained)),
            _ => format!(
                "the model was trained on {}, and {validated} chose the epoch that was kept",
                of(trained)
            ),
        };
        Some(format!(
            "{what}: the figures are too good; others say how good it is"
        ))
    }
}

/// The run of a model: a run directory, or the one that its file lies in.
fn directory(run: &Path) -> Option<&Path> {
    match run.is_dir() {
        true => Some(run),
        false if run.file_name()? == "model.safetensors" => run.parent(),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(trained: usize, validated: usize, asked: usize) -> Option<String> {
        let seen = Seen {
            trained_on_images: trained,
            validated_on_images: validated,
        };
        seen.warning(asked)
    }

    #[test]
    fn photos_that_are_known_are_counted() {
        assert_eq!(warning(0, 0, 5), None);
        let all = warning(5, 0, 5).expect("all");
        assert!(
            all.starts_with("the model was trained on all of these photos: "),
            "{all}"
        );
        let some = warning(2, 1, 5).expect("some");
        assert!(
            some.contains("2 of these 5 photos, and 1 chose the epoch"),
            "{some}"
        );
    }
}
