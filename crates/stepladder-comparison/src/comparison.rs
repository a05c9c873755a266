//! Two classifiers on the same photos, with as many seeds as there are: the difference, its interval, the verdict.

use crate::bootstrap::bootstrap_interval;
use crate::pairs::Pairs;
use crate::planning::photos_to_tell_apart;
use serde::{Deserialize, Serialize};

/// Which test photos a classifier got right, with each seed that it was trained with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// `seeds[s][p]`: whether photo `p` was right with seed `s`; the photos in the same order throughout.
    pub seeds: Vec<Vec<bool>>,
}

impl Answers {
    /// Of one seed.
    pub fn one(right: impl IntoIterator<Item = bool>) -> Answers {
        Answers {
            seeds: vec![right.into_iter().collect()],
        }
    }

    /// Photos asked about.
    pub fn photos(&self) -> usize {
        self.seeds.first().map_or(0, Vec::len)
    }

    /// The share that was right, over photos and seeds; 0 without any.
    pub fn accuracy(&self) -> f64 {
        let right = self.seeds.iter().flatten().filter(|&&right| right).count();
        let asked = self.seeds.len() * self.photos();
        right as f64 / asked.max(1) as f64
    }

    /// The share of photos that only one of the two gets right, in the mean over all pairs of seeds; 0 without any.
    ///
    /// # Panics
    ///
    /// If the lists have different lengths.
    pub fn discordant(&self, other: &Answers) -> f64 {
        let pairs = self.seeds.iter().flat_map(|first| {
            let others = other.seeds.iter();
            others.map(|second| Pairs::count(first, second).discordant())
        });
        pairs.sum::<f64>() / (self.seeds.len() * other.seeds.len()).max(1) as f64
    }
}

/// What can be said of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Better: the interval lies above 0.
    #[serde(rename = "real")]
    Real,
    /// The interval holds 0, so chance may be all of it.
    #[serde(rename = "within noise")]
    WithinNoise,
    /// Worse: the interval lies below 0.
    #[serde(rename = "worse")]
    Worse,
    /// Nothing, whatever the interval: one of the two had not come to its end.
    #[serde(rename = "no verdict")]
    Withheld,
}

impl Verdict {
    /// By whether the interval of the difference excludes 0.
    pub fn of([low, high]: [f64; 2]) -> Verdict {
        if low > 0.0 {
            Verdict::Real
        } else if high < 0.0 {
            Verdict::Worse
        } else {
            Verdict::WithinNoise
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Real => "real",
            Verdict::WithinNoise => "within noise",
            Verdict::Worse => "worse",
            Verdict::Withheld => "no verdict",
        }
    }

    /// The word with what it holds for: with one seed, the interval knows of the choice of photos alone.
    pub fn words(self, seeds: usize) -> String {
        match (self, seeds) {
            (Verdict::Real | Verdict::Worse, 1) => format!("{} for this seed", self.word()),
            (Verdict::Real | Verdict::Worse | Verdict::WithinNoise | Verdict::Withheld, _) => {
                self.word().to_string()
            }
        }
    }
}

/// How an interval was worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// One seed: Tango's score interval for paired proportions ([`Pairs::interval`]).
    TangoScore,
    /// Several seeds: a bootstrap over photos and seeds ([`bootstrap_interval`]).
    Bootstrap,
}

/// The second classifier against the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The second accuracy minus the first.
    pub difference: f64,
    /// The 95% interval of the difference.
    pub interval: [f64; 2],
    /// How the interval was worked out.
    pub method: Method,
    /// Whether the interval excludes 0.
    pub verdict: Verdict,
    /// McNemar's exact test; null for several seeds, whose photos are not independent pairs.
    pub p_value: Option<f64>,
    /// Photos that both were asked about.
    pub photos: usize,
    /// Seeds on each side.
    pub seeds: usize,
    /// The share of photos that only one of the two gets right, in the mean over pairs of seeds.
    pub discordant: f64,
    /// Test photos that would tell a difference of this size from none, with one seed each
    /// ([`photos_to_tell_apart`]); null where no difference was seen.
    pub photos_to_tell_apart: Option<u64>,
}

impl Comparison {
    /// The same without a verdict, and without the test that would suggest one.
    pub fn without_verdict(self) -> Comparison {
        Comparison {
            verdict: Verdict::Withheld,
            p_value: None,
            ..self
        }
    }

    /// The verdict in words.
    pub fn words(&self) -> String {
        self.verdict.words(self.seeds)
    }
}

/// Compares two classifiers on the same photos. Seeds beyond the fewer of the two are left out, so that both sides have as
/// many. `seed` decides the draws of the bootstrap and nothing else.
///
/// # Panics
///
/// If a side has no seed, or the lists have different lengths.
pub fn compare(first: &Answers, second: &Answers, seed: u64) -> Comparison {
    let seeds = first.seeds.len().min(second.seeds.len());
    let photos = first.photos();
    assert!(seeds > 0, "each side has answers");
    let side = |answers: &Answers| Answers {
        seeds: answers.seeds[..seeds].to_vec(),
    };
    let (first, second) = (side(first), side(second));
    let discordant = first.discordant(&second);
    let (difference, interval, method, p_value) = match (&first.seeds[..], &second.seeds[..]) {
        ([first], [second]) => {
            let pairs = Pairs::count(first, second);
            let p_value = Some(pairs.p_value());
            (pairs.difference(), pairs.interval(), Method::TangoScore, p_value)
        }
        (first_seeds, second_seeds) => (
            second.accuracy() - first.accuracy(),
            bootstrap_interval(first_seeds, second_seeds, seed),
            Method::Bootstrap,
            None,
        ),
    };
    Comparison {
        difference,
        interval,
        method,
        verdict: Verdict::of(interval),
        p_value,
        photos,
        seeds,
        discordant,
        photos_to_tell_apart: photos_to_tell_apart(difference, discordant),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_paired_and_several_are_drawn() {
        let first = Answers::one((0..100).map(|photo| photo % 2 == 0));
        let second = Answers::one((0..100).map(|photo| photo % 10 < 8));
        let one = compare(&first, &second, 0);
        assert_eq!(one.method, Method::TangoScore);
        assert!(one.p_value.is_some_and(|p| p < 0.05) && one.verdict == Verdict::Real);
        let three = |answers: &Answers| Answers {
            seeds: vec![answers.seeds[0].clone(); 3],
        };
        let several = compare(&three(&first), &three(&second), 0);
        assert_eq!((several.method, several.seeds), (Method::Bootstrap, 3));
        assert!((several.difference - one.difference).abs() < 1e-12);
        assert_eq!(several.discordant, one.discordant);
        // As many seeds on both sides.
        assert_eq!(compare(&first, &three(&second), 0), one);
    }

    #[test]
    fn verdicts_follow_the_interval() {
        assert_eq!(Verdict::of([0.01, 0.2]), Verdict::Real);
        assert_eq!(Verdict::of([-0.01, 0.2]), Verdict::WithinNoise);
        assert_eq!(Verdict::of([0.0, 0.2]), Verdict::WithinNoise);
        assert_eq!(Verdict::of([-0.3, -0.1]), Verdict::Worse);
        assert_eq!(Verdict::Real.words(1), "real for this seed");
        assert_eq!(Verdict::Worse.words(3), "worse");
        assert_eq!(Verdict::WithinNoise.words(1), "within noise");
        assert_eq!(
            serde_json::to_string(&Verdict::WithinNoise).unwrap(),
            "\"within noise\""
        );
    }
}
