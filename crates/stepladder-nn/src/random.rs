//! Random numbers that depend on nothing but their purpose: each use has a stream of its own, keyed by the run's
//! seed and a label, so that no use shifts another's numbers and no thread order matters.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers for one purpose.
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of `purpose` (with `index`, e.g. the step) under `seed`.
    pub fn new(seed: u64, purpose: &str, index: u64) -> Stream {
        let mut key = blake3::Hasher::new_derive_key("stepladder-nn random stream 1");
        key.update(&seed.to_le_bytes());
        key.update(&index.to_le_bytes());
        key.update(purpose.as_bytes());
        Stream(ChaCha8Rng::from_seed(*key.finalize().as_bytes()))
    }

    /// 64 random bits.
    pub fn key(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1), with 24 random bits.
    pub fn uniform(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / (1_u32 << 24) as f32)
    }

    /// Standard normal, by Box and Muller's transform.
    ///
    /// `libm` and not the platform's mathematics, so that every machine draws the same numbers.
    pub fn normal(&mut self) -> f64 {
        // (0, 1], so that the logarithm is finite.
        let radius = (f64::from(self.0.next_u32()) + 1.0) / 4_294_967_296.0;
        let angle = f64::from(self.0.next_u32()) / 4_294_967_296.0;
        libm::sqrt(-2.0 * libm::log(radius)) * libm::cos(2.0 * std::f64::consts::PI * angle)
    }
}
