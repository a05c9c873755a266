//! A training from random weights: which network of the family, at which size, for how long, and with what augmentation.

use super::photos::PhotoFacts;
use super::{AutoRequest, Plan, speed};
use crate::course::{shares, training_phases};
use crate::error::TrainError;
use std::time::Duration;
use stepladder_model::{ImageSize, Layer, RandomTransform, Rung, RungCatalog};

/// The smallest network of the family, by which the machine is measured, and its input for that in pixels.
const SMALLEST: &str = "small";
const MEASURED_SIZE: usize = 64;

/// Networks and sides of square input, from little work to much, and how many times as many epochs as the smallest network each needs before it is
/// worth its price.
const LADDER: [(&str, usize, f64); 7] = [
    ("small", TINY, 1.0),
    ("small", 96, 1.0),
    ("small", 128, 1.0),
    ("medium", 128, 1.5),
    ("medium", 160, 1.5),
    ("large", 160, 2.5),
    ("large", 192, 2.5),
];

/// Photos that the smallest network has to be shown before a larger one pays, and bounds of the epochs that these are.
const SHOWN: f64 = 88_000.0;
const EPOCHS: [f64; 2] = [12.0, 150.0];

/// More epochs than this change nothing that can be measured.
const MOST_EPOCHS: f64 = 300.0;

/// Share of the time that is left for steps beside decoding, validation and figures.
const FOR_STEPS: f64 = 0.85;

/// Photos of less than this are not halved by the stem, and there are no smaller ones to begin with.
const TINY: usize = 64;

/// Fewer photos of a class than this are few.
const FEW: usize = 60;

/// Plans a training.
pub(super) fn plan(request: &AutoRequest, budget: Duration) -> Result<Plan, TrainError> {
    let speed = match request.steps {
        // A number of steps is to mean the same on every machine.
        Some(_) => None,
        None => Some(speed(request, SMALLEST, MEASURED_SIZE)?.training),
    };
    plan_at(request, budget, speed)
}

/// [`plan`] on a machine of this speed, in multiply-adds of the forward pass a second; none where steps are the bound.
fn plan_at(request: &AutoRequest, budget: Duration, speed: Option<f64>) -> Result<Plan, TrainError> {
    let photos = &request.photos;
    let least = (SHOWN / photos.training as f64).clamp(EPOCHS[0], EPOCHS[1]);
    let mut best: Option<(Rung, f64)> = None;
    for (network, size, patience) in candidates(request) {
        let rung = rung(network, size, photos)?;
        let epochs = match speed {
            Some(speed) => {
                speed * budget.as_secs_f64() * FOR_STEPS / (work(&rung, photos)? * photos.training as f64)
            }
            None => {
                let batches = photos.training.div_ceil(rung.training.batch_size);
                request.steps.unwrap_or(0) as f64 / batches as f64
            }
        };
        // The first is taken in any case.
        if best.is_none() || epochs >= least * patience {
            best = Some((rung, epochs));
        }
    }
    let (rung, epochs) = best.expect("there is always a smallest network");
    let fills_the_time = request.steps.is_none() && epochs <= MOST_EPOCHS;
    let rounded = (epochs.min(MOST_EPOCHS).round() as usize).max(1);
    let text = rounded.to_string();
    let reasons = reasons(request, &rung, budget, rounded, least);
    Ok(Plan {
        rung: rung.with_overrides([("training.epochs", text.as_str())])?,
        fills_the_time,
        reasons,
    })
}

/// What the photos have pixels for, or what the user has asked for.
fn candidates(request: &AutoRequest) -> Vec<(&'static str, ImageSize, f64)> {
    let side = request.photos.short_side();
    if let Some(size) = request.size {
        let networks = [("small", 1.0), ("medium", 1.5), ("large", 2.5)];
        return networks
            .map(|(network, patience)| (network, size, patience))
            .to_vec();
    }
    if side < TINY {
        // As they are: each pixel counts.
        let size = ImageSize::square(side.max(16));
        return vec![("small", size, 1.0), ("medium", size, 2.0), ("large", size, 4.0)];
    }
    let rungs = LADDER.into_iter().filter(|(_, size, _)| *size <= side);
    rungs
        .map(|(network, size, patience)| (network, size.into(), patience))
        .collect()
}

/// Multiply-adds of a photo's forward pass, in the mean over the phases.
fn work(rung: &Rung, photos: &PhotoFacts) -> Result<f64, TrainError> {
    let phases = training_phases(rung, rung.input.size, photos.classes.len().max(2))?;
    let of_phase = shares(&phases).map(|(share, phase)| share * phase.graph.multiply_adds() as f64);
    Ok(of_phase.sum())
}

/// The network for these photos at this size.
fn rung(network: &str, size: ImageSize, photos: &PhotoFacts) -> Result<Rung, TrainError> {
    let mut values: Vec<(&str, String)> = vec![("input.size", size.to_toml())];
    if size.short_side() < TINY {
        values.push(("layers.stem.strides", String::from("1")));
        values.push(("phase", String::from("[]")));
    } else {
        // Multiples of eight fill the kernels' tiles.
        let part = |share: f64| {
            let long = size.long_side();
            let part = ((long as f64 * share / 8.0).round() as usize * 8).max(32);
            size.map(|side| (side * part + long / 2) / long).to_toml()
        };
        values.push((
            "phase",
            format!(
                "[{{ until = 0.3, size = {} }}, {{ until = 0.7, size = {} }}, {{ until = 1.0, size = {} }}]",
                part(0.5),
                part(0.75),
                size.to_toml()
            ),
        ));
    }
    if photos.training >= 5_000 {
        // Fewer, larger steps: there are enough of them.
        values.push(("training.batch_size", String::from("64")));
        values.push(("optimizer.learning_rate", String::from("0.1")));
    }
    let of_a_class = photos.in_all / photos.classes.len().max(1);
    if of_a_class < FEW {
        values.push(("layers.dropout.rate", String::from("0.4")));
    }
    if let Some(weights) = photos.class_weights() {
        values.push(("training.class_weights", weights));
    }
    let rung = RungCatalog::shipped().get(network)?;
    let rung = rung.with_overrides(values.iter().map(|(key, value)| (*key, value.as_str())))?;
    let rung = with_crops_of_its_shape(rung);
    Ok(match photos.are_digits() {
        true => without_flips(rung),
        false => rung,
    })
}

/// Crops vary about the input's shape, as those of a square do about the square: so photos are squeezed as little as can be.
fn with_crops_of_its_shape(mut rung: Rung) -> Rung {
    let shape = rung.input.size.width as f32 / rung.input.size.height as f32;
    for spec in &mut rung.layers {
        if let Layer::Augmentation(RandomTransform::ResizedCrop(crop)) = &mut spec.layer {
            crop.ratio = crop.ratio.map(|ratio| ratio * shape);
        }
    }
    rung
}

fn without_flips(mut rung: Rung) -> Rung {
    rung.layers.retain(|spec| spec.layer.kind() != "RandomFlip");
    rung.evaluation.flips = false;
    rung
}

fn reasons(request: &AutoRequest, rung: &Rung, budget: Duration, epochs: usize, least: f64) -> Vec<String> {
    let photos = &request.photos;
    let size = rung.input.size;
    let length = match (request.steps, epochs as f64 >= MOST_EPOCHS) {
        (Some(steps), _) => format!("{steps} steps"),
        (None, true) => format!("{epochs} epochs, more of which would change nothing"),
        (None, false) => format!("about {epochs} epochs in {} s", budget.as_secs()),
    };
    let mut reasons = vec![format!(
        "{} at {size} px from random weights, {length}",
        rung.name
    )];
    if (epochs as f64) < least {
        reasons.push(format!(
            "{:.0} epochs would be better: more time would make a better classifier",
            least.ceil()
        ));
    }
    if photos.class_weights().is_some() {
        reasons.push(format!(
            "the largest class has {:.0} times as many photos as the smallest: rare classes count more",
            photos.imbalance()
        ));
    }
    if photos.are_digits() {
        reasons.push(String::from("digits are not mirrored"));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auto::tests::request;
    use stepladder_model::ClassWeights;

    fn planned(request: &AutoRequest, seconds: u64, speed: f64) -> Plan {
        plan_at(request, Duration::from_secs(seconds), Some(speed)).unwrap()
    }

    #[test]
    fn more_time_buys_more_network() {
        let flowers = request(&[733; 5], 240);
        let chosen = |seconds, speed| {
            let plan = planned(&flowers, seconds, speed);
            (plan.rung.name, plan.rung.input.size)
        };
        assert_eq!(chosen(20, 55e9), ("small".to_string(), 64.into()));
        assert_eq!(chosen(200, 55e9).0, "small");
        assert_eq!(chosen(3600, 55e9), ("large".to_string(), 160.into()));
        assert_eq!(chosen(14_400, 55e9), ("large".to_string(), 192.into()));
        // A faster machine is as good as more time.
        assert_eq!(chosen(600, 140e9), chosen(1527, 55e9));
    }

    #[test]
    fn tiny_photos_are_taken_as_they_are() {
        let cifar = request(&[5000; 10], 32);
        let plan = planned(&cifar, 900, 55e9);
        assert_eq!(plan.rung.input.size, 32.into());
        assert!(plan.rung.phases.is_empty());
        assert_eq!(plan.rung.training.batch_size, 64);
        plan.rung.graph(32, 10).unwrap();
    }

    #[test]
    fn digits_are_not_mirrored() {
        let mut digits = request(&[600; 10], 28);
        for (index, class) in digits.photos.classes.iter_mut().enumerate() {
            class.0 = index.to_string();
        }
        let rung = planned(&digits, 60, 55e9).rung;
        assert!(!rung.evaluation.flips);
        assert!(rung.layers.iter().all(|spec| spec.layer.kind() != "RandomFlip"));
    }

    #[test]
    fn rare_classes_count_more_but_not_in_proportion() {
        let rung = planned(&request(&[1000, 25], 128), 100, 55e9).rung;
        let ClassWeights::Named(weights) = rung.training.class_weights else {
            panic!("weights by name");
        };
        let ratio = weights[1].1 / weights[0].1;
        assert!((ratio - 40f32.sqrt()).abs() < 0.05, "{ratio}");
        let even = planned(&request(&[100, 90], 128), 100, 55e9).rung;
        assert_eq!(even.training.class_weights, ClassWeights::None);
    }

    #[test]
    fn few_photos_end_before_their_time_and_many_classes_fit() {
        let few = planned(&request(&[20; 5], 128), 36_000, 55e9);
        assert!(!few.fills_the_time);
        assert_eq!(few.rung.training.epochs, 300);
        let many = planned(&request(&[100; 200], 128), 600, 55e9);
        many.rung.graph(many.rung.input.size, 200).unwrap();
        assert!(many.fills_the_time);
    }

    #[test]
    fn a_number_of_steps_chooses_without_a_clock() {
        let steps = AutoRequest {
            steps: Some(3000),
            ..request(&[733; 5], 128)
        };
        let one = plan_at(&steps, Duration::from_secs(1), None).unwrap();
        let other = plan_at(&steps, Duration::from_secs(1000), None).unwrap();
        assert_eq!(one.rung, other.rung);
    }

    #[test]
    fn input_that_is_not_square_has_phases_and_crops_of_its_shape() {
        let wide = AutoRequest {
            size: Some(ImageSize::new(96, 192)),
            ..request(&[733; 5], 240)
        };
        let rung = planned(&wide, 200, 55e9).rung;
        assert_eq!(rung.input.size, ImageSize::new(96, 192));
        let sizes: Vec<ImageSize> = rung.phases.iter().map(|phase| phase.size).collect();
        assert_eq!(sizes, [[48, 96], [72, 144], [96, 192]].map(ImageSize::from));
        let crops = rung
            .layers
            .iter()
            .find_map(|spec| match spec.layer.augmentation() {
                Some(RandomTransform::ResizedCrop(crop)) => Some(crop.ratio),
                _ => None,
            });
        assert_eq!(crops, Some([1.5, 8.0 / 3.0]));
    }
}
