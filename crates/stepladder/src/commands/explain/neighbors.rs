//! The training photos that look most like a photo to the network, where the run still knows where they are.

use crate::arguments::PartName;
use crate::commands::evaluate::own_photos;
use crate::terminal::{Alignment, ProgressBar, Table, told};
use serde::Serialize;
use std::path::Path;
use stepladder_classifier::Predictor;
use stepladder_data::{CacheConfig, PhotoStore};

/// What was found.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Neighbors {
    Found {
        /// The most similar first.
        photos: Vec<Similar>,
    },
    /// The training photos are not to be had.
    LeftOut { reason: String },
}

/// A training photo.
#[derive(Debug, Serialize)]
pub(super) struct Similar {
    file: String,
    /// The class that it was trained as.
    class: String,
    /// The cosine of the angle between its features and those of the photo that was asked about.
    similarity: f64,
}

/// A pass over training photos.
pub(super) struct Pass<'a> {
    pub predictor: &'a Predictor,
    /// Photos that go through the network at once.
    pub batch: usize,
    pub cache: &'a CacheConfig,
    pub progress: &'a ProgressBar,
}

impl Pass<'_> {
    /// The `count` training photos of `run` that are nearest to `features`; or why there are none, which is no failure: the
    /// rest of the answer needs no training photo.
    pub fn nearest(&self, run: &Path, features: &[f32], count: usize) -> Neighbors {
        if !run.is_dir() {
            let reason = format!(
                "{} is a model alone, which does not know its training photos; give its run's directory",
                run.display()
            );
            return Neighbors::LeftOut { reason };
        }
        match self.search(run, features, count) {
            Ok(photos) => Neighbors::Found { photos },
            Err(error) => Neighbors::LeftOut { reason: told(&error) },
        }
    }

    fn search(&self, run: &Path, features: &[f32], count: usize) -> anyhow::Result<Vec<Similar>> {
        let photos = own_photos(run, PartName::Train)?;
        let dataset = &photos.dataset;
        let cache = self.cache.clone().with_scaling(self.predictor.scaling());
        let store = PhotoStore::open_or_build(dataset, self.predictor.size(), &cache, self.progress)?;
        let readable: Vec<u32> = photos
            .asked
            .into_iter()
            .filter(|&photo| store.is_readable(photo))
            .collect();
        let found = self
            .predictor
            .nearest(features, &store, &readable, count, self.batch, self.progress)?;
        let similar = found.into_iter().map(|neighbor| {
            let photo = &dataset.photos[neighbor.photo as usize];
            Similar {
                file: photo.name.clone(),
                class: dataset
                    .classes
                    .get(photo.class as usize)
                    .cloned()
                    .unwrap_or_default(),
                similarity: neighbor.similarity,
            }
        });
        Ok(similar.collect())
    }
}

/// The photos as a table.
pub(super) fn table(photos: &[Similar]) -> Table {
    let mut table = Table::new([
        ("photo", Alignment::Left),
        ("class", Alignment::Left),
        ("similarity", Alignment::Right),
    ]);
    for photo in photos {
        table.row([
            photo.file.clone(),
            photo.class.clone(),
            format!("{:.3}", photo.similarity),
        ]);
    }
    table
}
