//! Which photos a user means: files, folders, zips, patterns, and lists on standard input.

use crate::terminal::warn;
use anyhow::Context;
use std::io::Read;
use std::path::{Path, PathBuf};
use stepladder_data::{PhotoFile, Skipped, find_photos, printable};

/// The longest list that is read, in bytes.
const LONGEST_LIST: u64 = 256 << 20;

/// The photos to look at, and what was named and is not there.
pub(in crate::commands) struct Found {
    pub photos: Vec<PhotoFile>,
    pub failed: Vec<Failure>,
    follow_links: bool,
}

/// Something that was named and cannot be used.
pub(in crate::commands) struct Failure {
    pub name: String,
    pub reason: String,
}

/// What `named` stands for, in that order; `-` is a list on standard input. Links in folders are followed on request.
pub(in crate::commands) fn photos(named: &[PathBuf], follow_links: bool) -> anyhow::Result<Found> {
    let mut found = Found {
        photos: Vec::new(),
        failed: Vec::new(),
        follow_links,
    };
    for path in named {
        if path.as_os_str() == "-" {
            for line in list(std::io::stdin().lock())? {
                found.add(&line);
            }
        } else if path.exists() {
            found.add(path);
        } else if let Some(pattern) = pattern(path) {
            found.add_all(pattern)?;
        } else {
            found.add(path);
        }
    }
    anyhow::ensure!(
        !found.photos.is_empty() || !found.failed.is_empty(),
        "there are no photos in what was given; name photos, folders, zips or patterns{}",
        if follow_links {
            ""
        } else {
            ", and add --follow-links where they are symbolic links"
        }
    );
    Ok(found)
}

impl Found {
    /// Adds what one path stands for.
    fn add(&mut self, path: &Path) {
        match find_photos(path, self.follow_links) {
            Ok((mut photos, set_aside)) => {
                self.photos.append(&mut photos);
                for Skipped { name, reason } in set_aside {
                    warn(&format!(
                        "{}/{name}: {reason}",
                        printable(&path.to_string_lossy())
                    ));
                }
            }
            Err(error) => self.failed.push(Failure {
                name: printable(&path.to_string_lossy()).into_owned(),
                reason: reason_of(&error),
            }),
        }
    }

    /// Adds what a pattern matches, sorted.
    fn add_all(&mut self, pattern: &str) -> anyhow::Result<()> {
        let matches = glob::glob(pattern).with_context(|| format!("{} is no pattern", printable(pattern)))?;
        let before = self.photos.len() + self.failed.len();
        for path in matches {
            match path {
                Ok(path) => self.add(&path),
                Err(error) => self.failed.push(Failure {
                    name: printable(&error.path().to_string_lossy()).into_owned(),
                    reason: error.error().to_string(),
                }),
            }
        }
        if self.photos.len() + self.failed.len() == before {
            self.failed.push(Failure {
                name: printable(pattern).into_owned(),
                reason: String::from("no file matches this pattern"),
            });
        }
        Ok(())
    }
}

/// The path as a pattern, if it has a character that makes it one.
fn pattern(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| text.contains(['*', '?', '[']))
}

/// Why a path cannot be used, without its name, which stands before it.
fn reason_of(error: &stepladder_data::DataError) -> String {
    match error {
        stepladder_data::DataError::Io { source, .. } => format!("cannot be read: {source}"),
        other => other.to_string(),
    }
}

/// The paths of a list: a line each, or, where one ends in a zero byte, as `find -print0` has it. Empty ones are left out.
fn list(input: impl Read) -> anyhow::Result<Vec<PathBuf>> {
    let mut text = Vec::new();
    let read = input.take(LONGEST_LIST + 1).read_to_end(&mut text);
    read.context("cannot read the list of photos from standard input")?;
    anyhow::ensure!(
        text.len() as u64 <= LONGEST_LIST,
        "the list on standard input is longer than {} MiB; divide it",
        LONGEST_LIST >> 20
    );
    let end = if text.contains(&0) { 0 } else { b'\n' };
    let lines = text
        .split(|byte| *byte == end)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    Ok(lines.filter(|line| !line.is_empty()).map(path_of).collect())
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_path_a_line_or_ends_them_in_zeros() {
        let paths = |text: &str| list(text.as_bytes()).unwrap();
        assert_eq!(
            paths("a b.jpg\r\n\nc.jpg"),
            [Path::new("a b.jpg"), Path::new("c.jpg")]
        );
        assert_eq!(
            paths("a\nb.jpg\0c.jpg\0"),
            [Path::new("a\nb.jpg"), Path::new("c.jpg")]
        );
        assert!(paths("").is_empty());
    }

    #[test]
    fn what_has_no_special_character_is_no_pattern() {
        assert_eq!(pattern(Path::new("a/b.jpg")), None);
        assert_eq!(pattern(Path::new("a/*.jpg")), Some("a/*.jpg"));
    }
}
