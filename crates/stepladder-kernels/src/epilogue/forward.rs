//! The forward pass: one read of the input (and skip), one write of the output.

use crate::{
    activation::{Function, WithActivation},
    context::Context,
    simd::{Element, Kernel, Simd},
};

use super::{
    Affine, Epilogue,
    tile::{Case, Source, walk},
};

pub(crate) struct Forward<'a, E> {
    pub shape: &'a Epilogue,
    pub context: &'a Context,
    pub input: &'a [E],
    pub affine: Option<&'a Affine>,
    pub skip: Option<&'a [E]>,
    pub output: &'a mut [E],
}

impl<E: Element> WithActivation for Forward<'_, E> {
    fn run<A: Function>(self, activation: A) {
        let Forward {
            shape,
            context,
            input,
            affine,
            skip,
            output,
        } = self;
        let part = shape.part();
        let row = shape.output()[1] * shape.channels;
        let isa = context.isa();
        context.for_each_part(output, part * row, |item, output| {
            let source = Source {
                shape,
                input,
                affine,
                skip,
            };
            isa.run(Rows {
                source,
                activation,
                first_line: item * part,
                output,
            });
        });
    }
}

/// Some output rows.
struct Rows<'a, E, A> {
    source: Source<'a, E>,
    activation: A,
    first_line: usize,
    output: &'a mut [E],
}

impl<E: Element, A: Function> Kernel for Rows<'_, E, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        walk!(self.source.shape, self, s);
    }
}

impl<E: Element, A: Function> Rows<'_, E, A> {
    #[inline(always)]
    fn walk<S: Simd, C: Case>(self, s: S) {
        let Rows {
            source,
            activation,
            first_line,
            output,
        } = self;
        let shape = source.shape;
        let width = shape.output()[1];
        let step = source.pool::<C>()[1] * shape.channels;
        for (line, output) in output.chunks_exact_mut(width * shape.channels).enumerate() {
            let start = source.window(first_line + line, 0);
            for from in (0..width).step_by(C::SEGMENT) {
                for first in (0..shape.channels).step_by(S::LANES) {
                    let channels = source.channels::<S, C>(s, first);
                    for x in from..(from + C::SEGMENT).min(width) {
                        // Safety: line and x are a pixel of the output, and so a window inside the input.
                        unsafe {
                            let winner = source.winner::<S, A, C>(s, activation, &channels, start + x * step);
                            let y = activation.value(s, winner.z);
                            E::store_first(
                                s,
                                output.as_mut_ptr().add(x * shape.channels + first),
                                y,
                                channels.n,
                            );
                        }
                    }
                }
            }
        }
    }
}
