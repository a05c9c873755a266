//! A curve in one line of text: bars, or plain signs where the locale has no bars.

use std::sync::LazyLock;

/// Eight heights, from low to high.
type Heights = [char; 8];

const BARS: Heights = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The same where only ASCII can be shown: from the foot of a line up, then darker.
const SIGNS: Heights = ['_', '.', '-', '=', '+', '*', '%', '#'];

/// What this terminal shows.
static HEIGHTS: LazyLock<Heights> = LazyLock::new(|| {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    heights(locale.as_deref())
});

/// The heights for a locale. One that says something other than UTF-8 is believed; where none is set, as in most containers,
/// the terminal in front of it is a modern one all the same.
fn heights(locale: Option<&str>) -> Heights {
    let utf8 = |locale: &str| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    };
    if locale.is_none_or(utf8) { BARS } else { SIGNS }
}

/// The most characters of a curve: three of them fit beside each other.
const WIDTH: usize = 24;

/// The values as a row of bars between `low` and `high`; a value that is no number is a blank. More than [`WIDTH`] values are
/// drawn in the mean of neighbors.
pub(crate) fn sparkline(values: &[f64], low: f64, high: f64) -> String {
    drawn(values, low, high, &HEIGHTS)
}

fn drawn(values: &[f64], low: f64, high: f64, heights: &Heights) -> String {
    let width = values.len().min(WIDTH);
    let height = |value: f64| {
        let share = if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        };
        // The conversion saturates, so that a value outside is drawn at the edge.
        let step = (share * heights.len() as f64) as usize;
        heights[step.min(heights.len() - 1)]
    };
    (0..width)
        .map(|place| {
            let neighbors = &values[place * values.len() / width..(place + 1) * values.len() / width];
            let mean = neighbors.iter().sum::<f64>() / neighbors.len() as f64;
            if mean.is_finite() { height(mean) } else { ' ' }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_follow_the_values() {
        let values = [0.0, 0.5, 1.0, f64::NAN, 2.0, -1.0];
        assert_eq!(drawn(&values, 0.0, 1.0, &BARS), "▁▅█ █▁");
        assert_eq!(drawn(&values, 0.0, 1.0, &SIGNS), "_+# #_");
        assert_eq!(drawn(&[], 0.0, 1.0, &BARS), "");
        assert_eq!(drawn(&[3.0, 3.0], 3.0, 3.0, &BARS), "▅▅");
    }

    #[test]
    fn only_a_locale_that_is_not_utf8_takes_the_bars_away() {
        for locale in [None, Some("en_US.UTF-8"), Some("C.utf8"), Some("de_AT.utf8@euro")] {
            assert_eq!(heights(locale), BARS, "{locale:?}");
        }
        for locale in ["C", "POSIX", "de_AT.ISO-8859-1"] {
            assert_eq!(heights(Some(locale)), SIGNS, "{locale}");
        }
    }

    #[test]
    fn many_values_share_a_place() {
        let rising: Vec<f64> = (0..1000).map(f64::from).collect();
        let line: Vec<char> = drawn(&rising, 0.0, 999.0, &BARS).chars().collect();
        assert_eq!(line.len(), WIDTH);
        assert!(line.windows(2).all(|pair| pair[0] <= pair[1]), "{line:?}");
    }
}
