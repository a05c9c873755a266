//! The exact head against scikit-learn's (`oracle/golden_head.py`), and on any number of threads.

use serde::Deserialize;
use stepladder_data::{NoProgress, Progress};
use stepladder_train::{ExactHead, HeadConfig, Samples};

#[derive(Deserialize)]
struct Case {
    width: usize,
    classes: usize,
    strength: f64,
    features: Vec<f32>,
    labels: Vec<u32>,
    weights: Vec<f32>,
    kernel: Vec<f64>,
    bias: Vec<f64>,
    probabilities: Vec<f64>,
}

impl Case {
    fn all() -> Vec<Case> {
        serde_json::from_str(include_str!("golden/head.json")).unwrap()
    }

    fn samples(&self) -> Samples {
        Samples {
            features: self.features.clone(),
            width: self.width,
            labels: self.labels.clone(),
            weights: self.weights.clone(),
        }
    }

    fn config(&self) -> HeadConfig {
        HeadConfig {
            classes: self.classes,
            label_smoothing: 0.0,
        }
    }
}

#[test]
fn heads_are_those_of_scikit_learn() {
    for case in Case::all() {
        let head = ExactHead::fit(case.samples(), case.strength, case.config());
        let scale = case.kernel.iter().fold(0.0_f64, |most, w| most.max(w.abs()));
        for (found, expected) in head.kernel.iter().zip(&case.kernel) {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-4 * scale,
                "{found} instead of {expected}"
            );
        }
        let mean = head.bias.iter().sum::<f32>() / head.bias.len() as f32;
        for (found, expected) in head.bias.iter().zip(&case.bias) {
            assert!(
                (f64::from(found - mean) - expected).abs() < 1e-3,
                "{found} instead of {expected}"
            );
        }
        for (found, expected) in head.probabilities(&case.features).iter().zip(&case.probabilities) {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-4,
                "{found} instead of {expected}"
            );
        }
    }
}

#[test]
fn heads_do_not_depend_on_the_number_of_threads() {
    for case in Case::all() {
        let samples = case.samples();
        let found = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| ExactHead::choose(samples.clone(), &samples, case.config(), &NoProgress).unwrap())
        });
        assert_eq!(found[0], found[1]);
        assert_eq!(found[0], found[2]);
    }
}

/// Rows of noise with the same labels: the strongest regularization is the best guess on others. Rows that say their class: a weak one.
#[test]
fn the_strength_is_chosen_by_what_is_left_out() {
    let noise = |at: usize| (at * 7919 % 1009) as f32 / 1009.0;
    let samples = |from: usize, signal: f32| {
        let labels: Vec<u32> = (0..60).map(|row| (row + from) as u32 % 3).collect();
        let features = labels.iter().enumerate().flat_map(|(row, label)| {
            (0..8).map(move |column| {
                let says = if column == *label as usize { signal } else { 0.0 };
                noise((row + from) * 8 + column) + says
            })
        });
        Samples {
            features: features.collect(),
            width: 8,
            labels: labels.clone(),
            weights: Vec::new(),
        }
    };
    let config = HeadConfig {
        classes: 3,
        label_smoothing: 0.0,
    };
    let of = |signal: f32| {
        ExactHead::choose(samples(0, signal), &samples(1000, signal), config, &NoProgress).unwrap()
    };
    let (noise, signal) = (of(0.0), of(3.0));
    assert!(
        noise.strength > 100.0 * signal.strength,
        "{} and {}",
        noise.strength,
        signal.strength
    );
    assert!(signal.loss(&samples(5000, 3.0)) < 0.05);
}

/// Stopped by the user before it began.
struct Stopped;

impl Progress for Stopped {
    fn start(&self, _total: u64, _what: &str) {}
    fn advance(&self, _n: u64) {}
    fn finish(&self) {}
    fn is_cancelled(&self) -> bool {
        true
    }
}

#[test]
fn a_search_that_is_stopped_gives_no_head() {
    let case = &Case::all()[0];
    let samples = case.samples();
    assert_eq!(
        ExactHead::choose(samples.clone(), &samples, case.config(), &Stopped),
        None
    );
}

#[test]
fn smoothed_targets_leave_the_least_confidence() {
    let case = &Case::all()[0];
    let config = HeadConfig {
        label_smoothing: 0.3,
        ..case.config()
    };
    let [plain, smoothed] = [case.config(), config].map(|config| {
        let head = ExactHead::fit(case.samples(), 1e-4, config);
        head.probabilities(&case.features).into_iter().fold(0.0, f32::max)
    });
    // The best answer to a target of 0.3 spread over 3 classes is 0.8 for the label.
    assert!(plain > 0.95 && smoothed < 0.95, "{plain} and {smoothed}");
}
