//! Steps of the backward pass on Burn's tensors.

use super::forward::{layer_norm, pool_of, softmax};
use super::linear::Convolution;
use super::norm::row;
use super::{Burn, Flat, activation, at_precision, flattened, parameter, pool, rows};
use crate::backend::Operands;
use crate::precision::Precision;
use crate::program::{BackwardStep, Epilogue, ForwardStep, Kind, Linear, Norm, Program, Route};
use stepladder_kernels::Multiply;
use stepladder_model::ParameterId;

/// The gradients that a step gives.
#[derive(Debug, Default)]
struct Gradients {
    /// By its inputs, in their order; none where nobody wants them.
    inputs: Vec<Flat>,
    parameters: Vec<(Option<ParameterId>, Flat)>,
}

impl From<Flat> for Gradients {
    /// That by the only input, without parameters.
    fn from(input: Flat) -> Gradients {
        Gradients::by(vec![input])
    }
}

impl Gradients {
    fn by(inputs: Vec<Flat>) -> Gradients {
        Gradients {
            inputs,
            parameters: Vec::new(),
        }
    }

    /// Those by the input and two parameters, where they are.
    fn with([input, first, second]: [Flat; 3], ids: [Option<ParameterId>; 2]) -> Gradients {
        Gradients {
            inputs: vec![input],
            parameters: ids.into_iter().zip([first, second]).collect(),
        }
    }
}

impl Burn {
    /// Takes the step.
    pub(super) fn backward_step(&mut self, program: &Program, step: &BackwardStep, operands: &Operands<'_>) {
        let gradients = self.gradients(program, step, operands);
        for (route, gradient) in step.inputs.iter().zip(gradients.inputs) {
            match *route {
                Route::Unwanted | Route::Same => {}
                Route::Write(to) => self.put(program, to, gradient),
                Route::Add { to, .. } => {
                    let sum = self.value(to) + at_precision(gradient, Precision::F32);
                    self.put(program, to, sum);
                }
            }
        }
        for (id, gradient) in gradients.parameters {
            if let Some((_, place)) = step.parameters.iter().find(|(other, _)| Some(*other) == id) {
                self.put(program, *place, gradient);
            }
        }
    }

    fn gradients(&self, program: &Program, step: &BackwardStep, operands: &Operands<'_>) -> Gradients {
        let forward = &program.forward[step.forward];
        let x = || self.value(forward.inputs[0]);
        let dy = || self.value(step.gradient);
        match &forward.kind {
            Kind::Convert => dy().into(),
            Kind::Linear(linear) => self.linear_gradients(program, step, linear, operands),
            Kind::Statistics { .. } => Gradients::default(),
            Kind::Epilogue(epilogue) => self.epilogue_gradients(forward, epilogue, dy(), operands),
            Kind::Activation(function) => activation::backward(*function, x(), dy()).into(),
            Kind::Softmax { channels } => {
                let (y, dy) = (softmax(x(), *channels), rows(dy(), *channels));
                let along = (y.clone() * dy.clone()).sum_dim(1);
                flattened(y * (dy - along)).into()
            }
            Kind::Pool(pool) => pool::backward(pool, x(), dy()).into(),
            Kind::BlurPool(pool) => pool::blur_backward(pool, dy()).into(),
            Kind::GlobalAveragePool(pool) => pool::global_backward(pool, dy()).into(),
            Kind::Dropout { rate } => self.dropout(forward, *rate, dy(), operands).into(),
            Kind::StochasticDepth { rate } => self
                .stochastic_depth(program, forward, *rate, dy(), operands)
                .into(),
            Kind::LayerNorm { shape, gamma, beta } => {
                let x = rows(x(), shape.channels);
                let norm = layer_norm(shape, x.clone()).with(gamma.map(|id| parameter(operands, id)), None);
                Gradients::with(norm.backward(x, rows(dy(), shape.channels), 1), [*gamma, *beta])
            }
            Kind::Scale { shape, gamma } => {
                let (x, dy) = (rows(x(), shape.channels), rows(dy(), shape.channels));
                let dx = dy.clone() * row(parameter(operands, *gamma));
                Gradients {
                    inputs: vec![flattened(dx)],
                    parameters: vec![(Some(*gamma), flattened((dy * x).sum_dim(0)))],
                }
            }
            Kind::Multiply(multiply) => self.multiply_gradients(forward, multiply, dy()),
            Kind::Concatenate { channels } => {
                let dy = rows(dy(), channels.iter().sum());
                let parts = dy.split_with_sizes(channels.clone(), 1);
                Gradients::by(parts.into_iter().map(flattened).collect())
            }
            Kind::Add => Gradients::by(vec![dy(); forward.inputs.len()]),
        }
    }

    fn linear_gradients(
        &self,
        program: &Program,
        step: &BackwardStep,
        linear: &Linear,
        operands: &Operands<'_>,
    ) -> Gradients {
        let input = program.forward[step.forward].inputs[0];
        let convolution = Convolution::new(linear.shape);
        let precision = program.values[input.0].precision;
        let dy = at_precision(self.stored(step.gradient), precision);
        let weights = at_precision(parameter(operands, linear.kernel), precision);
        let mut gradients = Gradients::default();
        if step.inputs[0] != Route::Unwanted {
            gradients
                .inputs
                .push(convolution.input_gradient(dy.clone(), weights.clone()));
        }
        if step.parameters.is_empty() {
            return gradients;
        }
        let of_weights = convolution.weight_gradient(self.stored(input), dy, weights);
        let of_bias = convolution.bias_gradient(self.value(step.gradient));
        gradients.parameters = vec![(Some(linear.kernel), of_weights), (linear.bias, of_bias)];
        gradients
    }

    /// The gradients of the end of a block, whose values before the activation are computed again.
    fn epilogue_gradients(
        &self,
        forward: &ForwardStep,
        epilogue: &Epilogue,
        dy: Flat,
        operands: &Operands<'_>,
    ) -> Gradients {
        let channels = epilogue.shape.channels;
        let norm = self.norm(forward, epilogue, operands);
        // What is linear passes the gradient on, and has not kept its inputs.
        let dz = if epilogue.passes_gradient_to_skip() {
            rows(dy, channels)
        } else {
            let function = epilogue.shape.activation;
            let z = self.normalized_sum(forward, epilogue, norm.as_ref());
            let dy = match pool_of(epilogue) {
                Some(pool) => pool::backward(&pool, flattened(activation::forward(function, z.clone())), dy),
                None => dy,
            };
            activation::backward(function, z, rows(dy, channels))
        };
        let of_skip = flattened(dz.clone());
        let mut gradients = match (norm, &epilogue.norm) {
            (Some(norm), Some(Norm::Batch { gamma, beta, .. })) => {
                let x = self.rows(forward.inputs[0], channels);
                Gradients::with(norm.backward(x, dz, 0), [*gamma, *beta])
            }
            (Some(norm), Some(Norm::Moving { gamma, beta, .. })) => {
                let x = self.rows(forward.inputs[0], channels);
                let [_, by_gamma, by_beta] = norm.backward(x, dz.clone(), 0);
                Gradients::with([norm.constant_backward(dz), by_gamma, by_beta], [*gamma, *beta])
            }
            (Some(norm), _) => norm.constant_backward(dz).into(),
            (None, _) => flattened(dz).into(),
        };
        gradients.inputs.push(of_skip);
        gradients
    }

    /// The gradients of a product, of which one factor may have a single pixel for all of the other.
    fn multiply_gradients(&self, forward: &ForwardStep, multiply: &Multiply, dy: Flat) -> Gradients {
        let Multiply {
            batch,
            pixels,
            channels,
        } = *multiply;
        let dy = dy.reshape([batch, pixels[0].max(pixels[1]), channels]);
        let of = |at: usize| {
            let other = self
                .value(forward.inputs[1 - at])
                .reshape([batch, pixels[1 - at], channels]);
            let gradient = dy.clone() * other;
            flattened(if pixels[at] < pixels[1 - at] {
                gradient.sum_dim(1)
            } else {
                gradient
            })
        };
        Gradients::by(vec![of(0), of(1)])
    }
}
