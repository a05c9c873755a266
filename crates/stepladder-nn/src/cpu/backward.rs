//! Steps of the backward pass on the CPU.

use super::{Cpu, Storage, affine};
use crate::backend::Operands;
use crate::precision::Precision;
use crate::profile::Work;
use crate::program::{
    BackwardStep, Epilogue, ForwardStep, Kind, Linear, LinearShape, Norm, Program, Route, ValueId,
};
use half::bf16;
use stepladder_kernels::{LayerNormGradient, NormGradient, activation, concatenate, elementwise};
use stepladder_model::ParameterId;

impl Cpu {
    /// The step, whose forward step's input is stored as `E`.
    pub(super) fn backward_as<E: Storage>(
        &mut self,
        program: &Program,
        step: &BackwardStep,
        operands: &Operands<'_>,
    ) {
        let forward = &program.forward[step.forward];
        let kind = &forward.kind;
        if let Kind::Linear(linear) = kind {
            self.linear_backward::<E>(program, step, linear, operands);
        } else {
            let profile = self.profile.clone();
            profile.timed(Some(forward.layer), work(program, step, kind), || match kind {
                Kind::Epilogue(epilogue) => self.epilogue_backward::<E>(program, step, epilogue, operands),
                Kind::Multiply(multiply) => {
                    let [a, b] = [forward.inputs[0], forward.inputs[1]];
                    let reads = [Some(a), Some(b), Some(step.gradient)];
                    let writes = [0, 1].map(|at| target(step.inputs[at]));
                    let ([a, b, dy], [da, db]) = self.memory.views(program, operands.images, reads, writes);
                    let [da, db] =
                        [(da, writes[0]), (db, writes[1])].map(|(view, at)| at.map(|_| view.get::<E>()));
                    multiply.backward(&self.context, a.get(), b.get(), dy.get(), da, db);
                }
                Kind::Concatenate { channels } => {
                    for (part, route) in step.inputs.iter().enumerate() {
                        let Some(to) = target(*route) else { continue };
                        let ([dy], [dx]) = self.memory.views(program, &[], [Some(step.gradient)], [Some(to)]);
                        let mut parts: Vec<(Option<&mut [E]>, usize)> =
                            channels.iter().map(|channels| (None, *channels)).collect();
                        parts[part].0 = Some(dx.get());
                        concatenate::backward(&self.context, dy.get(), &mut parts);
                    }
                }
                Kind::Add => self.copy_gradient::<E>(program, step.gradient, &step.inputs),
                Kind::Linear(_) | Kind::Statistics { .. } => {}
                Kind::Convert
                | Kind::Activation(_)
                | Kind::Softmax { .. }
                | Kind::Pool(_)
                | Kind::BlurPool(_)
                | Kind::GlobalAveragePool(_)
                | Kind::Dropout { .. }
                | Kind::StochasticDepth { .. }
                | Kind::LayerNorm { .. }
                | Kind::Scale { .. } => self.one_to_one_backward::<E>(program, step, operands),
            });
        }
        self.add_up::<E>(program, step);
    }

    /// Adds the gradients that came by themselves to those of other readers.
    fn add_up<E: Storage>(&mut self, program: &Program, step: &BackwardStep) {
        let layer = program.forward[step.forward].layer;
        for route in &step.inputs {
            if let Route::Add { to, through } = *route
                && through != to
            {
                let bytes = 3 * program.values[to.0].words() * size_of::<u32>();
                let ([from], [to]) = self.memory.views(program, &[], [Some(through)], [Some(to)]);
                self.profile
                    .timed(Some(layer), Work::passing("sum of gradients", bytes), || {
                        elementwise::accumulate::<E>(&self.context, from.get(), to.get());
                    });
            }
        }
    }

    /// Copies the gradient by the output to where `routes` want it written.
    fn copy_gradient<E: Storage>(&mut self, program: &Program, gradient: ValueId, routes: &[Route]) {
        for route in routes {
            if let Route::Write(to) = *route {
                let ([from], [to]) = self.memory.views(program, &[], [Some(gradient)], [Some(to)]);
                to.get::<E>().copy_from_slice(from.get());
            }
        }
    }

    fn linear_backward<E: Storage>(
        &mut self,
        program: &Program,
        step: &BackwardStep,
        linear: &Linear,
        operands: &Operands<'_>,
    ) {
        let Cpu {
            context,
            memory,
            profile,
            ..
        } = self;
        let forward = &program.forward[step.forward];
        let weights = operands.parameters[linear.kernel.0].host();
        let weights_bytes = size_of_val(weights);
        let values = [forward.inputs[0], step.gradient];
        let bytes = values.map(|value| program.values[value.0].words() * size_of::<u32>());
        let work = |pass| Work {
            pass,
            multiply_adds: linear.shape.multiply_adds(),
            bytes: bytes[0] + bytes[1] + weights_bytes,
        };
        if let Some(to) = target(step.inputs[0]) {
            // Another reader's gradient is there already.
            let adds = matches!(step.inputs[0], Route::Add { to, through } if to == through);
            let ([dy], [dx]) = memory.views(program, &[], [Some(step.gradient)], [Some(to)]);
            let (dy, dx) = (dy.get::<E>(), dx.get::<E>());
            profile.timed(Some(forward.layer), work("input gradient"), || {
                match linear.shape {
                    LinearShape::Convolution(conv) => conv.input_gradient(context, dy, weights, dx, adds),
                    LinearShape::Grouped(grouped) => grouped.input_gradient(context, dy, weights, dx, adds),
                    LinearShape::Depthwise(depthwise) => depthwise.input_gradient(context, dy, weights, dx),
                    LinearShape::Dense(dense) => dense.input_gradient(context, dy, weights, dx, adds),
                }
            });
        }
        let [dw, db] = [Some(linear.kernel), linear.bias].map(|id| place_of(step, id));
        if dw.is_none() && db.is_none() {
            return;
        }
        let reads = values.map(Some);
        let ([x, dy], [of_weights, of_bias]) = memory.views(program, operands.images, reads, [dw, db]);
        let (x, dy, dw) = (x.get::<E>(), dy.get::<E>(), of_weights.get::<f32>());
        let db = db.map(|_| of_bias.get::<f32>());
        profile.timed(Some(forward.layer), work("weight gradient"), || {
            match linear.shape {
                LinearShape::Convolution(conv) => conv.weight_gradient(context, x, dy, dw, db),
                LinearShape::Grouped(grouped) => grouped.weight_gradient(context, x, dy, dw, db),
                LinearShape::Depthwise(depthwise) => depthwise.weight_gradient(context, x, dy, dw, db),
                LinearShape::Dense(dense) => dense.weight_gradient(context, x, dy, dw, db),
            }
        });
    }

    fn epilogue_backward<E: Storage>(
        &mut self,
        program: &Program,
        step: &BackwardStep,
        epilogue: &Epilogue,
        operands: &Operands<'_>,
    ) {
        let forward = &program.forward[step.forward];
        let passes = epilogue.passes_gradient_to_skip();
        if passes && epilogue.norm.is_none() {
            return self.copy_gradient::<E>(program, step.gradient, &step.inputs);
        }
        let Cpu { context, memory, .. } = self;
        let [mean, variance] = [0, 1].map(|at| forward.statistics.map(|statistics| statistics[at]));
        // The skip has no part in the slope of what is linear.
        let skip = forward.inputs.get(1).copied().filter(|_| !passes);
        let (gamma, beta) = match &epilogue.norm {
            Some(Norm::Batch { gamma, beta, .. } | Norm::Moving { gamma, beta, .. }) => {
                (place_of(step, *gamma), place_of(step, *beta))
            }
            Some(Norm::Constant { .. }) | None => (None, None),
        };
        let skip_route = step.inputs.get(1).copied().filter(|_| !passes);
        let to_skip = skip_route.and_then(target);
        let reads = [Some(forward.inputs[0]), skip, Some(step.gradient), mean, variance];
        let writes = [target(step.inputs[0]), to_skip, gamma, beta];
        let ([x, r, dy, mean, variance], [dx, ds, dgamma, dbeta]) =
            memory.views(program, operands.images, reads, writes);
        let (mean, variance) = (mean.get::<f32>(), variance.get::<f32>());
        let affine = epilogue
            .norm
            .as_ref()
            .map(|norm| affine(norm, operands.parameters, [mean, variance]));
        // A norm without gamma or beta has their gradients all the same, for nobody.
        let (mut of_gamma, mut of_beta) = (Vec::new(), Vec::new());
        let channels = epilogue.shape.channels;
        let norm = match &epilogue.norm {
            Some(Norm::Batch { epsilon, .. }) => Some(NormGradient {
                mean,
                variance,
                epsilon: *epsilon,
                of_batch: true,
                gamma: or_new(gamma.map(|_| dgamma.get()), &mut of_gamma, channels),
                beta: or_new(beta.map(|_| dbeta.get()), &mut of_beta, channels),
            }),
            Some(Norm::Moving { moving, epsilon, .. }) if gamma.is_some() || beta.is_some() => {
                let [mean, variance] = moving.map(|id| operands.parameters[id.0].host());
                Some(NormGradient {
                    mean,
                    variance,
                    epsilon: *epsilon,
                    of_batch: false,
                    gamma: or_new(gamma.map(|_| dgamma.get()), &mut of_gamma, channels),
                    beta: or_new(beta.map(|_| dbeta.get()), &mut of_beta, channels),
                })
            }
            Some(Norm::Moving { .. } | Norm::Constant { .. }) | None => None,
        };
        let skip = skip.map(|_| r.get::<E>());
        let ds = to_skip.map(|_| ds.get::<E>());
        epilogue.shape.backward(
            context,
            x.get(),
            affine.as_ref(),
            norm,
            skip,
            dy.get(),
            dx.get(),
            ds,
        );
        if passes {
            self.copy_gradient::<E>(program, step.gradient, &step.inputs[1..]);
        }
    }

    /// A step with one input.
    fn one_to_one_backward<E: Storage>(
        &mut self,
        program: &Program,
        step: &BackwardStep,
        operands: &Operands<'_>,
    ) {
        let Cpu { context, memory, .. } = self;
        let forward = &program.forward[step.forward];
        let Some(to) = target(step.inputs[0]) else { return };
        let input = forward.inputs[0];
        let kept = forward.kind.keeps_inputs().then_some(input);
        let (first, second) = if let Kind::LayerNorm { gamma, beta, .. } = forward.kind {
            (gamma, beta)
        } else if let Kind::Scale { gamma, .. } = forward.kind {
            (Some(gamma), None)
        } else {
            (None, None)
        };
        let parameter = |id: Option<ParameterId>| id.map(|id| operands.parameters[id.0].host());
        let [of_first, of_second] = [first, second].map(|id| place_of(step, id));
        let writes = [Some(to), of_first, of_second];
        let reads = [kept, Some(step.gradient)];
        let ([kept, dy], [dx, dfirst, dsecond]) = memory.views(program, operands.images, reads, writes);
        match &forward.kind {
            // The gradient is stored as the output is.
            Kind::Convert => match program.values[step.gradient.0].precision {
                Precision::F32 => elementwise::convert(context, dy.get::<f32>(), dx.get::<E>()),
                Precision::Bf16 => elementwise::convert(context, dy.get::<bf16>(), dx.get::<E>()),
            },
            Kind::Activation(function) => {
                activation::backward(context, *function, kept.get::<E>(), dy.get(), dx.get());
            }
            Kind::Softmax { channels } => {
                activation::softmax_rows_backward(context, *channels, kept.get::<E>(), dy.get(), dx.get());
            }
            Kind::Pool(pool) => pool.backward(context, kept.get::<E>(), dy.get(), dx.get()),
            Kind::BlurPool(pool) => pool.backward::<E>(context, dy.get(), dx.get()),
            Kind::GlobalAveragePool(pool) => pool.backward::<E>(context, dy.get(), dx.get()),
            Kind::Dropout { rate } => {
                let key = operands.noise.dropout_key(forward.layer);
                elementwise::dropout::<E>(context, key, *rate, dy.get(), dx.get());
            }
            Kind::StochasticDepth { rate } => {
                let factors = operands
                    .noise
                    .stochastic_depth(forward.layer, *rate, program.photos);
                elementwise::scale_photos::<E>(context, &factors, dy.get(), dx.get());
            }
            Kind::LayerNorm {
                shape,
                gamma,
                beta: _,
            } => {
                let gradients = LayerNormGradient {
                    gamma: of_first.map(|_| dfirst.get()),
                    beta: of_second.map(|_| dsecond.get()),
                };
                shape.backward::<E>(
                    context,
                    kept.get(),
                    parameter(*gamma),
                    dy.get(),
                    dx.get(),
                    gradients,
                );
            }
            Kind::Scale { shape, gamma } => {
                let mut unwanted = Vec::new();
                let dgamma = or_new(of_first.map(|_| dfirst.get()), &mut unwanted, shape.channels);
                let gamma = operands.parameters[gamma.0].host();
                shape.backward::<E>(context, kept.get(), gamma, dy.get(), dx.get(), dgamma);
            }
            Kind::Linear(_)
            | Kind::Statistics { .. }
            | Kind::Epilogue(_)
            | Kind::Multiply(_)
            | Kind::Concatenate { .. }
            | Kind::Add => unreachable!("steps of more than one input, or of parameters of their own"),
        }
    }
}

/// Where a kernel writes the gradient by an input.
fn target(route: Route) -> Option<ValueId> {
    match route {
        Route::Write(to) => Some(to),
        Route::Add { through, .. } => Some(through),
        Route::Unwanted | Route::Same => None,
    }
}

/// Where the gradient by a parameter is written, if it is trained.
fn place_of(step: &BackwardStep, id: Option<ParameterId>) -> Option<ValueId> {
    let place = |id: ParameterId| step.parameters.iter().find(|(other, _)| *other == id);
    id.and_then(place).map(|(_, value)| *value)
}

/// The slice, or a new one.
fn or_new<'a>(slice: Option<&'a mut [f32]>, new: &'a mut Vec<f32>, count: usize) -> &'a mut [f32] {
    match slice {
        Some(slice) => slice,
        None => {
            new.resize(count, 0.0);
            new
        }
    }
}

/// What a step of the backward pass does at least, but for operations with weights.
fn work(program: &Program, step: &BackwardStep, kind: &Kind) -> Work {
    let bytes = |value: ValueId| program.values[value.0].words() * size_of::<u32>();
    let forward: &ForwardStep = &program.forward[step.forward];
    let written = step
        .inputs
        .iter()
        .copied()
        .filter_map(target)
        .map(bytes)
        .sum::<usize>();
    let read = forward.inputs.iter().copied().map(bytes).sum::<usize>() + bytes(step.gradient);
    match kind {
        Kind::Epilogue(epilogue) => {
            let passes = if epilogue.norm.is_some() { 2 } else { 1 };
            Work::passing("epilogue backward", passes * read + written)
        }
        Kind::Pool(_) | Kind::BlurPool(_) | Kind::GlobalAveragePool(_) => {
            Work::passing("pool backward", read + written)
        }
        Kind::Convert => Work::passing("convert", bytes(step.gradient) + written),
        Kind::Dropout { .. } => Work::passing("dropout", bytes(step.gradient) + written),
        Kind::Linear(_)
        | Kind::Statistics { .. }
        | Kind::Activation(_)
        | Kind::Softmax { .. }
        | Kind::StochasticDepth { .. }
        | Kind::LayerNorm { .. }
        | Kind::Scale { .. }
        | Kind::Multiply(_)
        | Kind::Concatenate { .. }
        | Kind::Add => Work::passing("backward", read + written),
    }
}
