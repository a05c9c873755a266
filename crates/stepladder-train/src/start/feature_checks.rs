//! What pretrained features say of a run's photos: labels that are likely wrong, and photos of two parts that show nearly the same.

use super::exact::samples;
use super::features::{Features, View};
use crate::error::TrainError;
use crate::head::{ExactHead, HeadConfig, Samples};
use crate::preparation::{Prepared, TrainingRequest};
use rayon::prelude::*;
use stepladder_classifier::Predictions;
use stepladder_data::{DataError, Progress};
use stepladder_run::{RunDirectory, StartRecord};

/// Parts of the training photos; the answers about each come from a head that was fitted to the others.
const FOLDS: usize = 5;

/// Cosine of the features of two photos from which they show nearly the same: on flowers5, pairs above it are photos of one series.
const ALIKE: f64 = 0.94;

/// What was found.
#[derive(Debug)]
pub struct FeatureChecks {
    /// The answers about training and validation photos, each from a head that was not fitted to the photo. A head that was fitted to a
    /// wrong label agrees with it.
    pub answers: Predictions,
    /// Validation and test photos that look like a training photo, the most alike first.
    pub look_alikes: Vec<LookAlike>,
}

/// Two photos of different parts that show nearly the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LookAlike {
    /// Of the validation or the test part.
    pub photo: u32,
    /// The training photo that is most like it.
    pub training_photo: u32,
    /// The cosine of the angle between their features.
    pub similarity: f64,
}

impl FeatureChecks {
    /// Checks the photos of a run that has an exact head on pretrained features; `None` where the run has none.
    ///
    /// # Errors
    ///
    /// The run's photos or its weights cannot be read, or `progress` was cancelled.
    pub fn of_run(
        request: &TrainingRequest,
        run: &RunDirectory,
        progress: &dyn Progress,
    ) -> Result<Option<FeatureChecks>, TrainError> {
        let start = run.read_json::<StartRecord>(&run.start()).ok();
        let Some(head) = start.and_then(|start| start.head) else {
            return Ok(None);
        };
        let prepared = request.prepare(progress)?;
        let features = Features::compute(request, &prepared, progress)?;
        let config = HeadConfig {
            classes: prepared.dataset.classes.len(),
            label_smoothing: request.rung.training.label_smoothing,
        };
        let fit = |samples: Samples| ExactHead::fit(samples, head.strength, config);
        Ok(Some(FeatureChecks {
            answers: out_of_sample(&prepared, &features, &fit, progress)?,
            look_alikes: look_alikes(&prepared, &features),
        }))
    }
}

fn out_of_sample(
    prepared: &Prepared,
    features: &Features,
    fit: &dyn Fn(Samples) -> ExactHead,
    progress: &dyn Progress,
) -> Result<Predictions, TrainError> {
    let (training, validation) = samples(prepared, features);
    let split = &prepared.split;
    let mut predictions = Predictions::new(prepared.dataset.classes.len());
    let mut add = |answers: &Predictions| {
        for answer in answers.iter() {
            predictions.extend(&[answer.photo], &[answer.label], answer.probabilities);
        }
    };
    progress.start(FOLDS as u64 + 1, "features into heads");
    for fold in 0..FOLDS {
        let (others, left_out) = apart(&training, split.train.len(), fold);
        let photos: Vec<u32> = left_out.iter().map(|&at| split.train[at]).collect();
        if !photos.is_empty() && others.rows() > 0 {
            let asked = Samples {
                features: features.rows(&photos, View::Plain),
                width: features.width,
                labels: photos
                    .iter()
                    .map(|&photo| prepared.labels[photo as usize])
                    .collect(),
                weights: Vec::new(),
            };
            add(&fit(others).predictions(&photos, &asked));
        }
        progress.advance(1);
        if progress.is_cancelled() {
            progress.finish();
            return Err(DataError::Cancelled.into());
        }
    }
    add(&fit(training).predictions(&split.validation, &validation));
    progress.finish();
    Ok(predictions)
}

/// For each validation and test photo the training photo that is most like it, where one is very much so.
fn look_alikes(prepared: &Prepared, features: &Features) -> Vec<LookAlike> {
    let split = &prepared.split;
    let directions = |photos: &[u32]| -> Vec<Vec<f32>> {
        let rows = features.rows(photos, View::Plain);
        rows.chunks_exact(features.width).map(direction).collect()
    };
    let training = directions(&split.train);
    let asked: Vec<u32> = [&split.validation[..], &split.test].concat();
    let mut found: Vec<LookAlike> = asked
        .par_iter()
        .zip(directions(&asked))
        .filter_map(|(&photo, direction)| {
            let similarities = training.iter().map(|other| dot(&direction, other));
            let (at, similarity) = similarities.enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
            (similarity >= ALIKE).then_some(LookAlike {
                photo,
                training_photo: split.train[at],
                similarity,
            })
        })
        .collect();
    found.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    found
}

/// The features over their length.
fn direction(row: &[f32]) -> Vec<f32> {
    let length = dot(row, row).sqrt().max(f64::MIN_POSITIVE) as f32;
    row.iter().map(|value| value / length).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let products = a.iter().zip(b).map(|(a, b)| f64::from(a * b));
    products.sum()
}

/// The rows of all photos but those of a fold, in all their views, and the positions of those.
fn apart(training: &Samples, photos: usize, fold: usize) -> (Samples, Vec<usize>) {
    let is_left_out = |row: usize| row % photos.max(1) % FOLDS == fold;
    let kept: Vec<usize> = (0..training.rows()).filter(|&row| !is_left_out(row)).collect();
    let width = training.width;
    let row = |&row: &usize| &training.features[row * width..(row + 1) * width];
    let samples = Samples {
        features: kept.iter().flat_map(row).copied().collect(),
        width,
        labels: kept.iter().map(|&row| training.labels[row]).collect(),
        weights: kept
            .iter()
            .filter_map(|&row| training.weights.get(row).copied())
            .collect(),
    };
    (samples, (0..photos).filter(|&photo| is_left_out(photo)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_and_its_mirror_image_are_left_out_together_once() {
        let photos = 7;
        let training = Samples {
            features: (0..14).map(|row| (row % photos) as f32).collect(),
            width: 1,
            labels: vec![0; 14],
            weights: Vec::new(),
        };
        let mut seen = vec![0; photos];
        for fold in 0..FOLDS {
            let (others, left_out) = apart(&training, photos, fold);
            for photo in left_out {
                seen[photo] += 1;
                assert!(!others.features.contains(&(photo as f32)), "{photo}");
            }
            assert_eq!(others.rows() % 2, 0);
        }
        assert_eq!(seen, [1; 7]);
    }
}
