//! Copies of photos in a folder for each class.

use anyhow::Context;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use stepladder_data::{MAX_FILE_BYTES, PhotoFile};
use stepladder_files::Folder;

/// The folder of photos of which the model is unsure.
const UNSURE: &str = "unsure";

/// Characters that mean something in a path on some system.
const RESERVED: [char; 9] = ['/', '\\', ':', '*', '?', '"', '<', '>', '|'];

/// Photos of one name in one folder, at most: the next is numbered.
const MOST_OF_A_NAME: usize = 100_000;

/// The folders, and what was copied into them.
pub(super) struct Sorted {
    path: PathBuf,
    folder: Folder,
    /// A folder for each class in the order of the outputs, then the one of the unsure.
    names: Vec<String>,
    copied: usize,
    /// Photos that were there already, byte for byte.
    there: usize,
}

impl Sorted {
    /// Copies below `path`, which is made if it is not there.
    pub fn below(path: &Path, classes: &[String]) -> anyhow::Result<Sorted> {
        let opened = std::fs::create_dir_all(path).and_then(|()| Folder::open(path));
        let folder = opened.with_context(|| format!("cannot sort photos into {}", path.display()))?;
        Ok(Sorted {
            path: path.to_path_buf(),
            folder,
            names: folder_names(classes),
            copied: 0,
            there: 0,
        })
    }

    /// Copies a photo of the class, or of none that is sure, under its own name, or a numbered one where another photo has that.
    pub fn copy(&mut self, photo: &PhotoFile, class: Option<usize>) -> anyhow::Result<()> {
        let name = &self.names[class.unwrap_or(self.names.len() - 1)];
        let cannot = || {
            format!(
                "cannot copy {} into {}",
                photo.name(),
                self.path.join(name).display()
            )
        };
        let bytes = photo.bytes().with_context(cannot)?;
        let folder = self.folder.make_folder(name).with_context(cannot)?;
        for number in 1..MOST_OF_A_NAME {
            let copy = numbered(photo.file_name(), number);
            if folder.create(&copy, &bytes).with_context(cannot)? {
                self.copied += 1;
                return Ok(());
            }
            if folder
                .read_all(&copy, MAX_FILE_BYTES)
                .is_ok_and(|there| there == bytes)
            {
                self.there += 1;
                return Ok(());
            }
        }
        anyhow::bail!("{}: there are too many of that name", cannot())
    }

    pub fn folder(&self) -> &Path {
        &self.path
    }

    pub fn copied(&self) -> usize {
        self.copied
    }

    /// What was done.
    pub fn told(&self) -> String {
        let there = match self.there {
            0 => String::new(),
            there => format!("; {there} were there already"),
        };
        format!(
            "{} photos copied below {}{there}",
            self.copied,
            self.path.display()
        )
    }
}

/// A folder's name for each class and for none: a class may be called anything, and no two share a folder, in whatever case.
fn folder_names(classes: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for class in classes.iter().map(String::as_str).chain([UNSURE]) {
        let safe = |c: char| {
            if c.is_control() || RESERVED.contains(&c) {
                '_'
            } else {
                c
            }
        };
        let mut name: String = class.chars().map(safe).take(100).collect();
        name = name.trim_end_matches(['.', ' ']).to_string();
        if name.is_empty() {
            name = String::from("_");
        }
        while names
            .iter()
            .any(|other| other.to_lowercase() == name.to_lowercase())
        {
            name += "_";
        }
        names.push(name);
    }
    names
}

/// `rose.jpg`, then `rose-2.jpg`.
fn numbered(name: &OsStr, number: usize) -> OsString {
    if number == 1 {
        return name.to_os_string();
    }
    let path = Path::new(name);
    let mut numbered = path.file_stem().unwrap_or_default().to_os_string();
    numbered.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        numbered.push(".");
        numbered.push(extension);
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stay_in_their_place_and_apart() {
        let classes = ["..", "a/b", "a\\b", "Rose", "rose", "unsure", "", "x\n"].map(String::from);
        let names = folder_names(&classes);
        assert_eq!(
            names,
            [
                "_", "a_b", "a_b_", "Rose", "rose_", "unsure", "__", "x_", "unsure_"
            ]
        );
    }

    #[test]
    fn numbers_stand_before_the_ending() {
        assert_eq!(numbered(OsStr::new("a.b.jpg"), 2), "a.b-2.jpg");
        assert_eq!(numbered(OsStr::new("a"), 3), "a-3");
    }
}
