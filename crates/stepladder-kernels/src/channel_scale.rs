//! A learned factor for each channel: timm's LayerScale.

use crate::{
    context::{Context, Shared},
    reduce::add_up_parts,
    shape::values,
    simd::{Element, Kernel, Simd},
    workspace::Workspace,
};

/// Shapes of a scale: input and output `(rows, channels)`, where a row is a pixel of any photo; y = gamma x, with `channels` values of
/// gamma.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelScale {
    /// Pixels of all photos.
    pub rows: usize,
    /// Channels.
    pub channels: usize,
}

/// Values of a work item, about, and its rows at most: few enough for f32 sums over them.
const PART: usize = 1 << 16;
const PART_ROWS: usize = 1 << 10;

impl ChannelScale {
    /// What the passes take: the forward pass nothing, the backward pass, as `input_gradient`, sums for gamma's gradient.
    pub fn workspace(&self) -> Workspace {
        Workspace {
            input_gradient: vec![size_of::<f32>() * self.parts() * self.channels],
            ..Workspace::default()
        }
    }

    /// `output` = `gamma` times `input`.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn forward<E: Element>(&self, context: &Context, input: &[E], gamma: &[f32], output: &mut [E]) {
        self.check(&[input.len(), output.len()], gamma);
        let isa = context.isa();
        let part = self.part() * self.channels;
        context.for_each_part(output, part, |item, output| {
            let input = &input[item * part..][..output.len()];
            E::channel_scale_forward(isa, Forward { input, gamma, output });
        });
    }

    /// `input_gradient` = `gamma` times `output_gradient`, and `gamma_gradient` = the sum of `output_gradient` times `input` over the
    /// rows, with the forward pass's `input`.
    ///
    /// # Panics
    ///
    /// A slice's length is not that of the shape.
    pub fn backward<E: Element>(
        &self,
        context: &Context,
        input: &[E],
        gamma: &[f32],
        output_gradient: &[E],
        input_gradient: &mut [E],
        gamma_gradient: &mut [f32],
    ) {
        self.check(&[input.len(), output_gradient.len(), input_gradient.len()], gamma);
        assert_eq!(
            gamma_gradient.len(),
            self.channels,
            "gradient of gamma of {self:?}"
        );
        let isa = context.isa();
        let part = self.part() * self.channels;
        let length = input.len();
        let to = Shared::new(input_gradient);
        let mut sums = context.buffers().take_zeroed::<f32>(self.parts() * self.channels);
        context.for_each_part(&mut sums, self.channels, |item, sums| {
            let first = item * part;
            let length = part.min(length - first);
            E::channel_scale_backward(
                isa,
                Backward {
                    input: &input[first..][..length],
                    gamma,
                    output_gradient: &output_gradient[first..][..length],
                    // Safety: each item has its own rows.
                    input_gradient: unsafe { to.slice(first, length) },
                    sums,
                },
            );
        });
        add_up_parts(&sums, self.channels, 0, gamma_gradient);
    }

    fn check(&self, maps: &[usize], gamma: &[f32]) {
        let length = values([self.rows, self.channels]);
        assert!(maps.iter().all(|map| *map == length), "maps of {self:?}");
        assert_eq!(gamma.len(), self.channels, "gamma of {self:?}");
    }

    /// Rows of a work item.
    fn part(&self) -> usize {
        (PART / self.channels.max(1)).clamp(1, PART_ROWS)
    }

    fn parts(&self) -> usize {
        self.rows.div_ceil(self.part())
    }
}

/// Some rows.
pub(crate) struct Forward<'a, E> {
    input: &'a [E],
    gamma: &'a [f32],
    output: &'a mut [E],
}

impl<E: Element> Kernel for Forward<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.gamma.len();
        let rows = self.input.chunks_exact(channels);
        for (x, y) in rows.zip(self.output.chunks_exact_mut(channels)) {
            for first in (0..channels).step_by(S::LANES) {
                let n = (channels - first).min(S::LANES);
                // Safety: rows and gamma have `first + n` values.
                unsafe {
                    let gamma = s.load_first(self.gamma.as_ptr().add(first), n);
                    let x = E::load_first(s, x.as_ptr().add(first), n);
                    E::store_first(s, y.as_mut_ptr().add(first), s.mul(x, gamma), n);
                }
            }
        }
    }
}

/// The gradients of some rows.
pub(crate) struct Backward<'a, E> {
    input: &'a [E],
    gamma: &'a [f32],
    output_gradient: &'a [E],
    input_gradient: &'a mut [E],
    /// Sums over the rows for gamma's gradient; zeros before.
    sums: &'a mut [f32],
}

impl<E: Element> Kernel for Backward<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.gamma.len();
        let rows = self.input.chunks_exact(channels);
        let gradients = self.output_gradient.chunks_exact(channels);
        let to = self.input_gradient.chunks_exact_mut(channels);
        for ((x, dy), dx) in rows.zip(gradients).zip(to) {
            for first in (0..channels).step_by(S::LANES) {
                let n = (channels - first).min(S::LANES);
                // Safety: rows, gamma and sums have `first + n` values.
                unsafe {
                    let gamma = s.load_first(self.gamma.as_ptr().add(first), n);
                    let x = E::load_first(s, x.as_ptr().add(first), n);
                    let dy = E::load_first(s, dy.as_ptr().add(first), n);
                    let sum = self.sums.as_mut_ptr().add(first);
                    s.store_first(sum, s.mul_add(dy, x, s.load_first(sum, n)), n);
                    E::store_first(s, dx.as_mut_ptr().add(first), s.mul(dy, gamma), n);
                }
            }
        }
    }
}
