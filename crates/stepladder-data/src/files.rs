//! Single photos, without classes: what a user names for prediction.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::decode;
use crate::error::{DataError, PhotoError, Skipped};
use crate::photo::RgbPhoto;
use crate::source::folder::FolderSource;
use crate::source::read_all;

/// The files below a folder that could be photos, sorted, and those set aside with reasons; or `path` itself where it is a
/// file. None of them is opened.
pub fn find_photos(path: &Path) -> Result<(Vec<PathBuf>, Vec<Skipped>), DataError> {
    let metadata = std::fs::metadata(path).map_err(|source| DataError::Io {
        path: path.to_owned(),
        source,
    })?;
    if !metadata.is_dir() {
        return Ok((vec![path.to_owned()], Vec::new()));
    }
    let (source, found) = FolderSource::list(path)?;
    // Joined anew, so that the paths read as the user wrote the folder.
    let files = found
        .entries
        .iter()
        .filter_map(|entry| source.relative_path(entry))
        .map(|file| path.join(file));
    Ok((files.collect(), found.skipped))
}

/// Reads and decodes one photo.
pub fn read_photo(path: &Path) -> Result<RgbPhoto, PhotoError> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    decode(&read_all(file, len)?)
}
