//! What a head says of training photos that it was not fitted to. Labels that are wrong stand out in such answers: a head that was
//! fitted to a wrong label agrees with it.

use super::exact::samples;
use super::features::{Features, View};
use crate::error::TrainError;
use crate::head::{ExactHead, HeadConfig, Samples};
use crate::preparation::TrainingRequest;
use stepladder_classifier::Predictions;
use stepladder_data::{DataError, Progress};
use stepladder_run::{RunDirectory, StartRecord};

/// Parts of the training photos; the answers about each come from a head that was fitted to the others.
const FOLDS: usize = 5;

/// The answers about the training and validation photos of a run that has an exact head on pretrained features, each from a head that was
/// not fitted to the photo. `None` where the run has no such head.
///
/// # Errors
///
/// The run's photos or its weights cannot be read, or `progress` was cancelled.
pub fn out_of_sample(
    request: &TrainingRequest,
    run: &RunDirectory,
    progress: &dyn Progress,
) -> Result<Option<Predictions>, TrainError> {
    let start = run.read_json::<StartRecord>(&run.start()).ok();
    let Some(head) = start.and_then(|start| start.head) else {
        return Ok(None);
    };
    let prepared = request.prepare(progress)?;
    let features = Features::compute(request, &prepared, progress)?;
    let (training, validation) = samples(&prepared, &features);
    let classes = prepared.dataset.classes.len();
    let config = HeadConfig {
        classes,
        label_smoothing: request.rung.training.label_smoothing,
    };
    let fit = |samples: Samples| ExactHead::fit(samples, head.strength, config);
    let mut predictions = Predictions::new(classes);
    progress.start(FOLDS as u64 + 1, "features into heads");
    for fold in 0..FOLDS {
        let (others, left_out) = apart(&training, prepared.split.train.len(), fold);
        let photos: Vec<u32> = left_out.iter().map(|&at| prepared.split.train[at]).collect();
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
            let answers = fit(others).predictions(&photos, &asked);
            for answer in answers.iter() {
                predictions.extend(&[answer.photo], &[answer.label], answer.probabilities);
            }
        }
        progress.advance(1);
        if progress.is_cancelled() {
            return Err(DataError::Cancelled.into());
        }
    }
    let answers = fit(training).predictions(&prepared.split.validation, &validation);
    for answer in answers.iter() {
        predictions.extend(&[answer.photo], &[answer.label], answer.probabilities);
    }
    progress.finish();
    Ok(Some(predictions))
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
