//! Which photos are for training, which for validation and which for testing.
//!
//! A photo's part follows from its content and the seed alone: its hash is taken as a number between 0 and 1, and the fractions cut
//! that range. So a photo stays in its part whatever is added, renamed or moved to another class folder, and exact
//! duplicates are never on both sides. The price is that the parts have the wanted sizes only about: of 100 photos of a class
//! with a fraction of 0.1, 10 plus or minus 3 are in that part. As the thresholds are the same in each class, the
//! split is stratified in expectation.
//!
//! Where the data declares parts itself, they are taken as they are, and a part that it does not declare is empty.

mod groups;

use std::collections::HashMap;
use std::io::{Read, Write};

use stepladder_model::SplitFractions;

use crate::dataset::Dataset;
use crate::error::DataError;
use crate::names::{names_elsewhere, nfc};
use crate::part::Part;
use crate::store::PhotoStore;

/// Photo numbers by part, each list sorted. Unreadable photos are in none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// Photos to fit the weights to.
    pub train: Vec<u32>,
    /// Photos to choose by. May be empty.
    pub validation: Vec<u32>,
    /// Photos to take the final figures from. May be empty.
    pub test: Vec<u32>,
}

impl Split {
    /// The split that the data declares, else the one by content.
    ///
    /// Fails where the fractions lie outside 0..1 or leave nothing to train on, and where the training part is empty
    /// because its photos are unreadable or too few.
    pub fn new(
        dataset: &Dataset,
        store: &PhotoStore,
        fractions: &SplitFractions,
        seed: u64,
    ) -> Result<Self, DataError> {
        Self::grouped(dataset, store, fractions, seed, &[])
    }

    /// As [`new`](Self::new), where the photos of each of `groups` stay together: each goes where the group's smallest content hash goes. A
    /// photo in no group goes its own way. Where the data has groups of its own, none of them is in two parts either. Declared parts are not changed.
    pub fn grouped(
        dataset: &Dataset,
        store: &PhotoStore,
        fractions: &SplitFractions,
        seed: u64,
        groups: &[Vec<u32>],
    ) -> Result<Self, DataError> {
        let mut leaders: HashMap<u32, [u8; 32]> = HashMap::new();
        for group in groups {
            let leader = group.iter().filter_map(|&photo| store.content_hash(photo)).min();
            leaders.extend(
                leader
                    .into_iter()
                    .flat_map(|leader| group.iter().map(move |&photo| (photo, leader))),
            );
        }
        let &SplitFractions { validation, test } = fractions;
        let sane = |f: f32| (0.0..1.0).contains(&f);
        if !sane(validation) || !sane(test) || validation + test >= 1.0 {
            return Err(DataError::Fractions { validation, test });
        }
        let declared = dataset.declares_parts();
        let has_groups = dataset.photos.iter().any(|photo| photo.group.is_some());
        let of_groups = match has_groups && !declared {
            true => groups::parts(dataset, store, fractions, seed, groups),
            false => HashMap::new(),
        };
        let mut split = Self::default();
        for (photo, number) in dataset.photos.iter().zip(0..) {
            let Some(content) = store.content_hash(number) else {
                continue;
            };
            let part = if declared {
                photo.part
            } else if has_groups {
                of_groups.get(&number).copied()
            } else {
                Some(part_of(leaders.get(&number).unwrap_or(&content), fractions, seed))
            };
            if let Some(part) = part {
                split.part_mut(part).push(number);
            }
        }
        if split.train.is_empty() {
            let name = dataset.origin.clone();
            return Err(if declared {
                DataError::NoTrainingPart { name }
            } else {
                DataError::TooFewPhotos {
                    name,
                    photos: split.validation.len() + split.test.len(),
                }
            });
        }
        Ok(split)
    }

    /// The photos of a part.
    pub fn part(&self, part: Part) -> &[u32] {
        match part {
            Part::Train => &self.train,
            Part::Validation => &self.validation,
            Part::Test => &self.test,
        }
    }

    fn part_mut(&mut self, part: Part) -> &mut Vec<u32> {
        match part {
            Part::Train => &mut self.train,
            Part::Validation => &mut self.validation,
            Part::Test => &mut self.test,
        }
    }

    /// Writes the split as a TSV table with the columns `file`, `class` and `part`, sorted by file. It can be given as the table of a
    /// later training, which then has the same parts.
    pub fn write_tsv(&self, dataset: &Dataset, out: impl Write) -> std::io::Result<()> {
        let mut rows: Vec<(u32, Part)> = Vec::new();
        for part in Part::ALL {
            rows.extend(self.part(part).iter().map(|&photo| (photo, part)));
        }
        rows.sort();
        let mut table = csv::WriterBuilder::new().delimiter(b'\t').from_writer(out);
        table.write_record(["file", "class", "part"])?;
        for (photo, part) in rows {
            let photo = &dataset.photos[photo as usize];
            let class = dataset
                .classes
                .get(photo.class as usize)
                .map_or("", String::as_str);
            table.write_record([photo.name.as_str(), class, part.name()])?;
        }
        table.flush()
    }

    /// Reads what [`write_tsv`](Self::write_tsv) wrote for the same data. `name` is the file's name, for messages. A photo that the
    /// data no longer has, or has under another class, is an error.
    pub fn read_tsv(dataset: &Dataset, name: &str, input: impl Read) -> Result<Self, DataError> {
        let fail = |line: u64, message: String| DataError::Table {
            name: String::from(name),
            line,
            message,
        };
        let mut table = csv::ReaderBuilder::new().delimiter(b'\t').from_reader(input);
        let rows: Result<Vec<_>, _> = table.records().collect();
        let rows = rows.map_err(|e| fail(e.position().map_or(1, csv::Position::line), e.to_string()))?;
        let numbers: HashMap<&str, u32> = dataset.photos.iter().map(|p| p.name.as_str()).zip(0..).collect();
        // The same photos may lie elsewhere now: packed or unpacked, or copied by a system that writes accents in another way.
        let moved = names_elsewhere(dataset.photos.iter().map(|photo| photo.name.as_str()));
        let moved: HashMap<String, u32> = moved.into_iter().zip(0..).collect();
        let moved_rows = names_elsewhere(rows.iter().map(|row| row.get(0).unwrap_or_default()));
        let mut split = Self::default();
        for (row, elsewhere) in rows.iter().zip(&moved_rows) {
            let line = row.position().map_or(1, csv::Position::line);
            let (Some(file), Some(class), Some(part)) = (row.get(0), row.get(1), row.get(2)) else {
                return Err(fail(
                    line,
                    String::from("a row needs the columns file, class and part"),
                ));
            };
            let part = Part::from_name(part).ok_or_else(|| fail(line, format!("\"{part}\" is no part")))?;
            let &number = numbers
                .get(file)
                .or_else(|| moved.get(elsewhere))
                .ok_or_else(|| fail(line, format!("{file} is not in the data any more")))?;
            let now = dataset
                .classes
                .get(dataset.photos[number as usize].class as usize)
                .map_or("", String::as_str);
            if nfc(class) != now {
                return Err(fail(
                    line,
                    format!("{file} was of class \"{class}\" and is now of \"{now}\""),
                ));
            }
            split.part_mut(part).push(number);
        }
        for part in Part::ALL {
            split.part_mut(part).sort_unstable();
        }
        Ok(split)
    }
}

/// The part of a photo with this content: its position in 0..1 is first the test part, then validation, then training.
fn part_of(content: &[u8; 32], fractions: &SplitFractions, seed: u64) -> Part {
    let position = position(content, seed);
    let (test, validation) = (f64::from(fractions.test), f64::from(fractions.validation));
    if position < test {
        Part::Test
    } else if position < test + validation {
        Part::Validation
    } else {
        Part::Train
    }
}

/// Where this content stands between 0 and 1.
fn position(content: &[u8; 32], seed: u64) -> f64 {
    let hash = blake3::Hasher::new()
        .update(content)
        .update(&seed.to_le_bytes())
        .finalize();
    let first: [u8; 8] = std::array::from_fn(|i| hash.as_bytes()[i]);
    // 2^64; the rounding of the conversion moves a threshold by less than 1e-16.
    u64::from_le_bytes(first) as f64 / 18_446_744_073_709_551_616.0
}
