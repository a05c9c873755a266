//! What the passes of a convolution take from the buffers beside their operands.

use std::marker::PhantomData;

use super::{
    Conv2d, GroupedConv2d, fold,
    grid::{Grid, Packing},
    pack, winograd,
};
use crate::{
    isa::Isa,
    reduce::channel_sums_bytes,
    simd::{Element, Kernel, Simd},
    workspace::{Workspace, largest},
};

impl Conv2d {
    /// What the passes take for activations of `E`, computed by `threads` threads with the vectors of `isa`.
    pub fn workspace<E: Element>(&self, isa: Isa, threads: usize) -> Workspace {
        let kernel = Measure::<E> {
            conv: self,
            groups: None,
            isa,
            threads,
            of: PhantomData,
        };
        E::conv_measure(isa, kernel)
    }
}

impl GroupedConv2d {
    /// As [`Conv2d::workspace`].
    pub fn workspace<E: Element>(&self, isa: Isa, threads: usize) -> Workspace {
        let kernel = Measure::<E> {
            conv: &self.conv,
            groups: Some(self.groups),
            isa,
            threads,
            of: PhantomData,
        };
        E::conv_measure(isa, kernel)
    }
}

pub(crate) struct Measure<'a, E> {
    conv: &'a Conv2d,
    /// Of a grouped convolution.
    groups: Option<usize>,
    isa: Isa,
    threads: usize,
    of: PhantomData<E>,
}

impl<E: Element> Kernel for Measure<'_, E> {
    type Output = Workspace;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Workspace {
        let bias = channel_sums_bytes(self.conv.output_len(), self.conv.out_channels);
        // The bias' sums are taken when the weights' are given back.
        let with_bias = |weights: Vec<usize>| largest([weights, vec![bias]]);
        if let Some(groups) = self.groups {
            let grouped = GroupedConv2d {
                conv: *self.conv,
                groups,
            };
            return Workspace {
                forward: self.grouped_forward::<S>(&grouped, true),
                inference: self.grouped_forward::<S>(&grouped, false),
                input_gradient: self.grouped_input_gradient::<S>(&grouped),
                weight_gradient: with_bias(self.grouped_weight_gradient::<S>(&grouped)),
            };
        }
        Workspace {
            forward: self.forward::<S>(),
            inference: self.inference::<S>(false),
            input_gradient: self.input_gradient::<S>(),
            weight_gradient: with_bias(self.weight_gradient::<S>()),
        }
    }
}

impl<E: Element> Measure<'_, E> {
    fn packed<S: Simd>(&self, plan: &pack::Plan) -> usize {
        size_of::<u32>() * plan.words::<S, E>()
    }

    /// The buffers of a product beside its packed weights.
    fn product<S: Simd>(&self, grid: &Grid, bias: bool, statistics: bool) -> Vec<usize> {
        grid.buffers::<S, E>(self.isa, self.threads, Packing::Before, bias, statistics)
    }

    /// The buffers of a product that packs its weights itself.
    fn packing_product<S: Simd>(&self, grid: &Grid, bias: bool, statistics: bool) -> Vec<usize> {
        grid.buffers::<S, E>(self.isa, self.threads, Packing::ByItem, bias, statistics)
    }

    fn forward<S: Simd>(&self) -> Vec<usize> {
        let conv = self.conv;
        if conv.packs_weights_itself::<E>(self.isa) {
            return self.packing_product::<S>(&conv.forward_grid(), true, true);
        }
        let packed = if winograd::pays::<E>(self.isa, conv) {
            winograd::packed_bytes::<S, E>(conv)
        } else if fold::pays(conv) {
            self.packed::<S>(&fold::pack_plan::<E>(self.isa, conv))
        } else {
            self.packed::<S>(&conv.forward_plan())
        };
        let mut buffers = self.inference::<S>(true);
        buffers.push(packed);
        buffers
    }

    /// The forward product's buffers beside packed weights.
    fn inference<S: Simd>(&self, statistics: bool) -> Vec<usize> {
        let conv = self.conv;
        if winograd::pays::<E>(self.isa, conv) {
            winograd::buffers::<S, E>(conv, self.threads, statistics)
        } else if fold::pays(conv) {
            let grid = fold::grid::<E>(self.isa, conv);
            let mut buffers = self.product::<S>(&grid, true, statistics);
            buffers.push(fold::len::<E>(self.isa, conv) * size_of::<E>());
            buffers
        } else {
            self.product::<S>(&conv.forward_grid(), true, statistics)
        }
    }

    fn input_gradient<S: Simd>(&self) -> Vec<usize> {
        let conv = self.conv;
        if winograd::pays::<E>(self.isa, conv) {
            let mirrored = winograd::mirrored(conv);
            let mut buffers = winograd::buffers::<S, E>(&mirrored, self.threads, false);
            buffers.push(winograd::packed_bytes::<S, E>(&mirrored));
            return buffers;
        }
        // One phase after the other.
        largest(conv.phases().map(|(grid, plan)| {
            if grid.packs_weights_itself() {
                return self.packing_product::<S>(&grid, false, false);
            }
            let mut buffers = self.product::<S>(&grid, false, false);
            buffers.push(self.packed::<S>(&plan));
            buffers
        }))
    }

    fn weight_gradient<S: Simd>(&self) -> Vec<usize> {
        let conv = self.conv;
        if winograd::weight_gradient_pays::<E>(self.isa, conv) {
            winograd::weight_gradient_workspace::<S, E>(conv, self.threads)
        } else if fold::pays(conv) {
            let mut buffers = fold::reduction(conv).buffers::<S, E>(self.isa, self.threads);
            buffers.push(fold::len::<E>(self.isa, conv) * size_of::<E>());
            buffers
        } else {
            conv.reduction().buffers::<S, E>(self.isa, self.threads)
        }
    }

    fn grouped_forward<S: Simd>(&self, grouped: &GroupedConv2d, statistics: bool) -> Vec<usize> {
        let mut buffers = self.product::<S>(&grouped.forward_grid(), true, statistics);
        let group = grouped.group();
        buffers.extend([
            self.packed::<S>(&group.forward_plan()),
            size_of::<f32>() * group.weights_len(),
        ]);
        buffers
    }

    fn grouped_input_gradient<S: Simd>(&self, grouped: &GroupedConv2d) -> Vec<usize> {
        let phases = grouped.phases().into_iter().map(|(grid, plan)| {
            let mut buffers = self.product::<S>(&grid, false, false);
            buffers.push(self.packed::<S>(&plan));
            buffers
        });
        let mut buffers = largest(phases);
        buffers.push(size_of::<f32>() * grouped.group().weights_len());
        buffers
    }

    fn grouped_weight_gradient<S: Simd>(&self, grouped: &GroupedConv2d) -> Vec<usize> {
        let mut buffers = grouped.reduction().buffers::<S, E>(self.isa, self.threads);
        buffers.push(size_of::<f32>() * grouped.group().weights_len());
        buffers
    }
}
