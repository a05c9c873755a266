//! Photos in a folder on disk. Symbolic links to files are followed only where they stay inside the folder, those to
//! folders never.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Content, Entry, EntryReader, Found, Source, read_all};
use crate::decode::MAX_FILE_BYTES;
use crate::error::{DataError, PhotoError};
use crate::names::{is_junk, normalize, not_a_photo, printable};

/// Files below one folder.
#[derive(Debug)]
pub(crate) struct FolderSource {
    root: PathBuf,
    files: Vec<FileEntry>,
}

#[derive(Debug)]
struct FileEntry {
    /// Relative to the root.
    path: PathBuf,
    len: u64,
    /// Nanoseconds since 1970.
    modified: u128,
}

impl FileEntry {
    fn new(path: PathBuf, metadata: &Metadata) -> Self {
        let modified = metadata
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
            .unwrap_or_default();
        Self {
            path,
            len: metadata.len(),
            modified: modified.as_nanos(),
        }
    }
}

impl FolderSource {
    /// Lists everything below `root` that could be a photo, sorted by name.
    pub(crate) fn list(root: &Path) -> Result<(Self, Found<Entry>), DataError> {
        let io = |source| DataError::Io {
            path: root.to_owned(),
            source,
        };
        let root = root.canonicalize().map_err(io)?;
        // Only an unreadable root is an error; an unreadable folder below it costs that folder.
        fs::read_dir(&root).map_err(io)?;
        let mut found = Found::new();
        let mut files = Vec::new();
        let mut pending = vec![PathBuf::new()];
        while let Some(folder) = pending.pop() {
            visit(&root, &folder, &mut pending, &mut files, &mut found);
        }
        files.sort_by(|a: &(String, FileEntry), b| a.0.cmp(&b.0));
        let mut source = Self {
            root,
            files: Vec::with_capacity(files.len()),
        };
        for (number, (name, file)) in files.into_iter().enumerate() {
            found.entries.push(Entry {
                name,
                number: number as u32,
            });
            source.files.push(file);
        }
        found.skipped.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((source, found))
    }

    /// The path of an entry, relative to the root.
    pub(crate) fn relative_path(&self, entry: &Entry) -> Option<&Path> {
        self.files
            .get(entry.number as usize)
            .map(|file| file.path.as_path())
    }

    /// A source without entries; [`add`](Self::add) names its files one by one.
    pub(crate) fn empty(root: &Path) -> Result<Self, DataError> {
        let root = root.canonicalize().map_err(|source| DataError::Io {
            path: root.to_owned(),
            source,
        })?;
        Ok(Self {
            root,
            files: Vec::new(),
        })
    }

    /// The names of everything below the root that could be a photo, sorted.
    pub(crate) fn names_below(&self) -> Vec<String> {
        let listed = Self::list(&self.root).map(|(_, found)| found.entries);
        let entries = listed.unwrap_or_default().into_iter();
        entries.map(|entry| entry.name).collect()
    }

    /// Adds the file `name`, relative to the root, or says why it cannot be used.
    pub(crate) fn add(&mut self, name: &str) -> Result<Entry, String> {
        let relative = if Path::new(name).is_relative() && !name.split('/').any(|part| part == "..") {
            PathBuf::from(name)
        } else {
            return Err(String::from(
                "its name points outside the folder; give the folder of the photos, and the table beside it",
            ));
        };
        let metadata = stat(&self.root, &relative)?;
        let number = self.files.len() as u32;
        let name = normalize(name).unwrap_or_else(|| printable(name).into_owned());
        self.files.push(FileEntry::new(relative, &metadata));
        Ok(Entry { name, number })
    }
}

/// The metadata of a regular file that lies inside `root`, links followed; else why not.
fn stat(root: &Path, relative: &Path) -> Result<Metadata, String> {
    let path = root.join(relative);
    let real = path.canonicalize().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => String::from("there is no such file"),
        _ => format!("cannot be read: {e}"),
    })?;
    if !real.starts_with(root) {
        return Err(String::from(
            "a symbolic link that leaves the folder, which is not followed",
        ));
    }
    let metadata = fs::metadata(&real).map_err(|e| format!("cannot be read: {e}"))?;
    if !metadata.is_file() {
        return Err(String::from("not a regular file"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(PhotoError::TooManyBytes {
            limit: MAX_FILE_BYTES,
        }
        .to_string());
    }
    Ok(metadata)
}

fn visit(
    root: &Path,
    folder: &Path,
    pending: &mut Vec<PathBuf>,
    files: &mut Vec<(String, FileEntry)>,
    found: &mut Found<Entry>,
) {
    let listing = match fs::read_dir(root.join(folder)) {
        Ok(listing) => listing,
        Err(e) => return found.skip(display(folder), format!("cannot be listed: {e}")),
    };
    for entry in listing {
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) => {
                found.skip(display(folder), format!("cannot be listed to its end: {e}"));
                break;
            }
        };
        if is_junk(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let relative = folder.join(entry.file_name());
        let name = display(&relative);
        let Ok(kind) = entry.file_type() else {
            found.skip(name, "cannot be read");
            continue;
        };
        if kind.is_dir() {
            pending.push(relative);
        } else if kind.is_symlink() && fs::metadata(entry.path()).is_ok_and(|target| target.is_dir()) {
            found.skip(name, "a symbolic link to a folder, which is not followed");
        } else if let Some(reason) = not_a_photo(&name) {
            found.skip(name, reason);
        } else {
            match stat_listed(root, &relative, kind.is_symlink(), &entry) {
                Ok(metadata) => files.push((name, FileEntry::new(relative, &metadata))),
                Err(reason) => found.skip(name, reason),
            }
        }
    }
}

/// As [`stat`], without the system calls that only links need.
fn stat_listed(
    root: &Path,
    relative: &Path,
    is_link: bool,
    entry: &fs::DirEntry,
) -> Result<Metadata, String> {
    if is_link {
        return stat(root, relative);
    }
    let metadata = entry.metadata().map_err(|e| format!("cannot be read: {e}"))?;
    if !metadata.is_file() {
        return Err(String::from("not a regular file"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(PhotoError::TooManyBytes {
            limit: MAX_FILE_BYTES,
        }
        .to_string());
    }
    Ok(metadata)
}

/// A relative path as a printable, '/'-separated name.
fn display(path: &Path) -> String {
    let parts: Vec<_> = path
        .iter()
        .map(|part| printable(&part.to_string_lossy()).into_owned())
        .collect();
    parts.join("/")
}

impl Source for FolderSource {
    fn fingerprint(&self, key: &mut blake3::Hasher) {
        key.update(b"folder\0")
            .update(self.root.as_os_str().as_encoded_bytes())
            .update(b"\0");
    }

    fn fingerprint_entry(&self, entry: u32, key: &mut blake3::Hasher) {
        if let Some(file) = self.files.get(entry as usize) {
            key.update(file.path.as_os_str().as_encoded_bytes())
                .update(b"\0")
                .update(&file.len.to_le_bytes())
                .update(&file.modified.to_le_bytes());
        }
    }

    fn reader(&self) -> Result<Box<dyn EntryReader + '_>, DataError> {
        Ok(Box::new(self))
    }
}

impl EntryReader for &FolderSource {
    fn read(&self, entry: u32) -> Result<Content, PhotoError> {
        let (file, len) = self.open(entry)?;
        read_all(file, len).map(Content::File)
    }

    fn read_head(&self, entry: u32, limit: u64) -> Result<Content, PhotoError> {
        let (file, len) = self.open(entry)?;
        read_all(file.take(limit), len.min(limit)).map(Content::File)
    }
}

impl FolderSource {
    fn open(&self, entry: u32) -> Result<(File, u64), PhotoError> {
        let entry = self
            .files
            .get(entry as usize)
            .ok_or(std::io::Error::from(std::io::ErrorKind::NotFound))?;
        Ok((stepladder_files::open(self.root.join(&entry.path))?, entry.len))
    }
}
