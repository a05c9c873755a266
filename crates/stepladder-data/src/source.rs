//! Where photos come from: a zip, a folder, MNIST's IDX files. A [`Source`] knows its entries by number and reads one at a
//! time from any thread; which entry is a photo of which class is decided in `layout` and `table`.

pub(crate) mod folder;
pub(crate) mod idx;
pub(crate) mod table;
pub(crate) mod zip;

pub(crate) use table::encoding_named;
pub use table::{NumberRow, TableForm, numbers_by_name};

use std::fmt::Debug;
use std::io::Read;

use crate::decode::{self, Decoding, MAX_FILE_BYTES};
use crate::error::{DataError, PhotoError, Skipped};
use crate::part::Part;
use crate::photo::RgbPhoto;

/// A place that holds photos, open for as long as the data set is.
pub(crate) trait Source: Debug + Send + Sync {
    /// Adds what tells this source from others, and from itself after a change, to a cache's key.
    fn fingerprint(&self, key: &mut blake3::Hasher);

    /// The same for one entry, without reading its content.
    fn fingerprint_entry(&self, entry: u32, key: &mut blake3::Hasher);

    /// Prepares a pass over the entries. What the pass needs in memory goes when the reader is dropped.
    fn reader(&self) -> Result<Box<dyn EntryReader + '_>, DataError>;
}

/// Reads entries of a source, any of them from any thread.
pub(crate) trait EntryReader: Send + Sync {
    /// The entry's content.
    fn read(&self, entry: u32) -> Result<Content, PhotoError>;

    /// The first `limit` bytes of the entry, or all of them.
    fn read_head(&self, entry: u32, limit: u64) -> Result<Content, PhotoError>;
}

/// What an entry holds.
pub(crate) enum Content {
    /// A file, to be decoded.
    File(Vec<u8>),
    /// Gray pixels, row by row.
    Gray {
        width: u32,
        height: u32,
        pixels: Vec<u8>,
    },
}

impl Content {
    /// What exact duplicates share.
    pub(crate) fn hash(&self) -> [u8; 32] {
        match self {
            Self::File(bytes) => *blake3::hash(bytes).as_bytes(),
            Self::Gray { pixels, .. } => *blake3::hash(pixels).as_bytes(),
        }
    }

    pub(crate) fn decode(&self, decoding: &Decoding) -> Result<RgbPhoto, PhotoError> {
        match self {
            Self::File(bytes) => decode::decode(bytes, decoding),
            Self::Gray {
                width,
                height,
                pixels,
            } => {
                let rgb = pixels.iter().flat_map(|&v| [v; 3]).collect();
                RgbPhoto::new(*width, *height, rgb).ok_or_else(|| PhotoError::Damaged {
                    format: "IDX picture",
                    reason: String::from("no pixels"),
                })
            }
        }
    }

    pub(crate) fn dimensions(&self, decoding: &Decoding) -> Result<(u32, u32), PhotoError> {
        match self {
            Self::File(bytes) => decode::dimensions(bytes, decoding),
            Self::Gray { width, height, .. } => Ok((*width, *height)),
        }
    }
}

/// An entry that could be a photo: its name inside the source, '/'-separated, and its number there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) number: u32,
}

/// An entry whose class is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Labelled {
    pub(crate) entry: Entry,
    pub(crate) class: String,
    pub(crate) part: Option<Part>,
    /// Photos of one group stay in one part.
    pub(crate) group: Option<String>,
}

/// What listing a source, or laying out its entries, has found.
#[derive(Debug, Default)]
pub(crate) struct Found<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) skipped: Vec<Skipped>,
}

impl<T> Found<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            skipped: Vec::new(),
        }
    }

    pub(crate) fn skip(&mut self, name: impl Into<String>, reason: impl Into<String>) {
        self.skipped.push(Skipped {
            name: name.into(),
            reason: reason.into(),
        });
    }
}

/// Reads to the end, but no more than [`MAX_FILE_BYTES`]. `expected` is what the source claims, and sizes the buffer.
pub(crate) fn read_all(reader: impl Read, expected: u64) -> Result<Vec<u8>, PhotoError> {
    // A claim is not believed beyond 1 MiB before bytes arrive.
    let mut bytes = Vec::with_capacity(expected.min(1 << 20) as usize);
    reader.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(PhotoError::TooManyBytes {
            limit: MAX_FILE_BYTES,
        });
    }
    Ok(bytes)
}
