//! Epoch against epoch: overfitting, underfitting, plateaus, rates that do not fit, and figures that may surprise. Differences count
//! where their 95% interval says that they are no luck.

use super::{Cause, Diagnosis};
use serde::{Deserialize, Serialize};
use stepladder_comparison::independent_interval;

/// Points between training and validation, at least, that are called overfitting.
const GAP: f64 = 0.05;

/// Epochs since the least validation loss from which its rise is one.
const SINCE_BEST: usize = 3;

/// How much higher than its least value the validation loss must be.
const RISE: f32 = 1.05;

/// Epochs over which a plateau is one.
const FLAT: usize = 6;

/// Change of the training loss over them, in proportion, below which it is flat.
const FLAT_CHANGE: f32 = 0.01;

/// A training accuracy from which nothing more is to be had.
const LEARNED: f64 = 0.98;

/// What the loss falls, at least, in an epoch that goes well at its start.
const LEAST_FALL: f64 = 0.02;

/// Steps before which a rate cannot be called too low.
const FEW_STEPS: u64 = 128;

/// What the loss may rise above that of guessing, and above its beginning, before a rate counts as too high.
const RISE_OF_LOSS: f64 = 1.1;

/// The figures of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochSeen {
    /// Mean training loss.
    #[serde(with = "crate::bits")]
    pub loss: f32,
    /// Training photos, and how many of them were right.
    pub train: (usize, usize),
    /// Mean validation loss; not a number without a validation part.
    #[serde(with = "crate::bits")]
    pub val_loss: f32,
    /// Validation photos, and how many of them were right.
    pub val: (usize, usize),
}

impl EpochSeen {
    fn accuracy((photos, right): (usize, usize)) -> f64 {
        right as f64 / photos.max(1) as f64
    }

    /// The 95% interval of training minus validation accuracy.
    fn gap(&self) -> [f64; 2] {
        let flipped = |(photos, right)| (right, photos);
        independent_interval(flipped(self.val), flipped(self.train))
    }

    fn has_validation(&self) -> bool {
        self.val.0 > 0
    }
}

/// Augmentation as it can be typed.
const AUGMENTATION: &str = "augmentation (--set augmentation.horizontal_flip=true --set augmentation.zoom_range=0.2; docs/guides/augmentation.md)";

/// What bounds a training, and is to be more where it was too little.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Bound {
    #[default]
    Epochs,
    Time,
    Steps,
}

/// What must be known of a training to judge its figures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Training {
    pub classes: usize,
    /// What makes training photos harder than others: augmentation, dropout, mixing. In words.
    pub hardships: Vec<&'static str>,
    /// The highest learning rate.
    pub rate: f32,
    /// Whether something lowers the rate by itself.
    pub rate_falls: bool,
    /// Mean loss of the first and of the last steps, and the share of the last's most frequent answer.
    pub first_loss: Option<f64>,
    pub last_loss: f64,
    pub constancy: f64,
    /// Whether the last steps were better than always naming the largest class.
    pub is_above_chance: bool,
    /// Steps so far.
    pub step: u64,
    /// What bounds the training.
    pub bound: Bound,
}

impl Training {
    fn diagnosis(&self, cause: Cause, epoch: usize, seen: String, remedy: String) -> Diagnosis {
        Diagnosis {
            cause,
            epoch,
            step: self.step,
            since: None,
            layer: None,
            seen,
            remedy,
        }
    }

    fn guessing(&self) -> f64 {
        (self.classes as f64).ln()
    }

    /// What the end of an epoch shows, the last of `epochs`.
    pub(crate) fn at_the_epochs_end(&self, epochs: &[EpochSeen]) -> Vec<Diagnosis> {
        let rules = [
            Training::rate_too_high,
            Training::rate_too_low,
            Training::overfitting,
            Training::plateau,
            Training::validation_above_training,
        ];
        rules.iter().filter_map(|rule| rule(self, epochs)).collect()
    }

    /// What the end of a training shows that came to its last epoch.
    pub(crate) fn at_the_end(&self, epochs: &[EpochSeen]) -> Option<Diagnosis> {
        let (last, before) = match epochs {
            [.., before, last] if last.has_validation() => (last, before),
            _ => return None,
        };
        let accuracy = EpochSeen::accuracy(last.train);
        let [low, _] = last.gap();
        if low > GAP || accuracy >= LEARNED {
            return None;
        }
        if f64::from(before.loss - last.loss) > LEAST_FALL * f64::from(before.loss) {
            let best = epochs.iter().map(|epoch| epoch.val_loss);
            let best = best.fold(f32::INFINITY, f32::min);
            return (last.val_loss <= RISE * best).then(|| {
                let seen = format!(
                    "the last epoch was still better than those before: training loss {:.3} after {:.3}, validation {:.3}",
                    last.loss, before.loss, last.val_loss
                );
                let remedy = match self.bound {
                    Bound::Epochs => "give more --epochs (or --epochs auto)",
                    Bound::Time => "give it more time: a longer --budget",
                    Bound::Steps => "give more --steps",
                };
                let remedy = remedy.to_string();
                self.diagnosis(Cause::StillImproving, epochs.len(), seen, remedy)
            });
        }
        (accuracy < 0.8 && last.val_loss >= 0.8 * last.loss).then(|| {
            let seen = format!(
                "only {:.1}% of the training photos are right, and validation is not behind",
                100.0 * accuracy
            );
            let remedy = match self.hardships.is_empty() {
                true => "take a rung with more filters or layers, or train longer".to_string(),
                false => format!("take a larger rung, or less of {}", self.hardships.join(", ")),
            };
            self.diagnosis(Cause::Underfitting, epochs.len(), seen, remedy)
        })
    }

    fn rate_too_high(&self, epochs: &[EpochSeen]) -> Option<Diagnosis> {
        let first = self.first_loss?;
        let rises = self.last_loss > RISE_OF_LOSS * first.max(self.guessing());
        (epochs.len() <= 2 && rises).then(|| {
            let seen = format!(
                "the loss rose from {first:.2} to {:.2}, where guessing costs {:.2}",
                self.last_loss,
                self.guessing()
            );
            let remedy = format!(
                "the learning rate is too high: try --lr {:.0e}, or stepladder find-lr",
                self.rate / 10.0
            );
            self.diagnosis(Cause::RateTooHigh, epochs.len(), seen, remedy)
        })
    }

    fn rate_too_low(&self, epochs: &[EpochSeen]) -> Option<Diagnosis> {
        let first = self.first_loss?;
        let still = (1.0 - self.last_loss / first).abs() < LEAST_FALL;
        // One answer for all photos has other causes.
        let is_time = epochs.len() >= 2 && self.step >= FEW_STEPS;
        let slow = is_time && still && !self.is_above_chance && self.constancy < 0.9;
        slow.then(|| {
            let seen = format!(
                "{} epochs moved the loss from {first:.3} to {:.3} and no further",
                epochs.len(),
                self.last_loss
            );
            let remedy = format!(
                "the learning rate is too low: try --lr {:.0e}, or stepladder find-lr",
                self.rate * 10.0
            );
            self.diagnosis(Cause::RateTooLow, epochs.len(), seen, remedy)
        })
    }

    fn overfitting(&self, epochs: &[EpochSeen]) -> Option<Diagnosis> {
        let last = epochs.last().filter(|last| last.has_validation())?;
        let (best, least) = epochs
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| a.val_loss.total_cmp(&b.val_loss))?;
        let [low, high] = last.gap();
        let rose = epochs.len() - 1 - best >= SINCE_BEST && last.val_loss > RISE * least.val_loss;
        (rose && low > GAP).then(|| {
            let seen = format!(
                "training is {:.1} points ahead of validation (95% interval {:.1} to {:.1}), and the validation loss rises since epoch {}",
                100.0 * (EpochSeen::accuracy(last.train) - EpochSeen::accuracy(last.val)),
                100.0 * low,
                100.0 * high,
                best + 1
            );
            let mut remedies = vec!["more photos", "weight decay (--weight-decay 0.01)"];
            if !self.hardships.contains(&"augmentation") {
                remedies.insert(0, AUGMENTATION);
            }
            if !self.hardships.contains(&"dropout") {
                remedies.push("dropout");
            }
            let remedy = format!("try {}; the best epoch's weights are kept", remedies.join(", "));
            Diagnosis {
                since: Some(best + 1),
                ..self.diagnosis(Cause::Overfitting, epochs.len(), seen, remedy)
            }
        })
    }

    fn plateau(&self, epochs: &[EpochSeen]) -> Option<Diagnosis> {
        let flat = &epochs[epochs.len().checked_sub(FLAT)?..];
        let last = flat.last()?;
        let losses = || flat.iter().map(|epoch| epoch.loss);
        let (least, greatest) = (
            losses().fold(f32::INFINITY, f32::min),
            losses().fold(f32::NEG_INFINITY, f32::max),
        );
        let still = greatest - least < FLAT_CHANGE * greatest;
        let learned = EpochSeen::accuracy(last.train) >= LEARNED;
        (still && !learned && !self.rate_falls && self.is_above_chance).then(|| {
            let seen = format!(
                "the training loss has stayed between {least:.3} and {greatest:.3} for {FLAT} epochs"
            );
            let remedy =
                "let the rate fall: --schedule cosine, or [reduce_lr_on_plateau] in the rung".to_string();
            Diagnosis {
                since: Some(epochs.len() + 1 - FLAT),
                ..self.diagnosis(Cause::Plateau, epochs.len(), seen, remedy)
            }
        })
    }

    fn validation_above_training(&self, epochs: &[EpochSeen]) -> Option<Diagnosis> {
        let last = epochs
            .last()
            .filter(|last| epochs.len() >= 2 && last.has_validation())?;
        let [_, high] = last.gap();
        (high < 0.0).then(|| {
            let ahead = EpochSeen::accuracy(last.val) - EpochSeen::accuracy(last.train);
            let mut reasons = vec!["the training figure is taken while the weights still move"];
            reasons.extend(&self.hardships);
            let seen = format!("validation is {:.1} points ahead of training", 100.0 * ahead);
            let remedy = format!("nothing is wrong: {}", reasons.join(", "));
            self.diagnosis(Cause::ValidationAboveTraining, epochs.len(), seen, remedy)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(loss: f32, right: usize, val_loss: f32, val_right: usize) -> EpochSeen {
        EpochSeen {
            loss,
            train: (1000, right),
            val_loss,
            val: (400, val_right),
        }
    }

    fn training() -> Training {
        Training {
            classes: 5,
            rate: 0.001,
            step: FEW_STEPS,
            first_loss: Some(1.6),
            last_loss: 1.0,
            constancy: 0.4,
            is_above_chance: true,
            ..Training::default()
        }
    }

    fn causes(training: &Training, epochs: &[EpochSeen]) -> Vec<Cause> {
        let found = training.at_the_epochs_end(epochs);
        found.into_iter().map(|diagnosis| diagnosis.cause).collect()
    }

    #[test]
    fn overfitting_needs_a_gap_beyond_luck_and_a_rising_loss() {
        let rising = [
            epoch(1.2, 500, 1.1, 220),
            epoch(0.8, 700, 0.9, 260),
            epoch(0.5, 830, 1.0, 260),
            epoch(0.3, 900, 1.1, 262),
            epoch(0.2, 950, 1.2, 264),
        ];
        assert_eq!(causes(&training(), &rising), [Cause::Overfitting]);
        let found = &training().at_the_epochs_end(&rising)[0];
        assert!(found.seen.contains("since epoch 2") && found.seen.contains("95% interval"));
        assert_eq!(causes(&training(), &rising[..3]), []);
        let close = rising.map(|seen| epoch(seen.loss, 680, seen.val_loss, 268));
        assert_eq!(causes(&training(), &close), []);
    }

    #[test]
    fn rates_that_do_not_fit_are_told_apart() {
        let mut high = training();
        high.last_loss = 9.0;
        let one = [epoch(5.0, 210, 7.0, 84)];
        assert_eq!(causes(&high, &one), [Cause::RateTooHigh]);
        let mut low = training();
        (low.last_loss, low.is_above_chance) = (1.59, false);
        let two = [epoch(1.6, 210, 1.6, 84), epoch(1.59, 214, 1.6, 84)];
        assert_eq!(causes(&low, &two), [Cause::RateTooLow]);
        low.constancy = 0.99;
        assert_eq!(causes(&low, &two), [], "one answer for all has another cause");
    }

    #[test]
    fn a_plateau_is_flat_and_has_something_left_to_learn() {
        let flat = [epoch(0.9, 650, 0.95, 255); FLAT];
        assert_eq!(causes(&training(), &flat), [Cause::Plateau]);
        let falls = Training {
            rate_falls: true,
            ..training()
        };
        assert_eq!(causes(&falls, &flat), []);
        assert_eq!(causes(&training(), &[epoch(0.01, 1000, 0.01, 400); FLAT]), []);
    }

    #[test]
    fn validation_ahead_is_explained() {
        let ahead = [epoch(1.2, 500, 1.0, 260), epoch(1.0, 550, 0.8, 300)];
        let drops = Training {
            hardships: vec!["dropout"],
            ..training()
        };
        let found = drops.at_the_epochs_end(&ahead);
        assert_eq!(found[0].cause, Cause::ValidationAboveTraining);
        assert!(found[0].remedy.contains("dropout") && found[0].cause.is_note());
    }

    #[test]
    fn the_end_says_whether_more_was_to_be_had() {
        let still = [epoch(1.2, 500, 1.1, 220), epoch(1.0, 600, 1.0, 240)];
        let found = training().at_the_end(&still).unwrap();
        assert_eq!(found.cause, Cause::StillImproving);
        assert!(found.remedy.contains("--epochs"), "{}", found.remedy);
        for (bound, option) in [(Bound::Time, "--budget"), (Bound::Steps, "--steps")] {
            let bounded = Training { bound, ..training() };
            let remedy = bounded.at_the_end(&still).unwrap().remedy;
            assert!(
                remedy.contains(option) && !remedy.contains("--epochs"),
                "{remedy}"
            );
        }
        // A validation that wavers makes no network too small.
        let wavering = [epoch(1.2, 500, 1.0, 260), epoch(1.0, 600, 1.02, 240)];
        let found = training().at_the_end(&wavering).unwrap();
        assert_eq!(found.cause, Cause::StillImproving);
        let small = [epoch(1.0, 600, 0.99, 240), epoch(0.995, 602, 1.0, 240)];
        let found = training().at_the_end(&small).unwrap();
        assert_eq!(found.cause, Cause::Underfitting);
        assert!(found.remedy.contains("filters"), "{}", found.remedy);
        assert_eq!(training().at_the_end(&[epoch(0.1, 990, 0.1, 390); 2]), None);
    }
}
