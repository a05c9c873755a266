//! Steps of the forward pass on the CPU.

use super::memory::View;
use super::{Cpu, Storage, affine};
use crate::backend::Operands;
use crate::precision::Precision;
use crate::profile::Work;
use crate::program::{Epilogue, ForwardStep, Kind, Linear, LinearShape, Program};
use half::bf16;
use stepladder_kernels::{Activation, Statistics, activation, channel_statistics, concatenate, elementwise};

impl Cpu {
    /// The step, whose input is stored as `E`.
    pub(super) fn forward_as<E: Storage>(
        &mut self,
        program: &Program,
        step: &ForwardStep,
        operands: &Operands<'_>,
    ) {
        let profile = self.profile.clone();
        profile.timed(Some(step.layer), work(program, step), || match &step.kind {
            Kind::Linear(linear) => self.linear::<E>(program, step, linear, operands),
            Kind::Statistics { channels } => self.statistics::<E>(program, step, *channels, operands.images),
            Kind::Epilogue(epilogue) => self.epilogue::<E>(program, step, epilogue, operands),
            Kind::Multiply(multiply) => {
                let reads = [0, 1].map(|at| step.inputs.get(at).copied());
                let ([a, b], [y]) = self
                    .memory
                    .views(program, operands.images, reads, [Some(step.output)]);
                multiply.forward::<E>(&self.context, a.get(), b.get(), y.get());
            }
            Kind::Concatenate { channels } => {
                let (parts, y) = self
                    .memory
                    .gather(program, operands.images, &step.inputs, step.output);
                let parts: Vec<(&[E], usize)> = parts
                    .into_iter()
                    .map(View::get)
                    .zip(channels.iter().copied())
                    .collect();
                concatenate::forward(&self.context, &parts, y.get());
            }
            Kind::Add => {
                for (position, value) in step.inputs.iter().enumerate() {
                    let ([x], [y]) =
                        self.memory
                            .views(program, operands.images, [Some(*value)], [Some(step.output)]);
                    match position {
                        0 => y.get::<E>().copy_from_slice(x.get()),
                        _ => elementwise::accumulate::<E>(&self.context, x.get(), y.get()),
                    }
                }
            }
            Kind::Convert
            | Kind::Activation(_)
            | Kind::Softmax { .. }
            | Kind::Pool(_)
            | Kind::BlurPool(_)
            | Kind::GlobalAveragePool(_)
            | Kind::Dropout { .. }
            | Kind::StochasticDepth { .. }
            | Kind::LayerNorm { .. }
            | Kind::Scale { .. } => self.one_to_one::<E>(program, step, operands),
        });
    }

    /// An operation with weights, and the statistics of its output where they are wanted.
    fn linear<E: Storage>(
        &mut self,
        program: &Program,
        step: &ForwardStep,
        linear: &Linear,
        operands: &Operands<'_>,
    ) {
        let Cpu { context, memory, .. } = self;
        let [mean, variance] = match step.statistics {
            Some(statistics) => statistics.map(Some),
            None => [None, None],
        };
        let writes = [Some(step.output), mean, variance];
        let ([x], [y, mean, variance]) =
            memory.views(program, operands.images, [Some(step.inputs[0])], writes);
        let (x, y) = (x.get::<E>(), y.get::<E>());
        let statistics = step.statistics.map(|_| Statistics {
            mean: mean.get(),
            variance: variance.get(),
        });
        let weights = operands.parameters[linear.kernel.0].host();
        let bias = linear.bias.map(|bias| operands.parameters[bias.0].host());
        let packed = operands.packed.get(linear.kernel.0).and_then(Option::as_deref);
        let activation = linear.activation;
        match (linear.shape, packed) {
            (LinearShape::Convolution(conv), Some(packed)) if statistics.is_none() => {
                conv.forward_packed(context, x, packed, bias, activation, y);
            }
            (LinearShape::Convolution(conv), _) if activation == Activation::Linear => {
                conv.forward(context, x, weights, bias, y, statistics);
            }
            (LinearShape::Convolution(conv), _) => {
                let packed = conv.pack::<E>(context, weights);
                conv.forward_packed(context, x, &packed, bias, activation, y);
            }
            (LinearShape::Grouped(grouped), _) => {
                grouped.forward(context, x, weights, bias, activation, y, statistics);
            }
            (LinearShape::Depthwise(depthwise), _) => {
                depthwise.forward(context, x, weights, bias, activation, y, statistics);
            }
            (LinearShape::Dense(dense), packed) => {
                match packed {
                    Some(packed) if statistics.is_none() => {
                        dense.forward_packed(context, x, packed, bias, activation, y);
                    }
                    _ if activation == Activation::Linear => dense.forward(context, x, weights, bias, y),
                    _ => {
                        let packed = dense.pack::<E>(context, weights);
                        dense.forward_packed(context, x, &packed, bias, activation, y);
                    }
                }
                if let Some(statistics) = statistics {
                    channel_statistics(context, y, dense.outputs, statistics);
                }
            }
        }
    }

    /// Mean and variance of each channel of a value.
    fn statistics<E: Storage>(
        &mut self,
        program: &Program,
        step: &ForwardStep,
        channels: usize,
        images: &[f32],
    ) {
        let writes = step
            .statistics
            .expect("a step of statistics has their places")
            .map(Some);
        let ([x], [mean, variance]) = self.memory.views(program, images, [Some(step.inputs[0])], writes);
        let statistics = Statistics {
            mean: mean.get(),
            variance: variance.get(),
        };
        channel_statistics::<E>(&self.context, x.get(), channels, statistics);
    }

    /// The end of a block.
    fn epilogue<E: Storage>(
        &mut self,
        program: &Program,
        step: &ForwardStep,
        epilogue: &Epilogue,
        operands: &Operands<'_>,
    ) {
        let Cpu { context, memory, .. } = self;
        let [mean, variance] = [0, 1].map(|at| step.statistics.map(|statistics| statistics[at]));
        let skip = step.inputs.get(1).copied();
        let reads = [Some(step.inputs[0]), skip, mean, variance];
        let ([x, r, mean, variance], [y]) =
            memory.views(program, operands.images, reads, [Some(step.output)]);
        let affine = epilogue
            .norm
            .as_ref()
            .map(|norm| affine(norm, operands.parameters, [mean.get(), variance.get()]));
        let skip = skip.map(|_| r.get::<E>());
        epilogue
            .shape
            .forward(context, x.get(), affine.as_ref(), skip, y.get());
    }

    /// A step with one input.
    fn one_to_one<E: Storage>(&mut self, program: &Program, step: &ForwardStep, operands: &Operands<'_>) {
        let Cpu { context, memory, .. } = self;
        let ([x], [y]) = memory.views(
            program,
            operands.images,
            [Some(step.inputs[0])],
            [Some(step.output)],
        );
        let x = x.get::<E>();
        let parameter = |id: &stepladder_model::ParameterId| operands.parameters[id.0].host();
        match &step.kind {
            Kind::Convert => match program.values[step.output.0].precision {
                Precision::F32 => elementwise::convert(context, x, y.get::<f32>()),
                Precision::Bf16 => elementwise::convert(context, x, y.get::<bf16>()),
            },
            Kind::Activation(function) => activation::forward(context, *function, x, y.get::<E>()),
            Kind::Softmax { channels } => activation::softmax_rows(context, *channels, x, y.get::<E>()),
            Kind::Pool(pool) => pool.forward(context, x, y.get::<E>()),
            Kind::BlurPool(pool) => pool.forward(context, x, y.get::<E>()),
            Kind::GlobalAveragePool(pool) => pool.forward(context, x, y.get::<E>()),
            Kind::Dropout { rate } => {
                let key = operands.noise.dropout_key(step.layer);
                elementwise::dropout(context, key, *rate, x, y.get::<E>());
            }
            Kind::StochasticDepth { rate } => {
                let factors = operands.noise.stochastic_depth(step.layer, *rate, program.photos);
                elementwise::scale_photos(context, &factors, x, y.get::<E>());
            }
            Kind::LayerNorm { shape, gamma, beta } => {
                let [gamma, beta] = [gamma, beta].map(|id| id.as_ref().map(parameter));
                shape.forward(context, x, gamma, beta, y.get::<E>());
            }
            Kind::Scale { shape, gamma } => shape.forward(context, x, parameter(gamma), y.get::<E>()),
            Kind::Linear(_)
            | Kind::Statistics { .. }
            | Kind::Epilogue(_)
            | Kind::Multiply(_)
            | Kind::Concatenate { .. }
            | Kind::Add => unreachable!("steps of more than one input, or of parameters of their own"),
        }
    }
}

/// What a step of the forward pass does at least.
fn work(program: &Program, step: &ForwardStep) -> Work {
    let values = step.inputs.iter().chain([&step.output]);
    let bytes = values
        .map(|value| program.values[value.0].words() * size_of::<u32>())
        .sum();
    let pass = match &step.kind {
        Kind::Linear(linear) => {
            return Work {
                pass: "forward",
                multiply_adds: linear.shape.multiply_adds(),
                bytes: bytes + size_of::<f32>() * linear.shape.weights_len(),
            };
        }
        Kind::Statistics { .. } => "statistics",
        Kind::Epilogue(_) => "epilogue forward",
        Kind::Convert => "convert",
        Kind::Pool(_) | Kind::BlurPool(_) | Kind::GlobalAveragePool(_) => "pool forward",
        Kind::Dropout { .. } => "dropout",
        Kind::Activation(_)
        | Kind::Softmax { .. }
        | Kind::StochasticDepth { .. }
        | Kind::LayerNorm { .. }
        | Kind::Scale { .. }
        | Kind::Multiply(_)
        | Kind::Concatenate { .. }
        | Kind::Add => "forward",
    };
    Work::passing(pass, bytes)
}
