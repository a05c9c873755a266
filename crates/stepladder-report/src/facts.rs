//! What a report shows, as plain data; `report --json` prints it.

use crate::calibration::Calibration;
use serde::Serialize;
use stepladder_chart::Block;
use stepladder_classifier::Evaluation;
use stepladder_inspection::Finding;
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
    /// The network's diagram.
    #[serde(skip)]
    pub blocks: Vec<Block>,
    /// The time of a training step on the machine that made the report; null where it was not measured.
    pub step: Option<StepCost>,
    /// Why it was not; null where it was.
    pub no_step: Option<String>,
    /// The photos; null where they are not at hand.
    pub data: Option<DataFacts>,
    /// The test part where there is one, else the validation part; null where there is neither.
    pub answers: Option<PartAnswers>,
    /// Wrong answers, the surest first.
    pub mistakes: Vec<Answer>,
    /// Answers of the test part, the least sure first.
    pub unsure: Vec<Answer>,
    /// Photos whose label is likely wrong, the likeliest first, the first of them with pictures.
    pub doubtful: Vec<Answer>,
    /// Whether those were judged by the run's own model, which has learned the training photos with their labels.
    pub by_heart: bool,
    /// Photos of different parts that show nearly the same, by pretrained features, the most alike first.
    pub look_alikes: Vec<LookAlikes>,
    /// Right and wrong answers with where the network looked.
    pub looks: Vec<Answer>,
    /// One training photo as training has seen it.
    #[serde(skip)]
    pub augmented: Vec<AugmentedPhoto>,
    /// Why there are no pictures; null where there are.
    pub no_photos: Option<String>,
}

/// A layer of the network.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    /// Of a training step; null where it was not measured, or the layer has no kernel of its own.
    pub forward_seconds: Option<f64>,
    /// The way back through the layer, with the gradients of its parameters.
    pub backward_seconds: Option<f64>,
    /// What a training step keeps of the layer for the way back, in bytes, by the plan.
    pub kept_bytes: u64,
}

/// The time of a training step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StepCost {
    /// All of it.
    pub seconds: f64,
    /// What belongs to no layer: the loss, the optimizer.
    pub other_seconds: f64,
    /// Threads that computed.
    pub threads: usize,
}

/// What a run was trained on.
#[derive(Debug, Clone, Serialize)]
pub struct DataFacts {
    /// Photos of each class, by part.
    pub classes: Vec<ClassCounts>,
    /// What an inspection finds, the serious things first.
    pub findings: Vec<Finding>,
    /// For each finding the first of its groups, with their photos.
    #[serde(skip)]
    pub shown: Vec<Vec<Vec<FoundPhoto>>>,
}

/// Photos of a class in each part of the split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCounts {
    /// The class.
    pub class: String,
    /// To learn from.
    pub train: usize,
    /// To watch with.
    pub validation: usize,
    /// To judge by.
    pub test: usize,
}

/// A photo of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPhoto {
    /// Its name in the data.
    pub file: String,
    /// Its class, or why it was set aside.
    pub note: String,
    /// A small picture, as a data URI; none where it cannot be read.
    pub picture: Option<String>,
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

/// Two photos of different parts that show nearly the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LookAlikes {
    /// Of the validation or the test part.
    pub photo: PhotoShown,
    /// Of the training part.
    pub training_photo: PhotoShown,
    /// The cosine of the angle between their features.
    pub similarity: f64,
}

/// A photo without an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhotoShown {
    /// Its name in its data.
    pub file: String,
    /// Its label.
    pub class: String,
    /// A small picture, as a data URI; none where the photo is not at hand.
    #[serde(skip)]
    pub picture: Option<String>,
}

/// A photo after augmentation, as a data URI.
#[derive(Debug, Clone, PartialEq)]
pub struct AugmentedPhoto {
    /// What it is.
    pub caption: String,
    /// A small picture.
    pub picture: String,
}
