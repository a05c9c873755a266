//! What a training step takes in memory, worked out beforehand: the step is gone through layer by layer as [`crate::forward`] and
//! the backward passes of [`crate::ops`] go, with a ledger in the place of the kernels' buffers.
//!
//! It knows what the kernels ask for because it says the same again; a test holds the two together for every rung.

mod ledger;
mod recorded;
mod walk;
mod workspace;

use crate::precision::Precision;
use stepladder_model::{Network, OptimizerConfig};
use walk::Walk;

/// Further pieces of a batch find all buffers there.
const PIECES_WALKED: usize = 3;

/// What is trained, as far as memory goes.
#[derive(Debug, Clone, Copy)]
pub struct StepShape<'a> {
    /// What is computed.
    pub network: &'a Network,
    /// How many moments there are.
    pub optimizer: &'a OptimizerConfig,
    /// Whether a moving average of the weights is kept.
    pub averages: bool,
    /// How activations are stored.
    pub precision: Precision,
    /// Photos of a batch.
    pub batch: usize,
    /// The most of them that go through together.
    pub at_once: usize,
    /// Photos that are asked about together in validation, between steps; none where there is no validation.
    pub answered: usize,
    /// Threads that compute: each packs for itself.
    pub threads: usize,
}

/// Bytes that training steps hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepMemory {
    /// Parameters, moving statistics among them.
    pub weights: u64,
    /// Gradients of the trainable ones, twice where a batch goes in pieces.
    pub gradients: u64,
    /// Moments of the optimizer.
    pub moments: u64,
    /// The moving average of the weights.
    pub averages: u64,
    /// What the layers give, kept for the way back.
    pub activations: u64,
    /// All else that the kernels hold at the step's peak: gradients of activations, packed weights, partial sums, what
    /// buffers are rounded up by, and validation's where those of a step do not fit.
    pub workspace: u64,
    /// The batch of photos itself, with the piece that is computed.
    pub photos: u64,
    /// By node, in the network's order.
    pub layers: Vec<LayerMemory>,
}

/// Bytes of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerMemory {
    /// The layer's name.
    pub layer: String,
    /// Its parameters.
    pub weights: u64,
    /// What of it is kept for the way back.
    pub activations: u64,
    /// What its passes take beside, on the way there or back.
    pub workspace: u64,
}

impl StepMemory {
    /// Goes through two steps, in the second of which buffers are those of the first, and through validation.
    pub fn new(shape: &StepShape<'_>) -> StepMemory {
        let network = shape.network;
        let bytes = |count: u64| count * size_of::<f32>() as u64;
        let (weights, trainable) = (
            bytes(network.parameter_count()),
            bytes(network.trainable_parameter_count()),
        );
        let slots = moments(shape.optimizer);
        let at_once = shape.at_once.clamp(1, shape.batch.max(1));
        let pieces = shape.batch.div_ceil(at_once).max(1);
        // Pieces are as equal as can be, the smaller ones last.
        let piece = shape.batch.div_ceil(pieces);
        let mut sizes = vec![piece; pieces.min(PIECES_WALKED)];
        if let Some(last) = sizes.last_mut() {
            *last = shape.batch / pieces;
        }
        let mut walk = Walk::new(network, shape.precision, shape.threads);
        for _ in 0..2 {
            walk.step(&sizes);
        }
        walk.answer(shape.answered);
        let [height, width, channels] = network.input;
        let photo = (height * width * channels * size_of::<f32>()) as u64;
        let in_pieces = if pieces > 1 { piece as u64 } else { 0 };
        let held = walk.peak();
        let gradients = trainable * if pieces > 1 { 2 } else { 1 };
        StepMemory {
            weights,
            gradients,
            moments: slots * trainable,
            averages: if shape.averages { trainable } else { 0 },
            activations: walk.activations(),
            workspace: held.saturating_sub(walk.activations() + gradients),
            photos: (shape.batch as u64 + in_pieces) * photo,
            layers: walk.layers(),
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.moments + self.averages + self.photos + self.kernels()
    }

    /// What the kernels' buffers hold.
    pub fn kernels(&self) -> u64 {
        self.gradients + self.activations + self.workspace
    }
}

/// Moments of each parameter.
fn moments(optimizer: &OptimizerConfig) -> u64 {
    match optimizer {
        OptimizerConfig::Adam { .. } | OptimizerConfig::AdamW { .. } | OptimizerConfig::Nadam { .. } => 2,
        OptimizerConfig::Sgd { momentum, .. } => u64::from(*momentum != 0.0),
    }
}

/// Bytes that the kernels' buffers hold in this process, in use or not.
pub fn kernel_bytes() -> u64 {
    crate::ops::buffers().allocated_bytes() as u64
}

/// Gives the kernels' buffers that are not in use back to the system.
pub fn release_kernel_bytes() {
    crate::ops::buffers().release();
}
