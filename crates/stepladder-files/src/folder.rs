//! A folder that may come from anywhere, as a run's directory may: its files are opened by their names within it, and no link in it is
//! followed, so that nothing outside of it is read, written, cut or deleted.

#[cfg_attr(not(unix), path = "folder/by_path.rs")]
mod handle;

use crate::regular::{regular, within};
use handle::Handle;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// What the names of files begin with that are not written to their end.
const UNFINISHED: &str = ".stepladder-";

/// How often another name is tried for an unfinished file.
const TRIES: usize = 100;

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    handle: Handle,
}

impl Folder {
    /// Opens the folder at `path`, which whoever runs the program has named: links on the way to it are followed.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Folder> {
        let path = path.into();
        let handle = Handle::open(match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => &path,
        })?;
        Ok(Folder { path, handle })
    }

    /// The folder `name` in this one.
    ///
    /// # Errors
    ///
    /// There is none, or it is a link; those of the system.
    pub fn folder(&self, name: impl AsRef<OsStr>) -> io::Result<Folder> {
        let name = name.as_ref();
        Ok(Folder {
            path: self.path.join(name),
            handle: self.handle.folder(name).map_err(explained)?,
        })
    }

    /// The folder `name` in this one, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// It is a link or no folder; those of the system.
    pub fn make_folder(&self, name: impl AsRef<OsStr>) -> io::Result<Folder> {
        match self.handle.make_folder(name.as_ref()) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => self.folder(name),
        }
    }

    /// Where it is, to be shown.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file to read it.
    ///
    /// # Errors
    ///
    /// It is a link or no file; those of the system.
    pub fn read(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        regular(self.handle.read(name.as_ref()).map_err(explained)?)
    }

    /// The content of a regular file of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Folder::read`], and [`ErrorKind::FileTooLarge`].
    pub fn read_all(&self, name: impl AsRef<OsStr>, limit: u64) -> io::Result<Vec<u8>> {
        within(self.read(name)?, limit)
    }

    /// Opens a regular file to add to it, and makes it if it is not there. A file that has a second name (a hard link), which may lie anywhere,
    /// becomes a copy first.
    ///
    /// # Errors
    ///
    /// It is a link or no file; those of the system.
    pub fn append(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let name = name.as_ref();
        let file = regular(self.handle.append(name).map_err(explained)?)?;
        if handle::names(&file)? <= 1 {
            return Ok(file);
        }
        let mut original = self.read(name)?;
        self.replace(name, |copy| io::copy(&mut original, copy).map(drop))?;
        regular(self.handle.append(name).map_err(explained)?)
    }

    /// Writes `name` in one step: to an unfinished file beside it, to the disk, then over the old name. What was there (a link, too) is
    /// replaced and not written to.
    ///
    /// # Errors
    ///
    /// Those of `write` and of the system, with the old file untouched and the unfinished one removed.
    pub fn replace(
        &self,
        name: impl AsRef<OsStr>,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let (unfinished, mut file) = self.unfinished()?;
        let written = write(&mut file)
            .and_then(|()| handle::make_readable(&file))
            .and_then(|()| file.sync_all())
            .and_then(|()| self.handle.rename(unfinished.as_ref(), name.as_ref()));
        match written {
            Ok(()) => self.handle.sync(),
            Err(error) => {
                let _ = self.handle.remove(unfinished.as_ref());
                Err(error)
            }
        }
    }

    /// Writes `name` in one step, unless something has that name; whether it did.
    ///
    /// # Errors
    ///
    /// Those of the system, with nothing left behind.
    pub fn create(&self, name: impl AsRef<OsStr>, content: &[u8]) -> io::Result<bool> {
        let (unfinished, mut file) = self.unfinished()?;
        let linked = file
            .write_all(content)
            .and_then(|()| file.sync_all())
            .and_then(|()| self.handle.link(unfinished.as_ref(), name.as_ref()));
        let _ = self.handle.remove(unfinished.as_ref());
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes a file away: gives its content, of at most `limit` bytes, and removes it. What comes under its name from then on stays.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] where there is none; those of [`Folder::read_all`], with the file gone nevertheless.
    pub fn take(&self, name: impl AsRef<OsStr>, limit: u64) -> io::Result<Vec<u8>> {
        let (taken, _) = self.unfinished()?;
        let content = self
            .handle
            .rename(name.as_ref(), taken.as_ref())
            .and_then(|()| self.read_all(&taken, limit));
        let _ = self.handle.remove(taken.as_ref());
        content
    }

    /// Whether `file` is still what has this name.
    pub fn holds(&self, name: impl AsRef<OsStr>, file: &File) -> bool {
        self.handle
            .read(name.as_ref())
            .and_then(|found| handle::are_one(&found, file))
            .unwrap_or(false)
    }

    /// A new file with a name that nothing has.
    fn unfinished(&self) -> io::Result<(String, File)> {
        let mut refusal = io::Error::from(ErrorKind::AlreadyExists);
        for number in 0..TRIES {
            let name = format!("{UNFINISHED}{:016x}", RandomState::new().hash_one(number));
            match self.handle.create(name.as_ref()) {
                Ok(file) => return Ok((name, file)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => refusal = error,
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    /// Removes a file, or the link that has its name.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        self.handle.remove(name.as_ref())
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    ///
    /// It is not empty; those of the system.
    pub fn remove_folder(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        self.handle.remove_folder(name.as_ref())
    }

    /// The names in it, sorted.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = self.handle.names()?;
        names.sort();
        Ok(names)
    }
}

/// The system says "too many levels of symbolic links" or "not a directory" of a link that is not followed.
fn explained(error: io::Error) -> io::Error {
    match handle::is_link(&error) {
        true => io::Error::new(
            ErrorKind::InvalidInput,
            "it is a symbolic link, and links out of a run's directory are not followed",
        ),
        false => error,
    }
}
