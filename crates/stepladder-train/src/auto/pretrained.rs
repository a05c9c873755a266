//! A start from the weights inside the program: the features of a frozen network, and a head that is fitted to them exactly.

use super::{AutoRequest, speed};
use crate::error::TrainError;
use std::time::Duration;
use stepladder_model::{Rung, RungCatalog};

/// The network of the weights that are part of the program.
const NETWORK: &str = "efficientnet-lite0";

/// Photos that show something at this many pixels; smaller ones say little to a network that has learned from larger.
const FROM: usize = 64;

/// The network has learned from photos of 224 px, and sees more in smaller ones when they are enlarged: on flowers of 128 px, a head is
/// right about 90.6% at 128 px, 91.0% at 160 and 92.6% at 192.
const ENLARGED: f64 = 1.5;

/// Inputs to choose from, in pixels: the network halves them five times.
const SIZES: [usize; 5] = [96, 128, 160, 192, 224];

/// Multiply-adds that this network answers with in the time that `small` trains with one: its layers are thin.
const RELATIVE_SPEED: f64 = 0.45;

/// Share of the time that features may take; the head takes the rest.
const FOR_FEATURES: f64 = 0.8;

/// Whether features of these weights are worth more than training from random ones.
pub(super) fn is_worth_it(request: &AutoRequest) -> bool {
    request.pretrained && request.steps.is_none() && request.photos.short_side >= FROM
}

/// The rung, and why.
pub(super) fn features_and_head(
    request: &AutoRequest,
    budget: Duration,
) -> Result<(Rung, String), TrainError> {
    let rung = RungCatalog::shipped().get(NETWORK)?;
    let size = match request.size {
        Some(size) => size,
        None => size(&rung, request, budget)?,
    };
    let size_text = size.to_string();
    let rung = rung.with_overrides([("start.weights", "shipped"), ("input.size", size_text.as_str())])?;
    let why = format!(
        "{NETWORK} at {size} px as ImageNet has taught it, with a head for these classes; --start scratch begins from nothing"
    );
    Ok((rung, why))
}

/// The size that shows the network most, of those that there is time for.
fn size(rung: &Rung, request: &AutoRequest, budget: Duration) -> Result<usize, TrainError> {
    let photos = &request.photos;
    let wanted = photos.short_side as f64 * ENLARGED;
    let nearest = |size: &usize| (*size as f64 - wanted).abs() as usize;
    let largest = SIZES.into_iter().min_by_key(nearest).unwrap_or(SIZES[0]);
    // Training photos are seen mirrored, too.
    let images = (photos.in_all + photos.training) as f64;
    let speed = RELATIVE_SPEED * speed(request)?;
    let mut best = SIZES[0];
    for size in SIZES.into_iter().filter(|size| *size <= largest) {
        let work = rung.graph(size, photos.classes.len().max(2))?.multiply_adds() as f64;
        if images * work / speed <= FOR_FEATURES * budget.as_secs_f64() {
            best = size;
        }
    }
    Ok(best)
}
