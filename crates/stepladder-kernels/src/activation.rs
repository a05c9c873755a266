//! Activation functions and their derivatives.

use crate::{math, simd::Simd};

/// An activation that blocks can fuse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// x
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
    pub(crate) fn apply(self, kernel: impl WithActivation) {
        match self {
            Activation::Linear => kernel.run(Linear),
            Activation::Relu => kernel.run(Relu),
            Activation::LeakyRelu { slope } => kernel.run(LeakyRelu(slope)),
            Activation::Swish => kernel.run(Swish),
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
