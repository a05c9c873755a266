//! `auto`: a rung for the photos, the machine and the time that there are. What is chosen, and why, follows from a few counts; the
//! result is an ordinary rung, which a run keeps as `rung.toml` and which trains again like any other.

mod photos;
mod pretrained;
mod scratch;

pub use photos::PhotoFacts;
pub use pretrained::{FINE_TUNING, SHIPPED_NETWORK, SMALLEST_PHOTOS};

use crate::benchmark::{BenchmarkPart, BenchmarkRequest, Speed, benchmark};
use crate::error::TrainError;
use crate::preparation::training_size;
use std::time::Duration;
use stepladder_model::{ImageSize, Rung, RungCatalog, RungError};
use stepladder_nn::{Device, Precision};

/// The name of every rung that is chosen here, and so of the runs.
pub const AUTO: &str = "auto";

/// Time for a set of 200 photos on two threads, and how it grows with the photos: ten minutes for 3,700, forty for 20,000.
const TIME_FOR_200: f64 = 50.0;
const TIME_EXPONENT: f64 = 0.85;
const SHORTEST: f64 = 30.0;
const LONGEST: f64 = 3600.0;

/// How long each part of the machine's measurement takes.
const MEASURED_FOR: Duration = Duration::from_millis(200);

/// What a choice is made by.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoRequest {
    /// The photos.
    pub photos: PhotoFacts,
    /// Time that there is; by default as much as is enough for most sets of this size.
    pub budget: Option<Duration>,
    /// Steps that there are, instead of a time.
    pub steps: Option<u64>,
    /// Whether training may start from the weights that are part of the program.
    pub pretrained: bool,
    /// Height and width of the network's input in pixels, where the user has said so.
    pub size: Option<ImageSize>,
    /// Threads that compute.
    pub threads: usize,
    /// Where to compute.
    pub device: Device,
    /// How activations are stored.
    pub precision: Precision,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoChoice {
    /// The rung, named [`AUTO`].
    pub rung: Rung,
    /// Time to keep to; `None` where the rung's epochs are enough, and take less.
    pub budget: Option<Duration>,
    /// Why, in a few lines.
    pub reasons: Vec<String>,
}

/// The time for a set of this size where none was given: less on more threads, and rounded as people would.
pub fn usual_budget(photos: usize, threads: usize) -> Duration {
    let on_two = TIME_FOR_200 * libm::pow(photos as f64 / 200.0, TIME_EXPONENT);
    let seconds = on_two * libm::sqrt(2.0 / threads.max(1) as f64);
    let seconds = seconds.clamp(SHORTEST, LONGEST);
    let unit = if seconds < 120.0 { 10.0 } else { 60.0 };
    Duration::from_secs_f64((seconds / unit).round() * unit)
}

/// Chooses a rung.
///
/// # Errors
///
/// The photos are too small for any network, or the machine could not be measured.
pub fn choose(request: &AutoRequest) -> Result<AutoChoice, TrainError> {
    let photos = &request.photos;
    let budget = request
        .budget
        .unwrap_or_else(|| usual_budget(photos.in_all, request.threads));
    let plan = match pretrained::is_worth_it(request) {
        true => pretrained::plan(request, budget)?,
        false => scratch::plan(request, budget)?,
    };
    let reasons: Vec<String> = [photos.in_words()].into_iter().chain(plan.reasons).collect();
    Ok(AutoChoice {
        rung: named(plan.rung, photos, &reasons)?,
        budget: plan.fills_the_time.then_some(budget),
        reasons,
    })
}

/// A training that was planned.
struct Plan {
    rung: Rung,
    /// Whether the time is the bound; else steps, the rung's epochs or an exact head are.
    fills_the_time: bool,
    /// Why, one thing after the other.
    reasons: Vec<String>,
}

/// What the machine does with a network in a second, in multiply-adds of the forward pass.
#[derive(Debug, Clone, Copy)]
struct MachineSpeed {
    training: f64,
    answers: f64,
}

/// Measures a network by a few steps and answers.
fn speed(request: &AutoRequest, network: &str, size: usize) -> Result<MachineSpeed, TrainError> {
    let measured = benchmark(
        &BenchmarkRequest {
            rung: RungCatalog::shipped().get(network)?,
            size: size.into(),
            classes: request.photos.classes.len().max(2),
            device: request.device,
            precision: request.precision,
            threads: request.threads,
            time: MEASURED_FOR,
            parts: vec![BenchmarkPart::Training, BenchmarkPart::Inference],
            profile: false,
        },
        &|| {},
    )?;
    let work = measured.multiply_adds as f64;
    let of = |part: Option<Speed>| part.map_or(0.0, |speed| speed.images_per_second * work);
    Ok(MachineSpeed {
        training: of(measured.training),
        answers: of(measured.inference),
    })
}

/// How the `change` of a rung begins that was chosen for so many photos.
pub fn chosen_for(photos: usize) -> String {
    format!("Chosen for {photos} photos: ")
}

/// The rung under [`AUTO`]'s name, saying of itself what was chosen.
fn named(rung: Rung, photos: &PhotoFacts, reasons: &[String]) -> Result<Rung, RungError> {
    let of = rung.name.clone();
    // What was chosen was chosen for these photos, which may be enlarged for it.
    let mut input = rung.input.clone();
    input.enlarge = training_size(&rung, photos.typical.as_ref()) != input.size;
    let rung = Rung {
        name: AUTO.to_string(),
        input,
        parent: None,
        change: format!("{}{of}", chosen_for(photos.in_all)),
        about: Some(reasons.join(". ")),
        deck: None,
        ..rung
    };
    // As a file would be read: what cannot be is found here.
    Rung::from_toml(&rung.to_toml(), AUTO, &RungCatalog::shipped())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_data::TypicalPhoto;

    /// For random weights on two threads, with so many photos of each class.
    pub(super) fn request(counts: &[usize], short_side: usize) -> AutoRequest {
        let in_all = counts.iter().sum();
        let classes = counts.iter().enumerate();
        AutoRequest {
            photos: PhotoFacts {
                in_all,
                training: in_all * 8 / 10,
                classes: classes
                    .map(|(index, &count)| (format!("class {index}"), count))
                    .collect(),
                typical: TypicalPhoto::of(vec![[short_side as u32; 2]]),
            },
            budget: None,
            steps: None,
            pretrained: false,
            size: None,
            threads: 2,
            device: Device::Cpu,
            precision: Precision::F32,
        }
    }

    #[test]
    fn times_are_those_that_people_would_choose() {
        let seconds = |photos, threads| usual_budget(photos, threads).as_secs();
        assert_eq!(seconds(20, 2), 30);
        assert_eq!(seconds(200, 2), 50);
        assert_eq!(seconds(2_000, 2), 360);
        assert_eq!(seconds(3_666, 2), 600);
        assert_eq!(seconds(20_000, 2), 2520);
        assert_eq!(seconds(1_000_000, 2), 3600);
        assert!(seconds(20_000, 16) < seconds(20_000, 2) / 2);
    }

    #[test]
    fn a_rung_says_that_it_enlarges_the_photos_it_was_chosen_for() {
        let photos = request(&[100; 2], 128).photos;
        let chosen = |size: &str| {
            let rung = RungCatalog::shipped().get("small").unwrap();
            let rung = rung
                .with_overrides([("input.size", size), ("phase", "[]")])
                .unwrap();
            named(rung, &photos, &[]).unwrap()
        };
        for (size, enlarges) in [("96", false), ("128", false), ("192", true), ("[96, 192]", true)] {
            let rung = chosen(size);
            assert_eq!(rung.input.enlarge, enlarges, "{size}");
            assert_eq!(training_size(&rung, photos.typical.as_ref()), rung.input.size);
            let text = rung.to_toml();
            assert_eq!(text.contains("enlarge = true"), enlarges, "{text}");
        }
    }
}
