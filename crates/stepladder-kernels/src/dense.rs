//! Dense layers: a matrix product per batch, which is a convolution of one-pixel maps.

use crate::{
    activation::Activation,
    context::Context,
    conv::{Conv2d, PackedWeights},
    isa::Isa,
    simd::Element,
    window::Window,
    workspace::Workspace,
};

/// Shapes of a dense layer: input `(batch, inputs)`, weights as Keras has them `(inputs, outputs)`, output
/// `(batch, outputs)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dense {
    /// Rows of the batch.
    pub batch: usize,
    /// Values of an input row.
    pub inputs: usize,
    /// Values of an output row.
    pub outputs: usize,
}

impl Dense {
    /// The same product as a convolution.
    fn conv(&self) -> Conv2d {
        Conv2d {
            batch: self.batch,
            input: [1, 1],
            in_channels: self.inputs,
            out_channels: self.outputs,
            window: Window::valid([1, 1], [1, 1]),
        }
    }

    /// Multiply-adds of the forward pass for the whole batch.
    pub fn multiply_adds(&self) -> u64 {
        self.conv().multiply_adds()
    }

    /// As [`Conv2d::workspace`].
    pub fn workspace<E: Element>(&self, isa: Isa, threads: usize) -> Workspace {
        self.conv().workspace::<E>(isa, threads)
    }

    /// `output` = `input` by `weights`, plus `bias` (`outputs` values).
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn forward<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        weights: &[f32],
        bias: Option<&[f32]>,
        output: &mut [E],
    ) {
        self.conv().forward(context, input, weights, bias, output, None);
    }

    /// As [`Conv2d::pack`].
    ///
    /// # Panics
    ///
    /// The slice's length is not that of the shape.
    pub fn pack<E: Element>(&self, context: &Context, weights: &[f32]) -> PackedWeights {
        self.conv().pack::<E>(context, weights)
    }

    /// [`Dense::forward`] by weights that [`Dense::pack`] made, then `activation`; the same, bit for bit.
    ///
    /// # Panics
    ///
    /// As [`Conv2d::forward_packed`].
    pub fn forward_packed<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        weights: &PackedWeights,
        bias: Option<&[f32]>,
        activation: Activation,
        output: &mut [E],
    ) {
        self.conv()
            .forward_packed(context, input, weights, bias, activation, output);
    }

    /// `input_gradient` = the gradient of the loss by the input, from that by the output; with `accumulate`, added to what
    /// `input_gradient` holds.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn input_gradient<E: Element>(
        &self,
        context: &Context,
        output_gradient: &[E],
        weights: &[f32],
        input_gradient: &mut [E],
        accumulate: bool,
    ) {
        self.conv()
            .input_gradient(context, output_gradient, weights, input_gradient, accumulate);
    }

    /// `weight_gradient` = the gradient of the loss by the weights, and `bias_gradient` that by the bias.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn weight_gradient<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        output_gradient: &[E],
        weight_gradient: &mut [f32],
        bias_gradient: Option<&mut [f32]>,
    ) {
        self.conv()
            .weight_gradient(context, input, output_gradient, weight_gradient, bias_gradient);
    }
}
