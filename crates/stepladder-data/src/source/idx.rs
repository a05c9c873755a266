//! MNIST's IDX files: a pair of `*-images-idx3-ubyte` and `*-labels-idx1-ubyte`, gzipped or not.
//!
//! Header, big endian: two zero bytes, the type (8: unsigned byte), the number of dimensions, then each dimension as 32 bits;
//! the values follow, the last dimension running fastest (<http://yann.lecun.com/exdb/mnist/>).

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use flate2::bufread::MultiGzDecoder;

use super::{Content, Entry, EntryReader, Found, Labelled, Source};
use crate::error::{DataError, PhotoError};
use crate::names::printable;
use crate::open::Listing;
use crate::part::Part;

/// The most bytes of pixels that one file may claim, as a pass holds them in memory.
const MAX_PIXEL_BYTES: u64 = 2 << 30;

/// An images file and its labels file.
#[derive(Debug, Clone)]
pub(crate) struct IdxPair {
    images: PathBuf,
    labels: PathBuf,
    part: Option<Part>,
}

/// The pairs in a folder, sorted by name. `train-*` is the training part, `t10k-*` the test part.
pub(crate) fn find_pairs(folder: &Path) -> Result<Vec<IdxPair>, DataError> {
    let io = |source| DataError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut pairs: Vec<IdxPair> = Vec::new();
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        paths.push(entry.map_err(io)?.path());
    }
    paths.sort();
    for path in paths {
        let Some(labels) = labels_of(&path) else { continue };
        // Unpacked and gzipped copies side by side are one pair; the unpacked one sorts first.
        if pairs.iter().any(|pair| stem(&pair.images) == stem(&path)) {
            continue;
        }
        let part = part_of(&path);
        pairs.push(IdxPair {
            images: path,
            labels,
            part,
        });
    }
    Ok(pairs)
}

/// The pair to which an images file belongs, judged by its content. It declares no part, as it was named alone.
pub(crate) fn pair_of(path: &Path) -> Result<Option<IdxPair>, DataError> {
    let mut magic = [0; 4];
    let io = |source| DataError::Io {
        path: path.to_owned(),
        source,
    };
    let file = stepladder_files::open(path).map_err(io)?;
    let is_idx = unpacked(file).and_then(|mut r| r.read_exact(&mut magic)).is_ok() && magic == [0, 0, 8, 3];
    if !is_idx {
        return Ok(None);
    }
    match labels_of(path) {
        Some(labels) => Ok(Some(IdxPair {
            images: path.to_owned(),
            labels,
            part: None,
        })),
        None => Err(fail(
            path,
            "no labels file lies beside it; name them x-images-idx3-ubyte and x-labels-idx1-ubyte",
        )),
    }
}

/// The labels file beside an images file, where both exist.
fn labels_of(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    if !name.contains("images") || !name.contains("idx3") {
        return None;
    }
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    let packed = format!("{labels}.gz");
    let plain = labels.trim_end_matches(".gz");
    [labels.as_str(), plain, &packed]
        .iter()
        .map(|name| images.with_file_name(name))
        .find(|path| path.is_file())
}

fn stem(images: &Path) -> String {
    let name = images
        .file_name()
        .map(|n| n.to_string_lossy())
        .unwrap_or_default();
    let end = name.find("idx3").unwrap_or(name.len());
    printable(name[..end].trim_end_matches(['-', '.', '_'])).into_owned()
}

fn part_of(images: &Path) -> Option<Part> {
    let stem = stem(images).to_ascii_lowercase();
    [
        ("train", Part::Train),
        ("t10k", Part::Test),
        ("test", Part::Test),
        ("val", Part::Validation),
    ]
    .into_iter()
    .find_map(|(prefix, part)| stem.starts_with(prefix).then_some(part))
}

impl IdxPair {
    /// Reads the headers and the labels.
    pub(crate) fn open(&self) -> Result<Listing, DataError> {
        let source = IdxSource::open(&self.images)?;
        let (dimensions, mut reader) = header(&self.labels, 1)?;
        if dimensions[0] != source.count {
            let message = format!(
                "{} labels for {} pictures; the two files do not belong together",
                dimensions[0], source.count
            );
            return Err(fail(&self.labels, message));
        }
        let labels = exactly(&self.labels, &mut reader, u64::from(source.count))?;
        let width = labels.iter().max().map_or(1, |max| max.to_string().len());
        let stem = stem(&self.images);
        let mut found = Found::new();
        for (number, label) in labels.into_iter().enumerate() {
            // Zero-padded where there are more than ten, so that classes sort by number.
            let entry = Entry {
                name: format!("{stem}/{number:06}"),
                number: number as u32,
            };
            found.entries.push(Labelled {
                entry,
                class: format!("{label:0width$}"),
                part: self.part,
                group: None,
            });
        }
        Ok(Listing::new(source, found, Vec::new()))
    }
}

/// The pictures of an images file.
#[derive(Debug)]
struct IdxSource {
    path: PathBuf,
    count: u32,
    rows: u32,
    columns: u32,
    len: u64,
    modified: u128,
}

impl IdxSource {
    fn open(path: &Path) -> Result<Self, DataError> {
        let io = |source| DataError::Io {
            path: path.to_owned(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(io)?;
        let modified = metadata
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
            .unwrap_or_default();
        let (dimensions, _) = header(path, 3)?;
        let (count, rows, columns) = (dimensions[0], dimensions[1], dimensions[2]);
        let pixels = u64::from(rows) * u64::from(columns);
        if count == 0 || pixels == 0 || pixels.saturating_mul(u64::from(count)) > MAX_PIXEL_BYTES {
            return Err(fail(
                path,
                format!("claims {count} pictures of {columns} x {rows} pixels, which cannot be used"),
            ));
        }
        Ok(Self {
            path: path.canonicalize().map_err(io)?,
            count,
            rows,
            columns,
            len: metadata.len(),
            modified: modified.as_nanos(),
        })
    }

    fn picture_bytes(&self) -> u64 {
        u64::from(self.rows) * u64::from(self.columns)
    }
}

impl Source for IdxSource {
    fn fingerprint(&self, key: &mut blake3::Hasher) {
        key.update(b"idx\0")
            .update(self.path.as_os_str().as_encoded_bytes())
            .update(b"\0")
            .update(&self.len.to_le_bytes())
            .update(&self.modified.to_le_bytes());
    }

    fn fingerprint_entry(&self, entry: u32, key: &mut blake3::Hasher) {
        key.update(&entry.to_le_bytes());
    }

    fn reader(&self) -> Result<Box<dyn EntryReader + '_>, DataError> {
        let (_, mut reader) = header(&self.path, 3)?;
        let pixels = exactly(
            &self.path,
            &mut reader,
            self.picture_bytes() * u64::from(self.count),
        )?;
        Ok(Box::new(IdxReader { source: self, pixels }))
    }
}

/// All pixels of an images file, held for one pass.
struct IdxReader<'a> {
    source: &'a IdxSource,
    pixels: Vec<u8>,
}

impl EntryReader for IdxReader<'_> {
    fn read(&self, entry: u32) -> Result<Content, PhotoError> {
        let bytes = self.source.picture_bytes() as usize;
        let pixels = self
            .pixels
            .chunks_exact(bytes)
            .nth(entry as usize)
            .map(<[u8]>::to_vec);
        let pixels = pixels.ok_or(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))?;
        Ok(Content::Gray {
            width: self.source.columns,
            height: self.source.rows,
            pixels,
        })
    }

    fn read_head(&self, entry: u32, _limit: u64) -> Result<Content, PhotoError> {
        self.read(entry)
    }
}

/// A reader of the unpacked bytes, whether the file is gzipped or not.
fn unpacked(file: File) -> std::io::Result<Box<dyn Read>> {
    let mut reader = BufReader::new(file);
    let packed = std::io::BufRead::fill_buf(&mut reader)?.starts_with(&[0x1f, 0x8b]);
    Ok(if packed {
        Box::new(MultiGzDecoder::new(reader))
    } else {
        Box::new(reader)
    })
}

/// The sizes of the `dimensions` dimensions, and a reader that stands at the first value.
fn header(path: &Path, dimensions: u8) -> Result<(Vec<u32>, Box<dyn Read>), DataError> {
    let io = |source| DataError::Io {
        path: path.to_owned(),
        source,
    };
    let mut reader = unpacked(stepladder_files::open(path).map_err(io)?).map_err(io)?;
    let mut word = [0; 4];
    reader.read_exact(&mut word).map_err(io)?;
    if word != [0, 0, 8, dimensions] {
        return Err(fail(
            path,
            format!("not an IDX file of bytes in {dimensions} dimensions"),
        ));
    }
    let mut sizes = Vec::new();
    for _ in 0..dimensions {
        reader.read_exact(&mut word).map_err(io)?;
        sizes.push(u32::from_be_bytes(word));
    }
    Ok((sizes, reader))
}

fn exactly(path: &Path, reader: &mut dyn Read, count: u64) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    let read = reader.take(count).read_to_end(&mut bytes);
    read.map_err(|source| DataError::Io {
        path: path.to_owned(),
        source,
    })?;
    if (bytes.len() as u64) < count {
        return Err(fail(path, format!("cut short: {} of {count} bytes", bytes.len())));
    }
    Ok(bytes)
}

fn fail(path: &Path, message: impl Into<String>) -> DataError {
    DataError::Idx {
        name: printable(&path.to_string_lossy()).into_owned(),
        message: message.into(),
    }
}
