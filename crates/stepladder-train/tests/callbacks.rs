//! Early stopping and the reduction on plateau against Keras' decisions on the same curves, as `oracle/golden_callbacks.py`
//! stored them.

use std::path::Path;

use serde::Deserialize;
use stepladder_model::{EarlyStopping, Monitor, ReduceLrOnPlateau};
use stepladder_train::{PlateauState, StoppingState};

#[derive(Deserialize)]
struct Golden {
    learning_rate: f32,
    curves: Vec<Curve>,
}

/// Null in a curve is a figure that is not a number.
#[derive(Deserialize)]
struct Curve {
    name: String,
    losses: Vec<Option<f32>>,
    accuracies: Vec<Option<f32>>,
    early_stopping: Vec<Stopping>,
    reduce_lr_on_plateau: Vec<Plateau>,
}

impl Curve {
    fn figures(&self, monitor: Monitor) -> impl Iterator<Item = f32> {
        let figures = match monitor {
            Monitor::ValLoss | Monitor::Loss => &self.losses,
            Monitor::ValAccuracy | Monitor::Accuracy => &self.accuracies,
        };
        figures.iter().map(|figure| figure.unwrap_or(f32::NAN))
    }
}

/// Settings of `EarlyStopping`, and what it did.
#[derive(Deserialize)]
struct Stopping {
    monitor: String,
    patience: usize,
    min_delta: f32,
    start_from_epoch: usize,
    /// The epoch at whose end it stopped.
    stopped: Option<usize>,
    /// The best figure in the end; null where there was none.
    best: Option<f32>,
}

/// Settings of `ReduceLROnPlateau`, and when the learning rate fell.
#[derive(Deserialize)]
struct Plateau {
    monitor: String,
    factor: f32,
    patience: usize,
    min_delta: f32,
    cooldown: usize,
    min_lr: f32,
    falls: Vec<Fall>,
}

/// The end of an epoch, and the learning rate from then on.
#[derive(Deserialize)]
struct Fall {
    epoch: usize,
    rate: f32,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/callbacks.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn monitor(name: &str) -> Monitor {
    let known = [
        Monitor::ValLoss,
        Monitor::ValAccuracy,
        Monitor::Loss,
        Monitor::Accuracy,
    ];
    known.into_iter().find(|monitor| monitor.name() == name).unwrap()
}

#[test]
fn early_stopping_stops_where_keras_does() {
    let (mut stops, mut ends) = (0, 0);
    for curve in golden().curves {
        for case in &curve.early_stopping {
            let config = EarlyStopping {
                monitor: monitor(&case.monitor),
                patience: case.patience,
                min_delta: case.min_delta,
                start_from_epoch: case.start_from_epoch,
                restore_best_weights: false,
            };
            let mut state = StoppingState::default();
            let mut stopped = None;
            for (epoch, figure) in curve.figures(config.monitor).enumerate() {
                if state.observe(&config, epoch, figure) {
                    stopped = Some(epoch);
                    break;
                }
            }
            assert_eq!(stopped, case.stopped, "{}: {config:?}", curve.name);
            assert_eq!(state.best, case.best, "{}: {config:?}", curve.name);
            match stopped {
                Some(_) => stops += 1,
                None => ends += 1,
            }
        }
    }
    assert!(
        stops > 100 && ends > 20,
        "the curves decide both ways: {stops} stops, {ends} ends"
    );
}

#[test]
fn the_learning_rate_falls_where_keras_lets_it_fall() {
    let golden = golden();
    let mut reductions = 0;
    for curve in &golden.curves {
        for case in &curve.reduce_lr_on_plateau {
            let config = ReduceLrOnPlateau {
                monitor: monitor(&case.monitor),
                factor: case.factor,
                patience: case.patience,
                min_delta: case.min_delta,
                cooldown: case.cooldown,
                min_lr: case.min_lr,
            };
            let mut state = PlateauState::default();
            let mut falls = Vec::new();
            for (epoch, figure) in curve.figures(config.monitor).enumerate() {
                if state.observe(&config, golden.learning_rate * state.factor, figure) {
                    falls.push((epoch, golden.learning_rate * state.factor));
                }
            }
            let what = format!("{}: {config:?}", curve.name);
            let epochs: Vec<usize> = falls.iter().map(|(epoch, _)| *epoch).collect();
            let expected: Vec<usize> = case.falls.iter().map(|fall| fall.epoch).collect();
            assert_eq!(epochs, expected, "{what}");
            for ((epoch, rate), fall) in falls.iter().zip(&case.falls) {
                // A rate here is a product of factors, in Keras a rate that was multiplied again and again.
                assert!(
                    (rate - fall.rate).abs() <= 1e-5 * fall.rate,
                    "epoch {epoch}: {rate}, Keras has {}: {what}",
                    fall.rate
                );
            }
            reductions += falls.len();
        }
    }
    assert!(reductions > 500, "only {reductions} reductions");
}
