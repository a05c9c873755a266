//! CSV and TSV tables that say which photos to use, as what, and for which part: usually in the columns `file`, `class` and `split`,
//! otherwise as `columns` finds out or the user says. What is not as it usually is, is said in notes.

mod columns;
mod form;
mod labels;
mod names;
mod rows;
mod text;

use std::collections::HashMap;
use std::path::Path;

use super::folder::FolderSource;
use super::zip::ZipSource;
use super::{Entry, Found};
use crate::error::DataError;
use crate::layout;
use crate::names::normalize;
use crate::open::Listing;

pub use form::TableForm;
use names::Finder;

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
    form: &TableForm,
    source: ZipSource,
    found: Found<Entry>,
) -> Result<Listing, DataError> {
    let place = InArchive::new(&source, &found);
    let (labelled, notes, _) = labels::read(table, form, place)?;
    Ok(Listing::new(source, labelled, Vec::new()).with_notes(notes))
}

/// Photos below a folder, labelled by a table.
pub(crate) fn open_in_folder(table: &Path, form: &TableForm, folder: &Path) -> Result<Listing, DataError> {
    let place = InFolder {
        source: FolderSource::empty(folder)?,
        seen: HashMap::new(),
    };
    let (labelled, notes, place) = labels::read(table, form, place)?;
    Ok(Listing::new(place.source, labelled, Vec::new()).with_notes(notes))
}

struct InArchive<'a> {
    archive: String,
    wrappers: Vec<String>,
    by_name: HashMap<&'a str, u32>,
    set_aside: HashMap<&'a str, &'a str>,
}

impl<'a> InArchive<'a> {
    fn new(source: &ZipSource, found: &'a Found<Entry>) -> Self {
        let set_aside = found.skipped.iter();
        Self {
            archive: String::from(source.name()),
            wrappers: layout::wrappers(&found.entries),
            by_name: found
                .entries
                .iter()
                .map(|e| (e.name.as_str(), e.number))
                .collect(),
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
    seen: HashMap<String, Result<Entry, String>>,
}

impl Place for InFolder {
    fn exact(&mut self, file: &str) -> Result<Entry, String> {
        let source = &mut self.source;
        let known = self.seen.entry(String::from(file));
        known
            .or_insert_with(|| {
                // A table made on Windows names files with backslashes.
                source.add(file).or_else(|reason| match file.contains('\\') {
                    true => source.add(&file.replace('\\', "/")),
                    false => Err(reason),
                })
            })
            .clone()
    }

    fn names(&self) -> Vec<String> {
        self.source.names_below()
    }
}

type Finding<'a, P> = &'a mut Finder<P>;
