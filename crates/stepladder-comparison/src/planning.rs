//! How many test photos it takes to see a difference.

use crate::quantile::{Z, Z_POWER};

/// The number of test photos with which McNemar's test sees this difference of two accuracies in four of five cases
/// (power 80%, two-sided at 5%), if `discordant` is the share of photos that only one of the two gets right (Connor 1987,
/// "Sample size for testing differences in proportions for the paired-sample design").
///
/// `None` if the accuracies do not differ: then no number of photos tells them apart.
pub fn photos_to_tell_apart(difference: f64, discordant: f64) -> Option<u64> {
    let difference = difference.abs();
    if difference == 0.0 || difference.is_nan() {
        return None;
    }
    // Two accuracies cannot differ on more photos than those that one of the two gets right.
    let discordant = discordant.clamp(difference, 1.0);
    let root = Z * discordant.sqrt() + Z_POWER * (discordant - difference * difference).max(0.0).sqrt();
    // A float's conversion saturates, so that a difference of almost nothing takes almost endless photos.
    Some((root * root / (difference * difference)).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_differences_take_more_photos() {
        let photos: Vec<u64> = [0.2, 0.1, 0.05, 0.01]
            .iter()
            .filter_map(|&difference| photos_to_tell_apart(difference, 0.3))
            .collect();
        assert!(photos.windows(2).all(|pair| pair[0] < pair[1]), "{photos:?}");
        assert_eq!(photos_to_tell_apart(0.0, 0.3), None);
        assert_eq!(photos_to_tell_apart(0.05, 0.3), photos_to_tell_apart(-0.05, 0.3));
    }
}
