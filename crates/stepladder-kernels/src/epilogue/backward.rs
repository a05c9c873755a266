//! The backward pass: a first pass for the batch norm's sums, a second for the gradients.
//!
//! With g = f'(z) times the output's gradient (at a pool's winner; zero elsewhere), M pixels and xhat the normalized x:
//! beta's gradient is the sum of g, gamma's that of g xhat, and x's is scale (g - mean of g - xhat mean of g xhat), as in
//! Ioffe and Szegedy, Batch Normalization (2015), section 3. Per channel that is one multiply-add of g and one of x. Where the
//! statistics are constants, x's gradient is scale g.
//!
//! Where g costs more to compute than to write and read (swish), the first pass keeps it for the second, as f32, beside the
//! winners of pools: in memory of its own, or where the gradient will be if that is as large and f32 too.

use half::bf16;

use crate::{
    activation::{Function, WithActivation},
    context::{Context, Shared},
    simd::{Element, Kernel, Lanes as _, Simd},
};

use super::{
    Affine, Epilogue, NormGradient,
    tile::{Case, Channels, Source, only, walk},
};

pub(crate) struct Backward<'a, E> {
    pub shape: &'a Epilogue,
    pub context: &'a Context,
    pub input: &'a [E],
    pub affine: Option<&'a Affine>,
    pub norm: Option<NormGradient<'a>>,
    pub skip: Option<&'a [E]>,
    pub output_gradient: &'a [E],
    pub input_gradient: &'a mut [E],
    pub skip_gradient: Option<&'a mut [E]>,
}

impl<E: Element> WithActivation for Backward<'_, E> {
    fn run<A: Function>(self, activation: A) {
        let Backward {
            shape,
            context,
            input,
            affine,
            norm,
            skip,
            output_gradient,
            input_gradient,
            skip_gradient,
        } = self;
        let source = Source {
            shape,
            input,
            affine,
            skip,
        };
        let part = shape.part();
        let [height, width] = shape.output();
        let lines = shape.batch * height;
        let parts = shape.parts();
        let isa = context.isa();
        let lines_of = |item: usize| item * part..((item + 1) * part).min(lines);

        // x's gradient is by_g g + by_x x + constant.
        let channels = shape.channels;
        let mut by_x = vec![0.0; channels];
        let mut constant = vec![0.0; channels];
        let length = shape.output_len();
        let to = Shared::new(input_gradient);
        let mut kept = shape
            .keeps_slopes_apart::<E>(norm.is_some())
            .then(|| context.buffers().take::<f32>(length));
        let kept = Kept(shape.keeps_slopes(norm.is_some()).then(|| match &mut kept {
            Some(kept) => Shared::new(kept).start(),
            None => to.start().cast::<f32>(),
        }));
        let mut places = shape
            .keeps_winners(norm.is_some())
            .then(|| context.buffers().take::<bf16>(length));
        if let Some(norm) = norm {
            let places = places.as_deref_mut().map(Shared::new);
            let mut sums = context.buffers().take_zeroed::<f32>(parts * 2 * channels);
            context.for_each_part(&mut sums, 2 * channels, |item, sums| {
                let mean = norm.mean;
                isa.run(Sums {
                    source,
                    activation,
                    output_gradient,
                    mean,
                    lines: lines_of(item),
                    width,
                    sums,
                    kept,
                    places: places.as_ref().map(Shared::start),
                });
            });
            let pixels = (shape.batch * shape.input[0] * shape.input[1]) as f64;
            for c in 0..channels {
                let total = |at: usize| {
                    sums.chunks_exact(2 * channels)
                        .map(|part| f64::from(part[at]))
                        .sum::<f64>()
                };
                let (of_g, of_g_x) = (total(c), total(channels + c));
                let inverse = 1.0 / (f64::from(norm.variance[c]) + f64::from(norm.epsilon)).sqrt();
                let scale = affine.map_or(1.0, |affine| f64::from(affine.scale[c]));
                norm.beta[c] = of_g as f32;
                norm.gamma[c] = (of_g_x * inverse) as f32;
                if !norm.of_batch {
                    continue;
                }
                let by = -scale * inverse * inverse * of_g_x / pixels;
                by_x[c] = by as f32;
                constant[c] = (-scale * of_g / pixels - by * f64::from(norm.mean[c])) as f32;
            }
        }

        let skip_to = skip_gradient.map(Shared::new);
        context.for_each(parts, |item| {
            isa.run(Gradients {
                source,
                activation,
                output_gradient,
                lines: lines_of(item),
                width,
                by_x: &by_x,
                constant: &constant,
                kept,
                places: places.as_deref(),
                to: to.start(),
                skip_to: skip_to.as_ref().map(Shared::start),
            });
        });
    }
}

/// Where g is kept, if it is: as many values as the output has.
#[derive(Clone, Copy)]
struct Kept(Option<*mut f32>);

// Safety: each item reads and writes the values of its own lines alone.
unsafe impl Send for Kept {}
// Safety: as above.
unsafe impl Sync for Kept {}

/// Sums of g, and of g (x - mean), over some output rows.
struct Sums<'a, E, A> {
    source: Source<'a, E>,
    activation: A,
    output_gradient: &'a [E],
    mean: &'a [f32],
    lines: std::ops::Range<usize>,
    width: usize,
    sums: &'a mut [f32],
    /// Where g is kept, as the output gradient lies; each item writes its own lines.
    kept: Kept,
    /// Where the winners' places are kept.
    places: Option<*mut bf16>,
}

impl<E: Element, A: Function> Kernel for Sums<'_, E, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        walk!(self.source.shape, self, s);
    }
}

impl<E: Element, A: Function> Sums<'_, E, A> {
    #[inline(always)]
    fn walk<S: Simd, C: Case>(self, s: S) {
        let shape = self.source.shape;
        let step = self.source.pool::<C>()[1] * shape.channels;
        for line in self.lines.clone() {
            let start = self.source.window(line, 0);
            for from in (0..self.width).step_by(C::SEGMENT) {
                for first in (0..shape.channels).step_by(S::LANES) {
                    let channels = self.source.channels::<S, C>(s, first);
                    let n = channels.n;
                    // Safety: the line's windows are inside the input and the output gradient; the mean has a value, and
                    // the sums two, per channel; what is kept is as long as the output gradient, and its lines this item's.
                    unsafe {
                        let mean = s.load_first(self.mean.as_ptr().add(first), n);
                        let sum_at = self.sums.as_mut_ptr().add(first);
                        let product_at = sum_at.add(shape.channels);
                        let (mut sum, mut product) = (s.load_first(sum_at, n), s.load_first(product_at, n));
                        for x in from..(from + C::SEGMENT).min(self.width) {
                            let output = (line * self.width + x) * shape.channels + first;
                            let dy = E::load_first(s, self.output_gradient.as_ptr().add(output), n);
                            let winner = self.source.winner::<S, A, C>(
                                s,
                                self.activation,
                                &channels,
                                start + x * step,
                            );
                            let g = s.mul(dy, self.activation.slope(s, winner.z));
                            sum = s.add(sum, g);
                            product = s.mul_add(g, s.sub(winner.x, mean), product);
                            if let Kept(Some(kept)) = self.kept {
                                s.store_first(kept.add(output), g, n);
                            }
                            if let Some(places) = self.places {
                                bf16::store_first(s, places.add(output), winner.place, n);
                            }
                        }
                        s.store_first(sum_at, sum, n);
                        s.store_first(product_at, product, n);
                    }
                }
            }
        }
    }
}

/// The gradients of some output rows' windows, and of what is left over beside and below them.
struct Gradients<'a, E, A> {
    source: Source<'a, E>,
    activation: A,
    output_gradient: &'a [E],
    lines: std::ops::Range<usize>,
    width: usize,
    by_x: &'a [f32],
    constant: &'a [f32],
    kept: Kept,
    places: Option<&'a [bf16]>,
    to: *mut E,
    skip_to: Option<*mut E>,
}

impl<E: Element, A: Function> Kernel for Gradients<'_, E, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        walk!(self.source.shape, self, s);
    }
}

impl<E: Element, A: Function> Gradients<'_, E, A> {
    #[inline(always)]
    fn walk<S: Simd, C: Case>(self, s: S) {
        let shape = self.source.shape;
        let [pool_height, pool_width] = self.source.pool::<C>();
        let height = shape.input[0] / pool_height;
        for line in self.lines.clone() {
            let start = self.source.window(line, 0);
            for from in (0..self.width).step_by(C::SEGMENT) {
                for first in (0..shape.channels).step_by(S::LANES) {
                    let channels = self.source.channels::<S, C>(s, first);
                    let terms = self.terms(s, &channels);
                    for x in from..(from + C::SEGMENT).min(self.width) {
                        let at = start + x * pool_width * shape.channels;
                        let output = (line * self.width + x) * shape.channels + first;
                        // Safety: the line's windows are this item's, inside the input and the output gradient.
                        unsafe { self.window::<S, C>(s, &channels, &terms, at, output) };
                    }
                }
            }
            // Columns right of the last window, and below the photo's last windows whole rows.
            let right = self.width * pool_width..shape.input[1];
            let below = if (line + 1) % height == 0 {
                shape.input[0] - height * pool_height
            } else {
                0
            };
            for row in 0..pool_height + below {
                let columns = if row < pool_height {
                    right.clone()
                } else {
                    0..shape.input[1]
                };
                for x in columns {
                    let at = start + (row * shape.input[1] + x) * shape.channels;
                    for first in (0..shape.channels).step_by(S::LANES) {
                        let channels = self.source.channels::<S, C>(s, first);
                        let terms = self.terms(s, &channels);
                        // Safety: the pixel is inside the input and belongs to this item.
                        unsafe { self.write(s, &channels, &terms, at, s.splat(0.0)) };
                    }
                }
            }
        }
    }
}

/// Factors of g and x, and the constant.
struct Terms<S: Simd> {
    by_g: S::F,
    by_x: S::F,
    constant: S::F,
}

impl<E: Element, A: Function> Gradients<'_, E, A> {
    #[inline(always)]
    fn terms<S: Simd>(&self, s: S, channels: &Channels<S>) -> Terms<S> {
        // Safety: each has a value per channel.
        unsafe {
            let load = |from: &[f32]| s.load_first(from.as_ptr().add(channels.first), channels.n);
            Terms {
                by_g: self
                    .source
                    .affine
                    .map_or(s.splat(1.0), |affine| load(&affine.scale)),
                by_x: load(self.by_x),
                constant: load(self.constant),
            }
        }
    }

    /// The window at `at`, whose output is at `output`.
    ///
    /// # Safety
    ///
    /// They are a window of the input, and a vector of its pixel of the output, of this item.
    #[inline(always)]
    unsafe fn window<S: Simd, C: Case>(
        &self,
        s: S,
        channels: &Channels<S>,
        terms: &Terms<S>,
        at: usize,
        output: usize,
    ) {
        let [height, width] = self.source.pool::<C>();
        let pixels = height * width;
        let n = channels.n;
        // Safety: the caller's promise; what is kept is as long as the output.
        unsafe {
            let (g, place) = match (self.kept, self.places) {
                (Kept(Some(kept)), None) => (s.load_first(kept.add(output), n), s.splat(0.0)),
                (Kept(Some(kept)), Some(places)) => (
                    s.load_first(kept.add(output), n),
                    bf16::load_first(s, places.as_ptr().add(output), n),
                ),
                _ => {
                    let dy = E::load_first(s, self.output_gradient.as_ptr().add(output), n);
                    let winner = self.source.winner::<S, A, C>(s, self.activation, channels, at);
                    (s.mul(dy, self.activation.slope(s, winner.z)), winner.place)
                }
            };
            if pixels == 1 {
                return self.write(s, channels, terms, at, g);
            }
            for i in 0..pixels {
                let at = at + self.source.offset::<C>(i);
                self.write(s, channels, terms, at, only(s, g, place, i));
            }
        }
    }

    #[inline(always)]
    unsafe fn write<S: Simd>(&self, s: S, channels: &Channels<S>, terms: &Terms<S>, at: usize, g: S::F) {
        // Safety: the caller promises a pixel of the input that no other item writes.
        unsafe {
            let x = self.source.x(s, channels, at);
            let gradient = s.mul_add(g, terms.by_g, s.mul_add(x, terms.by_x, terms.constant));
            E::store_first(s, self.to.add(at + channels.first), gradient, channels.n);
            if let Some(skip_to) = self.skip_to {
                E::store_first(s, skip_to.add(at + channels.first), g, channels.n);
            }
        }
    }
}
