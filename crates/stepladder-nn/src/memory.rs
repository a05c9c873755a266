//! What a training takes in memory, known beforehand: the block in which a step's values lie, the largest workspace of a kernel, and
//! what is kept from step to step. It is read off the programs that training runs.

use crate::cpu::instruction_set;
use crate::optimizer::{Optimizer, moments_kept};
use crate::portion::portion;
use crate::precision::Precision;
use crate::program::{Form, Program, ProgramShape, Purpose};
use stepladder_model::{Graph, OptimizerConfig};

/// What is trained, as far as memory goes.
#[derive(Debug, Clone, Copy)]
pub struct StepShape<'a> {
    /// What is computed.
    pub graph: &'a Graph,
    /// How many moments there are, and whether gradients are kept until all are there.
    pub optimizer: &'a OptimizerConfig,
    /// Whether a moving average of the weights is kept.
    pub averages: bool,
    /// How activations are stored.
    pub precision: Precision,
    /// Photos of a batch.
    pub batch: usize,
    /// The most of them in a micro-batch.
    pub micro_batch: usize,
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
    /// Gradients of the trainable ones, where they are kept until all are there: for micro-batches, and to clip by their common norm.
    pub gradients: u64,
    /// Moments of the optimizer.
    pub moments: u64,
    /// The moving average of the weights.
    pub averages: u64,
    /// What the layers give, kept for the backward pass.
    pub activations: u64,
    /// The rest of the block in which values lie, and what kernels take beside: gradients of activations and of one layer's
    /// parameters, packed weights, partial sums; and validation's, where it takes more than a step.
    pub workspace: u64,
    /// The batch of photos itself.
    pub photos: u64,
    /// By layer, in the graph's order.
    pub layers: Vec<LayerMemory>,
}

/// Bytes of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerMemory {
    /// The layer's name.
    pub layer: String,
    /// Its parameters.
    pub weights: u64,
    /// What of it is kept for the backward pass.
    pub activations: u64,
    /// What its kernels take beside.
    pub workspace: u64,
}

impl StepMemory {
    /// Reads the bytes off the programs of a training.
    pub fn new(shape: &StepShape<'_>) -> StepMemory {
        let graph = shape.graph;
        let bytes = |count: u64| count * size_of::<f32>() as u64;
        let (weights, trainable) = (
            bytes(graph.parameter_count()),
            bytes(graph.trainable_parameter_count()),
        );
        let micro_batch = shape.micro_batch.clamp(1, shape.batch.max(1));
        let micro_batches = shape.batch.div_ceil(micro_batch).max(1);
        let largest = shape.batch.div_ceil(micro_batches).max(1);
        let step = program(shape, Purpose::Training, largest);
        let portion = portion(graph, shape.precision.bytes()).unwrap_or(shape.answered);
        let answer =
            (shape.answered > 0).then(|| program(shape, Purpose::Inference, portion.min(shape.answered)));
        let most = |of: fn(&Program) -> usize| answer.as_ref().map_or(0, of).max(of(&step)) as u64;
        let block = most(|program| program.words * size_of::<u32>());
        let keeps = micro_batches > 1 || Optimizer::new(shape.optimizer.clone()).needs_all_gradients();
        let image: usize = graph.input.iter().product();
        let layers = graph.layers.iter().zip(&step.layers).enumerate();
        StepMemory {
            weights,
            gradients: if keeps { trainable } else { 0 },
            moments: moments_kept(shape.optimizer) as u64 * trainable,
            averages: if shape.averages { trainable } else { 0 },
            activations: step.kept as u64,
            workspace: block - (step.kept as u64).min(block) + most(|program| program.workspace),
            photos: bytes((shape.batch * image) as u64),
            layers: layers
                .map(|(index, (layer, held))| LayerMemory {
                    layer: layer.name.clone(),
                    weights: bytes(graph.layer_parameter_count(index)),
                    activations: held.kept as u64,
                    workspace: held.workspace as u64,
                })
                .collect(),
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.moments + self.averages + self.photos + self.kernels()
    }

    /// What passes hold beside parameters, moments and photos.
    pub fn kernels(&self) -> u64 {
        self.gradients + self.activations + self.workspace
    }
}

/// Bytes that it takes to answer about one photo: the weights as they are stored, folded and packed, the photo, and what the passes hold.
pub fn inference_bytes(graph: &Graph, precision: Precision, threads: usize) -> u64 {
    let bytes = |count: u64| count.saturating_mul(size_of::<f32>() as u64);
    let program = Program::new(&ProgramShape {
        graph,
        purpose: Purpose::Inference,
        photos: 1,
        form: Form {
            precision,
            packed: true,
        },
        isa: instruction_set(),
        threads,
    });
    let image: u64 = graph.input.iter().map(|&side| side as u64).product();
    let passes = (program.words as u64).saturating_mul(size_of::<u32>() as u64) + program.workspace as u64;
    bytes(graph.parameter_count())
        .saturating_mul(3)
        .saturating_add(bytes(image))
        .saturating_add(passes)
}

fn program(shape: &StepShape<'_>, purpose: Purpose, photos: usize) -> Program {
    Program::new(&ProgramShape {
        graph: shape.graph,
        purpose,
        photos,
        form: Form {
            precision: shape.precision,
            packed: false,
        },
        isa: instruction_set(),
        threads: shape.threads,
    })
}
