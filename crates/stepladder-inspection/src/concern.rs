//! What a training says of its data before it begins: the part of an inspection that costs nothing, as contents are hashed and
//! counted already.

use std::collections::BTreeMap;
use stepladder_model::ImageSize;

use stepladder_data::{Dataset, Part, PhotoStore, Split};

use crate::finding::{FEW, VERY_UNEVEN};
use crate::words::count;

/// One line for each thing that matters, with what answers it; empty where all is well. Classes that are `weighed` by the training
/// may be uneven.
pub fn concerns(dataset: &Dataset, store: &PhotoStore, split: &Split, weighed: bool) -> Vec<String> {
    let mut parts: BTreeMap<[u8; 32], Seen> = BTreeMap::new();
    for (place, part) in Part::ALL.into_iter().enumerate() {
        for &number in split.part(part) {
            let Some(content) = store.content_hash(number) else {
                continue;
            };
            let class = dataset.photos[number as usize].class;
            let seen = parts.entry(content).or_insert(Seen {
                first: class,
                ..Seen::default()
            });
            seen.parts[place] = true;
            seen.contradicts |= seen.first != class;
        }
    }
    let leaks = parts
        .values()
        .filter(|seen| seen.parts.iter().filter(|&&part| part).count() > 1);
    let (leaks, contradicted) = (
        leaks.count(),
        parts.values().filter(|seen| seen.contradicts).count(),
    );
    let mut concerns = Vec::new();
    if leaks > 0 {
        concerns.push(format!(
            "{} in more than one part, so that figures are too good; `stepladder inspect` shows them, and its --fix writes a table without them",
            count(leaks, "photo")
        ));
    }
    if contradicted > 0 {
        concerns.push(format!(
            "{} under more than one label; `stepladder inspect` shows them, and its --fix writes a table without them",
            count(contradicted, "photo")
        ));
    }
    let mut sizes = vec![0_usize; dataset.classes.len()];
    for &number in &split.train {
        if let Some(size) = sizes.get_mut(dataset.photos[number as usize].class as usize) {
            *size += 1;
        }
    }
    let (mut least, mut most) = (0, 0);
    for class in 0..sizes.len() {
        if sizes[class] < sizes[least] {
            least = class;
        }
        if sizes[class] > sizes[most] {
            most = class;
        }
    }
    let Some((&few, &many)) = sizes.get(least).zip(sizes.get(most)) else {
        return concerns;
    };
    if few < FEW {
        concerns.push(format!(
            "class {} has {} to train on; add some, or leave the class out",
            dataset.classes[least],
            count(few, "photo")
        ));
    }
    let ratio = many as f64 / few.max(1) as f64;
    if ratio >= VERY_UNEVEN && !weighed {
        concerns.push(format!(
            "class {} has {ratio:.0} times as many photos as {}; --class-weights balanced weighs them evenly",
            dataset.classes[most], dataset.classes[least]
        ));
    }
    concerns
}

/// The share of a photo's area beyond its central square from which on another fit is likely to be better. Photos of 4 to 3, which lose a
/// quarter, and of 3 to 2, which lose a third, are what cameras make, with their subject in the middle; of 16 to 9, nearly a half is lost.
const MUCH: f64 = 0.4;

/// What the central part with the shape of `input` leaves out of the photos, `beyond` of their area in the median, and what to do about
/// it; `None` where it is what photos usually lose.
pub fn cropped(beyond: f64, input: ImageSize) -> Option<String> {
    let lost = left_out(beyond, input);
    (beyond >= MUCH)
        .then(|| format!("{lost}; --set input.fit=pad shows photos whole, which is likely better here"))
}

/// What a crop to the shape of `input` leaves out, `beyond` of a typical photo's area.
pub fn left_out(beyond: f64, input: ImageSize) -> String {
    let part = match input.is_square() {
        true => String::from("the central square"),
        false => format!("the central part in the shape of {input}"),
    };
    format!("{part} leaves out {:.0}% of a typical photo", beyond * 100.0)
}

/// Where one content was met.
#[derive(Debug, Default)]
struct Seen {
    first: u32,
    parts: [bool; 3],
    contradicts: bool,
}
