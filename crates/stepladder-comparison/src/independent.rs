//! Two accuracies on different photos, which cannot be paired.

use crate::wilson::wilson_interval;

/// The 95% interval of the second accuracy minus the first, of which `right` of `images` photos were seen on each side, and
/// no photo on both: Newcombe's hybrid score interval (Newcombe 1998, "Interval estimation for the difference between
/// independent proportions", method 10).
///
/// It is wider than a paired interval: hard and easy photos do not cancel out.
pub fn independent_interval(first: (usize, usize), second: (usize, usize)) -> [f64; 2] {
    let share = |(right, images): (usize, usize)| right as f64 / images.max(1) as f64;
    let (p1, p2) = (share(first), share(second));
    let ([low1, high1], [low2, high2]) = (
        wilson_interval(first.0, first.1),
        wilson_interval(second.0, second.1),
    );
    let difference = p2 - p1;
    [
        difference - libm::hypot(p2 - low2, high1 - p1),
        difference + libm::hypot(high2 - p2, p1 - low1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_literature() {
        // Newcombe 1998, table II, (a) 56/70 - 48/80, method 10.
        let [low, high] = independent_interval((48, 80), (56, 70));
        assert!(
            (low - 0.0524).abs() < 1e-4 && (high - 0.3339).abs() < 1e-4,
            "{low} {high}"
        );
    }
}
