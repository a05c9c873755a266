//! `content.tsv`: the class, the part and the content of each photo of a run, so that a training goes on with the photos that it began
//! with and no others.

use crate::preparation::Prepared;
use std::collections::BTreeMap;
use stepladder_data::Part;

/// A line for each photo in a part: file, class, part, and the blake3 sum of the file.
pub(crate) fn content_table(prepared: &Prepared) -> String {
    let mut table = String::from("file\tclass\tpart\tblake3\n");
    let mut rows: Vec<(u32, Part)> = Vec::new();
    for part in Part::ALL {
        rows.extend(prepared.split.part(part).iter().map(|&photo| (photo, part)));
    }
    rows.sort();
    for (number, part) in rows {
        let photo = &prepared.dataset.photos[number as usize];
        let class = prepared.dataset.classes.get(photo.class as usize);
        let content = prepared.store.content_hash(number).unwrap_or_default();
        let hex: String = content.iter().map(|byte| format!("{byte:02x}")).collect();
        // Names are safe to print, so they hold neither tabs nor line ends.
        let class = class.map_or("", String::as_str);
        table += &format!("{}\t{class}\t{}\t{hex}\n", photo.name, part.name());
    }
    table
}

/// What changed between two tables, in words; `None` if nothing did.
pub(crate) fn changes(before: &str, now: &str) -> Option<String> {
    if before == now {
        return None;
    }
    const SHOWN: usize = 3;
    let (before, now) = (rows(before), rows(now));
    let mut changes: Vec<String> = Vec::new();
    for (file, old) in &before {
        match now.get(file) {
            None => changes.push(format!("{file} is gone")),
            Some(new) if new == old => {}
            Some(new) if new.first() != old.first() => changes.push(format!(
                "{file} was of class {} and is of {}",
                old.first().unwrap_or(&""),
                new.first().unwrap_or(&"")
            )),
            Some(new) if new.get(1) != old.get(1) => changes.push(format!(
                "{file} was in part {} and is in {}",
                old.get(1).unwrap_or(&""),
                new.get(1).unwrap_or(&"")
            )),
            Some(_) => changes.push(format!("{file} has other content")),
        }
    }
    let added = now.keys().filter(|file| !before.contains_key(*file));
    changes.extend(added.map(|file| format!("{file} is new")));
    if changes.is_empty() {
        return Some("their order or their number is another".to_string());
    }
    let more = changes.len().saturating_sub(SHOWN);
    changes.truncate(SHOWN);
    let mut text = changes.join(", ");
    if more > 0 {
        text += &format!(", and {more} more");
    }
    Some(text)
}

/// Class, part and content by file.
fn rows(table: &str) -> BTreeMap<&str, Vec<&str>> {
    let lines = table.lines().skip(1);
    lines
        .filter_map(|line| line.split_once('\t'))
        .map(|(file, rest)| (file, rest.split('\t').collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_change_is_named() {
        let head = "file\tclass\tpart\tblake3\n";
        let table = |rows: &[&str]| format!("{head}{}\n", rows.join("\n"));
        let before = table(&["a\tx\ttrain\t00", "b\tx\ttest\t01"]);
        let after = |rows: &[&str]| changes(&before, &table(rows)).unwrap();
        assert_eq!(changes(&before, &before), None);
        assert_eq!(after(&["a\tx\ttrain\t00"]), "b is gone");
        assert_eq!(
            after(&["a\tx\ttrain\tff", "b\tx\ttest\t01"]),
            "a has other content"
        );
        assert_eq!(
            after(&["a\ty\ttrain\t00", "b\tx\ttest\t01"]),
            "a was of class x and is of y"
        );
        assert_eq!(
            after(&["a\tx\ttest\t00", "b\tx\ttest\t01"]),
            "a was in part train and is in test"
        );
        assert_eq!(
            after(&["a\tx\ttrain\t00", "b\tx\ttest\t01", "c\tx\ttrain\t02"]),
            "c is new"
        );
    }

    #[test]
    fn many_changes_are_shortened() {
        let rows = |n: usize| (0..n).map(|i| format!("\n{i}\tx\ttrain\t00")).collect::<String>();
        let changes = changes(&rows(6), "\n").unwrap();
        assert!(changes.ends_with(", and 3 more"), "{changes}");
    }
}
