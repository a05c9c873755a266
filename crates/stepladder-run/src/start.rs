//! What a run began with beside chance: the pretrained weights, what of them was used, and the head that was fitted to their
//! features. `start.json`, which only runs with a `[start]` table have.

use serde::{Deserialize, Serialize};

/// The pretrained weights of a run: `start.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartRecord {
    /// Where they came from, as the rung says.
    pub weights: String,
    /// The sum of the file, 64 hexadecimal digits.
    pub sha256: String,
    /// Parameters that have their values.
    pub loaded: usize,
    /// Parameters that have initial values of their own, the head's left out.
    pub missing: Vec<String>,
    /// Tensors of the file that no parameter wanted.
    pub unused: Vec<String>,
    /// Tensors that have another shape than their parameter, in words, the head's left out.
    pub misfits: Vec<String>,
    /// Classes whose part of the head comes from the weights.
    pub kept_classes: Vec<String>,
    /// The head that was fitted exactly; null where it was not, or not yet.
    #[serde(default)]
    pub head: Option<HeadRecord>,
}

/// A head that was fitted to features, and its figures before any gradient step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadRecord {
    /// Features of a photo.
    pub features: usize,
    /// Rows that it was fitted to: training photos in each of their views.
    pub rows: usize,
    /// The strength of regularization that did best on the validation part.
    pub strength: f64,
    /// Steps of L-BFGS over all strengths that were tried.
    pub iterations: usize,
    /// Mean cross-entropy on the training photos.
    pub loss: f64,
    /// Accuracy on the training photos.
    pub accuracy: f64,
    /// Mean cross-entropy on the validation part; null without one.
    pub val_loss: Option<f64>,
    /// Accuracy on the validation part; null without one.
    pub val_accuracy: Option<f64>,
}
