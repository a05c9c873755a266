//! Classes and parts from the folders that photos lie in: `daisy/1.jpg`, `flowers/daisy/1.jpg`, `train/daisy/1.jpg`.

use std::collections::BTreeSet;

use crate::error::DataError;
use crate::part::Part;
use crate::source::{Entry, Found, Labelled};

/// Gives each entry the class of its folder, and its part where the folders are named after parts.
///
/// First, wrapping folders are taken off: one that holds everything, and either holds no photo directly or at least
/// two folders with photos. Then, where all folders are named train, validation, test or alike, they are parts and the folders below
/// them classes. A photo deeper down belongs to the topmost of the folders left.
///
/// `name` is the data as the user named it, for messages.
pub(crate) fn lay_out(entries: Vec<Entry>, name: &str) -> Result<Found<Labelled>, DataError> {
    let depth = wrappers(&entries).len();
    let in_parts = parts_at(&entries, depth);
    let mut found = Found::new();
    for entry in entries {
        let (part, class) = {
            let mut folders = folders(&entry.name).skip(depth);
            let part = if in_parts {
                folders.next().and_then(Part::from_name)
            } else {
                None
            };
            (part, folders.next().map(String::from))
        };
        match class {
            Some(class) => found.entries.push(Labelled { entry, class, part }),
            None => found.skip(entry.name, "not in a class folder"),
        }
    }
    if found.entries.is_empty() && !found.skipped.is_empty() {
        return Err(DataError::NoClassFolders {
            name: String::from(name),
        });
    }
    Ok(found)
}

/// The folders that wrap the whole set, outermost first.
pub(crate) fn wrappers(entries: &[Entry]) -> Vec<String> {
    let mut wrappers: Vec<String> = Vec::new();
    // Each round looks one level deeper, so it ends at the deepest folder at the latest.
    loop {
        let depth = wrappers.len();
        let mut top: Option<&str> = None;
        let mut below = BTreeSet::new();
        let mut holds_photos = false;
        for entry in entries {
            let mut inner = folders(&entry.name).skip(depth);
            // A photo beside the wrapping folder is a stray.
            let Some(folder) = inner.next() else { continue };
            if *top.get_or_insert(folder) != folder {
                return wrappers;
            }
            match inner.next() {
                Some(folder) => drop(below.insert(folder)),
                None => holds_photos = true,
            }
        }
        let Some(folder) = top else { return wrappers };
        // A lone "train" folder is a part, and says that there are no others.
        let wraps = !below.is_empty() && (!holds_photos || below.len() > 1);
        if !wraps
            || (Part::from_name(folder).is_some() && !below.iter().all(|f| Part::from_name(f).is_some()))
        {
            return wrappers;
        }
        wrappers.push(String::from(folder));
    }
}

/// Whether the folders at `depth` are parts: all that hold photos are named so, and hold class folders.
fn parts_at(entries: &[Entry], depth: usize) -> bool {
    let mut any_class = false;
    for entry in entries {
        let mut inner = folders(&entry.name).skip(depth);
        let Some(folder) = inner.next() else { continue };
        if Part::from_name(folder).is_none() {
            return false;
        }
        any_class |= inner.next().is_some();
    }
    any_class
}

fn folders(name: &str) -> impl Iterator<Item = &str> {
    let folders = name.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').filter(|folder| !folder.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(names: &[&str]) -> Vec<String> {
        let entries = names
            .iter()
            .map(|n| Entry {
                name: String::from(*n),
                number: 0,
            })
            .collect();
        let found = lay_out(entries, "test.zip").expect("some photos have classes");
        let part = |p: Option<Part>| p.map_or("-", Part::name);
        found
            .entries
            .iter()
            .map(|l| format!("{} {} {}", l.class, part(l.part), l.entry.name))
            .collect()
    }

    #[test]
    fn the_top_folder_is_the_class() {
        assert_eq!(laid(&["a/1.jpg", "b/c/2.jpg"]), ["a - a/1.jpg", "b - b/c/2.jpg"]);
    }

    #[test]
    fn wrapping_folders_are_taken_off() {
        assert_eq!(
            laid(&["w/x/a/1.jpg", "w/x/b/2.jpg", "stray.jpg"]),
            ["a - w/x/a/1.jpg", "b - w/x/b/2.jpg"]
        );
        assert_eq!(
            laid(&["w/stray.jpg", "w/a/1.jpg", "w/b/2.jpg"]),
            ["a - w/a/1.jpg", "b - w/b/2.jpg"]
        );
    }

    #[test]
    fn a_single_class_is_not_a_wrapper() {
        assert_eq!(
            laid(&["roses/1.jpg", "roses/more/2.jpg"]),
            ["roses - roses/1.jpg", "roses - roses/more/2.jpg"]
        );
        assert_eq!(laid(&["w/roses/1.jpg"]), ["roses - w/roses/1.jpg"]);
    }

    #[test]
    fn part_folders_are_recognized_in_any_case_and_spelling() {
        assert_eq!(
            laid(&[
                "d/Train/a/1.jpg",
                "d/VALID/a/2.jpg",
                "d/testing/b/x/3.jpg",
                "d/train/stray.jpg"
            ]),
            [
                "a train d/Train/a/1.jpg",
                "a validation d/VALID/a/2.jpg",
                "b test d/testing/b/x/3.jpg"
            ]
        );
        assert_eq!(
            laid(&["train/a/1.jpg", "train/b/2.jpg"])[0],
            "a train train/a/1.jpg"
        );
        assert_eq!(
            laid(&["train/train/a/1.jpg", "train/test/a/1.jpg"])[1],
            "a test train/test/a/1.jpg"
        );
    }

    #[test]
    fn a_class_may_be_named_like_a_part() {
        assert_eq!(
            laid(&["train/1.jpg", "car/2.jpg"]),
            ["train - train/1.jpg", "car - car/2.jpg"]
        );
    }

    #[test]
    fn photos_without_class_folders_are_refused() {
        let entries = vec![Entry {
            name: String::from("1.jpg"),
            number: 0,
        }];
        assert!(matches!(
            lay_out(entries, "x"),
            Err(DataError::NoClassFolders { .. })
        ));
    }
}
