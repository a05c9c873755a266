//! What data the user asks for ([`DataRequest`]), and opening each piece of it by what it is: a zip, a folder, a table, IDX
//! files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::deep::LevelsChoice;
use crate::error::{DataError, Skipped};
use crate::layout;
use crate::names::{printable, shown_path};
use crate::part::Part;
use crate::reading::{Reading, Rules};
use crate::remark::Remark;
use crate::source::folder::FolderSource;
use crate::source::zip::ZipSource;
use crate::source::{Found, Labelled, Source, TableForm, idx, table};

/// Which data to open. Either [`path`](Self::path) (with or without a table), or [`memory`](Self::memory), or separate
/// archives for the parts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataRequest {
    /// A zip, a folder, a table, or IDX files.
    pub path: Option<PathBuf>,
    /// A CSV or TSV table with the columns `file`, `class` and, if it likes, `split`, naming files inside `path`, or,
    /// without one, in the table's own folder.
    pub table: Option<PathBuf>,
    /// How the table is to be read, where it does not say.
    pub table_form: TableForm,
    /// Data for training only.
    pub train: Option<PathBuf>,
    /// Data for validation only.
    pub val: Option<PathBuf>,
    /// Data for testing only.
    pub test: Option<PathBuf>,
    /// The black and the white of photos of more than 8 bits.
    pub levels: LevelsChoice,
    /// The most pixels that a photo may have; [`MAX_PIXELS`](crate::MAX_PIXELS) where nothing is said.
    pub max_pixels: Option<u64>,
    /// A zip that the program carries: its name and its bytes.
    pub memory: Option<(String, &'static [u8])>,
    /// How its folders and names are read.
    pub reading: Reading,
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

    /// The same data, read another way.
    pub fn with_reading(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }

    /// Lists everything that is asked for.
    pub(crate) fn list(&self, rules: &Rules) -> Result<Vec<Listing>, DataError> {
        let table = self.table.as_deref();
        match (&self.path, &self.memory, self.separate().as_slice(), table) {
            (Some(path), None, [], _) => open_path(path, table, rules),
            (None, Some((name, bytes)), [], _) => {
                Ok(vec![open_zip(ZipSource::in_memory(name, bytes)?, table, rules)?])
            }
            (None, None, [], Some(table)) => Ok(vec![open_table_alone(table, rules)?]),
            (None, None, [], None) => Err(DataError::Request(
                "no data is given; name a zip, a folder or a table of photos",
            )),
            (None, None, separate, None) => {
                let mut listings = Vec::new();
                for &(part, path) in separate {
                    listings.extend(
                        open_path(path, None, rules)?
                            .into_iter()
                            .map(|listing| listing.into_part(part)),
                    );
                }
                Ok(listings)
            }
            (None, None, _, Some(_)) => Err(DataError::Request(
                "a table cannot be combined with separate archives for the parts",
            )),
            _ => Err(DataError::Request(
                "give either one data set or separate archives for the parts, not both",
            )),
        }
    }

    /// The data as the user named it, safe to print.
    pub(crate) fn origin(&self) -> String {
        printable(&self.named().join(" + ")).into_owned()
    }

    /// A short name for the data, safe as part of a file's name.
    pub(crate) fn short_name(&self) -> String {
        short_name(self.named().first().map_or("", String::as_str))
    }

    fn named(&self) -> Vec<String> {
        let one = self.path.as_deref().or(self.table.as_deref());
        let mut paths: Vec<&Path> = one.into_iter().collect();
        paths.extend(self.separate().into_iter().map(|(_, path)| path));
        let mut named: Vec<String> = self.memory.iter().map(|(name, _)| name.clone()).collect();
        named.extend(paths.into_iter().map(shown_path));
        named
    }

    fn separate(&self) -> Vec<(Part, &Path)> {
        let parts = [
            (Part::Train, &self.train),
            (Part::Validation, &self.val),
            (Part::Test, &self.test),
        ];
        parts
            .into_iter()
            .filter_map(|(part, path)| Some((part, path.as_deref()?)))
            .collect()
    }
}

/// One source with its labelled photos.
pub(crate) struct Listing {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) photos: Vec<Labelled>,
    pub(crate) skipped: Vec<Skipped>,
    /// Put before names, where there are several sources.
    pub(crate) prefix: Option<String>,
    /// What to say of how it was read.
    pub(crate) remarks: Vec<Remark>,
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
            remarks: Vec::new(),
        }
    }

    pub(crate) fn with_remarks(mut self, remarks: impl IntoIterator<Item = Remark>) -> Self {
        self.remarks.extend(remarks);
        self
    }

    fn into_part(mut self, part: Part) -> Self {
        for photo in &mut self.photos {
            photo.part = Some(part);
        }
        self.prefix = Some(format!("{}/", part.name()));
        self
    }
}

fn open_path(path: &Path, table: Option<&Path>, rules: &Rules) -> Result<Vec<Listing>, DataError> {
    let io = |source| DataError::Io {
        path: path.to_owned(),
        source,
    };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if let Some(table) = table {
        return Ok(vec![if metadata.is_dir() {
            open_table(table, path, rules)?
        } else {
            open_zip(ZipSource::open(path, rules.zip_names)?, Some(table), rules)?
        }]);
    }
    if metadata.is_dir() {
        let pairs = idx::find_pairs(path)?;
        if !pairs.is_empty() {
            return pairs.iter().map(idx::IdxPair::open).collect();
        }
        return Ok(vec![open_folder(path, rules)?]);
    }
    if table::is_table(path) {
        return Ok(vec![open_table_alone(path, rules)?]);
    }
    if let Some(pair) = idx::pair_of(path)? {
        return Ok(vec![pair.open()?]);
    }
    Ok(vec![open_zip(
        ZipSource::open(path, rules.zip_names)?,
        None,
        rules,
    )?])
}

fn open_folder(path: &Path, rules: &Rules) -> Result<Listing, DataError> {
    without_columns(rules)?;
    let (source, found, links) = FolderSource::list(path, rules.follow_links)?;
    let links = links.remark();
    let (laid_out, remarks) = layout::lay_out(found.entries, rules, &shown_path(path))
        .map_err(|error| error.behind(links.as_ref()))?;
    Ok(Listing::new(source, laid_out, found.skipped).with_remarks(remarks.into_iter().chain(links)))
}

fn open_zip(source: ZipSource, table: Option<&Path>, rules: &Rules) -> Result<Listing, DataError> {
    let (found, names) = source.list();
    match table {
        Some(table) => {
            with_classes_of_table(rules)?;
            Ok(table::open_in_archive(table, source, found, rules)?.with_remarks(names))
        }
        None => {
            without_columns(rules)?;
            let (laid_out, remarks) = layout::lay_out(found.entries, rules, source.name())?;
            Ok(Listing::new(source, laid_out, found.skipped).with_remarks(remarks.into_iter().chain(names)))
        }
    }
}

fn open_table_alone(path: &Path, rules: &Rules) -> Result<Listing, DataError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    open_table(path, folder, rules)
}

fn open_table(table: &Path, folder: &Path, rules: &Rules) -> Result<Listing, DataError> {
    with_classes_of_table(rules)?;
    table::open_in_folder(table, folder, rules)
}

/// A table says classes and parts itself.
fn with_classes_of_table(rules: &Rules) -> Result<(), DataError> {
    match rules.levels.is_some() || rules.class_from.is_some() {
        true => Err(DataError::Request(
            "classes come from a table here, so no layout of folders and no pattern of names can give them; leave out one or the other",
        )),
        false => Ok(()),
    }
}

fn without_columns(rules: &Rules) -> Result<(), DataError> {
    match rules.group_column() {
        Some(column) => Err(DataError::Setting(format!(
            "groups are to come from the column {}, and there is no table; write folder, or a pattern with {{group}}",
            printable(column)
        ))),
        None => Ok(()),
    }
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
        assert!(matches!(both.list(&Rules::default()), Err(DataError::Request(_))));
        assert!(matches!(
            DataRequest::default().list(&Rules::default()),
            Err(DataError::Request(_))
        ));
    }
}
