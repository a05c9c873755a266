//! What the oracle stores of a network's training, and gradients as they are compared with it.

use serde::Deserialize;
use stepladder_model::OptimizerConfig;
use stepladder_nn::{Array, Model, Trainer};

/// Answers of another framework about one network, from the same weights and photos.
#[derive(Deserialize)]
pub struct Expected {
    pub size: usize,
    pub batch: usize,
    pub classes: usize,
    pub learning_rate: f32,
    pub logits: Vec<f32>,
    pub losses: Vec<f32>,
    pub gradients: Vec<Digest>,
    pub after: Vec<Digest>,
    pub logits_after: Vec<f32>,
}

/// The norm of an array and some of its values.
#[derive(Deserialize)]
pub struct Digest {
    pub name: String,
    pub norm: f64,
    pub at: Vec<usize>,
    pub values: Vec<f32>,
    /// Of a gradient: how far it moves, relatively, where each layer's output is rounded to bf16. That is far where max
    /// pooling then chooses other pixels.
    #[serde(default)]
    #[allow(dead_code, reason = "not all tests compare in bf16")]
    pub bf16: f64,
}

/// Plain gradient descent.
pub fn descent() -> OptimizerConfig {
    OptimizerConfig::Sgd {
        learning_rate: 1.0,
        momentum: 0.0,
        nesterov: false,
        weight_decay: None,
        clipping: None,
    }
}

/// Gradients of the loss, read off one step of plain gradient descent at `rate`, which is so large that the values before the step
/// cost small gradients no digits; `seed` keys the dropout masks.
pub fn gradients(model: Model, images: &[f32], labels: &[u32], rate: f32, seed: u64) -> Vec<Array> {
    let before = model.to_arrays();
    let mut trainer = Trainer::new(model, descent(), 0.0, seed);
    trainer.step(images, labels, rate);
    let after = trainer.model().to_arrays();
    let gradient = |(before, after): (Array, Array)| {
        let values = before.values.iter().zip(&after.values);
        let values = values.map(|(before, after)| (before - after) / rate).collect();
        Array::new(&before.name, before.shape, values)
    };
    before.into_iter().zip(after).map(gradient).collect()
}
