//! The steps of the backward pass: where each gradient is written, which gradients are added up, and which are one and the same.

use super::step::{BackwardStep, Epilogue, ForwardStep, Kind, Linear, LinearShape, Norm, Route};
use super::{Builder, ValueId};
use crate::precision::Precision;
use half::bf16;
use stepladder_kernels::{Element, Workspace};
use stepladder_model::ParameterId;

impl Builder<'_> {
    /// Whether the gradient by a step's output is wanted by somebody.
    pub(super) fn has_gradient(&self, kind: &Kind, inputs: &[ValueId]) -> bool {
        let through_parameters =
            self.shape.purpose.has_parameter_gradients() && !self.trained(kind).is_empty();
        through_parameters || inputs.iter().any(|input| self.needs_gradient[input.0])
    }

    /// Makes the place of the gradient by the output, which comes from outside. `wanted` is a value that the gradient is wanted by;
    /// without one, it is wanted by the parameters.
    pub(super) fn start_backward(&mut self, output: ValueId, wanted: Option<ValueId>) -> ValueId {
        if let Some(wanted) = wanted {
            self.needs_gradient.fill(false);
            self.needs_gradient[wanted.0] = true;
            for step in &self.forward {
                if step.inputs.iter().any(|input| self.needs_gradient[input.0]) {
                    self.needs_gradient[step.output.0] = true;
                }
            }
        }
        let value = self.values[output.0];
        let gradient = self.value(value.count, value.precision, self.layer_of[output.0]);
        self.gradients[output.0] = Some(gradient);
        self.time += 1;
        gradient
    }

    /// Adds the steps of the backward pass.
    pub(super) fn backward(&mut self) {
        for forward in (0..self.forward.len()).rev() {
            let step = &self.forward[forward];
            let (output, is_statistics) = (step.output, matches!(step.kind, Kind::Statistics { .. }));
            // What no gradient comes back to has no part in the output.
            let Some(gradient) =
                self.gradients[output.0].filter(|_| !is_statistics && self.needs_gradient[output.0])
            else {
                continue;
            };
            self.backward_step(forward, gradient);
        }
    }

    /// The gradient by a value; zeros that nobody writes where the output does not depend on it.
    pub(super) fn gradient_of(&mut self, value: ValueId) -> ValueId {
        match self.gradients[value.0] {
            Some(gradient) => gradient,
            None => self.value(0, Precision::F32, self.layer_of[value.0]),
        }
    }

    fn backward_step(&mut self, forward: usize, gradient: ValueId) {
        let step = self.forward[forward].clone();
        self.read(gradient);
        let trained = match self.shape.purpose.has_parameter_gradients() {
            true => self.trained(&step.kind),
            false => Vec::new(),
        };
        for value in kept(&step, !trained.is_empty()) {
            self.read(value);
        }
        if matches!(
            &step.kind,
            Kind::Epilogue(Epilogue {
                norm: Some(Norm::Batch { .. }),
                ..
            })
        ) {
            step.statistics
                .into_iter()
                .flatten()
                .for_each(|value| self.read(value));
        }
        let mut inputs: Vec<Route> = Vec::with_capacity(step.inputs.len());
        for position in 0..step.inputs.len() {
            let route = self.route(&step, position, gradient, inputs.contains(&Route::Same));
            inputs.push(route);
        }
        let parameters = trained
            .into_iter()
            .map(|id| {
                let count: usize = self.shape.graph.parameters[id.0].shape.iter().product();
                (id, self.value(count, Precision::F32, step.layer))
            })
            .collect();
        let workspace = self.workspace_of(&step.kind, &step.inputs);
        let bytes = workspace
            .input_gradient_bytes()
            .max(workspace.weight_gradient_bytes());
        self.note_workspace(step.layer, bytes);
        self.backward.push(BackwardStep {
            forward,
            gradient,
            inputs,
            parameters,
        });
        self.time += 1;
    }

    /// What becomes of the gradient by the input at `position`; `gradient` is that by the output, which may have gone to another
    /// input.
    fn route(&mut self, step: &ForwardStep, position: usize, gradient: ValueId, is_gone: bool) -> Route {
        let (kind, input) = (&step.kind, step.inputs[position]);
        let is_wanted = self.needs_gradient[input.0];
        if !is_wanted && !must_write(kind, position) {
            return Route::Unwanted;
        }
        let value = self.values[input.0];
        let layer = self.layer_of[input.0];
        let passes = passes_gradient(kind, position);
        let is_read_once = step.inputs.iter().filter(|other| **other == input).count() == 1;
        match self.gradients[input.0].filter(|_| is_wanted) {
            // The output's gradient has no other reader: it goes on as the input's.
            None if passes && is_wanted && is_read_once && !is_gone => {
                self.gradients[input.0] = Some(gradient);
                Route::Same
            }
            None => {
                let to = self.value(value.count, value.precision, layer);
                self.gradients[input.0] = is_wanted.then_some(to);
                Route::Write(to)
            }
            Some(to) => {
                self.read(to);
                let through = match (passes, accumulates(kind)) {
                    (true, _) => gradient,
                    (false, true) => to,
                    (false, false) => self.value(value.count, value.precision, layer),
                };
                Route::Add { to, through }
            }
        }
    }

    /// The parameters of a step that are trained, in the order in which their gradients come.
    fn trained(&self, kind: &Kind) -> Vec<ParameterId> {
        let all: Vec<Option<ParameterId>> = match kind {
            Kind::Linear(Linear { kernel, bias, .. }) => vec![Some(*kernel), *bias],
            Kind::Epilogue(Epilogue {
                norm: Some(Norm::Batch { gamma, beta, .. } | Norm::Moving { gamma, beta, .. }),
                ..
            })
            | Kind::LayerNorm { gamma, beta, .. } => vec![*gamma, *beta],
            Kind::Scale { gamma, .. } => vec![Some(*gamma)],
            Kind::Epilogue(_)
            | Kind::Convert
            | Kind::Statistics { .. }
            | Kind::Activation(_)
            | Kind::Softmax { .. }
            | Kind::Pool(_)
            | Kind::BlurPool(_)
            | Kind::GlobalAveragePool(_)
            | Kind::Dropout { .. }
            | Kind::StochasticDepth { .. }
            | Kind::Multiply(_)
            | Kind::Concatenate { .. }
            | Kind::Add => Vec::new(),
        };
        let is_trained = |id: &ParameterId| self.shape.graph.parameters[id.0].trainable;
        all.into_iter().flatten().filter(is_trained).collect()
    }

    /// What the kernels of a step take beside their operands.
    pub(super) fn workspace_of(&self, kind: &Kind, inputs: &[ValueId]) -> Workspace {
        match self.values[inputs[0].0].precision {
            Precision::F32 => self.workspace_as::<f32>(kind),
            Precision::Bf16 => self.workspace_as::<bf16>(kind),
        }
    }

    fn workspace_as<E: Element>(&self, kind: &Kind) -> Workspace {
        let (isa, threads) = (self.shape.isa, self.shape.threads);
        match kind {
            Kind::Linear(linear) => match linear.shape {
                LinearShape::Convolution(conv) => conv.workspace::<E>(isa, threads),
                LinearShape::Grouped(grouped) => grouped.workspace::<E>(isa, threads),
                LinearShape::Depthwise(depthwise) => depthwise.workspace::<E>(),
                LinearShape::Dense(dense) => dense.workspace::<E>(isa, threads),
            },
            Kind::Epilogue(epilogue) => {
                // By the sums of a batch norm's gradients, which one with moving statistics takes only where it is trained.
                let has_sums = match epilogue.norm {
                    Some(Norm::Batch { .. }) => true,
                    Some(Norm::Moving { .. }) => {
                        self.shape.purpose.has_parameter_gradients() && !self.trained(kind).is_empty()
                    }
                    Some(Norm::Constant { .. }) | None => false,
                };
                epilogue.shape.workspace::<E>(has_sums)
            }
            Kind::Pool(pool) => pool.workspace(threads),
            Kind::LayerNorm { shape, .. } => shape.workspace(),
            Kind::Scale { shape, .. } => shape.workspace(),
            Kind::Convert
            | Kind::Multiply(_)
            | Kind::BlurPool(_)
            | Kind::Statistics { .. }
            | Kind::Activation(_)
            | Kind::Softmax { .. }
            | Kind::GlobalAveragePool(_)
            | Kind::Dropout { .. }
            | Kind::StochasticDepth { .. }
            | Kind::Concatenate { .. }
            | Kind::Add => Workspace::default(),
        }
    }
}

/// The inputs of a step that its backward pass reads.
fn kept(step: &ForwardStep, has_trained: bool) -> Vec<ValueId> {
    let kept = |position: usize| {
        if let Kind::Epilogue(epilogue) = &step.kind {
            // x is wanted for the normalization's gradient, x and the skip for the slope of what follows.
            let is_normalized = position == 0 && epilogue.norm.is_some();
            is_normalized || !epilogue.passes_gradient_to_skip()
        } else {
            step.kind.keeps_inputs() && (has_trained || !matches!(step.kind, Kind::Linear(_)))
        }
    };
    let inputs = step.inputs.iter().enumerate();
    inputs
        .filter(|(position, _)| kept(*position))
        .map(|(_, input)| *input)
        .collect()
}

/// Whether the gradient by the input at `position` is that by the output, without any arithmetic.
fn passes_gradient(kind: &Kind, position: usize) -> bool {
    if let Kind::Epilogue(epilogue) = kind {
        let is_skip = position == 1;
        epilogue.passes_gradient_to_skip() && (is_skip || epilogue.norm.is_none())
    } else {
        *kind == Kind::Add
    }
}

/// Whether the kernel adds to the gradient by the input where it lies.
fn accumulates(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Linear(Linear {
            shape: LinearShape::Convolution(_) | LinearShape::Grouped(_) | LinearShape::Dense(_),
            ..
        })
    )
}

/// Whether the kernel gives the gradient by the input along with those of the parameters.
fn must_write(kind: &Kind, position: usize) -> bool {
    let is_first = position == 0;
    is_first
        && matches!(
            kind,
            Kind::Epilogue(_) | Kind::LayerNorm { .. } | Kind::Scale { .. }
        )
}
