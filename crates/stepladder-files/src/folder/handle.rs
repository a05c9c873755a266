//! A folder's descriptor, by which its files are opened (`openat`): whatever becomes of paths meanwhile, it stays the same folder.

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// For files and folders, less what the user's mask takes away.
const FILE: Mode = Mode::from_raw_mode(0o666);
const FOLDER: Mode = Mode::from_raw_mode(0o777);

#[derive(Debug)]
pub(super) struct Handle(OwnedFd);

impl Handle {
    pub fn open(path: &Path) -> io::Result<Handle> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Handle(fs::open(path, flags, Mode::empty())?))
    }

    pub fn folder(&self, name: &OsStr) -> io::Result<Handle> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat(&self.0, name, flags, Mode::empty()) {
            Ok(folder) => Ok(Handle(folder)),
            // Of a link, Linux says that it is no directory.
            Err(Errno::NOTDIR) if self.holds_link(name) => Err(Errno::LOOP.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn holds_link(&self, name: &OsStr) -> bool {
        let found = fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW);
        found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink)
    }

    pub fn make_folder(&self, name: &OsStr) -> io::Result<()> {
        Ok(fs::mkdirat(&self.0, name, FOLDER)?)
    }

    pub fn read(&self, name: &OsStr) -> io::Result<File> {
        self.file(name, OFlags::RDONLY)
    }

    pub fn append(&self, name: &OsStr) -> io::Result<File> {
        self.file(name, OFlags::RDWR | OFlags::APPEND | OFlags::CREATE)
    }

    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        self.file(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)
    }

    fn file(&self, name: &OsStr, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(File::from(fs::openat(&self.0, name, flags, FILE)?))
    }

    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(fs::renameat(&self.0, from, &self.0, to)?)
    }

    /// Gives a file a second name, which nothing may have yet; renames it, where files have one name only.
    pub fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match fs::linkat(&self.0, from, &self.0, to, AtFlags::empty()) {
            Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS) => self.rename(from, to),
            linked => Ok(linked?),
        }
    }

    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    pub fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        Ok(fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Puts names on the disk, where the file system can do that for a folder by itself.
    pub fn sync(&self) -> io::Result<()> {
        match fs::fsync(&self.0) {
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP | Errno::BADF | Errno::ROFS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// How many names a file has.
pub(super) fn names(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.nlink())
}

/// Whether two open files are one.
pub(super) fn are_one(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// What a file becomes is readable for all, whatever the mask.
pub(super) fn make_readable(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o644))
}

/// Whether the system refused to follow a link.
pub(super) fn is_link(error: &io::Error) -> bool {
    // FreeBSD says EMLINK.
    let refusals = [Errno::LOOP, Errno::MLINK].map(|refusal| refusal.raw_os_error());
    error.raw_os_error().is_some_and(|code| refusals.contains(&code))
}
