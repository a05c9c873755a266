//! A folder by its path, for systems without `openat`: each name is looked at before it is used. Whoever can change the folder at that very
//! moment could still lead out of it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Handle(PathBuf);

impl Handle {
    pub fn open(path: &Path) -> io::Result<Handle> {
        match fs::metadata(path)?.is_dir() {
            true => Ok(Handle(path.to_path_buf())),
            false => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// The path of `name`, which is no link.
    fn own(&self, name: &OsStr) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => Err(io::Error::other(Link)),
            _ => Ok(path),
        }
    }

    pub fn folder(&self, name: &OsStr) -> io::Result<Handle> {
        Handle::open(&self.own(name)?)
    }

    pub fn make_folder(&self, name: &OsStr) -> io::Result<()> {
        fs::create_dir(self.0.join(name))
    }

    pub fn read(&self, name: &OsStr) -> io::Result<File> {
        File::open(self.own(name)?)
    }

    pub fn append(&self, name: &OsStr) -> io::Result<File> {
        let path = self.own(name)?;
        OpenOptions::new().read(true).append(true).create(true).open(path)
    }

    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        let path = self.0.join(name);
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
    }

    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    pub fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::hard_link(self.0.join(from), self.0.join(to))
    }

    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    pub fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(self.own(name)?)
    }

    pub fn names(&self) -> io::Result<Vec<OsString>> {
        fs::read_dir(&self.0)?
            .map(|entry| Ok(entry?.file_name()))
            .collect()
    }

    pub fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The name is a link.
#[derive(Debug)]
struct Link;

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a symbolic link")
    }
}

impl std::error::Error for Link {}

pub(super) fn names(_file: &File) -> io::Result<u64> {
    Ok(1)
}

pub(super) fn are_one(_one: &File, _other: &File) -> io::Result<bool> {
    Ok(true)
}

pub(super) fn make_readable(_file: &File) -> io::Result<()> {
    Ok(())
}

pub(super) fn is_link(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Link>())
}
