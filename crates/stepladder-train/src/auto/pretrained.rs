//! A start from the weights inside the program: the features of a frozen network, a head that is fitted to them exactly, and where there
//! is time, all layers fine-tuned from there.

use super::{AutoRequest, MachineSpeed, Plan, speed};
use crate::error::TrainError;
use std::time::Duration;
use stepladder_model::{ImageSize, Rung, RungCatalog};

/// The rung of the weights that are part of the program.
pub const SHIPPED_NETWORK: &str = "efficientnet-lite0";

/// Photos that show something at this many pixels; smaller ones say little to a network that has learned from larger.
pub const SMALLEST_PHOTOS: usize = 64;

/// The network has learned from photos of 224 px, and sees more in smaller ones when they are enlarged: on flowers5's photos of 128 px,
/// `train --start shipped --size N` has a validation accuracy of 90.6% at 128 px, 91.0% at 160 and 92.6% at 192.
const ENLARGED: f64 = 1.5;

/// Inputs to choose from, in pixels: the network halves them five times.
const SIZES: [usize; 5] = [96, 128, 160, 192, 224];

/// Input at which the machine is measured, in pixels.
const MEASURED_SIZE: usize = 128;

/// Time of decoding, features and head over that of the answers.
const FEATURES: f64 = 1.5;

/// Share of the time that is planned for: a machine is never as quiet as in a trial.
const PLANNED: f64 = 0.85;

/// Epochs of fine-tuning that are worth beginning, and those after which there is little left to gain.
const EPOCHS: [f64; 2] = [4.0, 8.0];

/// How all layers of a pretrained network are trained: at a low rate, and the first ones at a lower one, for they have the least to learn.
pub const FINE_TUNING: [(&str, &str); 6] = [
    ("start.frozen", "none"),
    ("start.learning_rate_decay", "0.8"),
    ("optimizer.learning_rate", "0.0006"),
    ("schedule.type", "one_cycle"),
    ("early_stopping", "false"),
    ("evaluation.flips", "true"),
];

/// Whether these weights are worth more than random ones.
pub(super) fn is_worth_it(request: &AutoRequest) -> bool {
    request.pretrained && request.steps.is_none() && request.photos.short_side() >= SMALLEST_PHOTOS
}

/// Features with a head that fits them, and fine-tuning from there where there is time for it.
pub(super) fn plan(request: &AutoRequest, budget: Duration) -> Result<Plan, TrainError> {
    plan_at(request, budget, speed(request, SHIPPED_NETWORK, MEASURED_SIZE)?)
}

/// [`plan`] on a machine of this speed.
fn plan_at(request: &AutoRequest, budget: Duration, speed: MachineSpeed) -> Result<Plan, TrainError> {
    let rung = RungCatalog::shipped().get(SHIPPED_NETWORK)?;
    let seconds = PLANNED * budget.as_secs_f64();
    let (mut frozen, mut tuned) = (None, None);
    for size in sizes(request) {
        let time = Times::of(&rung, request, size, speed)?;
        if time.features <= seconds || frozen.is_none() {
            frozen = Some(size);
        }
        let epochs = (seconds - time.features) / time.epoch;
        if epochs >= EPOCHS[0] {
            tuned = Some((size, epochs));
        }
    }
    match (tuned, frozen) {
        (Some((size, epochs)), _) => fine_tuned(&rung, request, size, epochs),
        (None, size) => features_and_head(&rung, size.unwrap_or(SIZES[0].into())),
    }
}

/// Seconds that parts of a training take.
struct Times {
    features: f64,
    epoch: f64,
}

impl Times {
    fn of(
        rung: &Rung,
        request: &AutoRequest,
        size: ImageSize,
        speed: MachineSpeed,
    ) -> Result<Times, TrainError> {
        let photos = &request.photos;
        let work = rung.graph(size, photos.classes.len().max(2))?.multiply_adds() as f64;
        // Training photos are seen mirrored, too.
        let images = (photos.in_all + photos.training) as f64;
        Ok(Times {
            features: FEATURES * images * work / speed.answers,
            epoch: photos.training as f64 * work / speed.training,
        })
    }
}

/// Sizes to choose from, up to the one that shows the network most of these photos.
fn sizes(request: &AutoRequest) -> Vec<ImageSize> {
    if let Some(size) = request.size {
        return vec![size];
    }
    let wanted = request.photos.short_side() as f64 * ENLARGED;
    let nearest = |size: &usize| (*size as f64 - wanted).abs() as usize;
    let largest = SIZES.into_iter().min_by_key(nearest).unwrap_or(SIZES[0]);
    let sizes = SIZES.into_iter().filter(|size| *size <= largest);
    sizes.map(ImageSize::square).collect()
}

fn features_and_head(rung: &Rung, size: ImageSize) -> Result<Plan, TrainError> {
    let size_text = size.to_toml();
    let values = [("start.weights", "shipped"), ("input.size", size_text.as_str())];
    Ok(Plan {
        rung: rung.with_overrides(values)?,
        fills_the_time: false,
        reasons: vec![format!(
            "{SHIPPED_NETWORK} at {size} px as ImageNet has taught it, with a head for these classes"
        )],
    })
}

fn fine_tuned(rung: &Rung, request: &AutoRequest, size: ImageSize, epochs: f64) -> Result<Plan, TrainError> {
    let photos = &request.photos;
    let epochs_text = format!("{:.0}", epochs.min(EPOCHS[1]));
    let size_text = size.to_toml();
    let mut values = vec![
        ("start.weights", "shipped"),
        ("input.size", size_text.as_str()),
        ("training.epochs", epochs_text.as_str()),
    ];
    values.extend(FINE_TUNING);
    if photos.are_digits() {
        values.extend([
            ("evaluation.flips", "false"),
            ("augmentation.horizontal_flip", "false"),
        ]);
    }
    let weights = photos.class_weights();
    if let Some(weights) = &weights {
        values.push(("training.class_weights", weights));
    }
    Ok(Plan {
        rung: rung.with_overrides(values)?,
        fills_the_time: epochs < EPOCHS[1],
        reasons: vec![format!(
            "{SHIPPED_NETWORK} at {size} px from ImageNet's weights: first a head for these classes, then {epochs_text} epochs in which all layers learn"
        )],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auto::tests::request;
    use stepladder_model::Frozen;

    fn from_shipped(counts: &[usize], short_side: usize) -> AutoRequest {
        AutoRequest {
            pretrained: true,
            ..request(counts, short_side)
        }
    }

    fn planned(request: &AutoRequest, seconds: u64) -> Plan {
        let speed = MachineSpeed {
            training: 10e9,
            answers: 40e9,
        };
        plan_at(request, Duration::from_secs(seconds), speed).unwrap()
    }

    #[test]
    fn a_short_time_is_for_features_and_a_longer_one_for_fine_tuning() {
        let flowers = from_shipped(&[733; 5], 128);
        let frozen = |plan: &Plan| plan.rung.start.as_ref().map(|start| start.frozen.clone());
        let short = planned(&flowers, 90);
        assert_eq!(frozen(&short), Some(Frozen::Backbone));
        assert!(!short.fills_the_time);
        let long = planned(&flowers, 600);
        assert_eq!(frozen(&long), Some(Frozen::None));
        assert!((128..=192).contains(&long.rung.input.size.height) && long.fills_the_time);
        // More than enough time ends before it is over.
        let longest = planned(&flowers, 36_000);
        assert_eq!(
            (longest.rung.input.size, longest.rung.training.epochs),
            (192.into(), 8)
        );
        assert!(!longest.fills_the_time);
    }

    #[test]
    fn fine_tuning_is_that_of_the_ladders_last_rung() {
        let catalog = RungCatalog::shipped();
        let mut rung = catalog
            .get("features")
            .unwrap()
            .with_overrides(FINE_TUNING)
            .unwrap();
        let tuned = catalog.get("fine-tuned").unwrap();
        rung.training.epochs = tuned.training.epochs;
        let values = |rung: &Rung| {
            let toml = rung.to_toml();
            let from = toml.find("layers = ").unwrap();
            toml[from..].to_string()
        };
        assert_eq!(values(&rung), values(&tuned));
    }

    #[test]
    fn photos_are_enlarged_by_no_more_than_a_half_or_so() {
        for (side, largest) in [(64, 96), (96, 128), (128, 192), (150, 224), (2000, 224)] {
            assert_eq!(
                sizes(&from_shipped(&[100; 2], side)).last(),
                Some(&ImageSize::square(largest)),
                "{side}"
            );
        }
        let tiny = from_shipped(&[100; 2], 32);
        assert!(!is_worth_it(&tiny));
    }

    #[test]
    fn rare_classes_count_more_in_fine_tuning() {
        let plan = planned(&from_shipped(&[400, 20], 128), 3600);
        assert_ne!(
            plan.rung.training.class_weights,
            stepladder_model::ClassWeights::None
        );
    }
}
