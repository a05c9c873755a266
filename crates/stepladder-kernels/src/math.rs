//! Functions that instruction sets do not have, on vectors.

use crate::simd::Simd;

/// e^x within 2 units in the last place (about 2e-7); beyond the range of f32's normal numbers, the nearest of them.
///
/// x = n ln 2 + r with whole n and |r| <= ln 2 / 2; ln 2 is taken in two parts, so that r is exact to f32. e^r is 1 + r q(r)
/// with q of degree 4, whose largest relative error there is least (9.2e-8). q is summed by halves (Estrin's scheme), since
/// the length of the chain of multiply-adds, not their number, is what a pass over memory would wait for.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.min(s.splat(88.0), s.max(s.splat(-87.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.mul_add(n, s.splat(-0.693_145_75), x);
    let r = s.mul_add(n, s.splat(-1.428_606_8e-6), r);
    let square = s.mul(r, r);
    let low = s.mul_add(s.splat(0.499_991_5), r, s.splat(0.999_999_7));
    let high = s.mul_add(s.splat(0.041_897_94), r, s.splat(0.166_676_36));
    let high = s.mul_add(s.splat(0.008_290_297), square, high);
    let q = s.mul_add(high, square, low);
    let scale = s.exp2_whole(n);
    s.mul_add(q, s.mul(r, scale), scale)
}

/// 1 / (1 + e^-x)
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let e = exp(s, s.sub(s.splat(0.0), x));
    s.quotient(s.splat(1.0), s.add(s.splat(1.0), e))
}

/// The normal distribution's Phi(x), within 2e-7, and its density phi(x) = e^(-x^2 / 2) / sqrt(2 pi).
///
/// 1 - Phi(|x|) = p(t) e^(-x^2 / 2) / 2 with t = 1 / (1 + 0.3275911 |x| / sqrt(2)): erf by Abramowitz and Stegun, Handbook of
/// Mathematical Functions (1964), 7.1.26, whose error is below 1.5e-7.
#[inline(always)]
pub(crate) fn normal_cdf<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    // Beyond these, Phi is 0 or 1; an infinite divisor would make a quotient NaN.
    let magnitude = s.min(s.splat(1e4), s.max(s.sub(zero, x), x));
    let t = s.quotient(
        one,
        s.mul_add(
            magnitude,
            s.splat(0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2),
            one,
        ),
    );
    let mut p = s.splat(1.061_405_4);
    for coefficient in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        p = s.mul_add(p, t, s.splat(coefficient));
    }
    let e = exp(s, s.mul(s.mul(x, x), s.splat(-0.5)));
    let tail = s.mul(s.mul(p, t), s.mul(e, s.splat(0.5)));
    let cdf = s.select(s.gt(x, zero), s.sub(one, tail), tail);
    // 1 / sqrt(2 pi)
    (cdf, s.mul(e, s.splat(0.398_942_3)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{isa::Isa, simd::Kernel};

    struct Both<'a> {
        x: &'a [f32],
        exp: &'a mut [f32],
        sigmoid: &'a mut [f32],
    }

    impl Kernel for Both<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            for i in (0..self.x.len()).step_by(S::LANES) {
                let n = (self.x.len() - i).min(S::LANES);
                // Safety: `i + n` is at most the length of all three.
                unsafe {
                    let x = s.load_first(self.x.as_ptr().add(i), n);
                    s.store_first(self.exp.as_mut_ptr().add(i), exp(s, x), n);
                    s.store_first(self.sigmoid.as_mut_ptr().add(i), sigmoid(s, x), n);
                }
            }
        }
    }

    #[test]
    fn exp_and_sigmoid_are_accurate() {
        let x: Vec<f32> = (-87_000..88_000).map(|i| i as f32 / 1000.0 + 1e-5).collect();
        for isa in Isa::available() {
            let (mut e, mut sigmoid) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            isa.run(Both {
                x: &x,
                exp: &mut e,
                sigmoid: &mut sigmoid,
            });
            for (i, x) in x.iter().enumerate() {
                let exact = f64::from(*x).exp();
                assert!(
                    (f64::from(e[i]) / exact - 1.0).abs() < 2e-7,
                    "exp({x}) on {isa}: {}",
                    e[i]
                );
                let exact = 1.0 / (1.0 + (-f64::from(*x)).exp());
                assert!(
                    (f64::from(sigmoid[i]) / exact - 1.0).abs() < 4e-7,
                    "sigmoid({x}) on {isa}"
                );
            }
        }
    }

    #[test]
    fn extremes_are_finite() {
        let x = [f32::MIN, -1e4, 1e4, f32::MAX, f32::NEG_INFINITY, f32::INFINITY];
        for isa in Isa::available() {
            let (mut e, mut sigmoid) = ([0.0; 6], [0.0; 6]);
            isa.run(Both {
                x: &x,
                exp: &mut e,
                sigmoid: &mut sigmoid,
            });
            assert!(
                e.iter().chain(&sigmoid).all(|y| y.is_finite()),
                "{e:?} {sigmoid:?} on {isa}"
            );
        }
    }
}
