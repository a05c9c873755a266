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

/// A number with as many digits as tell it from its neighbors on an axis.
pub(crate) fn short(value: f64) -> String {
    let text = match value.abs() {
        0.0 => String::from("0"),
        size if size < 0.001 => format!("{value:.1e}"),
        size if size < 10.0 => format!("{value:.3}"),
        _ => format!("{value:.1}"),
    };
    match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
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

    #[test]
    fn numbers_lose_what_says_nothing() {
        let texts = [0.0, 0.5, 2.0, 12.0, 1234.5, 0.0001].map(short);
        assert_eq!(texts, ["0", "0.5", "2", "12", "1234.5", "1.0e-4"]);
    }
}
