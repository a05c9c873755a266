//! Round numbers for the marks of an axis.

/// About `wanted` multiples of 1, 2 or 5 times a power of ten that lie in `low..=high`.
pub(crate) fn ticks([low, high]: [f64; 2], wanted: usize) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return vec![low];
    }
    let rough = span / wanted.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough)
        .unwrap_or(power);
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|at| at as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_within() {
        assert_eq!(
            ticks([0.0, 1.0], 5),
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        assert_eq!(ticks([1.0, 12.0], 4), [5.0, 10.0]);
        assert_eq!(ticks([3.0, 3.0], 4), [3.0]);
        assert_eq!(ticks([0.0, f64::NAN], 4).len(), 1);
    }
}
