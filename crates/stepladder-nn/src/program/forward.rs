//! The steps of the forward pass: each fused step of the graph with its shapes, and what it takes in memory.

use super::step::{Epilogue, ForwardStep, Kind, Linear, LinearShape, Norm};
use super::{Builder, Purpose, Value, ValueId};
use crate::fuse::{Epilogue as FusedEpilogue, Fusion, Step, StepKind, fuse};
use crate::kernel;
use crate::precision::Precision;
use stepladder_kernels::{
    Activation as KernelActivation, BlurPool, ChannelScale, Conv2d, Dense, DepthwiseConv2d,
    Epilogue as EpilogueShape, GlobalAveragePool, GroupedConv2d, LayerNorm, Multiply, Pool2d, PoolKind,
    channel_statistics_workspace,
};
use stepladder_model::{Graph, Op, Operation, Shape, Source};

/// Below it, a normalization by constants divides by this: Keras' epsilon.
const SMALLEST_DEVIATION: f32 = 1e-7;

impl Builder<'_> {
    /// Adds the steps of the forward pass. Gives its output, and the value that a gradient is wanted by.
    pub(super) fn forward(&mut self) -> (ValueId, Option<ValueId>) {
        let graph = self.shape.graph;
        let (target, wanted) = match self.shape.purpose {
            Purpose::Features => (features(graph), None),
            Purpose::MapGradient(operation) => (graph.logits(), Some(operation)),
            Purpose::Inference | Purpose::BatchStatistics | Purpose::Training | Purpose::Inspection => {
                (graph.logits(), None)
            }
        };
        let inference = self.shape.form.packed;
        for step in needed(graph, fuse(graph, Fusion { inference, wanted }), target) {
            self.step(&step);
        }
        let output = self.at_precision(target, Precision::F32);
        (
            output,
            wanted.map(|operation| self.source(Source::Operation(operation))),
        )
    }

    fn step(&mut self, step: &Step) {
        let output = match &step.kind {
            StepKind::Operation => self.operation(step.output, KernelActivation::Linear),
            StepKind::Activated {
                operation,
                activation,
            } => {
                let activation = kernel::activation(*activation).expect("an activation that is fused");
                self.operation(*operation, activation)
            }
            StepKind::Epilogue(epilogue) => self.epilogue(step.output, epilogue),
        };
        self.operations[step.output] = Some(output);
    }

    /// The value of an operation, and of the activation that is taken along.
    fn operation(&mut self, index: usize, activation: KernelActivation) -> ValueId {
        let graph = self.shape.graph;
        let operation = &graph.operations[index];
        let photos = self.shape.photos;
        let sources = &operation.inputs;
        let input = graph.shape(sources[0]);
        let [height, width, channels] = sides(input);
        let rows = photos * height * width;
        let pool = |kind, window| Pool2d {
            batch: photos,
            input: [height, width],
            channels,
            window: kernel::window(window),
            kind,
        };
        let linear = |shape, kernel, bias| Linear {
            shape,
            kernel,
            bias,
            activation,
        };
        let kind = match &operation.op {
            &Op::Convolution {
                window,
                groups,
                kernel,
                bias,
            } => {
                let conv = Conv2d {
                    batch: photos,
                    input: [height, width],
                    in_channels: channels,
                    out_channels: operation.output.channels(),
                    window: kernel::window(window),
                };
                let shape = match groups {
                    1 => LinearShape::Convolution(conv),
                    groups => LinearShape::Grouped(GroupedConv2d { conv, groups }),
                };
                return self.weighted(index, linear(shape, kernel, bias));
            }
            &Op::DepthwiseConvolution {
                window,
                multiplier,
                kernel,
                bias,
            } => {
                let shape = LinearShape::Depthwise(DepthwiseConv2d {
                    batch: photos,
                    input: [height, width],
                    channels,
                    multiplier,
                    window: kernel::window(window),
                });
                return self.weighted(index, linear(shape, kernel, bias));
            }
            &Op::Dense { kernel, bias } => {
                let shape = LinearShape::Dense(Dense {
                    batch: photos,
                    inputs: height * width * channels,
                    outputs: operation.output.channels(),
                });
                return self.weighted(index, linear(shape, kernel, bias));
            }
            Op::BatchNormalization { .. } | Op::Normalization { .. } => {
                unreachable!("fusion puts normalizations into epilogues")
            }
            // What changes nothing gives its input's value.
            Op::Flatten => return self.source(sources[0]),
            Op::Dropout { .. } | Op::StochasticDepth { .. } if self.shape.purpose != Purpose::Training => {
                return self.source(sources[0]);
            }
            Op::LayerNormalization { gamma, beta, epsilon } => Kind::LayerNorm {
                shape: LayerNorm {
                    rows,
                    channels,
                    epsilon: *epsilon,
                },
                gamma: *gamma,
                beta: *beta,
            },
            Op::Scale { gamma } => Kind::Scale {
                shape: ChannelScale { rows, channels },
                gamma: *gamma,
            },
            Op::Activation(activation) => match kernel::activation(*activation) {
                Some(activation) => Kind::Activation(activation),
                None => Kind::Softmax { channels },
            },
            Op::MaxPooling(window) => Kind::Pool(pool(PoolKind::Max, *window)),
            Op::AveragePooling(window) => Kind::Pool(pool(PoolKind::Average, *window)),
            Op::BlurPooling => Kind::BlurPool(BlurPool {
                batch: photos,
                input: [height, width],
                channels,
            }),
            Op::GlobalAveragePooling => Kind::GlobalAveragePool(GlobalAveragePool {
                batch: photos,
                pixels: height * width,
                channels,
            }),
            Op::Dropout { rate } => Kind::Dropout { rate: *rate },
            Op::StochasticDepth { rate } => Kind::StochasticDepth { rate: *rate },
            Op::Add => Kind::Add,
            Op::Multiply => {
                let pixels = |source: &Source| {
                    let [height, width, _] = sides(graph.shape(*source));
                    height * width
                };
                Kind::Multiply(Multiply {
                    batch: photos,
                    pixels: [pixels(&sources[0]), pixels(&sources[1])],
                    channels,
                })
            }
            Op::Concatenate => Kind::Concatenate {
                channels: sources
                    .iter()
                    .map(|source| graph.shape(*source).channels())
                    .collect(),
            },
        };
        let inputs = sources
            .iter()
            .map(|source| self.at_precision(*source, self.shape.form.precision))
            .collect();
        let count = photos * count(operation.output);
        self.push(
            kind,
            inputs,
            None,
            count,
            self.shape.form.precision,
            operation.layer,
        )
    }

    /// The step of an operation with weights; with the statistics of its output where a batch norm of training reads them.
    fn weighted(&mut self, index: usize, linear: Linear) -> ValueId {
        let graph = self.shape.graph;
        let operation = &graph.operations[index];
        let precision = self.shape.form.precision_of(graph, index);
        let input = self.at_precision(operation.inputs[0], precision);
        let layer = operation.layer;
        let wants_statistics = self.shape.purpose.uses_batch_statistics() && is_normalized(graph, index);
        let statistics = wants_statistics.then(|| self.new_statistics(linear.shape.channels(), layer));
        let count = self.shape.photos * count(operation.output);
        if wants_statistics && matches!(linear.shape, LinearShape::Dense(_)) {
            // A dense layer leaves none by itself.
            self.note_statistics(count, linear.shape.channels(), layer);
        }
        let kind = Kind::Linear(linear);
        let output = self.push(kind, vec![input], statistics, count, precision, layer);
        self.statistics[output.0] = statistics;
        output
    }

    /// Places for the mean and variance of each channel.
    fn new_statistics(&mut self, channels: usize, layer: usize) -> [ValueId; 2] {
        [0, 1].map(|_| self.value(channels, Precision::F32, layer))
    }

    /// Notes what a pass over so many values takes for their mean and variance.
    fn note_statistics(&mut self, count: usize, channels: usize, layer: usize) {
        let workspace = channel_statistics_workspace(count / channels, channels);
        self.note_workspace(layer, workspace.forward_bytes());
    }

    fn epilogue(&mut self, index: usize, fused: &FusedEpilogue) -> ValueId {
        let graph = self.shape.graph;
        let operation = &graph.operations[index];
        // Photos are normalized before they are rounded.
        let is_of_photos = fused.norm.is_some() && fused.input == Source::Image && fused.skip.is_none();
        let precision = if is_of_photos {
            Precision::F32
        } else {
            self.shape.form.precision
        };
        let mut inputs = vec![self.at_precision(fused.input, precision)];
        inputs.extend(fused.skip.map(|skip| self.at_precision(skip, precision)));
        let [height, width, channels] = sides(graph.shape(fused.input));
        let norm = fused.norm.map(|norm| self.norm(norm, channels));
        let statistics = matches!(norm, Some(Norm::Batch { .. }))
            .then(|| self.statistics_of(inputs[0], channels, operation.layer));
        let epilogue = Epilogue {
            shape: EpilogueShape {
                batch: self.shape.photos,
                input: [height, width],
                channels,
                activation: kernel::activation(fused.activation).expect("an activation that is fused"),
                pool: fused.pool,
            },
            norm,
        };
        let count = self.shape.photos * count(operation.output);
        let kind = Kind::Epilogue(epilogue);
        if let Some(statistics) = statistics {
            statistics.into_iter().for_each(|value| self.read(value));
        }
        self.push(kind, inputs, statistics, count, precision, operation.layer)
    }

    /// The normalization of an epilogue.
    fn norm(&self, index: usize, channels: usize) -> Norm {
        let op = &self.shape.graph.operations[index].op;
        if let Op::Normalization { mean, variance } = op {
            return constant_norm(mean, variance, channels);
        }
        let &Op::BatchNormalization {
            gamma,
            beta,
            moving_mean,
            moving_variance,
            momentum,
            epsilon,
        } = op
        else {
            unreachable!("fusion takes only normalizations for one")
        };
        let moving = [moving_mean, moving_variance];
        let layer = &self.shape.graph.layers[self.shape.graph.operations[index].layer];
        match self.shape.purpose.uses_batch_statistics() && !layer.frozen_statistics {
            true => Norm::Batch {
                gamma,
                beta,
                moving,
                epsilon,
                momentum,
            },
            false => Norm::Moving {
                gamma,
                beta,
                moving,
                epsilon,
            },
        }
    }

    /// The mean and variance of a value: as its step left them, or by a step of their own.
    fn statistics_of(&mut self, value: ValueId, channels: usize, layer: usize) -> [ValueId; 2] {
        if let Some(statistics) = self.statistics[value.0] {
            return statistics;
        }
        let statistics = self.new_statistics(channels, layer);
        self.note_statistics(self.values[value.0].count, channels, layer);
        self.read(value);
        self.forward.push(ForwardStep {
            kind: Kind::Statistics { channels },
            inputs: vec![value],
            output: value,
            statistics: Some(statistics),
            layer,
        });
        self.time += 1;
        self.statistics[value.0] = Some(statistics);
        statistics
    }

    /// A source's value at a precision, converted where it is stored at another.
    fn at_precision(&mut self, source: Source, precision: Precision) -> ValueId {
        let value = self.source(source);
        let Value {
            count,
            precision: stored,
            ..
        } = self.values[value.0];
        if stored == precision {
            return value;
        }
        if let Some(converted) = self.converted[value.0] {
            return converted;
        }
        let layer = self.layer_of[value.0];
        let converted = self.push(Kind::Convert, vec![value], None, count, precision, layer);
        self.converted[value.0] = Some(converted);
        converted
    }

    /// Adds a step, and gives its output.
    fn push(
        &mut self,
        kind: Kind,
        inputs: Vec<ValueId>,
        statistics: Option<[ValueId; 2]>,
        count: usize,
        precision: Precision,
        layer: usize,
    ) -> ValueId {
        inputs.iter().for_each(|&input| self.read(input));
        let output = self.value(count, precision, layer);
        self.needs_gradient[output.0] = self.has_gradient(&kind, &inputs);
        let workspace = self.workspace_of(&kind, &inputs);
        let bytes = match self.shape.form.packed {
            true => workspace.inference_bytes(),
            false => workspace.forward_bytes(),
        };
        self.note_workspace(layer, bytes);
        self.forward.push(ForwardStep {
            kind,
            inputs,
            output,
            statistics,
            layer,
        });
        self.time += 1;
        output
    }
}

/// (x - mean) / deviation of each channel, as Keras' `Normalization` has it.
fn constant_norm(mean: &[f32], variance: &[f32], channels: usize) -> Norm {
    let of = |values: &[f32], channel: usize| values[channel % values.len()];
    let deviation = |channel| of(variance, channel).sqrt().max(SMALLEST_DEVIATION);
    let scale: Vec<f32> = (0..channels).map(|channel| 1.0 / deviation(channel)).collect();
    let shift = (0..channels).map(|channel| -of(mean, channel) * scale[channel]);
    Norm::Constant {
        shift: shift.collect(),
        scale,
    }
}

/// The steps that the target's value needs.
fn needed(graph: &Graph, mut steps: Vec<Step>, target: Source) -> Vec<Step> {
    let mut wanted = vec![target];
    steps.reverse();
    steps.retain(|step| {
        let is_wanted = wanted.contains(&Source::Operation(step.output));
        if is_wanted {
            wanted.extend(step.inputs(graph));
        }
        is_wanted
    });
    steps.reverse();
    steps
}

/// What the dense layer that makes the scores reads, seen through what only rescales or bends them; the scores themselves where
/// no dense layer makes them.
fn features(graph: &Graph) -> Source {
    match graph.head() {
        Some(head) => graph.operations[head].inputs[0],
        None => graph.logits(),
    }
}

/// Whether a batch norm that goes by its batch's statistics, and nobody else, reads the operation.
fn is_normalized(graph: &Graph, index: usize) -> bool {
    let reads = |source: &Source| *source == Source::Operation(index);
    let mut readers = graph
        .operations
        .iter()
        .filter(|operation| operation.inputs.iter().any(reads));
    let first = readers.next();
    let by_batch = |reader: &Operation| {
        matches!(reader.op, Op::BatchNormalization { .. }) && !graph.layers[reader.layer].frozen_statistics
    };
    readers.next().is_none() && first.is_some_and(by_batch)
}

/// Height, width and channels; of a vector, those of a map of one pixel.
fn sides(shape: Shape) -> [usize; 3] {
    match shape {
        Shape::Map {
            height,
            width,
            channels,
        } => [height, width, channels],
        Shape::Vector { units } => [1, 1, units],
    }
}

/// Numbers in a value, per photo.
fn count(shape: Shape) -> usize {
    sides(shape).iter().product()
}
