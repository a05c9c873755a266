//! Convolution in groups: each group of output channels sees its own group of input channels, as in ResNeXt.
//!
//! A group is a convolution of its own whose pixels lie as far apart as all channels are many: maps are read and written where they
//! lie. Only the weights, whose rows hold the filters of all groups, are copied group by group.

use super::{
    Conv2d, Statistics,
    grid::{Extras, Grid, Weights},
    pack,
    weight_gradient::Reduction,
};
use crate::{activation::Activation, context::Context, simd::Element};

/// Shapes of a grouped convolution: those of [`Conv2d`], but for the weights, which are
/// `(kernel height, kernel width, in_channels / groups, out_channels)`, as Keras has them: the first `out_channels / groups` filters
/// are those of the first `in_channels / groups` channels, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupedConv2d {
    /// The maps and the window, with the channels of all groups.
    pub conv: Conv2d,
    /// Groups; they divide the channels of input and output.
    pub groups: usize,
}

impl GroupedConv2d {
    /// Values in the weights.
    pub fn weights_len(&self) -> usize {
        self.conv.weights_len() / self.groups
    }

    /// Multiply-adds of the forward pass for the whole batch, windows over padding counted in full, as is usual.
    pub fn multiply_adds(&self) -> u64 {
        self.conv.multiply_adds() / self.groups as u64
    }

    /// `output` = convolution of `input` by `weights`, plus `bias` (`out_channels` values), and the output's statistics where asked
    /// for; then `activation`, of which the statistics know nothing.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape, the groups do not divide the channels, or the activation is not
    /// [fused](Activation::is_fused).
    #[allow(clippy::too_many_arguments, reason = "the operands of one fused pass")]
    pub fn forward<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        weights: &[f32],
        bias: Option<&[f32]>,
        activation: Activation,
        output: &mut [E],
        mut statistics: Option<Statistics<'_>>,
    ) {
        activation.assert_fused();
        let conv = &self.conv;
        self.check(input, weights, output);
        let lengths = [
            bias.map(<[f32]>::len),
            statistics.as_ref().map(|statistics| statistics.mean.len()),
            statistics.as_ref().map(|statistics| statistics.variance.len()),
        ];
        assert!(
            lengths
                .into_iter()
                .flatten()
                .all(|length| length == conv.out_channels),
            "bias or statistics of {self:?}"
        );
        let group = self.group();
        let plan = group.forward_plan();
        let mut own = context.buffers().take::<f32>(group.weights_len());
        for index in 0..self.groups {
            self.copy_weights(index, weights, &mut own);
            let packed = pack::pack::<E>(context, &plan, &own);
            let [from, to] = self.firsts(index);
            let of_group = to..to + group.out_channels;
            let extras = Extras {
                bias: bias.map(|bias| &bias[of_group.clone()]),
                statistics: statistics.as_mut().map(|statistics| Statistics {
                    mean: &mut statistics.mean[of_group.clone()],
                    variance: &mut statistics.variance[of_group.clone()],
                }),
                accumulate: false,
                activation,
            };
            let weights = Weights::Packed(&packed);
            self.forward_grid()
                .multiply(context, &input[from..], weights, &mut output[to..], extras);
        }
    }

    /// `input_gradient` = the gradient of the loss by the input, from `output_gradient`, that by the output. With `accumulate` it is
    /// added to what `input_gradient` holds, as where a map has several readers.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape, or the groups do not divide the channels.
    pub fn input_gradient<E: Element>(
        &self,
        context: &Context,
        output_gradient: &[E],
        weights: &[f32],
        input_gradient: &mut [E],
        accumulate: bool,
    ) {
        self.check(input_gradient, weights, output_gradient);
        let mut own = context.buffers().take::<f32>(self.group().weights_len());
        for index in 0..self.groups {
            self.copy_weights(index, weights, &mut own);
            let [to, from] = self.firsts(index);
            for (grid, plan) in self.phases() {
                if accumulate && plan.taps.is_empty() {
                    continue;
                }
                let packed = pack::pack::<E>(context, &plan, &own);
                let extras = Extras {
                    accumulate,
                    ..Extras::default()
                };
                grid.multiply(
                    context,
                    &output_gradient[from..],
                    Weights::Packed(&packed),
                    &mut input_gradient[to..],
                    extras,
                );
            }
        }
    }

    /// `weight_gradient` = the gradient of the loss by the weights (same layout), and `bias_gradient` that by the bias.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape, or the groups do not divide the channels.
    pub fn weight_gradient<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        output_gradient: &[E],
        weight_gradient: &mut [f32],
        bias_gradient: Option<&mut [f32]>,
    ) {
        self.check(input, weight_gradient, output_gradient);
        let group = self.group();
        {
            let mut own = context.buffers().take::<f32>(group.weights_len());
            for index in 0..self.groups {
                let [from, to] = self.firsts(index);
                self.reduction()
                    .run(context, &input[from..], &output_gradient[to..], &mut own);
                let rows = weight_gradient.chunks_exact_mut(self.conv.out_channels);
                for (row, own) in rows.zip(own.chunks_exact(group.out_channels)) {
                    row[to..to + group.out_channels].copy_from_slice(own);
                }
            }
        }
        if let Some(bias_gradient) = bias_gradient {
            crate::reduce::channel_sums(context, output_gradient, self.conv.out_channels, bias_gradient);
        }
    }

    /// One group by itself.
    pub(super) fn group(&self) -> Conv2d {
        Conv2d {
            in_channels: self.conv.in_channels / self.groups,
            out_channels: self.conv.out_channels / self.groups,
            ..self.conv
        }
    }

    /// The forward product of a group, on maps that start at its first channels.
    pub(super) fn forward_grid(&self) -> Grid {
        self.group().forward_grid_among(self.conv.channels())
    }

    /// The parts of a group's input gradient, on maps that start at its first channels.
    pub(super) fn phases(&self) -> Vec<(Grid, pack::Plan)> {
        self.group().phases_among(self.conv.channels()).collect()
    }

    /// The gradient of a group's weights, on maps that start at its first channels.
    pub(super) fn reduction(&self) -> Reduction {
        self.group().reduction_among(self.conv.channels())
    }

    /// The first channel of a group in the input, and in the output.
    fn firsts(&self, index: usize) -> [usize; 2] {
        self.group().channels().map(|channels| index * channels)
    }

    /// The weights of a group, by themselves.
    fn copy_weights(&self, index: usize, weights: &[f32], to: &mut [f32]) {
        let [_, first] = self.firsts(index);
        let filters = self.conv.out_channels / self.groups;
        let rows = weights.chunks_exact(self.conv.out_channels);
        for (to, row) in to.chunks_exact_mut(filters).zip(rows) {
            to.copy_from_slice(&row[first..first + filters]);
        }
    }

    fn check<E>(&self, input: &[E], weights: &[f32], output: &[E]) {
        let is_whole = |channels: usize| self.groups > 0 && channels.is_multiple_of(self.groups);
        assert!(
            self.conv.channels().into_iter().all(is_whole),
            "the groups must divide the channels: {self:?}"
        );
        assert_eq!(
            input.len(),
            self.conv.input_len(),
            "input, or its gradient, of {self:?}"
        );
        assert_eq!(
            weights.len(),
            self.weights_len(),
            "weights, or their gradient, of {self:?}"
        );
        assert_eq!(
            output.len(),
            self.conv.output_len(),
            "output, or its gradient, of {self:?}"
        );
    }
}
