//! What folders mean by themselves: which are parts, which classes, and where that cannot be told.

use std::collections::BTreeMap;

use super::tree::Folder;
use crate::error::DataError;
use crate::names::alike;
use crate::part::Part;
use crate::reading::Level;
use crate::remark::Remark;

/// How the folders below a level are to be read.
#[derive(Debug, Default)]
pub(super) struct Recognized<'a> {
    pub(super) levels: Vec<Level>,
    /// For each folder that is a part, the folders to take off below it.
    pub(super) wrappers: BTreeMap<&'a str, Vec<&'a str>>,
    pub(super) remarks: Vec<Remark>,
}

/// What the folders below `top` mean. `named` says that the files' names hold the classes, so that folders need not.
pub(super) fn recognize<'a>(top: &Folder<'a>, named: bool, data: &str) -> Result<Recognized<'a>, DataError> {
    let parts = Parts::of(top);
    if parts.folders.is_empty() {
        return classes(top, named, data);
    }
    if parts.are_meant(named) {
        return Ok(parts.recognized(named));
    }
    if parts.may_be_meant(named) {
        return Err(DataError::LooksLikeParts {
            name: String::from(data),
            folders: parts.names(),
            pattern: None,
        });
    }
    let mut recognized = classes(top, named, data)?;
    let strict = parts
        .folders
        .iter()
        .find(|folder| Part::from_name(folder.name).is_some());
    if let Some(folder) = strict.filter(|_| !named) {
        let class = String::from(folder.name);
        recognized.remarks.push(Remark::ClassLikePart { class });
    }
    Ok(recognized)
}

/// The folders that are named after parts, and those beside them.
struct Parts<'t, 'a> {
    folders: Vec<PartFolder<'t, 'a>>,
    beside: Vec<(&'a str, &'t Folder<'a>)>,
}

struct PartFolder<'t, 'a> {
    name: &'a str,
    part: Part,
    wrappers: Vec<&'a str>,
    /// What is below the wrappers.
    inner: &'t Folder<'a>,
}

impl<'t, 'a> Parts<'t, 'a> {
    fn of(top: &'t Folder<'a>) -> Self {
        let (mut folders, mut beside) = (Vec::new(), Vec::new());
        for (name, folder) in &top.below {
            match Part::in_name(name) {
                Some(part) => {
                    let (wrappers, inner) = folder.unwrapped(part);
                    folders.push(PartFolder {
                        name,
                        part,
                        wrappers,
                        inner,
                    });
                }
                None => beside.push((*name, folder)),
            }
        }
        Self { folders, beside }
    }

    fn are_strict(&self) -> bool {
        self.folders
            .iter()
            .all(|folder| Part::from_name(folder.name).is_some())
    }

    /// Whether there is a training part and another.
    fn several(&self) -> bool {
        let has = |train: bool| {
            self.folders
                .iter()
                .any(|folder| (folder.part == Part::Train) == train)
        };
        has(true) && has(false)
    }

    fn have_classes(&self) -> bool {
        self.folders.iter().any(|folder| !folder.inner.below.is_empty())
    }

    /// Whether the training part has at least two classes.
    fn train_has_classes(&self) -> bool {
        let train = self.folders.iter().filter(|folder| folder.part == Part::Train);
        train.map(|folder| folder.inner.below.len()).sum::<usize>() >= 2
    }

    /// Whether a class is in two parts, or the others hold no classes at all, as photos without labels do.
    fn repeat(&self) -> bool {
        let train = self.folders.iter().filter(|folder| folder.part == Part::Train);
        let trained: Vec<_> = train.map(|folder| folder.inner.names_below()).collect();
        let others = self.folders.iter().filter(|folder| folder.part != Part::Train);
        let mut others = others.map(|folder| folder.inner.names_below());
        let known = |class: &String| trained.iter().any(|classes| classes.contains(class));
        let flat = others.clone().all(|classes| classes.is_empty());
        (flat && self.train_has_classes()) || others.any(|classes| classes.iter().any(known))
    }

    /// Whether the names leave no doubt that these folders are parts.
    fn are_meant(&self, named: bool) -> bool {
        match (named, self.beside.is_empty()) {
            (true, true) => self.are_strict() || self.several(),
            (true, false) => self.several(),
            // Words that mean nothing else need no further sign; a lone folder of another name may be a wrapper or a class.
            (false, true) => self.have_classes() && (self.are_strict() || (self.several() && self.repeat())),
            (false, false) => self.several() && self.have_classes() && self.repeat(),
        }
    }

    /// Whether they may be parts, so that taking them as classes would be a guess.
    fn may_be_meant(&self, named: bool) -> bool {
        let of_train = |folder: &PartFolder| folder.part == Part::Train;
        let again = |beside: &Folder| {
            let train = self.folders.iter().filter(|folder| of_train(folder));
            let mut classes = train.map(|folder| folder.inner.names_below());
            let below = beside.names_below();
            classes.any(|classes| classes.intersection(&below).next().is_some())
        };
        match (named, self.beside.as_slice()) {
            (true, _) => false,
            (false, []) => self.several(),
            (false, [(_, alone)]) if self.train_has_classes() => {
                self.several() || (self.are_strict() && (alone.below.is_empty() || again(alone)))
            }
            (false, beside) => {
                (self.several() && self.are_strict())
                    || (self.train_has_classes() && beside.iter().any(|(_, folder)| again(folder)))
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.folders
            .iter()
            .map(|folder| String::from(folder.name))
            .collect()
    }

    /// Says which folders are the same part, if there are several.
    fn of_one_part(&self, part: Part) -> Option<Remark> {
        let folders = self.folders.iter().filter(|folder| folder.part == part);
        let folders: Vec<(String, usize)> = folders
            .map(|folder| (String::from(folder.name), folder.inner.all_photos()))
            .collect();
        (folders.len() > 1).then_some(Remark::OnePart { part, folders })
    }

    fn recognized(self, named: bool) -> Recognized<'a> {
        let mut remarks = Vec::new();
        if !self.are_strict() || self.folders.iter().any(|folder| !folder.wrappers.is_empty()) {
            let path = |folder: &PartFolder| {
                let mut path = vec![folder.name];
                path.extend(&folder.wrappers);
                (path.join("/"), folder.part)
            };
            let folders = self.folders.iter().map(path).collect();
            remarks.push(Remark::Parts { folders });
        }
        remarks.extend(Part::ALL.into_iter().filter_map(|part| self.of_one_part(part)));
        if !self.beside.is_empty() {
            remarks.push(Remark::BesideParts {
                folders: self.beside.iter().map(|(name, _)| String::from(*name)).collect(),
                photos: self.beside.iter().map(|(_, folder)| folder.all_photos()).sum(),
            });
        }
        let levels = match named {
            true => vec![Level::Part],
            false => vec![Level::Part, Level::Class],
        };
        let wrappers = self
            .folders
            .into_iter()
            .map(|folder| (folder.name, folder.wrappers));
        Recognized {
            levels,
            wrappers: wrappers.collect(),
            remarks,
        }
    }
}

/// The folders below `top` as classes, unless parts stand below each of them.
fn classes<'a>(top: &Folder<'a>, named: bool, data: &str) -> Result<Recognized<'a>, DataError> {
    if named {
        return Ok(Recognized::default());
    }
    let mut recognized = Recognized {
        levels: vec![Level::Class],
        ..Recognized::default()
    };
    match parts_below(top) {
        Below::Parts => {
            recognized.levels.push(Level::Part);
            recognized.remarks.push(Remark::PartsInClasses);
        }
        Below::Some(folders) => {
            let name = String::from(data);
            let pattern = None;
            return Err(DataError::LooksLikeParts {
                name,
                folders,
                pattern,
            });
        }
        Below::Other => recognized.remarks.extend(same_folders_below(top)),
    }
    Ok(recognized)
}

enum Below {
    /// Below each class are parts and nothing else.
    Parts,
    /// Below some are parts: these folders.
    Some(Vec<String>),
    Other,
}

fn parts_below(top: &Folder) -> Below {
    let mut all = top.below.len() >= 2;
    let (mut found, mut train, mut others) = (Vec::new(), 0, 0);
    for (class, folder) in &top.below {
        let parts = folder
            .below
            .keys()
            .filter_map(|name| Some((name, Part::in_name(name)?)));
        let parts: Vec<_> = parts.collect();
        all &= folder.photos == 0 && !parts.is_empty() && parts.len() == folder.below.len();
        train += usize::from(parts.iter().any(|(_, part)| *part == Part::Train));
        others += usize::from(parts.iter().any(|(_, part)| *part != Part::Train));
        found.extend(parts.into_iter().map(|(name, _)| format!("{class}/{name}")));
    }
    match (train > 0 && others > 0, all && train == top.below.len()) {
        (true, true) => Below::Parts,
        (true, false) => Below::Some(found),
        (false, _) => Below::Other,
    }
}

/// Classes that each hold folders of the same names, two at least, may be groups.
fn same_folders_below(top: &Folder) -> Option<Remark> {
    let mut holders: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for folder in top.below.values() {
        for name in folder.below.keys() {
            holders.entry(alike(name)).or_insert((name, 0)).1 += 1;
        }
    }
    let shared = holders.into_values().filter(|(_, holders)| *holders >= 2);
    let shared: Vec<&str> = shared.map(|(name, _)| name).collect();
    let holds = |folder: &&Folder| {
        shared
            .iter()
            .any(|name| folder.names_below().contains(&alike(name)))
    };
    let names = |names: &mut dyn Iterator<Item = &&str>| names.map(|name| String::from(*name)).collect();
    (shared.len() >= 2 && top.below.values().filter(holds).count() * 2 > top.below.len()).then(|| {
        Remark::SameFoldersBelow {
            classes: names(&mut top.below.keys()),
            below: names(&mut shared.iter()),
        }
    })
}
