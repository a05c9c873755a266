//! Layer normalization over the channels of each pixel.

use crate::{
    context::{Context, Shared},
    reduce::add_up_parts,
    shape::values,
    simd::{Element, Kernel, MAX_LANES, Simd},
    workspace::Workspace,
};

/// Shapes of a layer normalization: input and output `(rows, channels)`, where a row is a pixel of any photo.
///
/// With mean m and population variance v of a row's channels, y = (x - m) / sqrt(v + epsilon) gamma + beta, as in Ba, Kiros and
/// Hinton, Layer Normalization (2016), and Keras.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// Pixels of all photos.
    pub rows: usize,
    /// Channels.
    pub channels: usize,
    /// Added to the variances.
    pub epsilon: f32,
}

/// Where the backward pass leaves the gradients of a layer normalization's parameters; `channels` values each, and None where there
/// is no such parameter, or its gradient is not wanted.
#[derive(Debug, Default)]
pub struct LayerNormGradient<'a> {
    /// Gradient of the loss by gamma.
    pub gamma: Option<&'a mut [f32]>,
    /// Gradient of the loss by beta.
    pub beta: Option<&'a mut [f32]>,
}

/// Values of a work item, about, and its rows at most: few enough for f32 sums over them.
const PART: usize = 1 << 16;
const PART_ROWS: usize = 1 << 10;

impl LayerNorm {
    /// Values in the input, and in the output.
    pub fn input_len(&self) -> usize {
        values([self.rows, self.channels])
    }

    /// What the passes take: the forward pass nothing, the backward pass, as `input_gradient`, sums for the gradients of gamma and
    /// beta.
    pub fn workspace(&self) -> Workspace {
        Workspace {
            input_gradient: vec![size_of::<f32>() * self.parts() * 2 * self.channels],
            ..Workspace::default()
        }
    }

    /// `output` from `input`; without `gamma` that is 1, without `beta` 0.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn forward<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        gamma: Option<&[f32]>,
        beta: Option<&[f32]>,
        output: &mut [E],
    ) {
        self.check("maps", &[input.len(), output.len()], self.input_len());
        let lengths = [gamma, beta].map(|values| values.map_or(self.channels, <[f32]>::len));
        self.check("gamma or beta", &lengths, self.channels);
        let isa = context.isa();
        let part = self.part() * self.channels;
        context.for_each_part(output, part, |item, output| {
            let input = &input[item * part..][..output.len()];
            E::layer_norm_forward(
                isa,
                Forward {
                    shape: self,
                    input,
                    gamma,
                    beta,
                    output,
                },
            );
        });
    }

    /// `input_gradient` and the gradients of the parameters from `output_gradient`, with the forward pass's `input` and `gamma`. The
    /// statistics are computed again.
    ///
    /// With g the output's gradient times gamma and xhat the normalized x, the input's gradient is (g - mean of g - xhat mean of
    /// (g xhat)) / sqrt(v + epsilon), means over the row's channels.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn backward<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        gamma: Option<&[f32]>,
        output_gradient: &[E],
        input_gradient: &mut [E],
        parameters: LayerNormGradient<'_>,
    ) {
        let lengths = [input.len(), output_gradient.len(), input_gradient.len()];
        self.check("maps", &lengths, self.input_len());
        let lengths = [
            gamma.map(<[f32]>::len),
            parameters.gamma.as_deref().map(<[f32]>::len),
            parameters.beta.as_deref().map(<[f32]>::len),
        ];
        let lengths = lengths.map(|length| length.unwrap_or(self.channels));
        self.check("gamma, beta or their gradients", &lengths, self.channels);
        let isa = context.isa();
        let part = self.part() * self.channels;
        let to = Shared::new(input_gradient);
        let stride = 2 * self.channels;
        let mut sums = context.buffers().take_zeroed::<f32>(self.parts() * stride);
        context.for_each_part(&mut sums, stride, |item, sums| {
            let first = item * part;
            let length = part.min(self.input_len() - first);
            E::layer_norm_backward(
                isa,
                Backward {
                    shape: self,
                    input: &input[first..][..length],
                    gamma,
                    output_gradient: &output_gradient[first..][..length],
                    // Safety: each item has its own rows.
                    input_gradient: unsafe { to.slice(first, length) },
                    sums,
                },
            );
        });
        if let Some(gamma) = parameters.gamma {
            add_up_parts(&sums, stride, 0, gamma);
        }
        if let Some(beta) = parameters.beta {
            add_up_parts(&sums, stride, self.channels, beta);
        }
    }

    fn check(&self, what: &str, lengths: &[usize], expected: usize) {
        assert!(
            lengths.iter().all(|length| *length == expected),
            "{what} of {self:?}"
        );
    }

    /// Rows of a work item.
    fn part(&self) -> usize {
        (PART / self.channels.max(1)).clamp(1, PART_ROWS)
    }

    fn parts(&self) -> usize {
        self.rows.div_ceil(self.part())
    }
}

/// A row's mean, and 1 / sqrt(variance + epsilon).
#[inline(always)]
fn statistics<S: Simd, E: Element>(s: S, row: &[E], epsilon: f32) -> [f32; 2] {
    let channels = row.len();
    let mut sum = s.splat(0.0);
    for first in (0..channels).step_by(S::LANES) {
        let n = (channels - first).min(S::LANES);
        // Safety: `first + n` is at most the row's length.
        sum = s.add(sum, unsafe { E::load_first(s, row.as_ptr().add(first), n) });
    }
    let mean = s.sum(sum) / channels as f32;
    let mut squares = s.splat(0.0);
    for first in (0..channels).step_by(S::LANES) {
        let n = (channels - first).min(S::LANES);
        // Safety: as above, and there are MAX_LANES means. Lanes beyond the row are 0 - 0.
        let centered = unsafe {
            let x = E::load_first(s, row.as_ptr().add(first), n);
            s.sub(x, s.load_first([mean; MAX_LANES].as_ptr(), n))
        };
        squares = s.mul_add(centered, centered, squares);
    }
    let variance = s.sum(squares) / channels as f32;
    [mean, 1.0 / (variance + epsilon).sqrt()]
}

/// Some rows.
pub(crate) struct Forward<'a, E> {
    shape: &'a LayerNorm,
    input: &'a [E],
    gamma: Option<&'a [f32]>,
    beta: Option<&'a [f32]>,
    output: &'a mut [E],
}

impl<E: Element> Kernel for Forward<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.shape.channels;
        let rows = self.input.chunks_exact(channels);
        for (x, y) in rows.zip(self.output.chunks_exact_mut(channels)) {
            let [mean, inverse] = statistics(s, x, self.shape.epsilon).map(|value| s.splat(value));
            for first in (0..channels).step_by(S::LANES) {
                let n = (channels - first).min(S::LANES);
                // Safety: rows, gamma and beta have `first + n` values.
                unsafe {
                    let x = E::load_first(s, x.as_ptr().add(first), n);
                    let mut value = s.mul(s.sub(x, mean), inverse);
                    if let Some(gamma) = self.gamma {
                        value = s.mul(value, s.load_first(gamma.as_ptr().add(first), n));
                    }
                    if let Some(beta) = self.beta {
                        value = s.add(value, s.load_first(beta.as_ptr().add(first), n));
                    }
                    E::store_first(s, y.as_mut_ptr().add(first), value, n);
                }
            }
        }
    }
}

/// The gradients of some rows.
pub(crate) struct Backward<'a, E> {
    shape: &'a LayerNorm,
    input: &'a [E],
    gamma: Option<&'a [f32]>,
    output_gradient: &'a [E],
    input_gradient: &'a mut [E],
    /// Sums over the rows for gamma's gradient, then for beta's; zeros before.
    sums: &'a mut [f32],
}

impl<E: Element> Kernel for Backward<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.shape.channels;
        let (of_gamma, of_beta) = self.sums.split_at_mut(channels);
        let rows = self.input.chunks_exact(channels);
        let gradients = self.output_gradient.chunks_exact(channels);
        let to = self.input_gradient.chunks_exact_mut(channels);
        for ((x, dy), dx) in rows.zip(gradients).zip(to) {
            let [mean, inverse] = statistics(s, x, self.shape.epsilon).map(|value| s.splat(value));
            let scale = |first: usize, n: usize| match self.gamma {
                // Safety: gamma has `first + n` values.
                Some(gamma) => unsafe { s.load_first(gamma.as_ptr().add(first), n) },
                None => s.splat(1.0),
            };
            let (mut sum, mut product) = (s.splat(0.0), s.splat(0.0));
            for first in (0..channels).step_by(S::LANES) {
                let n = (channels - first).min(S::LANES);
                // Safety: rows and sums have `first + n` values. Lanes beyond the row have a gradient of 0.
                unsafe {
                    let x = E::load_first(s, x.as_ptr().add(first), n);
                    let dy = E::load_first(s, dy.as_ptr().add(first), n);
                    let normal = s.mul(s.sub(x, mean), inverse);
                    let g = s.mul(dy, scale(first, n));
                    sum = s.add(sum, g);
                    product = s.mul_add(g, normal, product);
                    let (of_gamma, of_beta) =
                        (of_gamma.as_mut_ptr().add(first), of_beta.as_mut_ptr().add(first));
                    s.store_first(of_gamma, s.mul_add(dy, normal, s.load_first(of_gamma, n)), n);
                    s.store_first(of_beta, s.add(s.load_first(of_beta, n), dy), n);
                }
            }
            let share = 1.0 / channels as f32;
            let (mean_of_g, mean_of_product) = (s.splat(s.sum(sum) * share), s.splat(s.sum(product) * share));
            for first in (0..channels).step_by(S::LANES) {
                let n = (channels - first).min(S::LANES);
                // Safety: rows have `first + n` values.
                unsafe {
                    let x = E::load_first(s, x.as_ptr().add(first), n);
                    let dy = E::load_first(s, dy.as_ptr().add(first), n);
                    let normal = s.mul(s.sub(x, mean), inverse);
                    let centered = s.sub(s.mul(dy, scale(first, n)), mean_of_g);
                    let value = s.sub(centered, s.mul(normal, mean_of_product));
                    E::store_first(s, dx.as_mut_ptr().add(first), s.mul(value, inverse), n);
                }
            }
        }
    }
}
