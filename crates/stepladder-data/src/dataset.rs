//! A labelled set of photos, listed but not yet read: which photos there are, their classes, and the parts that the data
//! itself declares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::decode::{Decoding, MAX_PIXELS};
use crate::deep::LevelsChoice;
use crate::error::{DataError, Skipped};
use crate::layout::NO_CLASS_FOLDER;
use crate::names::{alike, nfc, printable};
use crate::open::{DataRequest, Listing};
use crate::part::Part;
use crate::reading::Rules;
use crate::remark::Remark;
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
    /// What to know of how names, tables and values were read.
    pub remarks: Vec<Remark>,
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
    /// Photos of one group stay in one part of the split.
    pub group: Option<Arc<str>>,
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
        let links = dataset
            .remarks
            .iter()
            .find(|remark| matches!(remark, Remark::LinksNotFollowed { .. }));
        if let [class] = dataset.classes.as_slice() {
            let error = DataError::SingleClass {
                name: dataset.origin.clone(),
                class: class.clone(),
            };
            return Err(error.behind(links));
        }
        dataset
            .check_training_part()
            .map_err(|error| error.behind(links))?;
        Ok(dataset)
    }

    /// Lists data to evaluate a model on, where a single class or a lone test part are fine. There is at least one photo.
    pub fn open_for_evaluation(request: &DataRequest) -> Result<Self, DataError> {
        let mut rules = Rules::new(&request.reading)?;
        rules.table_form = request.table_form.clone();
        let listings = request.list(&rules)?;
        let mut dataset = Self::assemble(listings, request.short_name(), request.origin())?;
        dataset.take_classes(&request.reading.classes)?;
        dataset.look_at_names(rules.makes_groups());
        dataset.look_for_unlabelled();
        dataset.take_levels(request);
        Ok(dataset)
    }

    /// Says which parts hold photos without a class, as the test folders of competitions do.
    fn look_for_unlabelled(&mut self) {
        if !self.declares_parts() {
            return;
        }
        for part in Part::ALL {
            let is_of = |skipped: &&Skipped| {
                let mut folders = skipped.name.split('/').rev().skip(1);
                skipped.reason.starts_with(NO_CLASS_FOLDER) && folders.find_map(Part::from_name) == Some(part)
            };
            let unlabelled: Vec<&Skipped> = self.skipped.iter().filter(is_of).collect();
            let labelled = self.photos.iter().any(|photo| photo.part == Some(part));
            if let Some(first) = unlabelled.first().filter(|_| !labelled) {
                let remark = Remark::Unlabelled {
                    part,
                    photos: unlabelled.len(),
                    example: first.name.clone(),
                };
                self.remarks.push(remark);
            }
        }
    }

    /// Sets how photos are decoded, with the levels that the photos themselves ask for where that is wanted.
    fn take_levels(&mut self, request: &DataRequest) {
        self.decoding.max_pixels = request.max_pixels.unwrap_or(MAX_PIXELS);
        self.decoding.levels = match request.levels {
            LevelsChoice::AsStored => None,
            LevelsChoice::Given(levels) => Some(levels),
            LevelsChoice::Measured => self.measured_levels(),
        };
        if request.levels == LevelsChoice::Measured {
            let range = self.decoding.levels;
            let range = range.map(|levels| [levels.black, levels.white].map(|value| value.to_string()));
            self.remarks.push(Remark::Levels { range });
        }
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
        let mut remarks = Vec::new();
        // Names in Unicode's two forms are one class.
        let classes: BTreeSet<String> = listings
            .iter()
            .flat_map(|l| l.photos.iter().map(|photo| nfc(&photo.class).into_owned()))
            .collect();
        let number: BTreeMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
        let mut groups: BTreeSet<Arc<str>> = BTreeSet::new();
        for listing in listings {
            remarks.extend(listing.remarks);
            let prefix = listing.prefix.unwrap_or_default();
            for photo in listing.photos {
                photos.push(Photo {
                    name: format!("{prefix}{}", photo.entry.name),
                    class: number[nfc(&photo.class).as_ref()],
                    part: photo.part,
                    group: photo.group.map(|group| shared(&mut groups, nfc(&group).as_ref())),
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
        }
        if photos.is_empty() {
            let example = skipped.first().cloned();
            let error = DataError::NoPhotos {
                name: origin,
                skipped: skipped.len(),
                example,
            };
            let links = remarks
                .iter()
                .find(|remark| matches!(remark, Remark::LinksNotFollowed { .. }));
            return Err(error.behind(links));
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
            remarks,
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
            Some(photo) => Err(self.untrained(photo, self.trained_alike(photo.class, &trained))),
        }
    }

    /// What is wrong with a photo whose class is not trained on, where one of nearly the same name may be.
    fn untrained(&self, photo: &Photo, near: Option<String>) -> DataError {
        let name = self.origin.clone();
        let class = self.classes[photo.class as usize].clone();
        let part = photo.part.map_or("undeclared", Part::name);
        let mut beside = self.photos.iter().filter(|other| other.part == photo.part);
        let photos = beside.clone().count();
        let alone = near.is_none() && photo.part.is_some() && beside.all(|other| other.class == photo.class);
        // A training part of one class may as well be the wrong one.
        match alone && self.classes.len() > 2 {
            true => DataError::UnlabelledPart {
                name,
                class,
                part,
                photos,
            },
            false => DataError::ClassWithoutTraining {
                name,
                class,
                part,
                near,
            },
        }
    }

    /// A class of the training part whose name is nearly that of `class`.
    fn trained_alike(&self, class: u32, trained: &[bool]) -> Option<String> {
        let name = alike(&self.classes[class as usize]);
        let mut trained = self.classes.iter().zip(trained).filter(|(_, trained)| **trained);
        trained
            .find(|(other, _)| alike(other) == name)
            .map(|(other, _)| other.clone())
    }

    /// Keeps the classes that were asked for, by their names or, where that is one class, by names that are nearly equal.
    fn take_classes(&mut self, asked: &[String]) -> Result<(), DataError> {
        if asked.is_empty() {
            return Ok(());
        }
        let mut taken = BTreeSet::new();
        let mut unknown = Vec::new();
        for name in asked {
            match self.class_named(name) {
                Some(class) => drop(taken.insert(class)),
                None => unknown.push(printable(name).into_owned()),
            }
        }
        if !unknown.is_empty() {
            return Err(self.unknown_classes(unknown));
        }
        let renumbered: BTreeMap<u32, u32> = taken.iter().copied().zip(0..).collect();
        let (all, kept) = (self.classes.len(), taken.len());
        self.photos
            .retain_mut(|photo| match renumbered.get(&photo.class) {
                Some(class) => {
                    photo.class = *class;
                    true
                }
                None => false,
            });
        self.classes = taken
            .into_iter()
            .map(|class| self.classes[class as usize].clone())
            .collect();
        self.remarks.push(Remark::SomeClasses { taken: kept, all });
        Ok(())
    }

    fn class_named(&self, name: &str) -> Option<u32> {
        let (exact, near) = (nfc(name), alike(name));
        let same = (0..).zip(&self.classes).find(|(_, class)| **class == exact);
        let mut alike = (0..).zip(&self.classes).filter(|(_, class)| alike(class) == near);
        let only = alike.next().filter(|_| alike.next().is_none());
        same.or(only).map(|(number, _)| number)
    }

    fn unknown_classes(&self, asked: Vec<String>) -> DataError {
        let begins = |class: &str, name: &str| {
            let (class, name) = (alike(class), alike(name));
            class.starts_with(&name) || name.starts_with(&class)
        };
        let near = |class: &&String| asked.iter().any(|name| begins(class, name));
        DataError::UnknownClasses {
            name: self.origin.clone(),
            near: self.classes.iter().filter(near).cloned().collect(),
            classes: self.classes.clone(),
            asked,
        }
    }

    /// Says what is odd about the names of classes and groups.
    fn look_at_names(&mut self, with_groups: bool) {
        let mut same: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for class in &self.classes {
            same.entry(alike(class)).or_default().push(class.clone());
        }
        let several = same.into_values().filter(|classes| classes.len() > 1);
        let alike = several.map(|classes| Remark::ClassesAlike { classes });
        self.remarks.extend(alike);
        if with_groups {
            self.remarks.extend(self.without_group());
            self.remarks.extend(self.odd_groups());
        }
    }

    fn without_group(&self) -> Option<Remark> {
        let mut alone = self.photos.iter().filter(|photo| photo.group.is_none());
        let example = alone.next()?.name.clone();
        Some(Remark::WithoutGroup {
            photos: 1 + alone.count(),
            example,
        })
    }

    fn odd_groups(&self) -> Option<Remark> {
        let mut parts: BTreeMap<&str, BTreeSet<Part>> = BTreeMap::new();
        for photo in &self.photos {
            if let Some(group) = &photo.group {
                parts.entry(group).or_default().extend(photo.part);
            }
        }
        let several = || parts.iter().filter(|(_, parts)| parts.len() > 1);
        if let Some((example, _)) = several().next() {
            return Some(Remark::GroupsInParts {
                groups: several().count(),
                example: String::from(*example),
            });
        }
        let (groups, loose) = (parts.len(), self.photos.iter().any(|photo| photo.group.is_none()));
        let few = groups < Part::ALL.len() && !loose && !self.declares_parts();
        few.then_some(Remark::FewGroups { groups })
    }
}

/// One copy of each group's name.
fn shared(groups: &mut BTreeSet<Arc<str>>, name: &str) -> Arc<str> {
    match groups.get(name) {
        Some(known) => Arc::clone(known),
        None => {
            let group: Arc<str> = Arc::from(name);
            groups.insert(Arc::clone(&group));
            group
        }
    }
}
