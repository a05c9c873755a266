//! Classes, parts and groups from the names of folders and files: `daisy/1.jpg`, `flowers/daisy/1.jpg`, `train/daisy/1.jpg`,
//! `monday/daisy/1.jpg`, `train/cat.0.jpg`.

mod recognize;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use self::recognize::recognize;
use self::tree::{Folder, folders};
use crate::error::DataError;
use crate::part::Part;
use crate::pattern::{Captured, suggestion};
use crate::reading::{GroupBy, Level, Rules};
use crate::remark::Remark;
use crate::source::{Entry, Found, Labelled};

/// Gives each entry its class, its part where the folders are named after parts, and its group where the rules ask for groups.
///
/// First, wrapping folders are taken off: one that holds everything, and either holds no photo directly or at least
/// two folders with photos. What the folders below mean is said by the rules, or else by their names ([`recognize`]). A photo deeper down
/// belongs to the topmost of the folders left.
///
/// `name` is the data as the user named it, for messages.
pub(crate) fn lay_out(
    entries: Vec<Entry>,
    rules: &Rules,
    name: &str,
) -> Result<(Found<Labelled>, Vec<Remark>), DataError> {
    let plan = Plan::new(&entries, rules, name)?;
    let mut remarks = plan.remarks.clone();
    let mut found = Found::new();
    let mut unnamed = Unmatched::default();
    for entry in entries {
        match plan.place(&entry.name, rules) {
            Ok(place) => {
                let group = place.group.or_else(|| group(&entry.name, &place.others, rules));
                found.entries.push(Labelled {
                    entry,
                    class: place.class,
                    part: place.part,
                    group,
                });
            }
            Err(reason) => {
                if reason == NO_CLASS_IN_NAME {
                    unnamed.note(&entry.name);
                }
                found.skip(entry.name, reason);
            }
        }
    }
    if found.entries.is_empty() && !found.skipped.is_empty() {
        if rules.levels.is_some() || rules.class_from.is_some() {
            return Err(DataError::FitsNone {
                name: String::from(name),
                photos: found.skipped.len(),
                example: found.skipped.swap_remove(0),
            });
        }
        let names = found.skipped.iter().map(|skipped| skipped.name.as_str());
        let pattern = suggestion(names);
        let name = String::from(name);
        return Err(DataError::NoClassFolders {
            name,
            pattern: pattern.map(|(pattern, _)| pattern),
        });
    }
    remarks.extend(unnamed.remark());
    Ok((found, remarks))
}

const NO_CLASS_IN_NAME: &str = "no class in its name, by the pattern";

/// Photos in whose names a pattern finds no class: how many, and the first.
#[derive(Default)]
struct Unmatched {
    photos: usize,
    example: String,
}

impl Unmatched {
    fn note(&mut self, name: &str) {
        if self.photos == 0 {
            self.example = String::from(name);
        }
        self.photos += 1;
    }

    fn remark(self) -> Option<Remark> {
        let Self { photos, example } = self;
        (photos > 0).then_some(Remark::WithoutClass { photos, example })
    }
}

/// What each level of folders means.
struct Plan {
    /// Folders that wrap everything.
    depth: usize,
    levels: Vec<Level>,
    /// For each folder that is a part, the folders to take off below it.
    wrappers: BTreeMap<String, Vec<String>>,
    remarks: Vec<Remark>,
}

/// What an entry's folders and its name say.
struct Place {
    class: String,
    part: Option<Part>,
    group: Option<String>,
    /// Folders that are neither the class nor the part.
    others: Vec<String>,
}

impl Plan {
    fn new(entries: &[Entry], rules: &Rules, name: &str) -> Result<Self, DataError> {
        let depth = wrappers(entries).len();
        if let Some(levels) = rules.levels.clone() {
            return Ok(Self {
                depth: depth_for(entries, depth, levels.len()),
                levels,
                wrappers: BTreeMap::new(),
                remarks: Vec::new(),
            });
        }
        let top = Folder::of(entries, depth);
        let recognized = recognize(&top, rules.class_from.is_some(), name).map_err(|error| match error {
            DataError::LooksLikeParts { name, folders, .. } => DataError::LooksLikeParts {
                name,
                folders,
                pattern: suggestion(entries.iter().map(|entry| entry.name.as_str()))
                    .map(|(pattern, _)| pattern),
            },
            other => other,
        })?;
        let owned = |names: Vec<&str>| names.into_iter().map(String::from).collect();
        let wrappers = recognized.wrappers.into_iter();
        Ok(Self {
            depth,
            levels: recognized.levels,
            wrappers: wrappers
                .map(|(part, names)| (String::from(part), owned(names)))
                .collect(),
            remarks: recognized.remarks,
        })
    }

    /// What an entry is, or why it cannot be used.
    fn place(&self, name: &str, rules: &Rules) -> Result<Place, &'static str> {
        let mut folders = folders(name).skip(self.depth);
        let (mut class, mut part) = (None, None);
        let (mut groups, mut others) = (Vec::new(), Vec::new());
        for level in &self.levels {
            let Some(folder) = folders.next() else { break };
            match level {
                Level::Class => class = Some(String::from(folder)),
                Level::Group => groups.push(folder),
                Level::Any => others.push(String::from(folder)),
                Level::Part => {
                    part = Some(self.part(folder).ok_or("not in a folder of one of the parts")?);
                    let wrappers = self.wrappers.get(folder).into_iter().flatten();
                    for wrapper in wrappers {
                        if folders.next() != Some(wrapper) {
                            return Err(NO_CLASS_FOLDER);
                        }
                    }
                }
            }
        }
        if self.levels.contains(&Level::Part) && part.is_none() {
            return Err(NO_CLASS_FOLDER);
        }
        others.extend(folders.map(String::from));
        let captured = match &rules.class_from {
            Some(pattern) => pattern.find(name).ok_or(NO_CLASS_IN_NAME)?,
            None => Captured::default(),
        };
        let group = (!groups.is_empty()).then(|| groups.join("/")).or(captured.group);
        let class = captured.class.or(class).ok_or(NO_CLASS_FOLDER)?;
        Ok(Place {
            class,
            part,
            group,
            others,
        })
    }

    /// The part of a folder. Where the parts were recognized, folders beside them are none.
    fn part(&self, folder: &str) -> Option<Part> {
        let known = self.wrappers.is_empty() || self.wrappers.contains_key(folder);
        Part::in_name(folder).filter(|_| known)
    }
}

pub(crate) const NO_CLASS_FOLDER: &str = "not in a class folder";

/// The group of a photo by the rules, beside what the layout says.
fn group(name: &str, others: &[String], rules: &Rules) -> Option<String> {
    match rules.group_by.as_ref()? {
        GroupBy::Folder => (!others.is_empty()).then(|| others.join("/")),
        GroupBy::Pattern(pattern) => pattern.find(name)?.group,
        GroupBy::Column(_) => None,
    }
}

/// The group of a photo that a table names: the folder that it lies in, or what its name says.
pub(crate) fn group_of_row(name: &str, rules: &Rules) -> Option<String> {
    let folders: Vec<String> = folders(name).map(String::from).collect();
    group(name, &folders, rules)
}

/// How many wrapping folders to take off, `wrappers` at most, for most photos to lie in `levels` folders more. A lone group, say, wraps
/// everything too.
fn depth_for(entries: &[Entry], wrappers: usize, levels: usize) -> usize {
    let fitting = |depth: &usize| {
        let deep = |entry: &&Entry| folders(&entry.name).count() >= depth + levels;
        entries.iter().filter(deep).count()
    };
    // Of equally good depths the deepest, as `max_by_key` gives the last.
    (0..=wrappers).max_by_key(fitting).unwrap_or(0)
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
        // A lone "train" folder is a part, and says that there are no others. Of other names, one that wraps parts is no part itself.
        let wraps = !below.is_empty() && (!holds_photos || below.len() > 1);
        if !wraps || (Part::from_name(folder).is_some() && !below.iter().all(|f| Part::in_name(f).is_some()))
        {
            return wrappers;
        }
        wrappers.push(String::from(folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Reading;

    fn laid(names: &[&str]) -> Vec<String> {
        read(names, &Reading::default())
    }

    fn read(names: &[&str], reading: &Reading) -> Vec<String> {
        let entries = names
            .iter()
            .map(|n| Entry {
                name: String::from(*n),
                number: 0,
            })
            .collect();
        let rules = Rules::new(reading).expect("good rules");
        let (found, _) = lay_out(entries, &rules, "test.zip").expect("some photos have classes");
        let part = |p: Option<Part>| p.map_or("-", Part::name);
        found
            .entries
            .iter()
            .map(|l| {
                let group = l
                    .group
                    .as_ref()
                    .map_or(String::new(), |group| format!(" {group}"));
                format!("{} {} {}{group}", l.class, part(l.part), l.entry.name)
            })
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
            lay_out(entries, &Rules::default(), "x"),
            Err(DataError::NoClassFolders { .. })
        ));
    }

    #[test]
    fn a_reading_that_fits_no_photo_names_one() {
        for (layout, class_from) in [("", "xyz_{class}.*"), ("class/part", "")] {
            let rules = Rules::new(&with(layout, class_from, "")).unwrap();
            let names = ["train/daisy_0.jpg", "train/rose_1.jpg"];
            let entries = names.iter().zip(0..).map(|(name, number)| Entry {
                name: name.to_string(),
                number,
            });
            let refused = lay_out(entries.collect(), &rules, "x").unwrap_err().to_string();
            assert!(refused.contains("fits none of the 2 photos"), "{refused}");
            assert!(refused.contains("daisy_0.jpg"), "{refused}");
        }
    }

    fn with(layout: &str, class_from: &str, group_by: &str) -> Reading {
        let some = |text: &str| (!text.is_empty()).then(|| String::from(text));
        Reading {
            layout: some(layout),
            class_from: some(class_from),
            group_by: some(group_by),
            ..Reading::default()
        }
    }

    /// What the layout says of these names, or that it refuses them.
    fn remarks(names: &[&str]) -> Result<Vec<Remark>, String> {
        let entry = |name: &&str| Entry {
            name: String::from(*name),
            number: 0,
        };
        let laid = lay_out(names.iter().map(entry).collect(), &Rules::default(), "x");
        laid.map(|(_, remarks)| remarks)
            .map_err(|error| error.to_string())
    }

    /// Two classes below each of these folders.
    fn below(folders: &[&str]) -> Vec<String> {
        let class = |class: &'static str| move |folder: &&str| format!("{folder}/{class}/1.jpg");
        folders
            .iter()
            .map(class("a"))
            .chain(folders.iter().map(class("b")))
            .collect()
    }

    #[test]
    fn parts_are_recognized_by_a_word_where_the_folders_below_repeat() {
        for [train, other] in [
            ["training_set", "test_set"],
            ["train2017", "val2017"],
            ["01_train", "02_test"],
            ["train", "eval"],
            ["train", "holdout"],
            ["seg_train/seg_train", "seg_test/seg_test"],
            ["TRAIN/images", "TEST/images"],
            ["训练集", "测试集"],
            ["x/training data", "x/test data"],
        ] {
            let names = below(&[train, other]);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let laid = laid(&names);
            assert!(laid.contains(&format!("a train {train}/a/1.jpg")), "{laid:?}");
            assert!(!laid.iter().any(|photo| photo.contains(" - ")), "{laid:?}");
        }
        let said = remarks(&["training_set/a/1.jpg", "test_set/a/2.jpg", "training_set/b/1.jpg"]);
        assert!(matches!(said.as_deref(), Ok([Remark::Parts { .. }])), "{said:?}");
        let plain = remarks(&["train/a/1.jpg", "test/a/2.jpg", "train/b/1.jpg"]);
        assert_eq!(plain, Ok(Vec::new()), "nothing has to be said of the usual names");
    }

    #[test]
    fn several_folders_of_one_part_are_named_with_their_photos() {
        let names = [
            "train/a/1.jpg",
            "train/b/1.jpg",
            "valid/a/2.jpg",
            "valid/b/2.jpg",
            "dev/a/3.jpg",
        ];
        assert_eq!(laid(&names).len(), 5);
        let said = remarks(&names).expect("good");
        assert_eq!(
            said.iter().map(Remark::to_string).collect::<Vec<_>>(),
            ["several folders are the validation part: dev (1 photo), valid (2 photos)"]
        );
    }

    #[test]
    fn folders_beside_parts_are_left_out_and_named() {
        let names = ["train/a/1.jpg", "train/b/1.jpg", "test/a/2.jpg", "samples/3.jpg"];
        assert_eq!(laid(&names).len(), 3);
        let said = remarks(&names).expect("good");
        assert!(
            matches!(&said[..], [Remark::BesideParts { photos: 1, .. }]),
            "{said:?}"
        );
    }

    #[test]
    fn photos_without_labels_in_a_part_of_their_own_are_set_aside() {
        let names = ["train/train/a/1.jpg", "train/train/b/1.jpg", "test/test/2.jpg"];
        assert_eq!(laid(&names).len(), 2);
    }

    #[test]
    fn what_may_be_parts_and_may_be_classes_is_refused() {
        for names in [
            &["train/cat.0.jpg", "train/dog.0.jpg", "test/1.jpg"][..],
            &["images/train2017/1.jpg", "images/val2017/2.jpg"],
            &["train/a/1.jpg", "train/b/1.jpg", "unlabeled/a/2.jpg"],
            &["train/a/1.jpg", "train/b/1.jpg", "samples/2.jpg"],
            &["train_station/a/1.jpg", "test_tube/c/1.jpg"],
            &["a/train/1.jpg", "a/test/2.jpg", "b/train/1.jpg", "b/3.jpg"],
        ] {
            let refused = remarks(names).expect_err("these may be parts");
            assert!(refused.contains("look like parts"), "{names:?}: {refused}");
        }
    }

    #[test]
    fn a_lone_folder_with_a_word_in_its_name_wraps_as_before() {
        assert_eq!(
            laid(&["test-flowers/a/1.jpg", "test-flowers/b/1.jpg"])[0],
            "a - test-flowers/a/1.jpg"
        );
    }

    #[test]
    fn parts_below_every_class_are_parts() {
        let names = ["a/train/1.jpg", "a/test/2.jpg", "b/train/1.jpg", "b/test/2.jpg"];
        assert_eq!(laid(&names)[1], "a test a/test/2.jpg");
        assert_eq!(remarks(&names), Ok(vec![Remark::PartsInClasses]));
    }

    #[test]
    fn classes_below_groups_are_said_and_read_on_request() {
        let names = ["mon/a/1.jpg", "mon/b/2.jpg", "tue/a/3.jpg", "tue/b/4.jpg"];
        let said = remarks(&names).expect("good");
        assert!(matches!(&said[..], [Remark::SameFoldersBelow { .. }]), "{said:?}");
        assert_eq!(
            read(&names, &with("group/class", "", ""))[1],
            "b - mon/b/2.jpg mon"
        );
        assert_eq!(
            read(&names, &with("*/class", "", "folder"))[2],
            "a - tue/a/3.jpg tue"
        );
        assert_eq!(remarks(&["a/images/1.jpg", "b/images/2.jpg"]), Ok(Vec::new()));
        assert_eq!(remarks(&["a/x/1.jpg", "b/y/2.jpg"]), Ok(Vec::new()));
    }

    #[test]
    fn a_layout_holds_for_a_lone_group_too() {
        let names = ["w/mon/a/1.jpg", "w/mon/b/2.jpg"];
        assert_eq!(
            read(&names, &with("group/class", "", ""))[0],
            "a - w/mon/a/1.jpg mon"
        );
        assert_eq!(read(&names, &with("class", "", ""))[0], "a - w/mon/a/1.jpg");
    }

    #[test]
    fn classes_and_groups_may_stand_in_the_files_names() {
        let names = [
            "train/cat.0.jpg",
            "train/dog.0.jpg",
            "test/1.jpg",
            "test/cat.9.jpg",
        ];
        assert_eq!(
            read(&names, &with("", "{class}.*.jpg", "")),
            [
                "cat train train/cat.0.jpg",
                "dog train train/dog.0.jpg",
                "cat test test/cat.9.jpg"
            ]
        );
        let names = ["p1_a.jpg", "p1_b.jpg", "p2_a.jpg"];
        assert_eq!(
            read(&names, &with("", "{group}_{class}.*", ""))[1],
            "b - p1_b.jpg p1"
        );
    }
}
