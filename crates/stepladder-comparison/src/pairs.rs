//! Two classifiers on the same photos, one seed each: how often only one of the two was right, and what follows from that.

use crate::quantile::Z;
use serde::{Deserialize, Serialize};

/// The same photos, counted by who was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pairs {
    /// Photos that both got right.
    pub both: usize,
    /// Photos that the first alone got right.
    pub only_first: usize,
    /// Photos that the second alone got right.
    pub only_second: usize,
    /// Photos that both got wrong.
    pub neither: usize,
}

impl Pairs {
    /// Counts photo by photo; both lists are in the order of the same photos.
    ///
    /// # Panics
    ///
    /// If the lists have different lengths.
    pub fn count(first: &[bool], second: &[bool]) -> Pairs {
        assert_eq!(first.len(), second.len(), "the same photos on both sides");
        let mut pairs = Pairs::default();
        for (first, second) in first.iter().zip(second) {
            *match (first, second) {
                (true, true) => &mut pairs.both,
                (true, false) => &mut pairs.only_first,
                (false, true) => &mut pairs.only_second,
                (false, false) => &mut pairs.neither,
            } += 1;
        }
        pairs
    }

    /// All of them.
    pub fn photos(&self) -> usize {
        self.both + self.only_first + self.only_second + self.neither
    }

    /// The second accuracy minus the first; 0 without photos.
    pub fn difference(&self) -> f64 {
        (self.only_second as f64 - self.only_first as f64) / self.photos().max(1) as f64
    }

    /// The share of photos that only one of the two got right.
    pub fn discordant(&self) -> f64 {
        (self.only_first + self.only_second) as f64 / self.photos().max(1) as f64
    }

    /// McNemar's exact test, two-sided: how often chance alone would divide the photos that only one got right at least as
    /// unevenly, if each were as likely to be the one's as the other's. Twice the smaller tail of the binomial
    /// distribution, at most 1 (McNemar 1947).
    pub fn p_value(&self) -> f64 {
        let discordant = self.only_first + self.only_second;
        let fewer = self.only_first.min(self.only_second);
        (2.0 * binomial_tail(fewer, discordant)).min(1.0)
    }

    /// The 95% interval of the second accuracy minus the first: Tango's score interval (Tango 1998, "Equivalence test and
    /// confidence interval for the difference in proportions for the paired-sample design"). It holds for few photos and
    /// for few that differ, where the usual plus or minus is too narrow.
    ///
    /// It speaks of the choice of photos only: that another seed would give the same rung other weights is not in it.
    pub fn interval(&self) -> [f64; 2] {
        let n = self.photos();
        if n == 0 {
            return [-1.0, 1.0];
        }
        let estimate = self.difference();
        // The statistic falls from plus to minus infinity as the difference supposed goes from -1 to 1.
        let low = bisect(-1.0, estimate, |supposed| self.score(supposed) > Z);
        let high = bisect(estimate, 1.0, |supposed| self.score(supposed) > -Z);
        [low, high]
    }

    /// Tango's statistic: how many standard deviations the difference seen lies above the one supposed, where the
    /// nuisance parameter has its most likely value under the latter.
    fn score(&self, supposed: f64) -> f64 {
        let n = self.photos() as f64;
        let (first, second) = (self.only_first as f64, self.only_second as f64);
        let a = 2.0 * n;
        let b = -second - first + (2.0 * n - second + first) * supposed;
        let c = -first * supposed * (1.0 - supposed);
        // The most likely share of photos that the first alone gets right.
        let only_first = ((b * b - 4.0 * a * c).max(0.0).sqrt() - b) / (2.0 * a);
        let variance = n * (2.0 * only_first + supposed * (1.0 - supposed));
        let above = second - first - n * supposed;
        if above == 0.0 {
            0.0
        } else {
            above / variance.max(0.0).sqrt()
        }
    }
}

/// Where `is_left` turns from true to false between `low` and `high`, to the last bit.
fn bisect(mut low: f64, mut high: f64, is_left: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if is_left(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The chance of at most `k` heads in `n` throws of a fair coin.
fn binomial_tail(k: usize, n: usize) -> f64 {
    let n_factorial = libm::lgamma(n as f64 + 1.0);
    let log_chance = |heads: usize| {
        n_factorial
            - libm::lgamma(heads as f64 + 1.0)
            - libm::lgamma((n - heads) as f64 + 1.0)
            - n as f64 * std::f64::consts::LN_2
    };
    // From the greatest term down: each is the last one times heads / (n - heads + 1).
    let mut term = libm::exp(log_chance(k));
    let mut sum = 0.0;
    for heads in (0..=k).rev() {
        sum += term;
        term *= heads as f64 / (n - heads + 1) as f64;
        if term < sum * f64::EPSILON * 0.1 {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_counted_by_who_was_right() {
        let pairs = Pairs::count(
            &[true, true, false, false, false],
            &[true, false, true, true, false],
        );
        assert_eq!(
            pairs,
            Pairs {
                both: 1,
                only_first: 1,
                only_second: 2,
                neither: 1
            }
        );
        assert_eq!(
            (pairs.photos(), pairs.difference(), pairs.discordant()),
            (5, 0.2, 0.6)
        );
    }

    #[test]
    fn no_difference_seen_still_leaves_an_interval() {
        let pairs = Pairs {
            both: 20,
            neither: 5,
            ..Pairs::default()
        };
        let [low, high] = pairs.interval();
        // As Wilson's interval of 0 in 25.
        let expected = Z * Z / (25.0 + Z * Z);
        assert!(
            (high - expected).abs() < 1e-12 && (low + expected).abs() < 1e-12,
            "{low} {high}"
        );
        assert_eq!(pairs.p_value(), 1.0);
    }

    #[test]
    fn extremes_stay_within_their_bounds() {
        for pairs in [
            Pairs {
                only_second: 7,
                ..Pairs::default()
            },
            Pairs {
                only_first: 7,
                ..Pairs::default()
            },
            Pairs::default(),
        ] {
            let [low, high] = pairs.interval();
            assert!(-1.0 <= low && low <= pairs.difference() && pairs.difference() <= high && high <= 1.0);
        }
    }
}
