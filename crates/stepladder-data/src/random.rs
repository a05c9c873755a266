//! Random numbers for shuffling and augmentation. Each stream is a ChaCha generator whose key is made of what it is for, so
//! that a draw depends on seed, epoch and photo and never on which thread asks, or when.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is for; streams of different purposes have nothing in common.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The order of an epoch.
    Order = 1,
    /// What is done to one photo.
    Augmentation = 2,
    /// Which photos of a batch are mixed, and how.
    Mixing = 3,
    /// In which epochs a photo is mirrored, where that alternates.
    Alternation = 4,
}

/// Where random numbers come from: a [`Stream`], or a test that says what is drawn.
pub(crate) trait Numbers {
    /// Uniform in 0..1.
    fn unit(&mut self) -> f64;

    /// Uniform in 0..`bound`.
    fn below(&mut self, bound: u64) -> u64;

    /// Uniform between two bounds.
    fn between(&mut self, [low, high]: [f64; 2]) -> f64 {
        low + (high - low) * self.unit()
    }
}

impl Numbers for Stream {
    fn unit(&mut self) -> f64 {
        Stream::unit(self)
    }

    fn below(&mut self, bound: u64) -> u64 {
        Stream::below(self, bound)
    }
}

/// A stream of random numbers.
#[derive(Debug)]
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream for `purpose` in `epoch`, of photo (for mixing, batch) `item`.
    pub(crate) fn new(purpose: Purpose, seed: u64, epoch: u64, item: u64) -> Self {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([seed, epoch, item, purpose as u64]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in 0..1, on 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From Beta(`alpha`, `alpha`) with `alpha` > 0: the first of two gamma variates over their sum. By way of logarithms, since
    /// with a small `alpha` both underflow.
    pub(crate) fn beta(&mut self, alpha: f64) -> f64 {
        let (first, second) = (self.ln_gamma_variate(alpha), self.ln_gamma_variate(alpha));
        1.0 / (1.0 + libm::exp(second - first))
    }

    /// The logarithm of a variate from Gamma(`shape`, 1): Marsaglia and Tsang, "A Simple Method for Generating Gamma
    /// Variables", 2000, with its section 6 for shapes below 1.
    fn ln_gamma_variate(&mut self, shape: f64) -> f64 {
        let (d, below) = match shape < 1.0 {
            true => (shape + 2.0 / 3.0, libm::log(1.0 - self.unit()) / shape),
            false => (shape - 1.0 / 3.0, 0.0),
        };
        loop {
            let x = self.normal();
            let cube = 1.0 + x / libm::sqrt(9.0 * d);
            if cube <= 0.0 {
                continue;
            }
            let v = cube * cube * cube;
            let accept = 0.5 * x * x + d * (1.0 - v + libm::log(v));
            if libm::log(1.0 - self.unit()) < accept {
                return libm::log(d * v) + below;
            }
        }
    }

    /// Standard normal, by Box and Muller's transform; `libm`, so that every machine draws the same numbers.
    fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.unit())
    }

    /// Uniform in 0..`bound`, without bias (Lemire, "Fast Random Integer Generation in an Interval", 2019).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            let (high, low) = ((product >> 64) as u64, product as u64);
            if low >= bound.wrapping_neg() % bound.max(1) {
                return high;
            }
        }
    }

    /// Shuffles in place (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |p, s, e, i| Stream::new(p, s, e, i).unit();
        let one = draw(Purpose::Order, 1, 2, 3);
        assert_eq!(one, draw(Purpose::Order, 1, 2, 3));
        for other in [
            draw(Purpose::Augmentation, 1, 2, 3),
            draw(Purpose::Order, 2, 2, 3),
            draw(Purpose::Order, 1, 3, 3),
            draw(Purpose::Order, 1, 2, 4),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn beta_variates_have_their_moments() {
        for alpha in [0.01, 0.2, 1.0, 3.0] {
            let mut stream = Stream::new(Purpose::Mixing, 7, 0, 0);
            let values: Vec<f64> = (0..20_000).map(|_| stream.beta(alpha)).collect();
            assert!(values.iter().all(|v| (0.0..=1.0).contains(v)), "alpha {alpha}");
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.015, "alpha {alpha}: mean {mean}");
            assert!(
                (variance / expected - 1.0).abs() < 0.05,
                "alpha {alpha}: {variance} of {expected}"
            );
        }
    }

    #[test]
    fn a_shuffle_is_fair() {
        let mut first = [0; 5];
        for seed in 0..5000 {
            let mut items = [0, 1, 2, 3, 4];
            Stream::new(Purpose::Order, seed, 0, 0).shuffle(&mut items);
            first[items[0]] += 1;
        }
        // Standard deviation 28.
        assert!(first.iter().all(|n: &i32| (n - 1000).abs() < 140), "{first:?}");
    }
}
