//! The photos that an export is tried on: the run's own, or the shipped ones where it has none.

use crate::arguments::{ExportArguments, PartName};
use crate::commands::evaluate::{Photos, labels_of, own_photos};
use crate::commands::{SHIPPED_NAME, SHIPPED_PHOTOS, cache};
use crate::terminal::{Output, ProgressBar};
use stepladder_classifier::Classifier;
use stepladder_data::{DataError, DataRequest, Dataset, PhotoStore, RgbPhoto};
use stepladder_model::ImageSize;

/// Some photos, decoded, as the model's input.
pub(super) struct Squares {
    store: PhotoStore,
    size: ImageSize,
    /// The photos by number, and their classes; empty where these are not the model's.
    asked: Vec<u32>,
    labels: Vec<u32>,
    /// What they are, for people.
    pub name: String,
}

impl Squares {
    /// Of a part of the run's own photos.
    pub fn of_run(
        arguments: &ExportArguments,
        classifier: &Classifier,
        part: PartName,
        threads: usize,
        output: &Output,
    ) -> anyhow::Result<Squares> {
        let Photos { dataset, asked, part } = own_photos(&arguments.run, part)?;
        let store = store(arguments, classifier, &dataset, threads, output)?;
        let asked: Vec<u32> = asked
            .into_iter()
            .filter(|&photo| store.is_readable(photo))
            .collect();
        let labels = labels_of(&dataset, &asked, classifier)?;
        Ok(Squares {
            size: classifier.size(),
            labels: asked.iter().map(|&photo| labels[photo as usize]).collect(),
            name: format!("photos of the {part}"),
            asked,
            store,
        })
    }

    /// Of the photos that Stepladder ships.
    pub fn shipped(
        arguments: &ExportArguments,
        classifier: &Classifier,
        threads: usize,
        output: &Output,
    ) -> anyhow::Result<Squares> {
        let dataset = Dataset::open(&DataRequest::memory(SHIPPED_NAME, SHIPPED_PHOTOS))?;
        let store = store(arguments, classifier, &dataset, threads, output)?;
        Ok(Squares {
            size: classifier.size(),
            asked: (0..store.len() as u32).collect(),
            labels: Vec::new(),
            name: "photos that Stepladder ships".to_string(),
            store,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.asked.len()
    }

    /// At most `most` of them, evenly spread.
    pub fn some(self, most: usize) -> Squares {
        let (count, kept) = (self.len(), self.len().min(most));
        let spread = |values: &[u32]| {
            let at = (0..kept).map(|place| place * count / kept);
            at.filter_map(|at| values.get(at).copied()).collect()
        };
        Squares {
            asked: spread(&self.asked),
            labels: spread(&self.labels),
            ..self
        }
    }

    /// The photos, `batch` at a time, with their classes.
    pub fn batches(
        &self,
        batch: usize,
    ) -> impl Iterator<Item = Result<(Vec<RgbPhoto>, &[u32]), DataError>> + '_ {
        (0..self.len()).step_by(batch).map(move |start| {
            let end = (start + batch).min(self.len());
            let photos = self.asked[start..end].iter().map(|&photo| self.input(photo));
            let photos = photos.collect::<Result<Vec<RgbPhoto>, DataError>>()?;
            Ok((photos, self.labels.get(start..end).unwrap_or_default()))
        })
    }

    fn input(&self, photo: u32) -> Result<RgbPhoto, DataError> {
        let photo = self.store.photo(photo)?;
        Ok(self.store.scaling().input(&photo, self.size).into_owned())
    }
}

fn store(
    arguments: &ExportArguments,
    classifier: &Classifier,
    dataset: &Dataset,
    threads: usize,
    output: &Output,
) -> Result<PhotoStore, anyhow::Error> {
    let cache = cache(&arguments.cache, threads)?.with_scaling(classifier.scaling());
    let progress = ProgressBar::new(output);
    Ok(PhotoStore::open_or_build(
        dataset,
        classifier.size(),
        &cache,
        &progress,
    )?)
}
