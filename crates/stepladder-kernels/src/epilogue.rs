//! What follows a convolution, in one pass over memory: batch normalization, skip addition, activation, max pooling.
//!
//! With x the convolution's output and r the skip's, z = scale x + shift + r, y = max over windows of f(z). Nothing but x
//! (and r) is kept for the backward pass, which computes z again: arithmetic is cheaper than memory here. It takes two
//! passes, as a batch norm's gradient needs its sums first.

mod backward;
mod forward;
mod tile;

pub(crate) use backward::Backward;
pub(crate) use forward::Forward;
pub(crate) use tile::only;

use half::bf16;

use crate::{activation::Activation, context::Context, shape::values, simd::Element, workspace::Workspace};

/// Shapes and choices of an epilogue. Input `(batch, height, width, channels)`; output the same, or with max pooling
/// `(batch, height / pool, width / pool, channels)`, rounded down: rows and columns left over are not seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epilogue {
    /// Photos in the batch.
    pub batch: usize,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Channels.
    pub channels: usize,
    /// The activation; one that is [fused](Activation::is_fused).
    pub activation: Activation,
    /// Height and width of max pooling's windows, side by side; `[1, 1]` is none.
    pub pool: [usize; 2],
}

/// Batch normalization as one multiply-add per channel: z = scale x + shift.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Affine {
    /// gamma / sqrt(variance + epsilon)
    pub scale: Vec<f32>,
    /// beta - mean scale
    pub shift: Vec<f32>,
}

impl Affine {
    /// From a batch norm's parameters and statistics: of the batch in training, moving averages in inference.
    ///
    /// # Panics
    ///
    /// The slices' lengths differ.
    pub fn new(gamma: &[f32], beta: &[f32], mean: &[f32], variance: &[f32], epsilon: f32) -> Affine {
        let channels = gamma.len();
        assert!(
            beta.len() == channels && mean.len() == channels && variance.len() == channels,
            "one each a channel"
        );
        let scale: Vec<f32> = gamma
            .iter()
            .zip(variance)
            .map(|(g, v)| g / (v + epsilon).sqrt())
            .collect();
        let shift = (0..channels).map(|c| beta[c] - mean[c] * scale[c]).collect();
        Affine { scale, shift }
    }
}

/// What the backward pass of a batch norm that is trained needs and gives, per channel.
#[derive(Debug)]
pub struct NormGradient<'a> {
    /// The means that it subtracted.
    pub mean: &'a [f32],
    /// The population variances that it divided by.
    pub variance: &'a [f32],
    /// Added to the variances, as in the forward pass.
    pub epsilon: f32,
    /// Whether means and variances are those of the input, so that the input's gradient runs through them; else they are constants.
    pub of_batch: bool,
    /// Gradient of the loss by gamma: written.
    pub gamma: &'a mut [f32],
    /// Gradient of the loss by beta: written.
    pub beta: &'a mut [f32],
}

/// Work items wanted at least.
const ITEMS: usize = 32;

impl Epilogue {
    /// Height and width of the output.
    ///
    /// # Panics
    ///
    /// A pool size is 0 or larger than the input.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|i| {
            assert!(
                self.pool[i] > 0 && self.pool[i] <= self.input[i],
                "the pool must fit on the map: {self:?}"
            );
            self.input[i] / self.pool[i]
        })
    }

    /// Values in the input.
    pub fn input_len(&self) -> usize {
        values([self.batch, self.input[0], self.input[1], self.channels])
    }

    /// Values in the output.
    pub fn output_len(&self) -> usize {
        let [height, width] = self.output();
        values([self.batch, height, width, self.channels])
    }

    /// What the passes take for maps of `E`: the forward pass nothing, the backward pass, with a batch norm or without, as
    /// `input_gradient`.
    pub fn workspace<E: Element>(&self, has_norm: bool) -> Workspace {
        let kept = [
            (self.keeps_slopes_apart::<E>(has_norm), size_of::<f32>()),
            (self.keeps_winners(has_norm), size_of::<bf16>()),
        ];
        let kept = kept.into_iter().filter(|(is_kept, _)| *is_kept);
        let mut buffers: Vec<usize> = kept.map(|(_, size)| size * self.output_len()).collect();
        buffers.extend(has_norm.then(|| size_of::<f32>() * self.parts() * 2 * self.channels));
        Workspace {
            input_gradient: buffers,
            ..Workspace::default()
        }
    }

    /// `output` from `input`; without `affine` z = x, without `skip` r = 0.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape, or the activation is not [fused](Activation::is_fused).
    pub fn forward<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        affine: Option<&Affine>,
        skip: Option<&[E]>,
        output: &mut [E],
    ) {
        self.check(input, affine, skip, output);
        let operands = Forward {
            shape: self,
            context,
            input,
            affine,
            skip,
            output,
        };
        E::epilogue_forward(self.activation, operands);
    }

    /// `input_gradient` (and `skip_gradient`) from `output_gradient`, with the forward pass's `input`, `affine` and `skip`.
    /// With `norm`, gamma and beta have gradients, and where the statistics were those of `input` itself, its gradient runs
    /// through them too; without, `affine` is constant.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape, there is `norm` but no `affine`, or the activation is not
    /// [fused](Activation::is_fused).
    #[allow(clippy::too_many_arguments, reason = "the operands of one fused pass")]
    pub fn backward<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        affine: Option<&Affine>,
        norm: Option<NormGradient<'_>>,
        skip: Option<&[E]>,
        output_gradient: &[E],
        input_gradient: &mut [E],
        skip_gradient: Option<&mut [E]>,
    ) {
        self.check(input, affine, skip, output_gradient);
        assert_eq!(
            input_gradient.len(),
            self.input_len(),
            "input gradient of {self:?}"
        );
        if let Some(skip_gradient) = &skip_gradient {
            assert_eq!(skip_gradient.len(), self.input_len(), "skip gradient of {self:?}");
        }
        if let Some(norm) = &norm {
            assert!(affine.is_some(), "a batch norm's gradient needs its affine");
            let lengths = [
                norm.mean.len(),
                norm.variance.len(),
                norm.gamma.len(),
                norm.beta.len(),
            ];
            assert!(lengths == [self.channels; 4], "batch norm of {self:?}");
        }
        let operands = Backward {
            shape: self,
            context,
            input,
            affine,
            norm,
            skip,
            output_gradient,
            input_gradient,
            skip_gradient,
        };
        E::epilogue_backward(self.activation, operands);
    }

    fn check<E>(&self, input: &[E], affine: Option<&Affine>, skip: Option<&[E]>, output: &[E]) {
        self.activation.assert_fused();
        assert_eq!(input.len(), self.input_len(), "input of {self:?}");
        assert_eq!(
            output.len(),
            self.output_len(),
            "output, or its gradient, of {self:?}"
        );
        if let Some(affine) = affine {
            let lengths = [affine.scale.len(), affine.shift.len()];
            assert!(lengths == [self.channels; 2], "affine of {self:?}");
        }
        if let Some(skip) = skip {
            assert_eq!(skip.len(), self.input_len(), "skip of {self:?}");
        }
    }

    /// Output rows of a work item.
    fn part(&self) -> usize {
        (self.batch * self.output()[0]).div_ceil(ITEMS)
    }

    /// Work items.
    fn parts(&self) -> usize {
        (self.batch * self.output()[0]).div_ceil(self.part())
    }

    /// Whether the backward pass keeps g, from the pass for the sums to that for the gradients.
    fn keeps_slopes(&self, has_norm: bool) -> bool {
        has_norm && self.activation.is_costly()
    }

    /// Whether that takes memory of its own: else g is where the gradient will be.
    fn keeps_slopes_apart<E: Element>(&self, has_norm: bool) -> bool {
        self.keeps_slopes(has_norm) && (self.pool != [1, 1] || E::BF16)
    }

    /// Whether it also keeps which pixels have won in their windows.
    fn keeps_winners(&self, has_norm: bool) -> bool {
        self.keeps_slopes(has_norm) && self.pool != [1, 1]
    }
}
