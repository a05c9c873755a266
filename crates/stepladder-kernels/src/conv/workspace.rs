//! What the passes of a convolution take from the buffers beside their operands, for whoever plans memory.

use std::marker::PhantomData;

use super::{Conv2d, fold, winograd};
use crate::{
    isa::Isa,
    simd::{Element, Kernel, Simd},
};

/// Buffers that the passes of an operation take beside their operands and results, in bytes. Those of one pass are held at
/// the same time. What is as small as a row of channels is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    /// Of the forward pass: packed weights, and an input that is unfolded or, by each thread, transformed.
    pub forward: Vec<usize>,
    /// Of the gradient by the input.
    pub input_gradient: Vec<usize>,
    /// Of the gradient by the weights: sums, what each thread packs, and an input that is unfolded.
    pub weight_gradient: Vec<usize>,
}

impl Conv2d {
    /// What the passes take for activations of `E`, computed by `threads` threads with the vectors of `isa`.
    pub fn workspace<E: Element>(&self, isa: Isa, threads: usize) -> Workspace {
        let kernel = Measure::<E> {
            conv: self,
            isa,
            threads,
            of: PhantomData,
        };
        E::conv_measure(isa, kernel)
    }
}

pub(crate) struct Measure<'a, E> {
    conv: &'a Conv2d,
    isa: Isa,
    threads: usize,
    of: PhantomData<E>,
}

impl<E: Element> Kernel for Measure<'_, E> {
    type Output = Workspace;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Workspace {
        let Measure {
            conv, isa, threads, ..
        } = self;
        let [down, right] = conv.window.stride;
        let phases = (0..down).flat_map(|y| (0..right).map(move |x| conv.phase([y, x])));
        let input_gradient = if winograd::pays::<E>(isa, conv) {
            winograd::workspace::<S, E>(&winograd::mirrored(conv), threads)
        } else {
            let packed = phases.map(|(grid, plan)| {
                if grid.pixels() > 0 && grid.packs_weights_itself() {
                    vec![4 * grid.own_words::<S, E>(); threads]
                } else {
                    vec![4 * plan.words::<S, E>()]
                }
            });
            packed
                .max_by_key(|buffers| buffers.iter().sum::<usize>())
                .unwrap_or_default()
        };
        let folded = fold::pays(conv).then(|| fold::len::<E>(isa, conv) * size_of::<E>());
        let (plan, reduction) = match folded {
            Some(_) => (fold::pack_plan::<E>(isa, conv), fold::reduction(conv)),
            None => (conv.forward_plan(), conv.reduction()),
        };
        let forward = if winograd::pays::<E>(isa, conv) {
            winograd::workspace::<S, E>(conv, threads)
        } else if conv.packs_weights_itself::<E>(isa) {
            vec![4 * conv.forward_grid().own_words::<S, E>(); threads]
        } else {
            std::iter::once(4 * plan.words::<S, E>()).chain(folded).collect()
        };
        let mut weight_gradient: Vec<usize> = folded.into_iter().collect();
        weight_gradient.extend(if winograd::weight_gradient_pays::<E>(isa, conv) {
            winograd::weight_gradient_workspace::<S, E>(conv, threads)
        } else {
            reduction.buffers::<S, E>(isa, threads)
        });
        Workspace {
            forward,
            input_gradient,
            weight_gradient,
        }
    }
}
