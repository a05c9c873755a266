//! How sure one accuracy is: Wilson's interval.

use crate::quantile::Z;

/// The 95% interval of a share of which `right` of `images` were seen (Wilson 1927): where the accuracy on many more
/// photos of this kind would lie. Unlike the usual plus or minus, it stays inside 0 to 1 and holds for few photos.
///
/// Between 0 and 1 for no photos.
pub fn wilson_interval(right: usize, images: usize) -> [f64; 2] {
    wilson_interval_of_share(right as f64 / images.max(1) as f64, images)
}

/// [`wilson_interval`] where the share itself is known, as for the mean of several seeds on the same photos. It then says
/// what the choice of `images` photos leaves open, as wide as for one seed, since more seeds are not more photos.
pub fn wilson_interval_of_share(share: f64, images: usize) -> [f64; 2] {
    if images == 0 {
        return [0.0, 1.0];
    }
    let (n, p) = (images as f64, share.clamp(0.0, 1.0));
    let center = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    [(center - half).max(0.0), (center + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_intervals_are_those_of_the_literature() {
        // Newcombe 1998, table I: 81 of 263 and 0 of 20.
        let [low, high] = wilson_interval(81, 263);
        assert!(
            (low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4,
            "{low} {high}"
        );
        let [low, high] = wilson_interval(0, 20);
        assert!(low == 0.0 && (high - 0.1611).abs() < 1e-4, "{low} {high}");
    }

    #[test]
    fn no_photos_say_nothing() {
        assert_eq!(wilson_interval(0, 0), [0.0, 1.0]);
    }
}
