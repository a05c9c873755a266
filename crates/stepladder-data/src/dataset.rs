//! A labelled set of photos, listed but not yet read: which photos there are, their classes, and the parts that the data
//! itself declares.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{DataError, Skipped};
use crate::layout;
use crate::names::printable;
use crate::source::folder::FolderSource;
use crate::source::idx;
use crate::source::table;
use crate::source::zip::ZipSource;
use crate::source::{Found, Labelled, Source};

/// What a photo is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The weights are fitted to it.
    Train,
    /// Choices such as when to stop are made by it.
    Validation,
    /// The final figures come from it; no choice does.
    Test,
}

impl Part {
    /// All parts, in the order of use.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name that tables and reports use: "train", "validation" or "test".
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The part that a folder's name or a table's cell means, in any case: also "training", "val", "valid", "dev",
    /// "testing".
    pub fn from_name(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" => Some(Self::Validation),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }
}

/// Which data to open. Either [`path`](Self::path) (with or without a table), or [`memory`](Self::memory), or separate
/// archives for the parts.
#[derive(Debug, Clone, Default)]
pub struct DataRequest {
    /// A zip, a folder, a table, or IDX files.
    pub path: Option<PathBuf>,
    /// A CSV or TSV table with the columns `file`, `class` and, if it likes, `split`, naming files inside `path`, or,
    /// without one, in the table's own folder.
    pub table: Option<PathBuf>,
    /// Data for training only.
    pub train: Option<PathBuf>,
    /// Data for validation only.
    pub val: Option<PathBuf>,
    /// Data for testing only.
    pub test: Option<PathBuf>,
    /// A zip that the program carries: its name and its bytes.
    pub memory: Option<(String, &'static [u8])>,
}

impl DataRequest {
    /// One zip, folder, table or IDX file.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self {
            path: Some(path.into()),
            ..Self::default()
        }
    }

    /// A zip that the program carries, such as the one shipped with it.
    pub fn memory(name: impl Into<String>, zip: &'static [u8]) -> Self {
        Self {
            memory: Some((name.into(), zip)),
            ..Self::default()
        }
    }

    /// The same data, with classes and parts from a table.
    pub fn with_table(mut self, table: impl Into<PathBuf>) -> Self {
        self.table = Some(table.into());
        self
    }
}

/// A labelled set of photos.
#[derive(Debug)]
pub struct Dataset {
    /// Short name of the data, safe as part of a file's name: "flowers5" for `photos/flowers5.zip`.
    pub name: String,
    /// Class names, sorted by code point; a photo's class is an index into it.
    pub classes: Vec<String>,
    /// The photos, sorted by name. Positions in this list are the photo numbers used everywhere else.
    pub photos: Vec<Photo>,
    /// Files set aside, with reasons. Photos that turn out to be unreadable join them in
    /// [`PhotoStore::skipped`](crate::PhotoStore::skipped).
    pub skipped: Vec<Skipped>,
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
                name: dataset.name,
                class: class.clone(),
            });
        }
        dataset.check_training_part()?;
        Ok(dataset)
    }

    /// Lists data to evaluate a model on, where a single class or a lone test part are fine. There is at least one photo.
    pub fn open_for_evaluation(request: &DataRequest) -> Result<Self, DataError> {
        let separate = [
            (Part::Train, &request.train),
            (Part::Validation, &request.val),
            (Part::Test, &request.test),
        ];
        let separate: Vec<_> = separate
            .iter()
            .filter_map(|(part, path)| Some((*part, path.as_deref()?)))
            .collect();
        let listings = match (&request.path, &request.memory, separate.as_slice()) {
            (Some(path), None, []) => open_path(path, request.table.as_deref())?,
            (None, Some((name, bytes)), []) => {
                let source = ZipSource::in_memory(name, bytes)?;
                vec![open_zip(source, request.table.as_deref())?]
            }
            (None, None, []) => match &request.table {
                Some(table) => vec![open_table_alone(table)?],
                None => {
                    return Err(DataError::Request(
                        "no data is given; name a zip, a folder or a table of photos",
                    ));
                }
            },
            (None, None, separate) => {
                if request.table.is_some() {
                    return Err(DataError::Request(
                        "a table cannot be combined with separate archives for the parts",
                    ));
                }
                let mut listings = Vec::new();
                for (part, path) in separate {
                    listings.extend(
                        open_path(path, None)?
                            .into_iter()
                            .map(|listing| listing.as_part(*part)),
                    );
                }
                listings
            }
            _ => {
                return Err(DataError::Request(
                    "give either one data set or separate archives for the parts, not both",
                ));
            }
        };
        let named = request
            .path
            .as_deref()
            .or(request.table.as_deref())
            .or(separate.first().map(|(_, path)| *path));
        let shown = match (named, &request.memory) {
            (Some(path), _) => printable(&path.to_string_lossy()).into_owned(),
            (None, Some((name, _))) => printable(name).into_owned(),
            (None, None) => String::from("the data"),
        };
        Self::assemble(listings, &shown)
    }

    /// Drops classes of which `store` could read no photo, so that the network has no output that nothing trains, and returns
    /// their names. Photo numbers stay as they are; photos of a dropped class get [`Photo::NO_CLASS`] and are in no split,
    /// being unreadable. Fails as [`open`](Self::open) does where fewer than two classes remain.
    pub fn drop_unreadable_classes(&mut self, store: &crate::PhotoStore) -> Result<Vec<String>, DataError> {
        let mut readable = vec![false; self.classes.len()];
        for (number, photo) in self.photos.iter().enumerate() {
            if store.is_readable(number as u32) {
                readable[photo.class as usize] = true;
            }
        }
        let mut renumbered = vec![Photo::NO_CLASS; self.classes.len()];
        let (mut kept, mut dropped) = (Vec::new(), Vec::new());
        for ((class, readable), number) in std::mem::take(&mut self.classes)
            .into_iter()
            .zip(readable)
            .zip(&mut renumbered)
        {
            if readable {
                *number = kept.len() as u32;
                kept.push(class);
            } else {
                dropped.push(class);
            }
        }
        self.classes = kept;
        for photo in &mut self.photos {
            photo.class = renumbered[photo.class as usize];
        }
        match self.classes.as_slice() {
            [] => Err(DataError::NoPhotos {
                name: self.name.clone(),
                skipped: store.skipped().len(),
                example: store.skipped().first().cloned(),
            }),
            [class] => Err(DataError::SingleClass {
                name: self.name.clone(),
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

    fn assemble(listings: Vec<Listing>, shown: &str) -> Result<Self, DataError> {
        let mut photos = Vec::new();
        let mut skipped = Vec::new();
        let mut sources = Vec::new();
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
        }
        if photos.is_empty() {
            let example = skipped.first().cloned();
            return Err(DataError::NoPhotos {
                name: String::from(shown),
                skipped: skipped.len(),
                example,
            });
        }
        photos.sort_by(|a, b| a.name.cmp(&b.name));
        skipped.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            name: short_name(shown),
            classes: classes.into_iter().collect(),
            photos,
            skipped,
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
                name: self.name.clone(),
            });
        }
        match self.photos.iter().find(|photo| !trained[photo.class as usize]) {
            None => Ok(()),
            Some(photo) => Err(DataError::ClassWithoutTraining {
                name: self.name.clone(),
                class: self.classes[photo.class as usize].clone(),
                part: photo.part.map_or("undeclared", Part::name),
            }),
        }
    }
}

/// One source with its labelled photos.
pub(crate) struct Listing {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) photos: Vec<Labelled>,
    pub(crate) skipped: Vec<Skipped>,
    /// Put before names, where there are several sources.
    prefix: Option<String>,
}

impl Listing {
    pub(crate) fn new(
        source: impl Source + 'static,
        found: Found<Labelled>,
        mut skipped: Vec<Skipped>,
    ) -> Self {
        skipped.extend(found.skipped);
        Self {
            source: Arc::new(source),
            photos: found.entries,
            skipped,
            prefix: None,
        }
    }

    fn as_part(mut self, part: Part) -> Self {
        for photo in &mut self.photos {
            photo.part = Some(part);
        }
        self.prefix = Some(format!("{}/", part.name()));
        self
    }
}

fn open_path(path: &Path, table: Option<&Path>) -> Result<Vec<Listing>, DataError> {
    let io = |source| DataError::Io {
        path: path.to_owned(),
        source,
    };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if let Some(table) = table {
        return Ok(vec![if metadata.is_dir() {
            table::open_in_folder(table, path)?
        } else {
            open_zip(ZipSource::open(path)?, Some(table))?
        }]);
    }
    if metadata.is_dir() {
        let pairs = idx::find_pairs(path)?;
        if !pairs.is_empty() {
            return pairs.iter().map(idx::IdxPair::open).collect();
        }
        let (source, found) = FolderSource::list(path)?;
        let laid_out = layout::lay_out(found.entries, &printable(&path.to_string_lossy()))?;
        return Ok(vec![Listing::new(source, laid_out, found.skipped)]);
    }
    if table::is_table(path) {
        return Ok(vec![open_table_alone(path)?]);
    }
    if let Some(pair) = idx::pair_of(path)? {
        return Ok(vec![pair.open()?]);
    }
    Ok(vec![open_zip(ZipSource::open(path)?, None)?])
}

fn open_zip(source: ZipSource, table: Option<&Path>) -> Result<Listing, DataError> {
    let found = source.list();
    match table {
        Some(table) => table::open_in_archive(table, source, found),
        None => {
            let laid_out = layout::lay_out(found.entries, source.name())?;
            Ok(Listing::new(source, laid_out, found.skipped))
        }
    }
}

fn open_table_alone(path: &Path) -> Result<Listing, DataError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    table::open_in_folder(path, folder)
}

/// The last component without its extension, reduced to letters, digits, '-', '_' and '.'.
fn short_name(shown: &str) -> String {
    let full = shown.trim_end_matches(['/', '\\']);
    let last = full.rsplit(['/', '\\']).next().unwrap_or(full);
    let stem = match last.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() && stem != "." => stem,
        _ => last,
    };
    let safe: String = stem
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') {
                c
            } else {
                '-'
            }
        })
        .take(64)
        .collect();
    let safe = safe.trim_matches(['.', '-']);
    String::from(if safe.is_empty() { "data" } else { safe })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_safe_in_file_names() {
        for (shown, name) in [
            ("photos/flowers5.zip", "flowers5"),
            ("photos/", "photos"),
            ("../my photos.v2.zip", "my-photos.v2"),
            ("..", "data"),
            ("/", "data"),
            ("a/\\u{1b}[31m.zip", "u-1b--31m"),
        ] {
            assert_eq!(short_name(shown), name, "{shown}");
        }
    }

    #[test]
    fn requests_that_exclude_each_other_are_refused() {
        let both = DataRequest {
            train: Some("a.zip".into()),
            ..DataRequest::path("b.zip")
        };
        assert!(matches!(Dataset::open(&both), Err(DataError::Request(_))));
        assert!(matches!(
            Dataset::open(&DataRequest::default()),
            Err(DataError::Request(_))
        ));
    }
}
