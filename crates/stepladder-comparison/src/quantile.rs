//! Quantiles of the normal distribution and of Student's t.

/// The normal quantile of 97.5%: a two-sided 95% interval lies this many standard deviations on each side.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// The normal quantile of 80%, for a test that sees a difference in four of five cases.
pub(crate) const Z_POWER: f64 = 0.841_621_233_572_914_2;

/// The quantile of 97.5% of Student's t with `freedom` degrees of freedom, which need not be whole, from 1 on.
pub(crate) fn student(freedom: f64) -> f64 {
    // From here on the two agree to six digits.
    if freedom > 1e6 {
        return Z;
    }
    let freedom = freedom.max(1.0);
    // 12.7 with one degree of freedom is the greatest.
    let (mut low, mut high) = (Z, 13.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        // The chance of more than `middle` on either side (Abramowitz and Stegun 26.7.1).
        let outside = incomplete_beta(freedom / (freedom + middle * middle), 0.5 * freedom, 0.5);
        if outside > 0.05 {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The regularized incomplete beta function, by its continued fraction (DLMF 8.17.22) with Lentz' method.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    // The fraction converges fast below the mean only.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let log_front =
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x);
    let nonzero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for step in 1..10_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut factor = 1.0;
        for coefficient in [even, odd] {
            d = 1.0 / nonzero(1.0 + coefficient * d);
            c = nonzero(1.0 + coefficient / c);
            factor = c * d;
            fraction *= factor;
        }
        if (factor - 1.0).abs() < 1e-15 {
            break;
        }
    }
    libm::exp(log_front) * fraction / a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_t_is_scipys() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../tests/golden/comparison.json")).unwrap();
        for row in golden["student"].as_array().unwrap() {
            let (freedom, expected) = (row[0].as_f64().unwrap(), row[1].as_f64().unwrap());
            let found = student(freedom);
            assert!(
                (found - expected).abs() < 1e-10 * expected,
                "{freedom}: {found} and not {expected}"
            );
        }
        assert_eq!(student(f64::INFINITY), Z);
    }
}
