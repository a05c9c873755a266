//! What the watch sees, what follows from it, and that a run which was interrupted takes the same turns.

mod place;

use place::Place;
use stepladder_train::{Cause, Diagnosis, OnStuck, Outcome, TrainError};

/// A linear classifier of absurdly scaled photos: its scores overflow at some rate, and not at a tenth of it.
fn absurd(rate: &str) -> String {
    format!(
        r#"
name = "absurd"
parent = "baseline"
change = "One layer, and values near the end of the numbers"
layers = [
  {{ layer = "Normalization", mean = 0.0, variance = 1e-14 }},
  {{ layer = "Normalization", mean = 0.0, variance = 1e-14 }},
  {{ layer = "Flatten" }},
  {{ layer = "Dense", units = "classes", activation = "softmax" }},
]
optimizer = {{ type = "sgd", learning_rate = {rate} }}
training = {{ epochs = 3, batch_size = 8 }}
early_stopping = false
"#
    )
}

/// Nothing comes through the first layer, whatever the seed.
const DEAD: &str = r#"
name = "dead"
parent = "baseline"
change = "A layer of zeros"
layers = [
  { layer = "Conv2D", filters = 8, kernel_size = 3, activation = "relu", kernel_initializer = "zeros" },
  { layer = "GlobalAveragePooling2D" },
  { layer = "Dense", units = "classes", activation = "softmax" },
]
training = { epochs = 12, batch_size = 4 }
early_stopping = false
"#;

fn diagnoses(place: &Place, run: &str) -> Vec<Diagnosis> {
    let text = std::fs::read_to_string(place.path(run).join("diagnoses.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_loss_off_the_numbers_goes_back_once_and_the_same_way_after_an_interrupt() {
    let place = Place::new();
    let (mut saved, mut lost) = (0, 0);
    for rate in ["1e8", "3e8", "1e9", "3e9", "1e10", "3e10"] {
        let rung = absurd(rate);
        let run = format!("whole-{rate}");
        match place.sit(&place.request(&run, &rung), None, false) {
            Ok(summary) => {
                assert_eq!(summary.outcome, Outcome::Finished);
                if !place.path(&run).join("diagnoses.json").exists() {
                    continue;
                }
                let found = diagnoses(&place, &run);
                let broken: Vec<_> = found.iter().filter(|d| d.cause == Cause::NotANumber).collect();
                if broken.is_empty() {
                    continue;
                }
                saved += 1;
                assert_eq!(broken.len(), 1);
                assert!(broken[0].seen.contains(".png") || broken[0].seen.contains("dense"));
                let each = format!("each-{rate}");
                let request = place.request(&each, &rung);
                while place.sit(&request, None, true).unwrap().outcome == Outcome::Interrupted {}
                place.assert_same(&run, &each);
                assert_eq!(diagnoses(&place, &each), found);
            }
            Err(TrainError::Diverged { .. }) => {
                lost += 1;
                let found = diagnoses(&place, &run);
                let broken = found.iter().filter(|d| d.cause == Cause::NotANumber);
                assert_eq!(broken.count(), 2);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(saved > 0, "no rate was saved by a tenth of it ({lost} were lost)");
}

#[test]
fn a_dead_network_is_named_before_the_first_step_and_stopped_or_reseeded() {
    let place = Place::new();
    let mut request = place.request("stop", DEAD);
    request.controls.on_stuck = OnStuck::Stop;
    let summary = place.sit(&request, None, false).unwrap();
    assert_eq!(summary.outcome, Outcome::Stuck);
    let found = diagnoses(&place, "stop");
    assert_eq!((found[0].step, found[0].layer.as_deref()), (0, Some("conv2d")));
    assert!(matches!(
        found[0].cause,
        Cause::DeadUnits | Cause::VanishingActivations
    ));
    let stuck = found.iter().find(|d| d.cause == Cause::StuckAtChance).unwrap();
    assert!(stuck.seen.contains("one class"), "{}", stuck.seen);
    assert_eq!(stuck.layer.as_deref(), Some("conv2d"));

    let mut again = place.request("reseed", DEAD);
    again.controls.on_stuck = OnStuck::Reseed;
    assert_eq!(place.sit(&again, None, false).unwrap().outcome, Outcome::Stuck);
    let stuck = diagnoses(&place, "reseed")
        .into_iter()
        .filter(|d| d.cause == Cause::StuckAtChance);
    assert_eq!(stuck.count(), 4, "the first weights and three more");

    let warned = place.request("warn", DEAD);
    assert_eq!(
        place.sit(&warned, None, false).unwrap().outcome,
        Outcome::Finished
    );
    let mut killed = place.request("reseed-each", DEAD);
    killed.controls.on_stuck = OnStuck::Reseed;
    while place.sit(&killed, Some(17), false).unwrap().outcome == Outcome::Interrupted {}
    place.assert_same("reseed", "reseed-each");
}
