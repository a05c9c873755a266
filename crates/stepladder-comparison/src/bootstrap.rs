//! Several seeds: a bootstrap over photos and seeds.
//!
//! Two things make a mean accuracy what it is by chance: which photos the test part has, and which seeds the weights began
//! from. Each replicate draws both anew, with replacement: the photos once for both classifiers, so that they stay paired,
//! and the seeds for each of the two on its own. A plain bootstrap of both counts some of the chance twice, and is at the
//! same time too sure of as few as three seeds; what stands against either is said where it is done. How often the
//! intervals hold the truth is measured by `examples/coverage.rs`.

use crate::quantile::{Z, student};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

/// Replicates. One less than a round number, so that the quantiles of 2.5% and 97.5% are the 250th from either end.
const REPLICATES: usize = 9_999;

/// The place of the lower quantile in the sorted replicates, from 0.
const LOWER: usize = 249;

/// The 95% interval of the mean accuracy of `second` over its seeds minus that of `first`, by a bootstrap over photos and
/// seeds. `first[s][p]` says whether photo `p` was right with seed `s`; all lists are in the order of the same photos.
///
/// The same answers and `seed` give the same interval, whatever the number of threads.
///
/// # Panics
///
/// If there are fewer than two seeds on a side, or the lists have different lengths.
pub fn bootstrap_interval(first: &[Vec<bool>], second: &[Vec<bool>], seed: u64) -> [f64; 2] {
    let photos = first.first().map_or(0, Vec::len);
    assert!(
        first.len() > 1 && second.len() > 1,
        "a bootstrap over seeds needs two of them"
    );
    assert!(
        first.iter().chain(second).all(|answers| answers.len() == photos),
        "the same photos for every seed"
    );
    if photos == 0 {
        return [-1.0, 1.0];
    }
    let differences = differences(first, second);
    let sides = [Seeds::new(first), Seeds::new(second)];
    let mut replicates: Vec<f64> = (0..REPLICATES as u64)
        .into_par_iter()
        .map(|replicate| {
            let mut draw = Draw::new(seed, replicate);
            let luck = sides.each_ref().map(|side| draw.seeds(&side.deviations));
            draw.photos(&differences) + luck[1] - luck[0]
        })
        .collect();
    replicates.sort_by(f64::total_cmp);
    let center = replicates.iter().sum::<f64>() / REPLICATES as f64;
    let (low, high) = (replicates[LOWER], replicates[REPLICATES - 1 - LOWER]);
    // The spread of few seeds is itself uncertain, which Student's t knows and quantiles do not: they are moved out by the
    // ratio of t to the normal quantile (Hesterberg 2015, the expanded percentile interval).
    let stretch = student(freedom(&differences, &sides)) / Z;
    [
        (center - (center - low) * stretch).max(-1.0),
        (center + (high - center) * stretch).min(1.0),
    ]
}

/// The second's share of right seeds minus the first's, for each photo.
///
/// Two photos that are not there take part, one that only the first gets right and one that only the second does (Bonett
/// and Price 2012), so that a difference that never showed on few photos does not have an interval of no width.
fn differences(first: &[Vec<bool>], second: &[Vec<bool>]) -> Vec<f64> {
    let share = |answers: &[Vec<bool>], photo: usize| {
        answers.iter().filter(|seed| seed[photo]).count() as f64 / answers.len() as f64
    };
    let photos = 0..first[0].len();
    let real = photos.map(|photo| share(second, photo) - share(first, photo));
    real.chain([-1.0, 1.0]).collect()
}

/// What the seeds of one side did to its accuracy.
struct Seeds {
    /// Each seed's accuracy minus the mean, freed of what the photos did to it.
    deviations: Vec<f64>,
}

impl Seeds {
    /// Seeds differ on the test part even where they are equally good, because each gets other photos right. That part of
    /// their spread is in the draw of the photos already, so the deviations are shrunk to what is left of their variance
    /// without it: the mean square of the seeds less that of the interaction, in a two-way analysis of variance.
    fn new(answers: &[Vec<bool>]) -> Seeds {
        let (seeds, photos) = (answers.len() as f64, answers[0].len() as f64);
        let accuracies: Vec<f64> = answers
            .iter()
            .map(|seed| seed.iter().filter(|&&right| right).count() as f64 / photos)
            .collect();
        let mean = accuracies.iter().sum::<f64>() / seeds;
        let mut residues = 0.0;
        for photo in 0..answers[0].len() {
            let share = answers.iter().filter(|seed| seed[photo]).count() as f64 / seeds;
            for (seed, accuracy) in answers.iter().zip(&accuracies) {
                let residue = f64::from(u8::from(seed[photo])) - accuracy - share + mean;
                residues += residue * residue;
            }
        }
        let interaction = residues / ((seeds - 1.0) * (photos - 1.0).max(1.0));
        let spread = variance(&accuracies);
        let left = (spread - interaction / photos).max(0.0);
        let shrink = if spread > 0.0 { (left / spread).sqrt() } else { 0.0 };
        Seeds {
            deviations: accuracies
                .iter()
                .map(|accuracy| (accuracy - mean) * shrink)
                .collect(),
        }
    }
}

/// The random numbers of one replicate: a stream of their own, so that replicates can be made in any order.
struct Draw(ChaCha8Rng);

impl Draw {
    fn new(seed: u64, replicate: u64) -> Draw {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&replicate.to_le_bytes());
        key[16..].copy_from_slice(b"photos and seeds");
        Draw(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in 0..`bound`. The bias is below `bound` / 2^64.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// The mean over as many of the values, drawn anew.
    fn photos(&mut self, values: &[f64]) -> f64 {
        let sum: f64 = (0..values.len()).map(|_| values[self.below(values.len())]).sum();
        sum / values.len() as f64
    }

    /// The mean over one of the values fewer, drawn anew. Drawing as many would make the spread of their mean too small by
    /// one over their number, which is a third for three seeds (McCarthy and Snowden 1985).
    fn seeds(&mut self, values: &[f64]) -> f64 {
        let drawn = values.len() - 1;
        let sum: f64 = (0..drawn).map(|_| values[self.below(values.len())]).sum();
        sum / drawn as f64
    }
}

/// Degrees of freedom of the difference's variance, by Welch and Satterthwaite: many where the photos cause most of it, and
/// as few as the seeds of one side less one where these do.
fn freedom(differences: &[f64], sides: &[Seeds; 2]) -> f64 {
    let parts = [differences, &sides[0].deviations, &sides[1].deviations].map(|values| {
        let count = values.len() as f64;
        (variance(values) / count, count - 1.0)
    });
    let whole: f64 = parts.iter().map(|(part, _)| part).sum();
    let divided: f64 = parts.iter().map(|(part, freedom)| part * part / freedom).sum();
    whole * whole / divided
}

/// The unbiased variance of two values or more.
fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum::<f64>()
        / (values.len() - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `right` of 40 photos for each seed, in a fixed pattern that shifts by seed.
    fn answers(rights: &[usize]) -> Vec<Vec<bool>> {
        let one = |(seed, &right): (usize, &usize)| {
            (0..40)
                .map(|photo| (photo * 17 + seed * 5) % 40 < right)
                .collect()
        };
        rights.iter().enumerate().map(one).collect()
    }

    #[test]
    fn the_same_draw_is_the_same_interval_on_any_number_of_threads() {
        let (first, second) = (answers(&[20, 22, 24]), answers(&[26, 25, 28]));
        let on = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| bootstrap_interval(&first, &second, seed))
        };
        assert_eq!(on(1, 5), on(3, 5));
        assert_ne!(on(1, 5), on(1, 6));
    }

    #[test]
    fn seeds_that_disagree_widen_the_interval() {
        let steady = bootstrap_interval(&answers(&[20, 20, 20]), &answers(&[26, 26, 26]), 0);
        let spread = bootstrap_interval(&answers(&[14, 20, 26]), &answers(&[20, 26, 32]), 0);
        assert!(
            spread[1] - spread[0] > steady[1] - steady[0],
            "{steady:?} {spread:?}"
        );
    }

    #[test]
    fn few_photos_without_a_difference_leave_an_interval() {
        let same = vec![vec![true; 3]; 3];
        let [low, high] = bootstrap_interval(&same, &same, 0);
        assert!(low < -0.1 && high > 0.1, "{low} {high}");
    }
}
