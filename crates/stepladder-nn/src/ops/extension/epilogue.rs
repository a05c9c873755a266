//! The end of a block in one pass: batch normalization, skip addition, activation, max pooling.
//!
//! Only the block's input (and the skip) is kept for the backward pass, which computes the rest again.

use super::flex::{Storage, context, filled, in_order, nothing, values, with_storage};
use super::record::{Tracked, record};
use crate::profile::{self, Work};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use stepladder_kernels::{Activation, Affine, Epilogue, NormGradient};

/// What the end of a block is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish {
    /// Shapes, activation and pooling; input `[N, H, W, C]`, output `[N, H', W', C]`.
    pub epilogue: Epilogue,
    /// The epsilon of the batch norm, where there is one.
    pub norm: Option<f32>,
    /// Whether a skip is added.
    pub has_skip: bool,
}

/// The tensors of an epilogue; those that it does not have are empty.
#[derive(Debug, Clone)]
pub(super) struct Operands {
    /// `[N, H, W, C]`
    pub input: FlexTensor,
    /// `[C]`, f32, as the next three.
    pub gamma: FlexTensor,
    pub beta: FlexTensor,
    pub mean: FlexTensor,
    pub variance: FlexTensor,
    /// Of the input's shape.
    pub skip: FlexTensor,
}

impl Operands {
    fn in_order(&self) -> Operands {
        Operands {
            input: in_order(&self.input),
            gamma: in_order(&self.gamma),
            beta: in_order(&self.beta),
            mean: in_order(&self.mean),
            variance: in_order(&self.variance),
            skip: in_order(&self.skip),
        }
    }

    fn affine(&self, operation: Finish) -> Option<Affine> {
        operation.norm.map(|epsilon| {
            let [gamma, beta, mean, variance] =
                [&self.gamma, &self.beta, &self.mean, &self.variance].map(values::<f32>);
            Affine::new(gamma, beta, mean, variance, epsilon)
        })
    }
}

/// The operation without gradients; without batch statistics too, whoever made them.
pub(super) fn forward(operation: Finish, operands: &Operands) -> FlexTensor {
    let operands = operands.in_order();
    with_storage!(&operands.input, E => forward_as::<E>(operation, &operands))
}

fn forward_as<E: Storage>(operation: Finish, operands: &Operands) -> FlexTensor {
    let epilogue = operation.epilogue;
    let [height, width] = epilogue.output();
    let x = values::<E>(&operands.input);
    let skip = operation.has_skip.then(|| values::<E>(&operands.skip));
    let affine = operands.affine(operation);
    let bytes =
        size_of_val(x) * (1 + usize::from(operation.has_skip)) + epilogue.output_len() * size_of::<E>();
    profile::timed(Work::passing("epilogue forward", bytes), || {
        filled::<E>([epilogue.batch, height, width, epilogue.channels], |y| {
            epilogue.forward(context(), x, affine.as_ref(), skip, y)
        })
    })
}

/// Gradients by input, gamma, beta and skip, those that there are.
struct FinishGradients {
    input: FlexTensor,
    gamma: FlexTensor,
    beta: FlexTensor,
    skip: FlexTensor,
}

fn backward_as<E: Storage>(
    operation: Finish,
    operands: &Operands,
    output_gradient: &FlexTensor,
) -> FinishGradients {
    let epilogue = operation.epilogue;
    let x = values::<E>(&operands.input);
    let dy = values::<E>(output_gradient);
    let skip = operation.has_skip.then(|| values::<E>(&operands.skip));
    let affine = operands.affine(operation);
    // Where y = norm(x) + skip, nothing stands between the two gradients.
    let skip_is_output = epilogue.activation == Activation::Linear && epilogue.pool == [1, 1];
    let skip_gradient = operation.has_skip && !skip_is_output;

    let [mut gamma_gradient, mut beta_gradient] = [const { Vec::new() }; 2];
    let norm = operation.norm.map(|epsilon| {
        gamma_gradient = vec![0.0; epilogue.channels];
        beta_gradient = vec![0.0; epilogue.channels];
        NormGradient {
            mean: values(&operands.mean),
            variance: values(&operands.variance),
            epsilon,
            gamma: &mut gamma_gradient,
            beta: &mut beta_gradient,
        }
    });
    let shape = operands.input.shape();
    let passes = if operation.norm.is_some() { 2 } else { 1 };
    let reads = passes * (1 + usize::from(operation.has_skip));
    let writes = 1 + usize::from(skip_gradient);
    let bytes = size_of_val(x) * (reads + writes) + size_of_val(dy) * passes;
    let mut skip_written = nothing();
    let input = profile::timed(Work::passing("epilogue backward", bytes), || {
        filled::<E>(shape.clone(), |dx| {
            let run = |dx: &mut [E], ds: Option<&mut [E]>| {
                epilogue.backward(context(), x, affine.as_ref(), norm, skip, dy, dx, ds);
            };
            if skip_gradient {
                skip_written = filled::<E>(shape, |ds| run(dx, Some(ds)));
            } else {
                run(dx, None);
            }
        })
    });
    let of = |figures: Vec<f32>| filled([figures.len()], |to: &mut [f32]| to.copy_from_slice(&figures));
    FinishGradients {
        input,
        gamma: of(gamma_gradient),
        beta: of(beta_gradient),
        skip: if skip_gradient {
            skip_written
        } else {
            output_gradient.clone()
        },
    }
}

/// The backward pass; parents are input, gamma, beta and skip.
#[derive(Debug)]
struct FinishBackward;

impl Backward<Flex, 4> for FinishBackward {
    /// The operation with its layer and operands, values in order.
    type State = (Finish, profile::Layer, Operands);

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (operation, layer, operands) = ops.state;
        let _layer = layer.enter();
        let output_gradient = in_order(&gradients.consume::<Flex>(&ops.node));
        let found = with_storage!(&operands.input, E => {
            backward_as::<E>(operation, &operands, &output_gradient)
        });
        let [of_input, of_gamma, of_beta, of_skip] = ops.parents;
        let gradients_of = [
            (of_input, found.input),
            (of_gamma, found.gamma),
            (of_beta, found.beta),
            (of_skip, found.skip),
        ];
        for (parent, gradient) in gradients_of {
            if let Some(parent) = parent {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// The operation, recorded for the backward pass where a parent needs a gradient. `mean` and `variance` must be those of
/// `input` itself: the gradient by the input runs through them too.
pub(super) fn tracked<C: CheckpointStrategy>(
    operation: Finish,
    [input, gamma, beta, mean, variance, skip]: [Tracked<C>; 6],
) -> Tracked<C> {
    let (input, input_node) = input.into_parts();
    let (gamma, gamma_node) = gamma.into_parts();
    let (beta, beta_node) = beta.into_parts();
    let (skip, skip_node) = skip.into_parts();
    let operands = Operands {
        input,
        gamma,
        beta,
        mean: mean.into_primitive(),
        variance: variance.into_primitive(),
        skip,
    };
    let operands = operands.in_order();
    let output = forward(operation, &operands);
    let parents = [input_node, gamma_node, beta_node, skip_node];
    record::<_, C, 4>(
        FinishBackward,
        parents,
        (operation, profile::layer(), operands),
        output,
    )
}
