//! Activations as vector code: values and derivatives.

use crate::{math, simd::Simd};

/// An activation as vector code.
pub(crate) trait Function: Copy + Send + Sync {
    /// Whether it never decreases, so that a window's maximum is that of the largest value. One that does not (swish)
    /// falls, then rises: its maximum is at the largest or the smallest value.
    const MONOTONE: bool = true;
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

#[derive(Clone, Copy)]
pub(super) struct Linear;
#[derive(Clone, Copy)]
pub(super) struct Relu;
#[derive(Clone, Copy)]
pub(super) struct LeakyRelu(pub f32);
#[derive(Clone, Copy)]
pub(super) struct Relu6;
#[derive(Clone, Copy)]
pub(super) struct Swish;
#[derive(Clone, Copy)]
pub(super) struct HardSwish;
#[derive(Clone, Copy)]
pub(super) struct HardSigmoid;
#[derive(Clone, Copy)]
pub(super) struct Elu;
#[derive(Clone, Copy)]
pub(super) struct Gelu;
#[derive(Clone, Copy)]
pub(super) struct Sigmoid;
#[derive(Clone, Copy)]
pub(super) struct Tanh;

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
        // In this order, NaN stays: `max` gives its second operand.
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

impl Function for Relu6 {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.min(s.splat(6.0), s.max(s.splat(0.0), x))
    }

    #[inline(always)]
    fn slope<S: Simd>(self, s: S, x: S::F) -> S::F {
        let above = s.select(s.gt(x, s.splat(0.0)), s.splat(1.0), s.splat(0.0));
        s.select(s.gt(s.splat(6.0), x), above, s.splat(0.0))
    }
}

impl Function for Swish {
    const MONOTONE: bool = false;

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

impl Function for HardSwish {
    const MONOTONE: bool = false;

    #[inline(always)]
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.mul(x, HardSigmoid.value(s, x))
    }

    #[inline(always)]
    fn slope<S: Simd>(self, s: S, x: S::F) -> S::F {
        // (2 x + 3) / 6 between -3 and 3.
        let inner = s.mul_add(x, s.splat(1.0 / 3.0), s.splat(0.5));
        let above = s.select(s.gt(x, s.splat(-3.0)), inner, s.splat(0.0));
        s.select(s.gt(s.splat(3.0), x), above, s.splat(1.0))
    }
}

impl Function for HardSigmoid {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F {
        let shifted = s.max(s.splat(0.0), s.add(x, s.splat(3.0)));
        s.mul(s.min(s.splat(6.0), shifted), s.splat(1.0 / 6.0))
    }

    #[inline(always)]
    fn slope<S: Simd>(self, s: S, x: S::F) -> S::F {
        let above = s.select(s.gt(x, s.splat(-3.0)), s.splat(1.0 / 6.0), s.splat(0.0));
        s.select(s.gt(s.splat(3.0), x), above, s.splat(0.0))
    }
}

impl Function for Elu {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F {
        let below = s.sub(math::exp(s, x), s.splat(1.0));
        s.select(s.gt(x, s.splat(0.0)), x, below)
    }

    #[inline(always)]
    fn slope<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.select(s.gt(x, s.splat(0.0)), s.splat(1.0), math::exp(s, x))
    }
}

impl Function for Gelu {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.mul(x, math::normal_cdf(s, x).0)
    }

    #[inline(always)]
    fn slope<S: Simd>(self, s: S, x: S::F) -> S::F {
        // Phi(x) + x phi(x)
        let (cdf, density) = math::normal_cdf(s, x);
        s.mul_add(x, density, cdf)
    }
}

impl Function for Sigmoid {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F {
        math::sigmoid(s, x)
    }

    #[inline(always)]
    fn slope<S: Simd>(self, s: S, x: S::F) -> S::F {
        let y = math::sigmoid(s, x);
        s.mul(y, s.sub(s.splat(1.0), y))
    }
}

impl Function for Tanh {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F {
        // 2 sigmoid(2 x) - 1
        let y = math::sigmoid(s, s.add(x, x));
        s.sub(s.add(y, y), s.splat(1.0))
    }

    #[inline(always)]
    fn slope<S: Simd>(self, s: S, x: S::F) -> S::F {
        // 4 sigmoid(2 x) (1 - sigmoid(2 x))
        let y = math::sigmoid(s, s.add(x, x));
        s.mul(s.mul(s.splat(4.0), y), s.sub(s.splat(1.0), y))
    }
}
