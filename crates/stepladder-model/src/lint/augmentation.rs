//! Lints of augmentation: units that were taken for others, mirrors that change what a photo shows, and layers that do the same twice.

use super::{Remark, Subject};
use crate::augmentation::{FlipMode, RandomTransform};
use crate::place::Place;

/// Turns beyond which a factor is suspicious: nobody means 90 to 180 degrees, but a 0.45 that was meant as 45 degrees lands
/// there. From half a turn on, every direction was meant.
const SUSPICIOUS_TURNS: std::ops::Range<f32> = 0.250_001..0.5;

pub(super) fn rotation_in_turns(subject: &Subject<'_>) -> Vec<Remark> {
    let layers = subject.rung.layers.iter();
    let remarks = layers.filter_map(|spec| {
        let Some(RandomTransform::Rotation(rotation)) = spec.layer.augmentation() else {
            return None;
        };
        let widest = rotation
            .factor
            .iter()
            .map(|bound| bound.abs())
            .fold(0.0, f32::max);
        SUSPICIOUS_TURNS.contains(&widest).then(|| {
            let why = format!(
                "RandomRotation counts in turns, so a factor of {widest} is up to {} degrees",
                rounded(widest * 360.0)
            );
            let instead = "write factor = 0.125 for 45 degrees, or 0.5 for any direction";
            Remark::at(&spec.place, why, instead)
        })
    });
    remarks.collect()
}

pub(super) fn shear_does_nothing(subject: &Subject<'_>) -> Vec<Remark> {
    let Some(generator) = &subject.rung.augmentation else {
        return Vec::new();
    };
    let shear = generator.shear_range;
    if shear <= 0.0 || shear >= 1.0 {
        return Vec::new();
    }
    // A shear by an angle moves the rows at the edge by its tangent times half the height.
    let size = subject.graph.input[0];
    let pixels = shear.to_radians().tan() * size as f32 / 2.0;
    let why = format!(
        "shear_range counts in degrees, and {shear} of one moves the edge of {size} pixels by {} of a pixel",
        rounded(pixels)
    );
    let instead = format!(
        "write shear_range = {} if you meant a share of {shear}, or take it out",
        rounded(shear.atan().to_degrees())
    );
    vec![Remark::about(subject.rung, why, instead)]
}

pub(super) fn flipped_digits(subject: &Subject<'_>) -> Vec<Remark> {
    let digit = |name: &String| name.len() == 1 && name.as_bytes()[0].is_ascii_digit();
    if subject.classes.is_empty() || !subject.classes.iter().all(digit) {
        return Vec::new();
    }
    let why = |axis: &str| format!("a digit that is mirrored {axis} is another sign or none");
    let layers = subject.rung.layers.iter();
    let mut remarks: Vec<Remark> = layers
        .filter_map(|spec| {
            let Some(RandomTransform::Flip(flip)) = spec.layer.augmentation() else {
                return None;
            };
            let axis = match flip.mode {
                FlipMode::Horizontal => "left to right",
                FlipMode::Vertical => "top to bottom",
                FlipMode::HorizontalAndVertical => "both ways",
            };
            Some(Remark::at(&spec.place, why(axis), "take RandomFlip out"))
        })
        .collect();
    if let Some(generator) = &subject.rung.augmentation {
        let flips = [
            ("horizontal_flip", generator.horizontal_flip, "left to right"),
            ("vertical_flip", generator.vertical_flip, "top to bottom"),
        ];
        for (key, _, axis) in flips.into_iter().filter(|(_, flips, _)| *flips) {
            let instead = format!("write {key} = false in [augmentation]");
            remarks.push(Remark::about(subject.rung, why(axis), instead));
        }
    }
    remarks
}

/// The layers of augmentation with their places.
fn transforms<'a>(subject: &'a Subject<'_>) -> impl Iterator<Item = (&'a RandomTransform, &'a Place)> {
    let layers = subject.rung.layers.iter();
    layers.filter_map(|spec| Some((spec.layer.augmentation()?, &spec.place)))
}

pub(super) fn crop_and_zoom(subject: &Subject<'_>) -> Vec<Remark> {
    let crops = transforms(subject).any(|(layer, _)| matches!(layer, RandomTransform::ResizedCrop(_)));
    let again =
        |layer: &RandomTransform| matches!(layer, RandomTransform::Zoom(_) | RandomTransform::Translation(_));
    transforms(subject)
        .filter(|(layer, _)| crops && again(layer))
        .map(|(layer, place)| {
            let kind = layer.kind();
            let why = format!("RandomResizedCrop moves and zooms already, and {kind} does it once more");
            let instead = format!("take {kind} out, or widen the crop's scale");
            Remark::at(place, why, instead)
        })
        .collect()
}

pub(super) fn two_policies(subject: &Subject<'_>) -> Vec<Remark> {
    let is_policy = |layer: &RandomTransform| {
        matches!(
            layer,
            RandomTransform::TrivialAugmentWide(_) | RandomTransform::RandAugment(_)
        )
    };
    let Some((policy, _)) = transforms(subject).find(|(layer, _)| is_policy(layer)) else {
        return Vec::new();
    };
    let again = |layer: &RandomTransform| {
        !std::ptr::eq(layer, policy) && (is_policy(layer) || matches!(layer, RandomTransform::ColorJitter(_)))
    };
    transforms(subject)
        .filter(|(layer, _)| again(layer))
        .map(|(layer, place)| {
            let (kind, policy) = (layer.kind(), policy.kind());
            let why = format!("{policy} changes colors already, and {kind} changes them once more");
            Remark::at(place, why, format!("keep one of {policy} and {kind}"))
        })
        .collect()
}

pub(super) fn mixing_does_nothing(subject: &Subject<'_>) -> Vec<Remark> {
    let training = &subject.rung.training;
    let keys = [
        ("mixing_probability", training.mixing_probability),
        ("mixing_until", training.mixing_until),
    ];
    let mixes = training.mixup_alpha > 0.0 || training.cutmix_alpha > 0.0;
    keys.into_iter()
        .filter(|(_, share)| !mixes && *share < 1.0)
        .map(|(key, _)| {
            let why = format!("{key} says how often photos are mixed, and none are");
            let instead = format!("write mixup_alpha or cutmix_alpha in [training], or take {key} out");
            Remark::about(subject.rung, why, instead)
        })
        .collect()
}

/// Two significant digits of what is below ten, whole numbers above: `0.028`, `2.9`, `162`.
fn rounded(number: f32) -> String {
    if number >= 10.0 {
        return format!("{number:.0}");
    }
    let digits = (1.0 - number.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{number:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.45 * 360.0, 2.8624, 0.02793, 0.9999].map(rounded),
            ["162", "2.9", "0.028", "1.00"]
        );
    }
}
