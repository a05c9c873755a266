//! Replacing a file in one step: a reader, or a power cut, meets the old content or the new, never a part.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes `content` to `path`: to a temporary file beside it, to the disk, then over the old name.
///
/// # Errors
///
/// Any of the file system's, with the old file untouched and the temporary one removed.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    write_atomically_by(path, |file| file.write_all(content))
}

/// As [`write_atomically`], with the content that `write` writes.
///
/// # Errors
///
/// Those of `write` and of the file system, with the old file untouched and the temporary one removed.
pub fn write_atomically_by(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".stepladder-")
        .tempfile_in(folder)?;
    write(file.as_file_mut())?;
    make_readable(file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Temporary files are private to their owner; what they become is as readable as any new file usually is.
#[cfg(unix)]
fn make_readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_file: &File) -> io::Result<()> {
    Ok(())
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
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(half.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_an_error_not_a_file_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_atomically(&folder.path().join("absent/summary.json"), b"x").is_err());
    }
}
