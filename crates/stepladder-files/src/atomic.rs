//! Replacing a file in one step: a reader, or a power cut, meets the old content or the new, never a part.

use crate::folder::Folder;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Writes `content` to `path`: to an unfinished file beside it, to the disk, then over the old name.
///
/// # Errors
///
/// Any of the file system's, with the old file untouched and the unfinished one removed.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    write_atomically_by(path, |file| file.write_all(content))
}

/// As [`write_atomically`], with the content that `write` writes.
///
/// # Errors
///
/// Those of `write` and of the file system, with the old file untouched and the unfinished one removed.
pub fn write_atomically_by(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name();
    let name = name.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "this is no name of a file"))?;
    Folder::open(path.parent().unwrap_or(Path::new("")))?.replace(name, write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.json");
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_to_its_end_leaves_the_old_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.json");
        write_atomically(&path, b"old").unwrap();
        let half = write_atomically_by(&path, |file| {
            file.write_all(b"ne")?;
            Err(ErrorKind::StorageFull.into())
        });
        assert_eq!(half.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_an_error_not_a_file_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_atomically(&folder.path().join("absent/summary.json"), b"x").is_err());
    }
}
