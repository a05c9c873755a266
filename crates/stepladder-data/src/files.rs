//! Single photos, without classes: what a user names for prediction, as files, in folders and in zips.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::decode::{Decoding, decode};
use crate::error::{DataError, PhotoError, Skipped};
use crate::names::{path_of, shown_path};
use crate::photo::RgbPhoto;
use crate::source::folder::FolderSource;
use crate::source::read_all;
use crate::source::zip::ZipSource;
use crate::source::{Content, EntryReader, Found};

/// A file that could be a photo, wherever it lies. It is not opened before it is read.
#[derive(Debug, Clone)]
pub struct PhotoFile {
    name: String,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    File(PathBuf),
    Zip(Arc<ZipSource>, u32),
}

impl PhotoFile {
    /// The file at `path`, which need not exist: reading it says so.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            name: shown_path(&path),
            place: Place::File(path),
        }
    }

    /// Its path as the user wrote it, or below the folder or zip that the user wrote; safe to print.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own name, without the folders that it lies in; empty where it has none.
    pub fn file_name(&self) -> &OsStr {
        match &self.place {
            Place::File(path) => path.file_name().unwrap_or_default(),
            // Entries are named with slashes on every system.
            Place::Zip(..) => OsStr::new(self.name.rsplit('/').next().unwrap_or_default()),
        }
    }

    /// Its bytes as they lie there, bounded as for decoding.
    pub fn bytes(&self) -> Result<Vec<u8>, PhotoError> {
        match &self.place {
            Place::File(path) => {
                let file = stepladder_files::open(path)?;
                let len = file.metadata()?.len();
                Ok(read_all(file, len)?)
            }
            Place::Zip(archive, entry) => match archive.as_ref().read(*entry)? {
                Content::File(bytes) => Ok(bytes),
                Content::Gray { pixels, .. } => Ok(pixels),
            },
        }
    }

    /// Reads and decodes it.
    pub fn read(&self, decoding: &Decoding) -> Result<RgbPhoto, PhotoError> {
        match &self.place {
            Place::File(path) => {
                let file = stepladder_files::open(path)?;
                let len = file.metadata()?.len();
                decode(&read_all(file, len)?, decoding)
            }
            Place::Zip(archive, entry) => archive.as_ref().read(*entry)?.decode(decoding),
        }
    }
}

/// The photos that `path` stands for: the files below a folder that could be photos, or those in a zip, sorted by name, and
/// those set aside with reasons; any other file is itself a photo. Of a zip the directory is read, of another file the
/// first bytes. A path that does not exist may be one as lists show it. Links out of a folder, and to
/// folders, are followed on request.
pub fn find_photos(path: &Path, follow_links: bool) -> Result<(Vec<PhotoFile>, Vec<Skipped>), DataError> {
    let shown = path
        .to_str()
        .map(path_of)
        .filter(|real| real != path && real.exists() && !path.exists());
    let path = shown.as_deref().unwrap_or(path);
    let io = |source| DataError::Io {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(io)?.is_dir() {
        let (source, found, _) = FolderSource::list(path, follow_links)?;
        // Joined anew, so that the paths read as the user wrote the folder.
        let files = found
            .entries
            .iter()
            .filter_map(|entry| source.relative_path(entry))
            .map(|file| PhotoFile::at(path.join(file)));
        return Ok((files.collect(), found.skipped));
    }
    if !is_zip(path).map_err(io)? {
        return Ok((vec![PhotoFile::at(path)], Vec::new()));
    }
    let archive = Arc::new(ZipSource::open(path, None)?);
    let Found { entries, skipped } = archive.list().0;
    let photo = |(name, number): (String, u32)| PhotoFile {
        name: format!("{}/{name}", archive.name()),
        place: Place::Zip(Arc::clone(&archive), number),
    };
    let entries = entries.into_iter().map(|entry| (entry.name, entry.number));
    Ok((entries.map(photo).collect(), skipped))
}

/// Whether a file begins as a zip does, an empty one included.
fn is_zip(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    stepladder_files::open(path)?.take(4).read_to_end(&mut head)?;
    Ok(matches!(head.as_slice(), b"PK\x03\x04" | b"PK\x05\x06"))
}
