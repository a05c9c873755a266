//! Weights packed once for many forward passes. Packing reads and writes every weight, which for one photo through a layer with
//! many weights takes as long as the product itself.

use super::{
    Conv2d, fold,
    grid::{Extras, Weights},
    pack, winograd,
};
use crate::{activation::Activation, buffer::Buffer, context::Context, isa::Isa, simd::Element};

/// The weights of a convolution or a dense layer as the forward product reads them, for activations of one type.
#[derive(Debug)]
pub struct PackedWeights {
    words: Buffer<u32>,
    /// Its vectors and dot products decide on the order of the words.
    isa: Isa,
    kernel: [usize; 2],
    stride: [usize; 2],
    in_channels: usize,
    out_channels: usize,
    bf16: bool,
    /// Transformed for fewer multiplications.
    minimal: bool,
}

impl PackedWeights {
    /// Bytes that they hold from the pool.
    pub fn bytes(&self) -> usize {
        crate::buffer::rounded(size_of_val(&*self.words))
    }
}

impl Conv2d {
    /// `weights` for [`Conv2d::forward_packed`] with activations of `E`, on any number of photos of any size, at these strides.
    ///
    /// # Panics
    ///
    /// The slice's length is not that of the shape.
    pub fn pack<E: Element>(&self, context: &Context, weights: &[f32]) -> PackedWeights {
        assert_eq!(weights.len(), self.weights_len(), "weights of {self:?}");
        let words = if winograd::pays::<E>(context.isa(), self) {
            winograd::pack::<E>(context, self, weights)
        } else if fold::pays(self) {
            pack::pack::<E>(context, &fold::pack_plan::<E>(context.isa(), self), weights)
        } else {
            pack::pack::<E>(context, &self.forward_plan(), weights)
        };
        PackedWeights {
            words,
            isa: context.isa(),
            kernel: self.window.kernel,
            stride: self.window.stride,
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            bf16: E::BF16,
            minimal: winograd::pays::<E>(context.isa(), self),
        }
    }

    /// [`Conv2d::forward`] without statistics, by weights that [`Conv2d::pack`] made, then `activation`. The result is the same,
    /// bit for bit, as that of the two passes in turn.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape, the weights were packed for another layer, type or instruction set, or the
    /// activation is not [fused](Activation::is_fused).
    pub fn forward_packed<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        weights: &PackedWeights,
        bias: Option<&[f32]>,
        activation: Activation,
        output: &mut [E],
    ) {
        activation.assert_fused();
        let extras = Extras {
            bias,
            statistics: None,
            accumulate: false,
            activation,
        };
        self.multiply(context, input, weights, output, extras);
    }

    /// The forward product.
    pub(super) fn multiply<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        weights: &PackedWeights,
        output: &mut [E],
        extras: Extras<'_>,
    ) {
        assert_eq!(input.len(), self.input_len(), "input of {self:?}");
        assert_eq!(output.len(), self.output_len(), "output of {self:?}");
        let packed_for = (
            weights.isa,
            weights.kernel,
            weights.stride,
            weights.in_channels,
            weights.out_channels,
            weights.bf16,
            weights.minimal,
        );
        assert_eq!(
            packed_for,
            (
                context.isa(),
                self.window.kernel,
                self.window.stride,
                self.in_channels,
                self.out_channels,
                E::BF16,
                winograd::pays::<E>(context.isa(), self),
            ),
            "packed weights of {self:?}"
        );
        if winograd::pays::<E>(context.isa(), self) {
            winograd::multiply(context, self, input, &weights.words, output, extras);
        } else if fold::pays(self) {
            let rows = fold::fold(context, self, input);
            let weights = Weights::Packed(&weights.words);
            fold::grid::<E>(context.isa(), self).multiply(context, &rows, weights, output, extras);
        } else {
            self.forward_grid()
                .multiply(context, input, Weights::Packed(&weights.words), output, extras);
        }
    }
}
