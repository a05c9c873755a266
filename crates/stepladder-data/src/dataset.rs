//! A labelled set of photos, listed but not yet read: which photos there are, their classes, and the parts that the data
//! itself declares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::decode::{Decoding, Levels, MAX_PIXELS};
use crate::deep::LevelsChoice;
use crate::error::{DataError, Skipped};
use crate::open::{DataRequest, Listing};
use crate::part::Part;
use crate::source::{EntryReader, Source};
use crate::store::PhotoStore;

/// A labelled set of photos.
#[derive(Debug)]
pub struct Dataset {
    /// Short name of the data, safe as part of a file's name: "flowers5" for `photos/flowers5.zip`.
    pub name: String,
    /// The data as the user named it, safe to print.
    pub origin: String,
    /// Class names, sorted by code point; a photo's class is an index into it.
    pub classes: Vec<String>,
    /// The photos, sorted by name. Positions in this list are the photo numbers used everywhere else.
    pub photos: Vec<Photo>,
    /// Files set aside, with reasons. Photos that turn out to be unreadable join them in
    /// [`PhotoStore::skipped`].
    pub skipped: Vec<Skipped>,
    /// How photos are decoded.
    pub decoding: Decoding,
    /// What a user should know of how the data was read, a sentence each.
    pub notes: Vec<String>,
    pub(crate) sources: Vec<Arc<dyn Source>>,
}

/// One photo of a [`Dataset`].
#[derive(Debug, Clone)]
pub struct Photo {
    /// Path inside the archive or folder, '/'-separated and safe to print.
    pub name: String,
    /// Index into [`Dataset::classes`].
    pub class: u32,
    /// What the archive or the table says about its part.
    pub part: Option<Part>,
    /// Which source, and which entry there.
    pub(crate) source: u32,
    pub(crate) entry: u32,
}

impl Photo {
    /// The class of photos whose class was dropped, see [`Dataset::drop_unreadable_classes`].
    pub const NO_CLASS: u32 = u32::MAX;
}

impl Dataset {
    /// Lists data to train on: at least two classes, and, where the data declares parts, a training part with all of them.
    ///
    /// Reads directories, tables and labels, but no photo.
    pub fn open(request: &DataRequest) -> Result<Self, DataError> {
        let dataset = Self::open_for_evaluation(request)?;
        if let [class] = dataset.classes.as_slice() {
            return Err(DataError::SingleClass {
                name: dataset.origin,
                class: class.clone(),
            });
        }
        dataset.check_training_part()?;
        Ok(dataset)
    }

    /// Lists data to evaluate a model on, where a single class or a lone test part are fine. There is at least one photo.
    pub fn open_for_evaluation(request: &DataRequest) -> Result<Self, DataError> {
        let mut dataset = Self::assemble(request.list()?, request.short_name(), request.origin())?;
        dataset.decoding.max_pixels = request.max_pixels.unwrap_or(MAX_PIXELS);
        dataset.decoding.levels = match request.levels {
            LevelsChoice::AsStored => None,
            LevelsChoice::Given(levels) => Some(levels),
            LevelsChoice::Measured => dataset.measured_levels(),
        };
        if request.levels == LevelsChoice::Measured {
            dataset.notes.push(match dataset.decoding.levels {
                Some(Levels { black, white }) => format!(
                    "{black} becomes black and {white} white, as the photos of more than 8 bits need it"
                ),
                None => String::from("no photo has more than 8 bits, so that levels change nothing"),
            });
        }
        Ok(dataset)
    }

    /// Drops classes of which `store` could read no photo, so that the network has no output that nothing trains, and returns
    /// their names. Photo numbers stay as they are; photos of a dropped class get [`Photo::NO_CLASS`] and are in no split,
    /// being unreadable. Fails as [`open`](Self::open) does where fewer than two classes remain.
    pub fn drop_unreadable_classes(&mut self, store: &PhotoStore) -> Result<Vec<String>, DataError> {
        let mut readable = vec![false; self.classes.len()];
        for (photo, number) in self.photos.iter().zip(0..) {
            if let Some(class) = readable.get_mut(photo.class as usize) {
                *class |= store.is_readable(number);
            }
        }
        let mut renumbered = vec![Photo::NO_CLASS; self.classes.len()];
        let (mut kept, mut dropped) = (Vec::new(), Vec::new());
        for (old, class) in std::mem::take(&mut self.classes).into_iter().enumerate() {
            if readable[old] {
                renumbered[old] = kept.len() as u32;
                kept.push(class);
            } else {
                dropped.push(class);
            }
        }
        self.classes = kept;
        for photo in &mut self.photos {
            photo.class = renumbered
                .get(photo.class as usize)
                .copied()
                .unwrap_or(Photo::NO_CLASS);
        }
        match self.classes.as_slice() {
            [] => Err(DataError::NoPhotos {
                name: self.origin.clone(),
                skipped: store.skipped().len(),
                example: store.skipped().first().cloned(),
            }),
            [class] => Err(DataError::SingleClass {
                name: self.origin.clone(),
                class: class.clone(),
            }),
            _ => Ok(dropped),
        }
    }

    /// Whether the archive, the folders or the table say which photo belongs to which part. Then they say all of it.
    pub fn declares_parts(&self) -> bool {
        self.photos.iter().any(|photo| photo.part.is_some())
    }

    /// The class of each photo, by photo number.
    pub fn labels(&self) -> Vec<u32> {
        self.photos.iter().map(|photo| photo.class).collect()
    }

    /// A reader per source, for one pass.
    pub(crate) fn readers(&self) -> Result<Vec<Box<dyn EntryReader + '_>>, DataError> {
        self.sources.iter().map(|source| source.reader()).collect()
    }

    fn assemble(listings: Vec<Listing>, name: String, origin: String) -> Result<Self, DataError> {
        let mut photos = Vec::new();
        let mut skipped = Vec::new();
        let mut sources = Vec::new();
        let mut notes = Vec::new();
        let classes: BTreeSet<String> = listings
            .iter()
            .flat_map(|l| l.photos.iter().map(|photo| photo.class.clone()))
            .collect();
        let number: BTreeMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
        for listing in listings {
            let prefix = listing.prefix.unwrap_or_default();
            for photo in listing.photos {
                photos.push(Photo {
                    name: format!("{prefix}{}", photo.entry.name),
                    class: number[photo.class.as_str()],
                    part: photo.part,
                    source: sources.len() as u32,
                    entry: photo.entry.number,
                });
            }
            let renamed = listing.skipped.into_iter();
            skipped.extend(renamed.map(|s| Skipped {
                name: format!("{prefix}{}", s.name),
                reason: s.reason,
            }));
            sources.push(listing.source);
            notes.extend(listing.notes);
        }
        if photos.is_empty() {
            let example = skipped.first().cloned();
            return Err(DataError::NoPhotos {
                name: origin,
                skipped: skipped.len(),
                example,
            });
        }
        photos.sort_by(|a, b| a.name.cmp(&b.name));
        skipped.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            name,
            origin,
            classes: classes.into_iter().collect(),
            photos,
            skipped,
            decoding: Decoding::default(),
            notes,
            sources,
        })
    }

    fn check_training_part(&self) -> Result<(), DataError> {
        if !self.declares_parts() {
            return Ok(());
        }
        let mut trained = vec![false; self.classes.len()];
        for photo in self.photos.iter().filter(|photo| photo.part == Some(Part::Train)) {
            trained[photo.class as usize] = true;
        }
        if !trained.contains(&true) {
            return Err(DataError::NoTrainingPart {
                name: self.origin.clone(),
            });
        }
        match self.photos.iter().find(|photo| !trained[photo.class as usize]) {
            None => Ok(()),
            Some(photo) => Err(DataError::ClassWithoutTraining {
                name: self.origin.clone(),
                class: self.classes[photo.class as usize].clone(),
                part: photo.part.map_or("undeclared", Part::name),
            }),
        }
    }
}
