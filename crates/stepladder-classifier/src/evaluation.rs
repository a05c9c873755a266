//! What a classifier does on labelled photos: accuracy, loss, the confusion matrix, and precision, recall and F1 of each
//! class.

use serde::{Deserialize, Serialize};
use stepladder_comparison::wilson_interval;
use stepladder_nn::argmax;

/// The probabilities that a model gave to a list of labelled photos.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    classes: usize,
    photos: Vec<u32>,
    labels: Vec<u32>,
    /// `[photos, classes]`, row-major.
    probabilities: Vec<f32>,
}

/// One photo of [`Predictions`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhotoPrediction<'a> {
    /// Index of the photo in its data set.
    pub photo: u32,
    /// Its class.
    pub label: u32,
    /// The class of the greatest probability, the first of equals.
    pub predicted: u32,
    /// Of every class.
    pub probabilities: &'a [f32],
}

impl Predictions {
    /// None yet, for a model of `classes` outputs.
    pub fn new(classes: usize) -> Predictions {
        Predictions {
            classes,
            photos: Vec::new(),
            labels: Vec::new(),
            probabilities: Vec::new(),
        }
    }

    /// Adds a batch: `probabilities` is `[photos, classes]`, row-major.
    ///
    /// # Panics
    ///
    /// If the lengths do not agree.
    pub fn extend(&mut self, photos: &[u32], labels: &[u32], probabilities: &[f32]) {
        assert!(photos.len() == labels.len() && probabilities.len() == labels.len() * self.classes);
        self.photos.extend_from_slice(photos);
        self.labels.extend_from_slice(labels);
        self.probabilities.extend_from_slice(probabilities);
    }

    /// Each photo in the order it was added.
    pub fn iter(&self) -> impl Iterator<Item = PhotoPrediction<'_>> {
        let rows = self.probabilities.chunks_exact(self.classes.max(1));
        self.photos
            .iter()
            .zip(&self.labels)
            .zip(rows)
            .map(|((&photo, &label), probabilities)| PhotoPrediction {
                photo,
                label,
                predicted: argmax(probabilities) as u32,
                probabilities,
            })
    }

    /// The figures of these predictions; `None` if there are none.
    pub fn evaluate(&self, class_names: &[String]) -> Option<Evaluation> {
        Evaluation::new(self, class_names)
    }
}

/// Figures over a part of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Photos asked about.
    pub images: usize,
    /// Share that was right.
    pub accuracy: f64,
    /// Mean cross-entropy, in nats; probabilities below the least positive f32 count as that.
    pub loss: f64,
    /// One for each class, in the order of the model's outputs.
    pub classes: Vec<ClassFigures>,
    /// `confusion[truth][predicted]`: counts of photos.
    pub confusion: Vec<Vec<u32>>,
}

/// How one class fares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassFigures {
    /// The class.
    pub class: String,
    /// Photos of it.
    pub images: usize,
    /// Of the photos that were called this class, the share that is; null if none was.
    pub precision: Option<f64>,
    /// Of the photos of this class, the share that was called it; null if there are none.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn); null if the class neither occurs nor is predicted.
    pub f1: Option<f64>,
}

/// Photos of one class that were taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// The class that they are of, by its place among the classes.
    pub truth: usize,
    /// The class that they were called.
    pub predicted: usize,
    /// How many.
    pub images: u32,
}

impl Evaluation {
    /// The most classes for which a matrix can be read; of more, the largest confusions say more.
    pub const LARGEST_MATRIX: usize = 30;

    /// Whether the confusion matrix is small enough to be read.
    pub fn has_readable_matrix(&self) -> bool {
        self.classes.len() <= Self::LARGEST_MATRIX
    }

    /// The most frequent confusions, up to so many, the largest first; of equals, in the order of the classes.
    pub fn largest_confusions(&self, most: usize) -> Vec<Confusion> {
        let mut confusions = Vec::new();
        for (truth, row) in self.confusion.iter().enumerate() {
            for (predicted, &images) in row.iter().enumerate() {
                if truth != predicted && images > 0 {
                    confusions.push(Confusion {
                        truth,
                        predicted,
                        images,
                    });
                }
            }
        }
        confusions.sort_by_key(|confusion| std::cmp::Reverse(confusion.images));
        confusions.truncate(most);
        confusions
    }

    /// Photos that were right.
    pub fn right(&self) -> usize {
        (0..self.confusion.len())
            .map(|class| self.confusion[class][class] as usize)
            .sum()
    }

    /// The 95% interval of the accuracy ([`wilson_interval`]).
    pub fn accuracy_interval(&self) -> [f64; 2] {
        wilson_interval(self.right(), self.images)
    }

    fn new(predictions: &Predictions, class_names: &[String]) -> Option<Evaluation> {
        let classes = class_names.len();
        let mut confusion = vec![vec![0_u32; classes]; classes];
        let mut loss = 0.0;
        for photo in predictions.iter() {
            confusion[photo.label as usize][photo.predicted as usize] += 1;
            loss -= f64::from(photo.probabilities[photo.label as usize].max(f32::MIN_POSITIVE)).ln();
        }
        let images = predictions.labels.len();
        if images == 0 {
            return None;
        }
        let right: u32 = (0..classes).map(|class| confusion[class][class]).sum();
        let figures = class_names.iter().enumerate().map(|(class, name)| {
            let hits = confusion[class][class];
            let actual: u32 = confusion[class].iter().sum();
            let predicted: u32 = confusion.iter().map(|row| row[class]).sum();
            ClassFigures {
                class: name.clone(),
                images: actual as usize,
                precision: share(hits, predicted),
                recall: share(hits, actual),
                f1: share(2 * hits, actual + predicted),
            }
        });
        Some(Evaluation {
            images,
            accuracy: f64::from(right) / images as f64,
            loss: loss / images as f64,
            classes: figures.collect(),
            confusion,
        })
    }
}

/// `part / whole`; none of nothing is no figure.
fn share(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluated(rows: &[(u32, [f32; 3])]) -> Evaluation {
        let mut predictions = Predictions::new(3);
        for (photo, (label, probabilities)) in rows.iter().enumerate() {
            predictions.extend(&[photo as u32], &[*label], probabilities);
        }
        let names = ["a", "b", "c"].map(String::from);
        predictions.evaluate(&names).unwrap()
    }

    #[test]
    fn figures_follow_their_definitions() {
        let e = evaluated(&[
            (0, [0.7, 0.2, 0.1]),
            (0, [0.1, 0.8, 0.1]),
            (1, [0.1, 0.8, 0.1]),
            (1, [0.2, 0.5, 0.3]),
        ]);
        assert_eq!(e.confusion, [[1, 1, 0], [0, 2, 0], [0, 0, 0]]);
        assert_eq!(e.accuracy, 0.75);
        let expected: f64 = -[0.7_f32, 0.1, 0.8, 0.5]
            .iter()
            .map(|&p| f64::from(p).ln())
            .sum::<f64>()
            / 4.0;
        assert!((e.loss - expected).abs() < 1e-12);
        assert_eq!(e.classes[0].precision, Some(1.0));
        assert_eq!(e.classes[0].recall, Some(0.5));
        assert_eq!(e.classes[1].precision, Some(2.0 / 3.0));
        assert_eq!(e.classes[1].f1, Some(0.8));
        assert_eq!(
            (e.classes[2].precision, e.classes[2].recall, e.classes[2].f1),
            (None, None, None)
        );
    }

    #[test]
    fn the_largest_confusions_come_first() {
        let wrong = [0.1, 0.8, 0.1];
        let e = evaluated(&[
            (2, wrong),
            (0, wrong),
            (2, wrong),
            (1, wrong),
            (2, [0.8, 0.1, 0.1]),
        ]);
        let pairs = |most| -> Vec<_> {
            let largest = e.largest_confusions(most).into_iter();
            largest.map(|c| (c.truth, c.predicted, c.images)).collect()
        };
        assert_eq!(pairs(9), [(2, 1, 2), (0, 1, 1), (2, 0, 1)]);
        assert_eq!(pairs(1), [(2, 1, 2)]);
        assert!(e.has_readable_matrix());
    }

    #[test]
    fn no_photos_give_no_figures() {
        assert_eq!(
            Predictions::new(3).evaluate(&["a", "b", "c"].map(String::from)),
            None
        );
    }
}
