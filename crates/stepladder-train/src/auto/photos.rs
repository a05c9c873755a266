//! What is known of the photos before any is decoded: how many of each class, and how large.

use stepladder_data::{Dataset, Part, TypicalPhoto};
use stepladder_model::SplitFractions;

/// From this ratio of the largest to the smallest class on, classes are weighted.
const IMBALANCED: f64 = 4.0;

/// Counts and sizes that a choice depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct PhotoFacts {
    /// All photos.
    pub in_all: usize,
    /// About as many will be trained on.
    pub training: usize,
    /// Each class with its photos in all.
    pub classes: Vec<(String, usize)>,
    /// How large they are; `None` where no header can be read.
    pub typical: Option<TypicalPhoto>,
}

impl PhotoFacts {
    /// Counts the photos, and looks at the headers of a few.
    pub fn of(dataset: &Dataset, split: &SplitFractions) -> PhotoFacts {
        let mut counts = vec![0; dataset.classes.len()];
        for photo in &dataset.photos {
            if let Some(count) = counts.get_mut(photo.class as usize) {
                *count += 1;
            }
        }
        let in_all = dataset.photos.len();
        let trained = |share: f32| (in_all as f64 * f64::from(share)).round() as usize;
        let training = match dataset.declares_parts() {
            true => {
                let photos = dataset.photos.iter();
                photos.filter(|photo| photo.part == Some(Part::Train)).count()
            }
            false => trained(1.0 - split.validation - split.test),
        };
        PhotoFacts {
            in_all,
            training: training.max(1),
            classes: dataset.classes.iter().cloned().zip(counts).collect(),
            typical: dataset.typical_photo(),
        }
    }

    /// The median short side in pixels.
    pub(super) fn short_side(&self) -> usize {
        self.typical.as_ref().map_or(1, TypicalPhoto::short_side).max(1)
    }

    /// In a few words.
    pub(super) fn in_words(&self) -> String {
        let photos = self.in_all;
        let classes = self.classes.len();
        format!("{photos} photos of {classes} classes, {} px", self.short_side())
    }

    /// Whether every class is a digit, which has no mirror image.
    pub(super) fn are_digits(&self) -> bool {
        let digit = |name: &str| name.len() == 1 && name.as_bytes()[0].is_ascii_digit();
        self.classes.iter().all(|(name, _)| digit(name))
    }

    /// How many times as many photos the largest class has as the smallest.
    pub(super) fn imbalance(&self) -> f64 {
        let counts = || self.classes.iter().map(|(_, count)| *count);
        let (least, most) = (counts().min().unwrap_or(1), counts().max().unwrap_or(1));
        most as f64 / least.max(1) as f64
    }

    /// Weights by the root of how rare a class is, as a rung has them, where classes are of very different size: rare ones count more,
    /// but a few photos of them are not learnt by heart.
    pub(super) fn class_weights(&self) -> Option<String> {
        if self.imbalance() < IMBALANCED {
            return None;
        }
        let count = |count: usize| count.max(1) as f64;
        let raw = |of: usize| libm::sqrt(1.0 / count(of));
        let classes = || self.classes.iter();
        let total: f64 = classes().map(|(_, of)| count(*of)).sum();
        let mean = classes().map(|(_, of)| count(*of) * raw(*of)).sum::<f64>() / total;
        let quoted = |name: &str| serde_json::to_string(name).unwrap_or_default();
        let weight = |(name, of): &(String, usize)| format!("{} = {:.3}", quoted(name), raw(*of) / mean);
        let weights: Vec<String> = classes().map(weight).collect();
        Some(format!("{{ {} }}", weights.join(", ")))
    }
}
