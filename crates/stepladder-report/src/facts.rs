//! What a report shows, as plain data; `report --json` prints it.

use crate::calibration::Calibration;
use serde::Serialize;
use stepladder_classifier::Evaluation;
use stepladder_train::{Config, Diagnosis, Environment, EpochRecord, Summary};

/// A run, and what its model makes of its photos.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// What the run reached.
    pub summary: Summary,
    /// What was asked for.
    pub config: Config,
    /// Where it was made; null where the run does not say.
    pub environment: Option<Environment>,
    /// The rung's file.
    pub rung: String,
    /// What the rung changes of its parent, in its own words.
    pub change: String,
    /// One for each epoch.
    pub epochs: Vec<EpochRecord>,
    /// What the watch found.
    pub diagnoses: Vec<Diagnosis>,
    /// The network, layer by layer.
    pub layers: Vec<LayerRow>,
    /// The test part where there is one, else the validation part; null where there is neither.
    pub answers: Option<PartAnswers>,
    /// Wrong answers, the surest first.
    pub mistakes: Vec<Answer>,
    /// Answers of the test part, the least sure first.
    pub unsure: Vec<Answer>,
    /// Photos whose label is likely wrong, the likeliest first.
    pub doubtful: Vec<Answer>,
    /// Right and wrong answers with where the network looked.
    pub looks: Vec<Answer>,
    /// One training photo as training has seen it.
    #[serde(skip)]
    pub augmented: Vec<AugmentedPhoto>,
    /// Why there are no pictures; null where there are.
    pub no_photos: Option<String>,
}

/// A layer of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerRow {
    /// Its name.
    pub name: String,
    /// Its kind, as Keras calls it.
    pub kind: String,
    /// What it gives: `64 x 64 x 32`, or `256`.
    pub output: String,
    /// Trained values and moving statistics.
    pub parameters: u64,
    /// For one photo.
    pub multiply_adds: u64,
}

/// What the model makes of a part.
#[derive(Debug, Clone, Serialize)]
pub struct PartAnswers {
    /// `test` or `validation`.
    pub part: &'static str,
    /// Accuracy, classes, confusion.
    pub evaluation: Evaluation,
    /// As the network gives its probabilities.
    pub raw: Calibration,
    /// With the model's temperature; null where it has none.
    pub calibrated: Option<Calibration>,
    /// The temperature; null where the model has none.
    pub temperature: Option<f64>,
}

/// An answer about one photo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The photo's name in its data.
    pub file: String,
    /// Its label.
    pub class: String,
    /// The answer.
    pub predicted: String,
    /// The answer's probability, with the model's temperature.
    pub probability: f32,
    /// The label's probability.
    pub of_class: f32,
    /// A small picture, as a data URI; none where the photo is not at hand.
    #[serde(skip)]
    pub picture: Option<String>,
    /// The same with the places that speak for the answer; none where nothing does.
    #[serde(skip)]
    pub look: Option<String>,
}

/// A photo after augmentation, as a data URI.
#[derive(Debug, Clone, PartialEq)]
pub struct AugmentedPhoto {
    /// What it is.
    pub caption: String,
    /// A small picture.
    pub picture: String,
}
