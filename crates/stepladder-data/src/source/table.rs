//! CSV and TSV tables that say which photos to use, as what, and for which part: usually in the columns `file`, `class` and `split`,
//! otherwise as `columns` finds out or the user says. What is not as it usually is, is said in notes.

mod columns;
mod form;
mod labels;
mod names;
mod numbers;
mod rows;
mod text;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use super::folder::FolderSource;
use super::zip::ZipSource;
use super::{Entry, Found};
use crate::error::DataError;
use crate::layout;
use crate::names::{nfc, normalize};
use crate::open::Listing;
use crate::reading::Rules;

pub use form::TableForm;
use names::Finder;
pub use numbers::{NumberRow, numbers_by_name};
pub(crate) use text::encoding as encoding_named;

/// Whether a path names a table, by its extension.
pub(crate) fn is_table(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    extension.is_some_and(|e| e == "csv" || e == "tsv" || e == "tab")
}

/// Where the photos of a table are.
trait Place {
    /// The photo of this very name, or why there is none.
    fn exact(&mut self, name: &str) -> Result<Entry, String>;

    /// The names of all photos that are there.
    fn names(&self) -> Vec<String>;
}

/// Photos inside a zip, labelled by a table. Names may leave out the folders that wrap the whole archive.
pub(crate) fn open_in_archive(
    table: &Path,
    source: ZipSource,
    found: Found<Entry>,
    rules: &Rules,
) -> Result<Listing, DataError> {
    let place = InArchive::new(&source, &found);
    let (labelled, remarks, _) = labels::read(table, rules, place)?;
    Ok(Listing::new(source, labelled, Vec::new()).with_remarks(remarks))
}

/// Photos below a folder, labelled by a table.
pub(crate) fn open_in_folder(table: &Path, folder: &Path, rules: &Rules) -> Result<Listing, DataError> {
    let place = InFolder {
        source: FolderSource::empty(folder)?,
        follow_links: rules.follow_links,
        seen: HashMap::new(),
    };
    let (labelled, remarks, place) = labels::read(table, rules, place)?;
    Ok(Listing::new(place.source, labelled, Vec::new()).with_remarks(remarks))
}

struct InArchive<'a> {
    archive: String,
    wrappers: Vec<String>,
    by_name: HashMap<&'a str, u32>,
    /// Those whose accents are composed otherwise than in the archive.
    composed: HashMap<String, u32>,
    by_number: HashMap<u32, &'a str>,
    set_aside: HashMap<&'a str, &'a str>,
}

impl<'a> InArchive<'a> {
    fn new(source: &ZipSource, found: &'a Found<Entry>) -> Self {
        let set_aside = found.skipped.iter();
        let entries = found.entries.iter();
        let decomposed = entries.clone().filter(|e| matches!(nfc(&e.name), Cow::Owned(_)));
        Self {
            archive: String::from(source.name()),
            wrappers: layout::wrappers(&found.entries),
            by_name: entries.clone().map(|e| (e.name.as_str(), e.number)).collect(),
            composed: decomposed
                .map(|e| (nfc(&e.name).into_owned(), e.number))
                .collect(),
            by_number: entries.map(|e| (e.number, e.name.as_str())).collect(),
            set_aside: set_aside.map(|s| (s.name.as_str(), s.reason.as_str())).collect(),
        }
    }
}

impl Place for InArchive<'_> {
    fn exact(&mut self, file: &str) -> Result<Entry, String> {
        // A table that was written from the archive's own listing has the names as they are, backslashes of escapes included.
        if let Some(&number) = self.by_name.get(file) {
            return Ok(Entry {
                name: String::from(file),
                number,
            });
        }
        let Some(name) = normalize(file) else {
            return Err(String::from("its name points outside the archive"));
        };
        let mut reason = None;
        for depth in 0..=self.wrappers.len() {
            let parts = self.wrappers[..depth].iter().chain([&name]);
            let full = parts.map(String::as_str).collect::<Vec<_>>().join("/");
            if let Some(&number) = self.by_name.get(full.as_str()) {
                return Ok(Entry { name: full, number });
            }
            // Accents may be written in Unicode's other form, in the archive or in the table.
            let composed = nfc(&full);
            let number = self.by_name.get(composed.as_ref());
            let number = number.or(self.composed.get(composed.as_ref()));
            let known = number.and_then(|number| Some((*number, *self.by_number.get(number)?)));
            if let Some((number, name)) = known {
                return Ok(Entry {
                    name: String::from(name),
                    number,
                });
            }
            reason = reason.or(self.set_aside.get(full.as_str()).copied());
        }
        Err(reason.map_or_else(
            || format!("listed in the table, but not in {}", self.archive),
            String::from,
        ))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.by_name.keys().map(|&name| String::from(name)).collect();
        names.sort();
        names
    }
}

struct InFolder {
    source: FolderSource,
    follow_links: bool,
    seen: HashMap<String, Result<Entry, String>>,
}

impl Place for InFolder {
    fn exact(&mut self, file: &str) -> Result<Entry, String> {
        let (source, follow) = (&mut self.source, self.follow_links);
        let known = self.seen.entry(String::from(file));
        known
            .or_insert_with(|| {
                // A table made on Windows names files with backslashes.
                source
                    .add(file, follow)
                    .or_else(|reason| match file.contains('\\') {
                        true => source.add(&file.replace('\\', "/"), follow),
                        false => Err(reason),
                    })
            })
            .clone()
    }

    fn names(&self) -> Vec<String> {
        self.source.names_below(self.follow_links)
    }
}

type Finding<'a, P> = &'a mut Finder<P>;
