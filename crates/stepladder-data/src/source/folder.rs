//! Photos in a folder on disk. Symbolic links to files are followed where they stay inside the folder, others and those to
//! folders on request only; then a folder that several links lead to is read once.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Content, Entry, EntryReader, Found, Source, read_all};
use crate::decode::MAX_FILE_BYTES;
use crate::error::{DataError, PhotoError};
use crate::names::{is_junk, nfc, nfd, not_a_photo, path_of, shown_path};
use crate::remark::Remark;

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

/// Links that a listing has met and not followed.
#[derive(Debug, Default)]
pub(crate) struct Links {
    folders: usize,
    files: usize,
    example: Option<String>,
}

impl Links {
    /// The example is a folder if there is one, and the first by name, in whatever order the file system lists them.
    fn note(&mut self, name: &str, is_folder: bool) {
        let first = match (&self.example, is_folder) {
            (None, _) => true,
            (Some(_), true) if self.folders == 0 => true,
            (Some(_), false) if self.folders > 0 => false,
            (Some(example), _) => name < example.as_str(),
        };
        match is_folder {
            true => self.folders += 1,
            false => self.files += 1,
        }
        if first {
            self.example = Some(String::from(name));
        }
    }

    /// What to say of them, if there are any.
    pub(crate) fn remark(&self) -> Option<Remark> {
        Some(Remark::LinksNotFollowed {
            folders: self.folders,
            files: self.files,
            example: self.example.clone()?,
        })
    }
}

impl FolderSource {
    /// Lists everything below `root` that could be a photo, sorted by name, and the links that were not followed.
    pub(crate) fn list(root: &Path, follow_links: bool) -> Result<(Self, Found<Entry>, Links), DataError> {
        let io = |source| DataError::Io {
            path: root.to_owned(),
            source,
        };
        let root = root.canonicalize().map_err(io)?;
        // Only an unreadable root is an error; an unreadable folder below it costs that folder.
        fs::read_dir(&root).map_err(io)?;
        let mut walk = Walk {
            root: &root,
            follow_links,
            pending: vec![(PathBuf::new(), root.clone())],
            linked: BTreeSet::new(),
            read: BTreeSet::new(),
            files: Vec::new(),
            found: Found::new(),
            links: Links::default(),
        };
        walk.all();
        let Walk {
            mut files,
            mut found,
            links,
            ..
        } = walk;
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
        Ok((source, found, links))
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
    pub(crate) fn names_below(&self, follow_links: bool) -> Vec<String> {
        let listed = Self::list(&self.root, follow_links).map(|(_, found, _)| found.entries);
        let entries = listed.unwrap_or_default().into_iter();
        entries.map(|entry| entry.name).collect()
    }

    /// Adds the file `name`, relative to the root, or says why it cannot be used. The name may be as lists show it, and with accents in the
    /// other of Unicode's forms.
    pub(crate) fn add(&mut self, name: &str, follow_links: bool) -> Result<Entry, String> {
        let forms = [
            path_of(name),
            PathBuf::from(name),
            PathBuf::from(nfc(name).as_ref()),
            PathBuf::from(nfd(name)),
        ];
        let mut refused = None;
        for relative in forms {
            if !relative.is_relative() || relative.iter().any(|part| part == "..") {
                return Err(String::from(
                    "its name points outside the folder; give the folder of the photos, and the table beside it",
                ));
            }
            match stat(&self.root, &relative, follow_links) {
                Ok(metadata) => {
                    let number = self.files.len() as u32;
                    // As a listing has it, without empty and "." components.
                    let relative: PathBuf = relative.iter().filter(|part| *part != ".").collect();
                    let name = shown_path(&relative);
                    self.files.push(FileEntry::new(relative, &metadata));
                    return Ok(Entry { name, number });
                }
                Err(reason) => drop(refused.get_or_insert(reason)),
            }
        }
        Err(refused.unwrap_or_default())
    }
}

/// Why a link to a file is not followed.
const LEAVES: &str = "a symbolic link that leaves the folder, which is not followed";
/// Why a link to a folder is not followed.
const TO_FOLDER: &str = "a symbolic link to a folder, which is not followed";

/// The metadata of a regular file that lies inside `root`, or anywhere if links may lead outside; else why not.
fn stat(root: &Path, relative: &Path, follow_links: bool) -> Result<Metadata, String> {
    let path = root.join(relative);
    let real = path.canonicalize().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => String::from("there is no such file"),
        _ => format!("cannot be read: {e}"),
    })?;
    if !follow_links && !real.starts_with(root) {
        return Err(String::from(LEAVES));
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

/// A walk through a folder.
struct Walk<'a> {
    root: &'a Path,
    follow_links: bool,
    /// Folders still to be read: relative to the root, and where they are.
    pending: Vec<(PathBuf, PathBuf)>,
    /// Links to folders, which come after all that is reached without them.
    linked: BTreeSet<PathBuf>,
    /// Where the folders are that have been read, so that no link leads in a circle.
    read: BTreeSet<PathBuf>,
    files: Vec<(String, FileEntry)>,
    found: Found<Entry>,
    links: Links,
}

impl Walk<'_> {
    fn all(&mut self) {
        loop {
            while let Some((folder, real)) = self.pending.pop() {
                if !self.follow_links || self.read.insert(real.clone()) {
                    self.visit(&folder, &real);
                }
            }
            let Some(link) = self.linked.pop_first() else {
                return;
            };
            let name = shown_path(&link);
            match self.root.join(&link).canonicalize() {
                Ok(real) if self.read.contains(&real) => {
                    self.found
                        .skip(name, "a symbolic link to a folder that is read already");
                }
                Ok(real) => self.pending.push((link, real)),
                Err(error) => self.found.skip(name, format!("cannot be read: {error}")),
            }
        }
    }

    fn visit(&mut self, folder: &Path, real: &Path) {
        let listing = match fs::read_dir(self.root.join(folder)) {
            Ok(listing) => listing,
            Err(e) => {
                return self
                    .found
                    .skip(shown_path(folder), format!("cannot be listed: {e}"));
            }
        };
        for entry in listing {
            match entry {
                Ok(entry) if is_junk(&entry.file_name().to_string_lossy()) => {}
                Ok(entry) => self.take(folder, real, &entry),
                Err(e) => {
                    let reason = format!("cannot be listed to its end: {e}");
                    return self.found.skip(shown_path(folder), reason);
                }
            }
        }
    }

    fn take(&mut self, folder: &Path, real: &Path, entry: &fs::DirEntry) {
        let relative = folder.join(entry.file_name());
        let name = shown_path(&relative);
        let Ok(kind) = entry.file_type() else {
            return self.found.skip(name, "cannot be read");
        };
        if kind.is_dir() {
            let real = real.join(entry.file_name());
            self.pending.push((relative, real));
        } else if kind.is_symlink() && fs::metadata(entry.path()).is_ok_and(|target| target.is_dir()) {
            if self.follow_links {
                self.linked.insert(relative);
            } else {
                self.links.note(&name, true);
                self.found.skip(name, TO_FOLDER);
            }
        } else if let Some(reason) = not_a_photo(&name) {
            self.found.skip(name, reason);
        } else {
            match stat_listed(self.root, &relative, kind.is_symlink(), self.follow_links, entry) {
                Ok(metadata) => self.files.push((name, FileEntry::new(relative, &metadata))),
                Err(reason) => {
                    if reason == LEAVES {
                        self.links.note(&name, false);
                    }
                    self.found.skip(name, reason);
                }
            }
        }
    }
}

/// As [`stat`], without the system calls that only links need.
fn stat_listed(
    root: &Path,
    relative: &Path,
    is_link: bool,
    follow_links: bool,
    entry: &fs::DirEntry,
) -> Result<Metadata, String> {
    if is_link {
        return stat(root, relative, follow_links);
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
