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
    concerns.extend(narrow_levels(dataset).map(|(what, advice)| format!("{what}; {advice}")));
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
    concerns.extend(untrained(dataset, split, &sizes));
    concerns.extend(small(dataset, &sizes));
    let ratio = many as f64 / few.max(1) as f64;
    if ratio >= VERY_UNEVEN && !weighed {
        concerns.push(format!(
            "class {} has {ratio:.0} times as many photos as {}; --class-weights balanced weighs them evenly",
            dataset.classes[most], dataset.classes[least]
        ));
    }
    concerns
}

/// Photos of more than 8 bits that use a small part of them: what is seen, and what to do.
pub(crate) fn narrow_levels(dataset: &Dataset) -> Option<(String, String)> {
    if dataset.decoding.levels.is_some() {
        return None;
    }
    let values = dataset.deep_values().filter(|values| values.is_narrow())?;
    let (black, white) = (values.levels.black.floor(), values.levels.white.ceil());
    Some((
        format!(
            "photos of 16 bits hold values from {black} to {white} of {}, so that they look black or flat to the network",
            values.most.unwrap_or(65_535.0)
        ),
        format!(
            "--levels auto stretches them over the whole range, or say it yourself, e.g. --levels {black}:{white}"
        ),
    ))
}

/// Classes of which no photo is trained on, though there are some.
fn untrained(dataset: &Dataset, split: &Split, sizes: &[usize]) -> Option<String> {
    let mut held_out = vec![0_usize; sizes.len()];
    for &number in split.validation.iter().chain(&split.test) {
        if let Some(count) = held_out.get_mut(dataset.photos[number as usize].class as usize) {
            *count += 1;
        }
    }
    let named: Vec<String> = (0..sizes.len())
        .filter(|&class| sizes[class] == 0 && held_out[class] > 0)
        .map(|class| format!("{} (all {} held out)", dataset.classes[class], held_out[class]))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "no photo to train on of {}: photos are split by their content, and of so few all can fall into the validation or test part; add photos, leave the class out, or say the parts in a table's column split",
            few_of(&named)
        )
    })
}

/// Classes with few photos to train on, the smallest first.
fn small(dataset: &Dataset, sizes: &[usize]) -> Option<String> {
    let mut small: Vec<usize> = (0..sizes.len())
        .filter(|&class| (1..FEW).contains(&sizes[class]))
        .collect();
    small.sort_by_key(|&class| sizes[class]);
    let (&first, others) = small.split_first()?;
    let names: Vec<String> = others
        .iter()
        .map(|&class| format!("{} {}", dataset.classes[class], sizes[class]))
        .collect();
    let (others, them) = match names.is_empty() {
        true => (String::new(), "the class"),
        false => (format!(", {}", few_of(&names)), "them"),
    };
    Some(format!(
        "class {} has {} to train on{others}; add some, or leave {them} out",
        dataset.classes[first],
        count(sizes[first], "photo")
    ))
}

/// The first of many names, and how many more there are.
fn few_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
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
