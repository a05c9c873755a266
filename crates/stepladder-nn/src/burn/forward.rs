//! Steps of the forward pass on Burn's tensors.

use super::linear::Convolution;
use super::norm::{Normalization, row, statistics};
use super::{Burn, Flat, activation, at_precision, flattened, parameter, pool, rows};
use crate::backend::Operands;
use crate::program::{Epilogue, ForwardStep, Kind, Linear, Norm, Program};
use burn::tensor::Tensor;
use stepladder_kernels::{LayerNorm, Pool2d, PoolKind, Window};

impl Burn {
    /// Takes the step.
    pub(super) fn forward_step(&mut self, program: &Program, step: &ForwardStep, operands: &Operands<'_>) {
        // Those of an epilogue are among its inputs.
        let channels = if let Kind::Statistics { channels } = step.kind {
            Some(channels)
        } else {
            let output = self.output(program, step, operands);
            self.put(program, step.output, output);
            if let Kind::Linear(linear) = &step.kind {
                Some(linear.shape.channels())
            } else {
                None
            }
        };
        if let (Some(channels), Some(places)) = (channels, step.statistics) {
            let found = statistics(self.rows(step.output, channels), 0);
            for (place, found) in places.into_iter().zip(found) {
                self.put(program, place, flattened(found));
            }
        }
    }

    fn output(&self, program: &Program, step: &ForwardStep, operands: &Operands<'_>) -> Flat {
        let x = || self.value(step.inputs[0]);
        match &step.kind {
            Kind::Convert => x(),
            Kind::Linear(linear) => self.linear(program, step, linear, operands),
            Kind::Statistics { .. } => unreachable!("statistics are no output"),
            Kind::Epilogue(epilogue) => {
                let norm = self.norm(step, epilogue, operands);
                let z = self.normalized_sum(step, epilogue, norm.as_ref());
                let y = flattened(activation::forward(epilogue.shape.activation, z));
                match pool_of(epilogue) {
                    Some(pool) => pool::forward(&pool, y),
                    None => y,
                }
            }
            Kind::Activation(function) => activation::forward(*function, x()),
            Kind::Softmax { channels } => flattened(softmax(x(), *channels)),
            Kind::Pool(pool) => pool::forward(pool, x()),
            Kind::BlurPool(pool) => pool::blur_forward(pool, x()),
            Kind::GlobalAveragePool(pool) => pool::global_forward(pool, x()),
            Kind::Dropout { rate } => self.dropout(step, *rate, x(), operands),
            Kind::StochasticDepth { rate } => self.stochastic_depth(program, step, *rate, x(), operands),
            Kind::LayerNorm { shape, gamma, beta } => {
                let x = rows(x(), shape.channels);
                let [gamma, beta] = [gamma, beta].map(|id| id.map(|id| parameter(operands, id)));
                flattened(layer_norm(shape, x.clone()).with(gamma, beta).forward(x))
            }
            Kind::Scale { shape, gamma } => {
                flattened(rows(x(), shape.channels) * row(parameter(operands, *gamma)))
            }
            Kind::Multiply(multiply) => {
                let [a, b] = [0, 1].map(|at| {
                    let shape = [multiply.batch, multiply.pixels[at], multiply.channels];
                    self.value(step.inputs[at]).reshape(shape)
                });
                flattened(a * b)
            }
            Kind::Concatenate { channels } => {
                let parts = step.inputs.iter().zip(channels);
                let parts = parts.map(|(value, channels)| rows(self.value(*value), *channels));
                flattened(Tensor::cat(parts.collect(), 1))
            }
            Kind::Add => {
                let terms = step.inputs.iter().map(|value| self.value(*value));
                terms.reduce(|sum, term| sum + term).expect("a sum of something")
            }
        }
    }

    /// An operation with weights, which are taken at the input's precision.
    fn linear(
        &self,
        program: &Program,
        step: &ForwardStep,
        linear: &Linear,
        operands: &Operands<'_>,
    ) -> Flat {
        let input = step.inputs[0];
        let parameter = |id| at_precision(parameter(operands, id), program.values[input.0].precision);
        let (weights, bias) = (parameter(linear.kernel), linear.bias.map(parameter));
        let y = Convolution::new(linear.shape).forward(self.stored(input), weights, bias);
        activation::forward(linear.activation, y)
    }

    /// The norm of an epilogue.
    pub(super) fn norm(
        &self,
        step: &ForwardStep,
        epilogue: &Epilogue,
        operands: &Operands<'_>,
    ) -> Option<Normalization> {
        let of = |id: &Option<_>| id.map(|id| parameter(operands, id));
        Some(match epilogue.norm.as_ref()? {
            Norm::Batch {
                gamma, beta, epsilon, ..
            } => {
                let statistics = step.statistics.expect("a batch norm has statistics");
                let statistics = statistics.map(|value| row(self.value(value)));
                Normalization::new(statistics, *epsilon).with(of(gamma), of(beta))
            }
            Norm::Moving {
                gamma,
                beta,
                moving,
                epsilon,
            } => {
                let moving = moving.map(|id| row(parameter(operands, id)));
                Normalization::new(moving, *epsilon).with(of(gamma), of(beta))
            }
            Norm::Constant { scale, shift } => {
                Normalization::constant(self.upload(scale.clone()), self.upload(shift.clone()))
            }
        })
    }

    /// norm(x) + skip, `[pixels, channels]`
    pub(super) fn normalized_sum(
        &self,
        step: &ForwardStep,
        epilogue: &Epilogue,
        norm: Option<&Normalization>,
    ) -> Tensor<2> {
        let channels = epilogue.shape.channels;
        let x = self.rows(step.inputs[0], channels);
        let z = match norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        match step.inputs.get(1) {
            Some(skip) => z + self.rows(*skip, channels),
            None => z,
        }
    }
}

/// The softmax of each pixel.
pub(super) fn softmax(x: Flat, channels: usize) -> Tensor<2> {
    burn::tensor::activation::softmax(rows(x, channels), 1)
}

/// The layer norm of `x`, without gamma and beta.
pub(super) fn layer_norm(shape: &LayerNorm, x: Tensor<2>) -> Normalization {
    Normalization::new(statistics(x, 1), shape.epsilon)
}

/// The max pooling of an epilogue, where it has one.
pub(super) fn pool_of(epilogue: &Epilogue) -> Option<Pool2d> {
    let shape = &epilogue.shape;
    (shape.pool != [1, 1]).then_some(Pool2d {
        batch: shape.batch,
        input: shape.input,
        channels: shape.channels,
        window: Window::valid(shape.pool, shape.pool),
        kind: PoolKind::Max,
    })
}
