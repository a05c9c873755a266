//! `content.tsv`: the class, the part and the content of each photo of a run, so that a training goes on with the photos that it began
//! with and no others.

use crate::preparation::Prepared;
use std::collections::{BTreeMap, HashMap};
use stepladder_data::{Part, names_elsewhere, nfc};

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
        let hex = hexadecimal(&content);
        // Names are safe to print, so they hold neither tabs nor line ends.
        let class = class.map_or("", String::as_str);
        table += &format!("{}\t{class}\t{}\t{hex}\n", photo.name, part.name());
    }
    table
}

fn hexadecimal(content: &[u8; 32]) -> String {
    content.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What changed between two tables, in words; `None` if nothing did.
pub(crate) fn changes(before: &str, now: &str) -> Option<String> {
    if before == now || moved(before) == moved(now) {
        return None;
    }
    const SHOWN: usize = 3;
    let elsewhere = [moved(before), moved(now)];
    let (mut before, mut now) = (rows(before), rows(now));
    // Photos that lie elsewhere are compared as they are called in every place.
    if !before.keys().any(|file| now.contains_key(file)) {
        [before, now] = elsewhere.each_ref().map(|rows| by_file(rows));
    }
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

/// Whether the photos of a run, by its `content.tsv`, are the same as these and in the same order, wherever they lie: each with its name, its
/// class, and the blake3 sum of its file. Parts are not compared, as other data may declare none.
pub fn is_same_content<'a>(
    before: &str,
    photos: impl Iterator<Item = (&'a str, &'a str, [u8; 32])> + Clone,
) -> bool {
    let names = names_elsewhere(photos.clone().map(|(name, ..)| name));
    let now = names.into_iter().zip(photos);
    let now = now.map(|(name, (_, class, content))| (name, nfc(class).into_owned(), hexadecimal(&content)));
    let then = moved(before)
        .into_iter()
        .map(|[name, class, _, content]| (name, class, content));
    now.eq(then)
}

/// The part that each content had in a run, by its `content.tsv`; the training part where it had several.
pub fn parts_of_contents(table: &str) -> HashMap<[u8; 32], Part> {
    let mut parts: HashMap<[u8; 32], Part> = HashMap::new();
    for line in table.lines().skip(1) {
        let mut cells = line.rsplit('\t');
        let (content, part) = (
            cells.next().and_then(bytes_of),
            cells.next().and_then(Part::from_name),
        );
        if let (Some(content), Some(part)) = (content, part) {
            let known = parts.entry(content).or_insert(part);
            *known = (*known).min(part);
        }
    }
    parts
}

fn bytes_of(hexadecimal: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hexadecimal.len() != 64 || !hexadecimal.is_ascii() {
        return None;
    }
    for (number, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hexadecimal[2 * number..2 * number + 2], 16).ok()?;
    }
    Some(bytes)
}

/// The rows of a table as they are in every place where the photos may lie: see [`names_elsewhere`].
fn moved(table: &str) -> Vec<[String; 4]> {
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
        .collect();
    let cell = |row: &Vec<&str>, place: usize| String::from(row.get(place).copied().unwrap_or_default());
    let names = names_elsewhere(rows.iter().map(|row| row.first().copied().unwrap_or_default()));
    let rows = rows.iter().zip(names);
    rows.map(|(row, name)| [name, nfc(&cell(row, 1)).into_owned(), cell(row, 2), cell(row, 3)])
        .collect()
}

fn by_file(rows: &[[String; 4]]) -> BTreeMap<&str, Vec<&str>> {
    rows.iter()
        .map(|[file, class, part, content]| (file.as_str(), vec![class.as_str(), part, content]))
        .collect()
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
    fn photos_that_lie_elsewhere_are_the_same() {
        let head = "file\tclass\tpart\tblake3\n";
        let before = format!("{head}w/a/1\ta\ttrain\t00\nw/b/2\tB\u{308}\ttest\t01\n");
        let now = format!("{head}a/1\ta\ttrain\t00\nb/2\t\u{1e04}\ttest\t01\n");
        assert!(changes(&before, &now).is_some(), "another letter");
        let now = format!("{head}a/1\ta\ttrain\t00\nb/2\tB\u{308}\ttest\t01\n");
        assert_eq!(changes(&before, &now), None);
        let mut content = [0; 32];
        let first = |content| ("x/a/1", "a", content);
        let table = format!("{head}w/a/1\ta\ttrain\t{}\n", "00".repeat(32));
        assert!(is_same_content(&table, [first(content)].into_iter()));
        let other = format!("{head}a/1\ta\ttrain\tff\nb/2\tB\u{308}\ttest\t01\n");
        assert_eq!(changes(&before, &other).unwrap(), "a/1 has other content");
        content[0] = 1;
        assert!(!is_same_content(&table, [first(content)].into_iter()));
    }

    #[test]
    fn each_content_has_its_part() {
        let line = |name: &str, part: &str, byte: &str| format!("{name}\tx\t{part}\t{}\n", byte.repeat(32));
        let table = format!(
            "file\tclass\tpart\tblake3\n{}{}{}a\tx\ttrain\tshort\n",
            line("a", "test", "0a"),
            line("b", "train", "0a"),
            line("c", "validation", "ff")
        );
        let parts = parts_of_contents(&table);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[&[10; 32]], Part::Train);
        assert_eq!(parts[&[255; 32]], Part::Validation);
    }

    #[test]
    fn many_changes_are_shortened() {
        let rows = |n: usize| (0..n).map(|i| format!("\n{i}\tx\ttrain\t00")).collect::<String>();
        let changes = changes(&rows(6), "\n").unwrap();
        assert!(changes.ends_with(", and 3 more"), "{changes}");
    }
}
