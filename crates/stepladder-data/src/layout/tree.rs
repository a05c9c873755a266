//! The folders below one level, counted: what a set looks like from above, without its photos.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::alike;
use crate::part::Part;
use crate::source::Entry;

/// A folder and what is below it.
#[derive(Debug, Default)]
pub(super) struct Folder<'a> {
    /// Photos that lie in it directly.
    pub(super) photos: usize,
    pub(super) below: BTreeMap<&'a str, Folder<'a>>,
}

impl<'a> Folder<'a> {
    /// All folders of the entries, from the `depth`-th on.
    pub(super) fn of(entries: &'a [Entry], depth: usize) -> Self {
        let mut top = Self::default();
        for entry in entries {
            let mut at = &mut top;
            for name in folders(&entry.name).skip(depth) {
                at = at.below.entry(name).or_default();
            }
            at.photos += 1;
        }
        top
    }

    /// Photos in it and below it.
    pub(super) fn all_photos(&self) -> usize {
        self.photos + self.below.values().map(Folder::all_photos).sum::<usize>()
    }

    /// Takes off the folders that stand between a part and its classes: one that is named as the part again (`train/train`), or by what
    /// it holds (`train/images`). Gives their names and what is below.
    pub(super) fn unwrapped(&self, part: Part) -> (Vec<&'a str>, &Self) {
        let (mut wrappers, mut at) = (Vec::new(), self);
        while let [(name, inner)] = at.below.iter().collect::<Vec<_>>()[..]
            && (Part::in_name(name) == Some(part) || (holds_pictures(name) && !inner.below.is_empty()))
        {
            wrappers.push(*name);
            at = inner;
        }
        (wrappers, at)
    }

    /// The names below as they compare, see [`alike`].
    pub(super) fn names_below(&self) -> BTreeSet<String> {
        self.below.keys().map(|name| alike(name)).collect()
    }
}

/// Whether a folder's name says no more than that pictures are in it.
fn holds_pictures(name: &str) -> bool {
    const WORDS: [&str; 16] = [
        "images",
        "image",
        "imgs",
        "img",
        "photos",
        "photo",
        "pics",
        "pictures",
        "data",
        "dataset",
        "jpg",
        "jpeg",
        "jpegimages",
        "png",
        "frames",
        "crops",
    ];
    WORDS.contains(&name.trim().to_lowercase().as_str())
}

/// The folders of a name.
pub(super) fn folders(name: &str) -> impl Iterator<Item = &str> {
    let folders = name.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').filter(|folder| !folder.is_empty())
}
