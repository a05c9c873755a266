//! How often the 95% intervals hold the true difference: made-up classifiers whose true accuracies are known are compared
//! again and again, on new photos and with new seeds each time. `docs/concepts/comparing-rungs.md` shows the output.
//!
//! ```console
//! $ cargo run --release -p stepladder-comparison --example coverage
//! ```

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use stepladder_comparison::{Answers, compare};

/// The truth: the second classifier's accuracy minus the first's.
const DIFFERENCE: f64 = 0.03;

fn main() {
    let comparisons: u64 = std::env::args()
        .nth(1)
        .map_or(1000, |n| n.parse().unwrap_or(1000));
    println!("seeds  photos  spread of seeds  intervals that hold the truth, of {comparisons}");
    for (seeds, photos, spread) in [
        (1, 40, 0.0),
        (1, 359, 0.0),
        (1, 359, 0.02),
        (3, 40, 0.0),
        (3, 40, 0.02),
        (3, 359, 0.0),
        (3, 359, 0.01),
        (3, 359, 0.04),
        (5, 359, 0.04),
        (3, 2000, 0.04),
    ] {
        let held = (0..comparisons)
            .filter(|&comparison| {
                let mut chance = Chance(ChaCha8Rng::seed_from_u64(comparison));
                let photos: Vec<f64> = (0..photos).map(|_| chance.photo()).collect();
                let [first, second] =
                    [0.0, DIFFERENCE].map(|better| chance.answers(&photos, seeds, better, spread));
                let [low, high] = compare(&first, &second, comparison).interval;
                low <= DIFFERENCE && DIFFERENCE <= high
            })
            .count();
        println!(
            "{seeds:>5}  {photos:>6}  {:>15}  {:.1}%",
            format!("{:.1} points", spread * 100.0),
            held as f64 / comparisons as f64 * 100.0
        );
    }
}

/// Random photos, seeds and answers.
struct Chance(ChaCha8Rng);

impl Chance {
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How likely a photo is to be right: most are easy, some are hard.
    fn photo(&mut self) -> f64 {
        if self.unit() < 0.7 { 0.85 } else { 0.25 }
    }

    /// Answers of a classifier that is `better` than the photos say, where a seed moves its accuracy by a standard deviation
    /// of `spread`, evenly distributed.
    fn answers(&mut self, photos: &[f64], seeds: usize, better: f64, spread: f64) -> Answers {
        let seeds = (0..seeds).map(|_| {
            let luck = (self.unit() - 0.5) * 12_f64.sqrt() * spread;
            photos
                .iter()
                .map(|photo| self.unit() < photo + better + luck)
                .collect()
        });
        Answers {
            seeds: seeds.collect(),
        }
    }
}
