//! What watches a figure from epoch to epoch: early stopping and the reduction of the learning rate on a plateau, with the
//! decisions of Keras' callbacks of those names.

use serde::{Deserialize, Serialize};
use stepladder_model::{EarlyStopping, ReduceLrOnPlateau};

/// Early stopping in the middle of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct StoppingState {
    /// The best figure so far.
    #[serde(with = "crate::bits::option")]
    pub best: Option<f32>,
    /// Epochs since.
    pub wait: usize,
}

impl StoppingState {
    /// Takes in the figure at the end of `epoch` (from 0); true if training should stop.
    ///
    /// As Keras: an epoch is better if it beats the best by more than `min_delta`; training stops when `patience`
    /// epochs in a row are not, but never at epoch 0. A figure that is not a number is not better.
    pub fn observe(&mut self, config: &EarlyStopping, epoch: usize, figure: f32) -> bool {
        if epoch < config.start_from_epoch {
            return false;
        }
        self.wait += 1;
        if better(
            self.best,
            figure,
            config.min_delta,
            config.monitor.more_is_better(),
        ) {
            self.best = Some(figure);
            self.wait = 0;
            return false;
        }
        self.wait >= config.patience && epoch > 0
    }
}

/// The reduction on plateau in the middle of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlateauState {
    /// The best figure so far.
    #[serde(with = "crate::bits::option")]
    pub best: Option<f32>,
    /// Epochs since, cooldown left out.
    pub wait: usize,
    /// Epochs of cooldown left.
    pub cooldown: usize,
    /// What the schedule's learning rate is multiplied by.
    #[serde(with = "crate::bits")]
    pub factor: f32,
}

impl Default for PlateauState {
    fn default() -> Self {
        PlateauState {
            best: None,
            wait: 0,
            cooldown: 0,
            factor: 1.0,
        }
    }
}

impl PlateauState {
    /// Takes in the figure at the end of an epoch whose last step had `learning_rate`; true if the rate was reduced.
    pub fn observe(&mut self, config: &ReduceLrOnPlateau, learning_rate: f32, figure: f32) -> bool {
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.wait = 0;
        }
        if better(
            self.best,
            figure,
            config.min_delta,
            config.monitor.more_is_better(),
        ) {
            self.best = Some(figure);
            self.wait = 0;
            return false;
        }
        if self.cooldown > 0 {
            return false;
        }
        self.wait += 1;
        if self.wait < config.patience || learning_rate <= config.min_lr {
            return false;
        }
        let reduced = (learning_rate * config.factor).max(config.min_lr);
        self.factor *= reduced / learning_rate;
        self.cooldown = config.cooldown;
        self.wait = 0;
        true
    }
}

/// Whether `figure` beats `best` by more than `min_delta`; anything beats nothing, and NaN beats nothing at all.
pub(crate) fn better(best: Option<f32>, figure: f32, min_delta: f32, more_is_better: bool) -> bool {
    match best {
        None => !figure.is_nan(),
        Some(best) if more_is_better => figure - min_delta.abs() > best,
        Some(best) => figure + min_delta.abs() < best,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_model::Monitor;

    fn stops_at(config: &EarlyStopping, curve: &[f32]) -> Option<usize> {
        let mut state = StoppingState::default();
        (0..curve.len()).find(|&epoch| state.observe(config, epoch, curve[epoch]))
    }

    #[test]
    fn stops_after_patience_epochs_without_improvement() {
        let config = EarlyStopping {
            patience: 2,
            ..EarlyStopping::default()
        };
        assert_eq!(stops_at(&config, &[1.0, 0.8, 0.9, 0.85, 0.1]), Some(3));
        assert_eq!(stops_at(&config, &[1.0, 0.8, 0.9, 0.7, 0.75, 0.6]), None);
        assert_eq!(stops_at(&config, &[f32::NAN, f32::NAN, f32::NAN]), Some(1));
    }

    #[test]
    fn a_gain_within_min_delta_is_none() {
        let config = EarlyStopping {
            patience: 1,
            min_delta: 0.1,
            ..EarlyStopping::default()
        };
        assert_eq!(stops_at(&config, &[1.0, 0.95]), Some(1));
    }

    #[test]
    fn accuracy_counts_upwards() {
        let config = EarlyStopping {
            patience: 1,
            monitor: Monitor::ValAccuracy,
            ..EarlyStopping::default()
        };
        assert_eq!(stops_at(&config, &[0.2, 0.3, 0.4, 0.4]), Some(3));
    }

    #[test]
    fn the_rate_falls_on_a_plateau_and_rests_during_cooldown() {
        let config = ReduceLrOnPlateau {
            patience: 2,
            factor: 0.5,
            cooldown: 2,
            ..ReduceLrOnPlateau::default()
        };
        let mut state = PlateauState::default();
        let mut rates = Vec::new();
        for figure in [1.0; 10] {
            let rate = 0.1 * state.factor;
            rates.push(rate);
            state.observe(&config, rate, figure);
        }
        assert_eq!(
            rates,
            [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.0125]
        );
    }
}
