//! From a table's rows to labelled photos: each row's file, class and part, and what to say where they are not as usual.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::columns::{self, ClassColumn, Columns};
use super::rows::{Row, Rows, table_error};
use super::{Finding, Place};
use crate::error::DataError;
use crate::layout;
use crate::names::printable;
use crate::part::Part;
use crate::reading::Rules;
use crate::remark::Remark;
use crate::source::{Found, Labelled};

/// What the part of a row must be.
const PARTS: [&str; 3] = ["train", "validation", "test"];

/// A row, its cells read.
struct Labels {
    line: u64,
    file: String,
    class: String,
    part: String,
    group: String,
}

/// Reads a table; gives the photos, what to say, and the place back.
pub(super) fn read<P: Place>(
    path: &Path,
    rules: &Rules,
    place: P,
) -> Result<(Found<Labelled>, Vec<Remark>, P), DataError> {
    let mut finder = super::Finder::new(place);
    let mut rows = Rows::open(path, &rules.table_form)?;
    let columns = rows.columns(rules, |cell| finder.knows(cell))?;
    let mut found = Found::new();
    let mut labels = Vec::new();
    while let Some(row) = rows.next()? {
        labels.extend(labels_of(&rows.name, &row, &columns, &mut found)?);
    }
    let mut notes: Vec<String> = columns.note.into_iter().collect();
    if let Some(note) = not_parts(&mut labels) {
        notes.push(note);
    }
    label(&rows.name, &labels, rules, &mut finder, &mut found)?;
    notes.extend(finder.note());
    notes.extend(several_labels(&found));
    if found.entries.is_empty() {
        return Err(DataError::NoPhotos {
            name: rows.name,
            skipped: found.skipped.len(),
            example: found.skipped.first().cloned(),
        });
    }
    let remarks = notes.into_iter().map(|what| Remark::Table { what });
    Ok((found, remarks.collect(), finder.into_place()))
}

/// What a row says; `None` for one that says of no class.
fn labels_of(
    table: &str,
    row: &Row,
    columns: &Columns,
    found: &mut Found<Labelled>,
) -> Result<Option<Labels>, DataError> {
    let file = row.cell(table, columns.file)?;
    let class = match &columns.class {
        ClassColumn::Named(column) => row.cell(table, *column)?,
        ClassColumn::OneHot(classes) => match one_hot(table, row, classes, &file)? {
            Some(class) => class,
            None => {
                found.skip(printable(&file), "no class has a 1 in its row of the table");
                return Ok(None);
            }
        },
    };
    if file.is_empty() || class.is_empty() {
        let message = match file.contains('\n') || class.contains('\n') {
            true => "a quotation mark is opened here and not closed in this line",
            false => "a row needs a file and a class; delete the row, or fill it in",
        };
        return Err(table_error(table, row.line, String::from(message)));
    }
    let part = columns.split.map(|column| row.cell(table, column));
    let group = columns.group.map(|column| row.cell(table, column));
    Ok(Some(Labels {
        line: row.line,
        file,
        class: printable(&class).into_owned(),
        part: part.transpose()?.unwrap_or_default(),
        group: group.transpose()?.unwrap_or_default(),
    }))
}

/// The one class whose column has a 1.
fn one_hot(
    table: &str,
    row: &Row,
    classes: &[(usize, String)],
    file: &str,
) -> Result<Option<String>, DataError> {
    let mut ones = Vec::new();
    for (column, class) in classes {
        let cell = row.cell(table, *column)?;
        match columns::bit(&cell) {
            Some(true) => ones.push(class.as_str()),
            Some(false) => {}
            None => {
                let message = format!(
                    "\"{}\" in column \"{class}\" is neither 1 nor 0",
                    printable(&cell)
                );
                return Err(table_error(table, row.line, message));
            }
        }
    }
    match ones.as_slice() {
        [] => Ok(None),
        [class] => Ok(Some(String::from(*class))),
        several => Err(table_error(
            table,
            row.line,
            printable(&format!(
                "{file} has several classes ({}), and a photo has one here; leave such rows out, or make each combination a class in a column named class",
                several.join(", ")
            ))
            .into_owned(),
        )),
    }
}

/// Where a column that is named for parts names none, it means something else: it is not read, which is said.
fn not_parts(labels: &mut [Labels]) -> Option<String> {
    let values: BTreeSet<&str> = labels.iter().map(|row| row.part.as_str()).collect();
    let values: Vec<&str> = values.into_iter().filter(|value| !value.is_empty()).collect();
    let is_near = |value: &&str| {
        Part::in_name(value).is_some() || stepladder_model::nearest(&value.to_lowercase(), PARTS).is_some()
    };
    if values.is_empty() || values.iter().any(is_near) {
        return None;
    }
    let shown: Vec<_> = values.iter().take(4).map(|value| printable(value)).collect();
    let more = if values.len() > shown.len() { ", .." } else { "" };
    let note = format!(
        "the table's column for the part names no part ({}{more}) and is not read",
        shown.join(", ")
    );
    labels.iter_mut().for_each(|row| row.part.clear());
    Some(note)
}

/// Finds each row's photo.
fn label<P: Place>(
    table: &str,
    labels: &[Labels],
    rules: &Rules,
    finder: Finding<'_, P>,
    found: &mut Found<Labelled>,
) -> Result<(), DataError> {
    let mut first_use: HashMap<u32, (usize, u64)> = HashMap::new();
    let mut without_part: Vec<usize> = Vec::new();
    for row in labels {
        let part = part(table, row)?;
        let entry = match finder.find(&row.file) {
            Ok(entry) => entry,
            Err(reason) => {
                found.skip(printable(&row.file), reason);
                continue;
            }
        };
        if let Some(&(earlier, at)) = first_use.get(&entry.number) {
            let other: &Labelled = &found.entries[earlier];
            if other.class != row.class || other.part != part {
                let message = format!("{} has another class or part in line {at}", entry.name);
                return Err(table_error(table, row.line, message));
            }
            continue;
        }
        first_use.insert(entry.number, (found.entries.len(), row.line));
        if part.is_none() {
            without_part.push(found.entries.len());
        }
        let group = match row.group.is_empty() {
            true => layout::group_of_row(&entry.name, rules),
            false => Some(printable(&row.group).into_owned()),
        };
        found.entries.push(Labelled {
            entry,
            group,
            class: row.class.clone(),
            part,
        });
    }
    if without_part.len() < found.entries.len() {
        // Some rows declare their part, so the others are in none.
        for index in without_part.into_iter().rev() {
            let row = found.entries.swap_remove(index);
            found.skip(row.entry.name, "its row in the table names no part");
        }
    }
    Ok(())
}

fn part(table: &str, row: &Labels) -> Result<Option<Part>, DataError> {
    if row.part.is_empty() {
        return Ok(None);
    }
    let part = Part::in_name(&row.part).ok_or_else(|| {
        let message = format!(
            "\"{}\" is no part; use train, validation or test",
            printable(&row.part)
        );
        table_error(table, row.line, message)
    })?;
    Ok(Some(part))
}

/// Says so where classes look like several labels in one cell: some class is several others, or has one of them in it.
fn several_labels(found: &Found<Labelled>) -> Option<String> {
    let classes: BTreeSet<&str> = found.entries.iter().map(|photo| photo.class.as_str()).collect();
    let is_several = |class: &&&str| {
        ['|', ';', ',', ' '].iter().any(|&separator| {
            let mut pieces = class.split(separator).map(str::trim);
            class.contains(separator) && pieces.any(|piece| classes.contains(piece))
        })
    };
    let several = classes.iter().find(is_several)?;
    Some(format!(
        "classes such as \"{several}\" look like several labels of one photo; a photo has one class here, so that each combination is a class of its own"
    ))
}
