//! Which operations of a graph are computed together: what follows an operation with weights (batch norm, skip addition,
//! activation, max pooling) takes one pass over memory, its epilogue.
//!
//! Fusion changes what is computed in one pass, not what is computed.

use stepladder_model::{Activation, Graph, Op, Source};

/// One step of a forward pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub kind: StepKind,
    /// The operation whose value the step gives.
    pub output: usize,
}

/// What a step computes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StepKind {
    /// The operation `output` by itself.
    Operation,
    /// An operation with weights, and the activation behind it, in one pass; for inference, as a backward pass needs the value
    /// in between.
    Activated {
        operation: usize,
        activation: Activation,
    },
    /// The end of a block.
    Epilogue(Epilogue),
}

impl Step {
    /// What the step reads.
    pub fn inputs(&self, graph: &Graph) -> Vec<Source> {
        match &self.kind {
            StepKind::Operation => graph.operations[self.output].inputs.clone(),
            StepKind::Activated { operation, .. } => graph.operations[*operation].inputs.clone(),
            StepKind::Epilogue(epilogue) => [Some(epilogue.input), epilogue.skip]
                .into_iter()
                .flatten()
                .collect(),
        }
    }
}

/// y = max pool(activation(norm(x) + skip)), each part as the graph has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Epilogue {
    /// x
    pub input: Source,
    /// The batch normalization, or the normalization by constants.
    pub norm: Option<usize>,
    /// What is added.
    pub skip: Option<Source>,
    /// One that [`is_fused`] holds for.
    pub activation: Activation,
    /// Max pooling's windows, side by side; `[1, 1]` is none.
    pub pool: [usize; 2],
    stage: Stage,
}

/// How far an epilogue has come: each part may only follow those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Input,
    Normalized,
    Added,
    Activated,
    Pooled,
}

/// What a fusion is for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fusion {
    /// No backward pass follows.
    pub inference: bool,
    /// The value of this operation is wanted by itself: no step computes it on the way to another.
    pub wanted: Option<usize>,
}

/// Whether an epilogue may apply the activation.
pub(crate) fn is_fused(activation: Activation) -> bool {
    crate::kernel::activation(activation).is_some_and(|activation| activation.is_fused())
}

/// The steps of a forward pass up to the scores, in order.
pub(crate) fn fuse(graph: &Graph, fusion: Fusion) -> Vec<Step> {
    let mut steps = Planner::new(graph, fusion).steps();
    if fusion.inference {
        take_activations_along(graph, &mut steps);
    }
    steps
}

/// Makes one step of a layer with weights and the activation that directly follows it.
fn take_activations_along(graph: &Graph, steps: &mut Vec<Step>) {
    let readers = graph.readers();
    let mut taken: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps.drain(..) {
        let StepKind::Epilogue(epilogue) = &step.kind else {
            taken.push(step);
            continue;
        };
        let is_activation = epilogue.norm.is_none() && epilogue.skip.is_none() && epilogue.pool == [1, 1];
        match taken.last_mut() {
            Some(before)
                if is_activation
                    && before.kind == StepKind::Operation
                    && has_weights(&graph.operations[before.output].op)
                    && epilogue.input == Source::Operation(before.output)
                    && readers[before.output] == 1 =>
            {
                before.kind = StepKind::Activated {
                    operation: before.output,
                    activation: epilogue.activation,
                };
                before.output = step.output;
            }
            _ => taken.push(step),
        }
    }
    *steps = taken;
}

/// Whether an epilogue may stand behind the operation.
fn has_weights(op: &Op) -> bool {
    matches!(
        op,
        Op::Convolution { .. } | Op::DepthwiseConvolution { .. } | Op::Dense { .. }
    )
}

/// Groups operations into epilogues, one after the other.
struct Planner<'a> {
    graph: &'a Graph,
    wanted: Option<usize>,
    readers: Vec<usize>,
    epilogues: Vec<Epilogue>,
    /// The operation in which each epilogue ends.
    ends: Vec<usize>,
    /// The epilogue that each operation begins or is part of.
    of: Vec<Option<usize>>,
    /// Whether an epilogue computes the operation whole, so that it has no step of its own.
    absorbed: Vec<bool>,
}

impl<'a> Planner<'a> {
    fn new(graph: &'a Graph, fusion: Fusion) -> Planner<'a> {
        let count = graph.operations.len();
        let mut planner = Planner {
            graph,
            wanted: fusion.wanted,
            readers: graph.readers(),
            epilogues: Vec::new(),
            ends: Vec::new(),
            of: vec![None; count],
            absorbed: vec![false; count],
        };
        for index in 0..count {
            planner.place(index);
        }
        planner
    }

    /// Lets the operation begin an epilogue, or join that of an operation it reads.
    fn place(&mut self, index: usize) {
        let operation = &self.graph.operations[index];
        let input = operation.inputs[0];
        match &operation.op {
            Op::Convolution { .. } | Op::DepthwiseConvolution { .. } | Op::Dense { .. } => {
                self.of[index] = Some(self.epilogues.len());
                self.epilogues.push(Epilogue::new(Source::Operation(index)));
                self.ends.push(index);
            }
            Op::BatchNormalization { .. } | Op::Normalization { .. } => {
                self.join(index, input, Stage::Normalized).norm = Some(index);
            }
            Op::Add => {
                let &[a, b] = operation.inputs.as_slice() else {
                    return;
                };
                // The later of the two ends the block, and the other is its skip.
                let (last, skip) = match self.may_join(b, Stage::Added) {
                    true => (b, a),
                    false => (a, b),
                };
                self.join(index, last, Stage::Added).skip = Some(skip);
            }
            &Op::Activation(activation) => {
                if is_fused(activation) {
                    self.join(index, input, Stage::Activated).activation = activation;
                }
            }
            Op::MaxPooling(window) => {
                let is_plain = window.size == window.strides && window.padding == [[0; 2]; 2];
                let pool = window.size;
                if is_plain && self.may_join(input, Stage::Pooled) {
                    self.join(index, input, Stage::Pooled).pool = pool;
                }
            }
            Op::LayerNormalization { .. }
            | Op::Scale { .. }
            | Op::AveragePooling(_)
            | Op::BlurPooling
            | Op::GlobalAveragePooling
            | Op::Flatten
            | Op::Dropout { .. }
            | Op::StochasticDepth { .. }
            | Op::Multiply
            | Op::Concatenate => {}
        }
    }

    /// Whether the value of `source` is the end, so far, of an epilogue that nobody else reads and that has not come to
    /// `stage` yet.
    fn may_join(&self, source: Source, stage: Stage) -> bool {
        let Source::Operation(from) = source else {
            return false;
        };
        self.of[from].is_some_and(|at| {
            self.readers[from] == 1
                && self.wanted != Some(from)
                && self.ends[at] == from
                && self.epilogues[at].stage < stage
        })
    }

    /// The epilogue that ends in `source`, or a new one on it, with the operation `index` now its end and `stage` its stage.
    fn join(&mut self, index: usize, source: Source, stage: Stage) -> &mut Epilogue {
        let at = match source {
            Source::Operation(from) if self.may_join(source, stage) => self.of[from],
            Source::Operation(_) | Source::Image => None,
        };
        let at = at.unwrap_or_else(|| {
            self.epilogues.push(Epilogue::new(source));
            self.ends.push(index);
            self.epilogues.len() - 1
        });
        self.of[index] = Some(at);
        self.absorbed[index] = true;
        self.ends[at] = index;
        let epilogue = &mut self.epilogues[at];
        epilogue.stage = stage;
        epilogue
    }

    /// Each epilogue where its last operation stands, by which time all that it reads is there. The softmax at the end is the
    /// loss's, or is applied to what the pass gives.
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for output in 0..self.graph.operations.len().saturating_sub(1) {
            if !self.absorbed[output] {
                let kind = StepKind::Operation;
                steps.push(Step { kind, output });
            }
            if let Some(at) = self.of[output]
                && self.ends[at] == output
                && self.epilogues[at].stage != Stage::Input
            {
                let kind = StepKind::Epilogue(self.epilogues[at].clone());
                steps.push(Step { kind, output });
            }
        }
        steps
    }
}

impl Epilogue {
    fn new(input: Source) -> Epilogue {
        Epilogue {
            input,
            norm: None,
            skip: None,
            activation: Activation::Linear,
            pool: [1, 1],
            stage: Stage::Input,
        }
    }
}

#[cfg(test)]
mod tests;
