//! What a whole training takes in memory, how much of it there is, and what to do where that is less.

use crate::course::TrainingPhase;
use crate::environment::held_memory_bytes;
use crate::preparation::TrainingRequest;
use serde::Serialize;
use stepladder_nn::{StepMemory, StepShape};

pub use stepladder_classifier::free_bytes;

/// Batches made ahead take this much, unless memory is short.
const PREFETCH: usize = 256 << 20;

/// The least that is left to batches made ahead where memory is short: a share of what there is.
const PREFETCH_SHARE: u64 = 16;

/// What is not planned byte by byte (threads' stacks, the allocator's gaps), as a share of the rest.
const SLACK: f64 = 0.03;

/// Pages of the program's file that training is the first to touch: 4.0 to 4.4 MB for shallow and deep rungs at both precisions
/// (`RssFile` at the end of a run less that at its beginning, a release build for x86-64).
const CODE: u64 = 4 << 20;

/// The part of the free memory that a plan may fill where a batch is cut into pieces: plans are right to a tenth.
const FILLED: f64 = 0.85;

/// Memory of a training, in bytes: each line is held at the peak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryPlan {
    /// The program itself with the list of photos, as held now, and what training touches of its code.
    pub program: u64,
    /// Parameters and moving statistics.
    pub weights: u64,
    /// Gradients of the parameters.
    pub gradients: u64,
    /// The optimizer's moments.
    pub optimizer: u64,
    /// The moving average of the weights.
    pub averages: u64,
    /// What layers give, kept for the way back.
    pub activations: u64,
    /// What kernels hold beside.
    pub workspace: u64,
    /// The batch at work, and those made ahead.
    pub loader: u64,
    /// The best epoch's weights, and the copy of the state while a checkpoint is written.
    pub checkpoints: u64,
    /// All of it, with a little for what is not planned.
    pub total: u64,
    /// Photos that go through the network together.
    pub photos_at_once: usize,
    /// By layer.
    pub layers: Vec<LayerPlan>,
}

/// Memory of one layer, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerPlan {
    /// Its name.
    pub layer: String,
    /// Weights, gradients and moments.
    pub parameters: u64,
    /// Kept for the way back.
    pub activations: u64,
    /// What its passes take beside.
    pub workspace: u64,
}

impl MemoryPlan {
    /// The plan of a training on `photos` training photos, of which `at_once` go through together: that of the phase that takes most.
    ///
    /// # Panics
    ///
    /// Without a phase.
    pub fn new(
        request: &TrainingRequest,
        phases: &[TrainingPhase],
        photos: usize,
        at_once: usize,
    ) -> MemoryPlan {
        let plans = phases
            .iter()
            .map(|phase| of_phase(request, phase, photos, at_once));
        plans
            .max_by_key(|plan| plan.total)
            .expect("a training has a phase")
    }

    /// The plan with as many photos at once as fit into `free` bytes beside what is held now; with one, if not even that fits.
    pub fn fitting(
        request: &TrainingRequest,
        phases: &[TrainingPhase],
        photos: usize,
        free: u64,
    ) -> MemoryPlan {
        let batches = phases.iter().map(|phase| phase.batch_size);
        let batch = batches.max().unwrap_or(1).min(photos.max(1));
        let with = |pieces: usize| MemoryPlan::new(request, phases, photos, batch.div_ceil(pieces));
        let whole = with(1);
        if whole.takes() <= free {
            return whole;
        }
        let free = (free as f64 * FILLED) as u64;
        // Pieces are found by halving: what a plan takes grows with the photos at once.
        let (mut too_few, mut enough) = (1, batch);
        while enough - too_few > 1 {
            let middle = usize::midpoint(too_few, enough);
            if with(middle).takes() <= free {
                enough = middle;
            } else {
                too_few = middle;
            }
        }
        with(enough)
    }

    /// What training takes beside what the program holds already.
    pub fn takes(&self) -> u64 {
        self.total - self.program + CODE
    }
}

fn of_phase(request: &TrainingRequest, phase: &TrainingPhase, photos: usize, at_once: usize) -> MemoryPlan {
    let (rung, graph) = (&request.rung, &*phase.graph);
    let batch = phase.batch_size.min(photos.max(1));
    let at_once = at_once.clamp(1, batch);
    let step = StepMemory::new(&StepShape {
        graph,
        optimizer: &rung.optimizer,
        averages: rung.ema_momentum.is_some(),
        precision: request.precision,
        batch,
        micro_batch: at_once,
        answered: request.answers_at_once(Some(at_once)),
        threads: request.threads,
    });
    let state = step.weights + step.moments + step.averages;
    // The best weights are held, and the writer shares them; a checkpoint is a copy of the state, from which its file is written.
    let checkpoints = step.weights + state;
    let mixes = rung.training.mixup_alpha > 0.0 || rung.training.cutmix_alpha > 0.0;
    let [height, width, channels] = graph.input;
    let one = (batch * height * width * channels * size_of::<f32>()) as u64;
    let ahead = (prefetch_bytes(request) as u64 / one.max(1)).max(1);
    let batches = photos.div_ceil(batch.max(1)) as u64;
    // Those ahead, one that waits to be handed over, and what mixing copies.
    let loader = step.photos + (ahead + 1).min(batches.saturating_sub(1)) * one + u64::from(mixes) * one;
    let program = held_memory_bytes().unwrap_or(0) + CODE;
    let sum = state + step.kernels() + loader + checkpoints;
    let layers = step.layers.iter().map(|layer| LayerPlan {
        layer: layer.layer.clone(),
        parameters: layer.weights * (state + step.gradients) / step.weights.max(1),
        activations: layer.activations,
        workspace: layer.workspace,
    });
    MemoryPlan {
        program,
        weights: step.weights,
        gradients: step.gradients,
        optimizer: step.moments,
        averages: step.averages,
        activations: step.activations,
        workspace: step.workspace,
        loader,
        checkpoints,
        total: program + sum + (sum as f64 * SLACK) as u64,
        photos_at_once: at_once,
        layers: layers.collect(),
    }
}

/// What the loader may make ahead: less where memory is short, which changes no batch.
pub(crate) fn prefetch_bytes(request: &TrainingRequest) -> usize {
    let short = request.controls.memory.or_else(free_bytes);
    let share = short.map_or(u64::MAX, |bytes| bytes / PREFETCH_SHARE);
    PREFETCH.min(usize::try_from(share).unwrap_or(PREFETCH))
}
