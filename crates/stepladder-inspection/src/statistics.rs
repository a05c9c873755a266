//! Figures of a whole set: counts by class, part, format and color, sizes, and the mean color.

use std::collections::BTreeMap;

use serde::Serialize;
use stepladder_data::{Dataset, Part, beyond};
use stepladder_model::ImageSize;

use crate::look::Look;

/// Figures of the readable photos.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Photos that can be read.
    pub photos: usize,
    /// Bytes of their files, unpacked.
    pub bytes: u64,
    /// By class, in the order of the classes.
    pub classes: Vec<ClassCount>,
    /// Photos of the largest class for each of the smallest; of classes with any photo.
    pub imbalance: f64,
    /// By format, the most frequent first.
    pub formats: Vec<Count>,
    /// By color mode, the most frequent first.
    pub colors: Vec<Count>,
    /// Of the short sides, in pixels.
    pub short_side: Quartiles,
    /// Of the long sides, in pixels.
    pub long_side: Quartiles,
    /// Of width divided by height.
    pub aspect: Quartiles,
    /// Of the share of a photo's area beyond its central square, which `fit = "crop"` leaves out.
    pub beyond_square: Quartiles,
    /// Of the files' lengths in bytes.
    pub file_bytes: Quartiles,
    /// Short sides in doubling steps.
    pub short_sides: Vec<Count>,
    /// Shapes, from tall to wide.
    pub shapes: Vec<Count>,
    /// Mean of red, green and blue, 0..=1; each photo counts the same.
    pub mean: [f64; 3],
    /// Standard deviation of red, green and blue over all pixels, on the same scale.
    pub deviation: [f64; 3],
}

/// One class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// Its name.
    pub class: String,
    /// Photos that can be read.
    pub photos: usize,
    /// Photos that cannot.
    pub unreadable: usize,
    /// Of the readable ones, those for training, validation and testing, where the data declares parts.
    pub parts: Option<[usize; 3]>,
}

/// How many photos are of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The kind.
    pub kind: String,
    /// How many.
    pub photos: u64,
}

/// The smallest value, the quartiles, and the largest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quartiles {
    /// Smallest.
    pub min: f64,
    /// A quarter lies below.
    pub lower: f64,
    /// Half lies below.
    pub median: f64,
    /// A quarter lies above.
    pub upper: f64,
    /// Largest.
    pub max: f64,
}

impl Quartiles {
    fn new(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let Some(last) = values.len().checked_sub(1) else {
            return Self::default();
        };
        // The nearest value, so that it is one that occurs.
        let at = |share: f64| values[(last as f64 * share).round() as usize];
        Self {
            min: at(0.0),
            lower: at(0.25),
            median: at(0.5),
            upper: at(0.75),
            max: at(1.0),
        }
    }
}

/// Of the share of a photo's area beyond its largest central part in the shape of `input`.
pub(crate) fn beyond_input(looks: &[Option<Look>], input: ImageSize) -> Quartiles {
    let readable = looks.iter().flatten();
    Quartiles::new(readable.map(|look| beyond([look.width, look.height], input)))
}

impl Statistics {
    /// `looks` holds each photo's look, `None` for unreadable ones.
    pub(crate) fn new(dataset: &Dataset, looks: &[Option<Look>]) -> Self {
        let readable: Vec<&Look> = looks.iter().flatten().collect();
        let count = readable.len().max(1) as f64;
        let moment = |of: fn(&Look) -> [f64; 3]| -> [f64; 3] {
            std::array::from_fn(|c| {
                readable
                    .iter()
                    .map(|look| of(look)[c])
                    .fold(0.0, |sum, value| sum + value)
                    / count
            })
        };
        let (mean, square) = (moment(|look| look.mean), moment(|look| look.mean_square));
        let classes = classes(dataset, looks);
        let sizes = classes
            .iter()
            .map(|class| class.photos)
            .filter(|&photos| photos > 0);
        let (least, most) = (sizes.clone().min().unwrap_or(0), sizes.max().unwrap_or(0));
        Self {
            photos: readable.len(),
            bytes: readable.iter().map(|look| look.bytes).sum(),
            classes,
            imbalance: most as f64 / least.max(1) as f64,
            formats: tally(readable.iter().map(|look| String::from(look.format))),
            colors: tally(readable.iter().map(|look| look.color.to_string())),
            short_side: Quartiles::new(readable.iter().map(|look| f64::from(look.short_side()))),
            long_side: Quartiles::new(readable.iter().map(|look| f64::from(look.width.max(look.height)))),
            aspect: Quartiles::new(
                readable
                    .iter()
                    .map(|look| f64::from(look.width) / f64::from(look.height)),
            ),
            beyond_square: beyond_input(looks, ImageSize::square(1)),
            file_bytes: Quartiles::new(readable.iter().map(|look| look.bytes as f64)),
            short_sides: short_sides(&readable),
            shapes: shapes(&readable),
            mean: mean.map(|v| v / 255.0),
            deviation: std::array::from_fn(|c| (square[c] - mean[c] * mean[c]).max(0.0).sqrt() / 255.0),
        }
    }
}

fn classes(dataset: &Dataset, looks: &[Option<Look>]) -> Vec<ClassCount> {
    let parts = dataset.declares_parts().then_some([0; 3]);
    let empty = |class: &String| ClassCount {
        class: class.clone(),
        photos: 0,
        unreadable: 0,
        parts,
    };
    let mut classes: Vec<ClassCount> = dataset.classes.iter().map(empty).collect();
    for (photo, look) in dataset.photos.iter().zip(looks) {
        let Some(class) = classes.get_mut(photo.class as usize) else {
            continue;
        };
        if look.is_none() {
            class.unreadable += 1;
            continue;
        }
        class.photos += 1;
        let place = photo
            .part
            .and_then(|part| Part::ALL.iter().position(|&p| p == part));
        if let (Some(parts), Some(place)) = (&mut class.parts, place) {
            parts[place] += 1;
        }
    }
    classes
}

fn tally(kinds: impl Iterator<Item = String>) -> Vec<Count> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for kind in kinds {
        *counts.entry(kind).or_default() += 1;
    }
    let mut counts: Vec<Count> = counts
        .into_iter()
        .map(|(kind, photos)| Count { kind, photos })
        .collect();
    counts.sort_by_key(|count| std::cmp::Reverse(count.photos));
    counts
}

/// Short sides between powers of two, from the smallest that occurs to the largest.
fn short_sides(looks: &[&Look]) -> Vec<Count> {
    let mut counts = [0_u64; 33];
    for look in looks {
        counts[look.short_side().max(1).ilog2() as usize] += 1;
    }
    let Some(first) = counts.iter().position(|&count| count > 0) else {
        return Vec::new();
    };
    let last = counts.iter().rposition(|&count| count > 0).unwrap_or(first);
    (first..=last)
        .map(|power| Count {
            kind: format!("{} to {} px", 1_u64 << power, (2_u64 << power) - 1),
            photos: counts[power],
        })
        .collect()
}

/// Shapes by width over height, the limits halfway between the usual ratios.
fn shapes(looks: &[&Look]) -> Vec<Count> {
    const SHAPES: [(&str, f64); 7] = [
        ("taller than 1:2", 0.5),
        ("tall, to 9:16", 0.62),
        ("tall, about 3:4", 0.9),
        ("square", 1.1),
        ("wide, about 4:3", 1.62),
        ("wide, to 16:9", 2.0),
        ("wider than 2:1", f64::INFINITY),
    ];
    let mut counts = [0_u64; SHAPES.len()];
    for look in looks {
        let aspect = f64::from(look.width) / f64::from(look.height);
        let place = SHAPES.iter().position(|&(_, limit)| aspect <= limit);
        counts[place.unwrap_or(SHAPES.len() - 1)] += 1;
    }
    SHAPES
        .iter()
        .zip(counts)
        .map(|(&(kind, _), photos)| Count {
            kind: String::from(kind),
            photos,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_values_that_occur() {
        let quartiles = Quartiles::new([4.0, 1.0, 3.0, 2.0, 100.0].into_iter());
        assert_eq!(
            quartiles,
            Quartiles {
                min: 1.0,
                lower: 2.0,
                median: 3.0,
                upper: 4.0,
                max: 100.0
            }
        );
        assert_eq!(Quartiles::new(std::iter::empty()), Quartiles::default());
    }

    #[test]
    fn the_most_frequent_kind_comes_first() {
        let counts = tally(["PNG", "JPEG", "JPEG"].into_iter().map(String::from));
        assert_eq!((counts[0].kind.as_str(), counts[0].photos), ("JPEG", 2));
    }
}
