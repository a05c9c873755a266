//! CSV and TSV tables with the columns `file`, `class` and, if they like, `split`: they say which photos to use, as what,
//! and for which part. The first line names the columns; other columns are ignored.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::folder::FolderSource;
use super::zip::ZipSource;
use super::{Entry, Found, Labelled};
use crate::error::{DataError, Skipped};
use crate::layout;
use crate::names::{nfc, normalize, printable, shown_path};
use crate::open::Listing;
use crate::part::Part;
use crate::reading::Rules;

/// A line may be as long as the file, and is held in memory. Ten million photos fit.
const MAX_TABLE_BYTES: u64 = 1 << 30;

const FILE: [&str; 5] = ["file", "path", "filename", "filepath", "image"];
const CLASS: [&str; 3] = ["class", "label", "category"];
const SPLIT: [&str; 4] = ["split", "part", "set", "subset"];

/// Whether a path names a table, by its extension.
pub(crate) fn is_table(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    extension.is_some_and(|e| e == "csv" || e == "tsv" || e == "tab")
}

/// Photos inside a zip, labelled by a table. Names may leave out the folders that wrap the whole archive.
pub(crate) fn open_in_archive(
    table: &Path,
    source: ZipSource,
    found: Found<Entry>,
    rules: &Rules,
) -> Result<Listing, DataError> {
    let wrappers = layout::wrappers(&found.entries);
    let by_name: HashMap<&str, u32> = found
        .entries
        .iter()
        .map(|e| (e.name.as_str(), e.number))
        .collect();
    let composed: HashMap<String, u32> = found
        .entries
        .iter()
        .filter(|e| matches!(nfc(&e.name), Cow::Owned(_)))
        .map(|e| (nfc(&e.name).into_owned(), e.number))
        .collect();
    let by_number: HashMap<u32, &str> = found
        .entries
        .iter()
        .map(|e| (e.number, e.name.as_str()))
        .collect();
    let set_aside: HashMap<&str, &str> = found
        .skipped
        .iter()
        .map(|s| (s.name.as_str(), s.reason.as_str()))
        .collect();
    let lookup = |file: &str| {
        // A table that was written from the archive's own listing has the names as they are, backslashes of escapes included.
        if let Some(&number) = by_name.get(file) {
            return Ok(Entry {
                name: String::from(file),
                number,
            });
        }
        let Some(name) = normalize(file) else {
            return Err(String::from("its name points outside the archive"));
        };
        let mut reason = None;
        for depth in 0..=wrappers.len() {
            let full = wrappers[..depth]
                .iter()
                .chain([&name])
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join("/");
            if let Some(&number) = by_name.get(full.as_str()) {
                return Ok(Entry { name: full, number });
            }
            // Accents may be written in Unicode's other form, in the archive or in the table.
            let full_composed = nfc(&full);
            let number = by_name
                .get(full_composed.as_ref())
                .or(composed.get(full_composed.as_ref()));
            if let Some((number, name)) = number.and_then(|number| Some((*number, by_number.get(number)?))) {
                return Ok(Entry {
                    name: String::from(*name),
                    number,
                });
            }
            reason = reason.or(set_aside.get(full.as_str()).copied());
        }
        Err(reason.map_or_else(
            || format!("listed in the table, but not in {}", source.name()),
            String::from,
        ))
    };
    let labelled = Rows::open(table, rules)?.label(lookup, rules)?;
    Ok(Listing::new(source, labelled, Vec::new()))
}

/// Photos below a folder, labelled by a table.
pub(crate) fn open_in_folder(table: &Path, folder: &Path, rules: &Rules) -> Result<Listing, DataError> {
    let mut source = FolderSource::empty(folder)?;
    let mut seen: HashMap<String, Result<Entry, String>> = HashMap::new();
    let follow = rules.follow_links;
    let find = |file: &str| {
        let known = seen.entry(String::from(file));
        known
            .or_insert_with(|| {
                // A table made on Windows names files with backslashes.
                source.add(file, follow).or_else(|reason| {
                    if file.contains('\\') {
                        source.add(&file.replace('\\', "/"), follow)
                    } else {
                        Err(reason)
                    }
                })
            })
            .clone()
    };
    let labelled = Rows::open(table, rules)?.label(find, rules)?;
    Ok(Listing::new(source, labelled, Vec::new()))
}

/// A table whose header has been understood.
struct Rows {
    name: String,
    reader: csv::Reader<Box<dyn Read>>,
    file: usize,
    class: usize,
    split: Option<usize>,
    /// The column that names the groups, where one was asked for.
    group: Option<usize>,
}

impl Rows {
    fn open(path: &Path, rules: &Rules) -> Result<Self, DataError> {
        let name = shown_path(path);
        let io = |source| DataError::Io {
            path: path.to_owned(),
            source,
        };
        let file = stepladder_files::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.len() > MAX_TABLE_BYTES {
            let message = format!("more than {} MiB are not read as a table", MAX_TABLE_BYTES >> 20);
            return Err(DataError::Table {
                name,
                line: 1,
                message,
            });
        }
        let mut input = BufReader::new(file);
        // The first line decides on the separator; its length is bounded, as the file may be anything.
        let mut first = Vec::new();
        (&mut input)
            .take(64 << 10)
            .read_until(b'\n', &mut first)
            .map_err(io)?;
        let delimiter = [b'\t', b',', b';']
            .into_iter()
            .max_by_key(|d| (first.iter().filter(|b| *b == d).count(), *d == b','))
            .unwrap_or(b',');
        let start = if first.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let whole: Box<dyn Read> = Box::new(std::io::Cursor::new(first.split_off(start)).chain(input));
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(whole);
        let header = reader.byte_headers().map_err(|e| broken(&name, &e))?;
        let columns: Vec<String> = header
            .iter()
            .map(|c| String::from_utf8_lossy(c).trim().to_ascii_lowercase())
            .collect();
        let column = |names: &[&str]| names.iter().find_map(|n| columns.iter().position(|c| c == n));
        let (Some(file), Some(class)) = (column(&FILE), column(&CLASS)) else {
            let shown = printable(&columns.join(", "))
                .chars()
                .take(120)
                .collect::<String>();
            let message = format!(
                "the first line must name the columns file and class (and split, if there is one), but it reads: {shown}"
            );
            return Err(DataError::Table {
                name,
                line: 1,
                message,
            });
        };
        let split = column(&SPLIT);
        let group = match rules.group_column() {
            None => None,
            Some(wanted) => {
                Some(
                    column(&[wanted.to_ascii_lowercase().as_str()]).ok_or_else(|| DataError::Table {
                        name: name.clone(),
                        line: 1,
                        message: format!(
                            "there is no column {}, which was to name the groups; there are {}",
                            printable(wanted),
                            printable(&columns.join(", "))
                        ),
                    })?,
                )
            }
        };
        Ok(Self {
            name,
            reader,
            file,
            class,
            split,
            group,
        })
    }

    /// Reads all rows; `lookup` finds a row's file or says why it cannot be used.
    fn label(
        mut self,
        mut lookup: impl FnMut(&str) -> Result<Entry, String>,
        rules: &Rules,
    ) -> Result<Found<Labelled>, DataError> {
        let mut found: Found<Labelled> = Found::new();
        let mut first_use: HashMap<u32, (usize, u64)> = HashMap::new();
        let mut without_part: Vec<usize> = Vec::new();
        let mut record = csv::ByteRecord::new();
        while self
            .reader
            .read_byte_record(&mut record)
            .map_err(|e| broken(&self.name, &e))?
        {
            let line = record.position().map_or(0, csv::Position::line);
            let fail = |message: String| DataError::Table {
                name: self.name.clone(),
                line,
                message,
            };
            let cell = |index: usize| {
                record
                    .get(index)
                    .map(|c| String::from_utf8_lossy(c).trim().to_owned())
                    .unwrap_or_default()
            };
            let (file, class) = (cell(self.file), printable(&cell(self.class)).into_owned());
            if file.is_empty() || class.is_empty() {
                return Err(fail(String::from("a row needs a file and a class")));
            }
            let part = match self.split.map(cell) {
                None => None,
                Some(text) if text.is_empty() => None,
                Some(text) => Some(Part::from_name(&text).ok_or_else(|| {
                    fail(format!(
                        "\"{}\" is no part; use train, validation or test",
                        printable(&text)
                    ))
                })?),
            };
            let entry = match lookup(&file) {
                Ok(entry) => entry,
                Err(reason) => {
                    found.skip(printable(&file), reason);
                    continue;
                }
            };
            if let Some(&(earlier, at)) = first_use.get(&entry.number) {
                let other: &Labelled = &found.entries[earlier];
                if other.class != class || other.part != part {
                    return Err(fail(format!(
                        "{} has another class or part in line {at}",
                        entry.name
                    )));
                }
                continue;
            }
            first_use.insert(entry.number, (found.entries.len(), line));
            if part.is_none() {
                without_part.push(found.entries.len());
            }
            let named = self.group.map(cell).filter(|group| !group.is_empty());
            let group = named
                .map(|group| printable(&group).into_owned())
                .or_else(|| layout::group_of_row(&entry.name, rules));
            found.entries.push(Labelled {
                entry,
                class,
                part,
                group,
            });
        }
        if without_part.len() < found.entries.len() {
            // Some rows declare their part, so the others are in none.
            for index in without_part.into_iter().rev() {
                let row = found.entries.swap_remove(index);
                found.skip(row.entry.name, "its row in the table names no part");
            }
        }
        if found.entries.is_empty() {
            let example: Option<Skipped> = found.skipped.first().cloned();
            return Err(DataError::NoPhotos {
                name: self.name,
                skipped: found.skipped.len(),
                example,
            });
        }
        Ok(found)
    }
}

fn broken(name: &str, error: &csv::Error) -> DataError {
    let line = error.position().map_or(1, csv::Position::line);
    DataError::Table {
        name: String::from(name),
        line,
        message: printable(&error.to_string()).into_owned(),
    }
}
