//! A curve in one line of text.

/// Eight heights, from low to high.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The most characters of a curve.
const WIDTH: usize = 40;

/// The values as a row of bars between `low` and `high`; a value that is no number is a blank. More than [`WIDTH`] values are
/// drawn in the mean of neighbors.
pub(crate) fn sparkline(values: &[f64], low: f64, high: f64) -> String {
    let width = values.len().min(WIDTH);
    let height = |value: f64| {
        let share = if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        };
        // The conversion saturates, so that a value outside is drawn at the edge.
        let step = (share * HEIGHTS.len() as f64) as usize;
        HEIGHTS[step.min(HEIGHTS.len() - 1)]
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
        assert_eq!(
            sparkline(&[0.0, 0.5, 1.0, f64::NAN, 2.0, -1.0], 0.0, 1.0),
            "▁▅█ █▁"
        );
        assert_eq!(sparkline(&[], 0.0, 1.0), "");
        assert_eq!(sparkline(&[3.0, 3.0], 3.0, 3.0), "▅▅");
    }

    #[test]
    fn many_values_share_a_place() {
        let rising: Vec<f64> = (0..1000).map(f64::from).collect();
        let line: Vec<char> = sparkline(&rising, 0.0, 999.0).chars().collect();
        assert_eq!(line.len(), WIDTH);
        assert!(line.windows(2).all(|pair| pair[0] <= pair[1]), "{line:?}");
    }
}
