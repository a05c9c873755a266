//! Activation functions and their derivatives.

use crate::{
    math,
    simd::{Element, Kernel, Simd},
};

/// An activation that blocks can fuse.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// x
    #[default]
    Linear,
    /// max(x, 0)
    Relu,
    /// x, or `slope` x where x is negative; 0 <= slope <= 1
    LeakyRelu {
        /// The factor of negative values.
        slope: f32,
    },
    /// x sigmoid(x)
    Swish,
}

/// An activation as vector code.
pub(crate) trait Function: Copy + Send + Sync {
    /// Whether it never decreases, so that a window's maximum is that of the largest value. One that does not (swish)
    /// falls, then rises: its maximum is at the largest or the smallest value.
    const MONOTONE: bool = true;
    /// Whether its slope costs more to compute again than to keep.
    const COSTLY: bool = false;
    /// f(x)
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F;
    /// f'(x)
    fn slope<S: Simd>(self, s: S, x: S::F) -> S::F;
    /// Where f(a) > f(b), for a < b < 0. Only asked of functions that are not monotone.
    #[inline(always)]
    fn exceeds<S: Simd>(self, s: S, a: S::F, b: S::F) -> S::M {
        s.gt(self.value(s, a), self.value(s, b))
    }
}

/// A kernel that wants to know its activation at compile time.
pub(crate) trait WithActivation {
    /// Runs with this activation.
    fn run<A: Function>(self, activation: A);
}

impl Activation {
    /// Calls `kernel` with the activation as a type.
    #[inline(always)]
    pub(crate) fn apply(self, kernel: impl WithActivation) {
        match self {
            Activation::Linear => kernel.run(Linear),
            Activation::Relu => kernel.run(Relu),
            Activation::LeakyRelu { slope } => kernel.run(LeakyRelu(slope)),
            Activation::Swish => kernel.run(Swish),
        }
    }
}

/// Applies an activation to values where they lie, for whoever has just written them: they are still in the nearest cache.
pub(crate) struct InPlace<E> {
    pub activation: Activation,
    pub values: *mut E,
    pub count: usize,
}

impl<E: Element> InPlace<E> {
    /// As [`Simd::enter`] runs it; nothing at all where the activation is linear.
    ///
    /// # Safety
    ///
    /// `count` values lie at `values`, and nobody else touches them meanwhile.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(self, s: S) {
        if self.activation != Activation::Linear {
            s.enter(self);
        }
    }
}

impl<E: Element> Kernel for InPlace<E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.activation.apply(InPlaceOn { values: self, s });
    }
}

/// [`InPlace`] on an instruction set, for [`Activation::apply`].
struct InPlaceOn<S, E> {
    values: InPlace<E>,
    s: S,
}

impl<S: Simd, E: Element> WithActivation for InPlaceOn<S, E> {
    #[inline(always)]
    fn run<A: Function>(self, activation: A) {
        let InPlace { values, count, .. } = self.values;
        let s = self.s;
        for first in (0..count).step_by(S::LANES) {
            let n = (count - first).min(S::LANES);
            // Safety: `InPlace::run`'s caller promises the values.
            unsafe {
                let at = values.add(first);
                let x = E::load_first(s, at, n);
                E::store_first(s, at, activation.value(s, x), n);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Linear;
#[derive(Clone, Copy)]
struct Relu;
#[derive(Clone, Copy)]
struct LeakyRelu(f32);
#[derive(Clone, Copy)]
struct Swish;

impl Function for Linear {
    #[inline(always)]
    fn value<S: Simd>(self, _: S, x: S::F) -> S::F {
        x
    }

    #[inline(always)]
    fn slope<S: Simd>(self, s: S, _: S::F) -> S::F {
        s.splat(1.0)
    }
}

impl Function for Relu {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F {
        // In this order, not-a-number stays: `max` gives its second operand.
        s.max(s.splat(0.0), x)
    }

    #[inline(always)]
    fn slope<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.select(s.gt(x, s.splat(0.0)), s.splat(1.0), s.splat(0.0))
    }
}

impl Function for LeakyRelu {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.max(s.mul(x, s.splat(self.0)), x)
    }

    #[inline(always)]
    fn slope<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.select(s.gt(x, s.splat(0.0)), s.splat(1.0), s.splat(self.0))
    }
}

impl Function for Swish {
    const MONOTONE: bool = false;
    const COSTLY: bool = true;

    #[inline(always)]
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F {
        let e = math::exp(s, s.sub(s.splat(0.0), x));
        s.quotient(x, s.add(s.splat(1.0), e))
    }

    #[inline(always)]
    fn slope<S: Simd>(self, s: S, x: S::F) -> S::F {
        // sigmoid + x sigmoid (1 - sigmoid)
        let y = math::sigmoid(s, x);
        let one = s.splat(1.0);
        s.mul(y, s.mul_add(x, s.sub(one, y), one))
    }

    #[inline(always)]
    fn exceeds<S: Simd>(self, s: S, a: S::F, b: S::F) -> S::M {
        // a / (1 + e^-a) > b / (1 + e^-b), without the divisions.
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        let below_a = s.add(one, math::exp(s, s.sub(zero, a)));
        let below_b = s.add(one, math::exp(s, s.sub(zero, b)));
        s.gt(s.mul(a, below_b), s.mul(b, below_a))
    }
}
