//! Photos inside a zip, read in place: the directory is parsed once and shared, every read has a cursor of its own, and
//! nothing is ever unpacked to disk, so names that point outside the archive have nowhere to point to.

mod entry_names;
mod zstandard;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use encoding_rs::Encoding;
use zip::CompressionMethod;
use zip::read::{ZipArchiveMetadata, ZipFileEntry, ZipReadOptions};
use zip::result::ZipError;

use super::{Content, Entry, EntryReader, Found, Source, read_all};
use crate::decode::MAX_FILE_BYTES;
use crate::decode::sniff;
use crate::error::{DataError, PhotoError};
use crate::names::{is_junk, normalize, not_a_photo, printable, shown_path};
use crate::positional::{Bytes, Cursor};
use crate::remark::Remark;

use self::entry_names::EntryNames;

/// An open zip archive.
#[derive(Debug)]
pub(crate) struct ZipSource {
    name: String,
    bytes: Bytes,
    directory: Arc<ZipArchiveMetadata>,
    /// What tells this archive from others: path and time of change, or the hash of its bytes.
    identity: Vec<u8>,
    /// The encoding of names that are not marked as UTF-8.
    encoding: Option<&'static Encoding>,
}

impl ZipSource {
    /// Opens an archive on disk. Names that are not marked as UTF-8 are read in `encoding`, if there is one.
    pub(crate) fn open(path: &Path, encoding: Option<&'static Encoding>) -> Result<Self, DataError> {
        let io = |source| DataError::Io {
            path: path.to_owned(),
            source,
        };
        let file = stepladder_files::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        let modified = metadata
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
            .unwrap_or_default();
        let mut identity = path
            .canonicalize()
            .map_err(io)?
            .into_os_string()
            .into_encoded_bytes();
        identity.push(0);
        identity.extend(modified.as_nanos().to_le_bytes());
        let mut source = Self::parse(
            shown_path(path),
            Bytes::File(Arc::new(file), metadata.len()),
            identity,
        )?;
        source.encoding = encoding;
        Ok(source)
    }

    /// Opens an archive that the program carries.
    pub(crate) fn in_memory(name: &str, bytes: &'static [u8]) -> Result<Self, DataError> {
        Self::parse(
            String::from(name),
            Bytes::Memory(bytes),
            blake3::hash(bytes).as_bytes().to_vec(),
        )
    }

    fn parse(name: String, bytes: Bytes, identity: Vec<u8>) -> Result<Self, DataError> {
        let directory = match zip::ZipArchive::new(Cursor::new(bytes.clone())) {
            Ok(archive) => archive.metadata(),
            Err(error) => return Err(not_a_zip(name, &bytes, &error)),
        };
        Ok(Self {
            name,
            bytes,
            directory,
            identity,
            encoding: None,
        })
    }

    /// The entries that could be photos, sorted by name, and what to say of the names. Directories and junk are left out without a word.
    pub(crate) fn list(&self) -> (Found<Entry>, Option<Remark>) {
        let mut found = Found::new();
        let names = EntryNames::new(self);
        for number in 0..self.directory.len() {
            let Ok(entry) = self.directory.entry(number) else {
                continue;
            };
            let raw = names.of(&entry);
            if entry.is_dir() || raw.ends_with(['/', '\\']) {
                continue;
            }
            let Some(name) = normalize(&raw) else {
                found.skip(printable(&raw), "its name points outside the archive");
                continue;
            };
            if name.is_empty() || name.split('/').any(is_junk) {
                continue;
            }
            let reason = refusal(&entry).or_else(|| not_a_photo(&name));
            match reason {
                Some(reason) => found.skip(name, reason),
                None => found.entries.push(Entry {
                    name,
                    number: number as u32,
                }),
            }
        }
        found.entries.sort_by(|a, b| a.name.cmp(&b.name));
        // Two spellings of one name, such as a\b and a/b.
        let mut twice = Vec::new();
        found.entries.dedup_by(|later, earlier| {
            let same = later.name == earlier.name;
            if same {
                twice.push(later.name.clone());
            }
            same
        });
        for name in twice {
            found.skip(name, "another file in the archive has this name");
        }
        let remark = names.remark();
        (found, remark)
    }
}

impl Source for ZipSource {
    fn fingerprint(&self, key: &mut blake3::Hasher) {
        key.update(b"zip\0")
            .update(&self.bytes.len().to_le_bytes())
            .update(&self.identity)
            .update(b"\0");
    }

    fn fingerprint_entry(&self, entry: u32, key: &mut blake3::Hasher) {
        if let Ok(entry) = self.directory.entry(entry as usize) {
            key.update(&entry.crc32().to_le_bytes())
                .update(&entry.size().to_le_bytes());
        }
    }

    fn reader(&self) -> Result<Box<dyn EntryReader + '_>, DataError> {
        Ok(Box::new(self))
    }
}

impl EntryReader for &ZipSource {
    fn read(&self, entry: u32) -> Result<Content, PhotoError> {
        self.with_entry(entry, |size, reader| read_all(reader, size))
    }

    fn read_head(&self, entry: u32, limit: u64) -> Result<Content, PhotoError> {
        self.with_entry(entry, |size, reader| {
            read_all(reader.take(limit), size.min(limit))
        })
    }
}

impl ZipSource {
    fn with_entry(
        &self,
        entry: u32,
        work: impl FnOnce(u64, &mut dyn Read) -> Result<Vec<u8>, PhotoError>,
    ) -> Result<Content, PhotoError> {
        let mut cursor = Cursor::new(self.bytes.clone());
        let entry = self.directory.entry(entry as usize).map_err(damaged)?;
        let size = entry.size();
        let content = if entry.compression() == CompressionMethod::ZSTD {
            zstandard::reader(&entry, &mut cursor)
                .map_err(PhotoError::Read)
                .and_then(|mut file| work(size, &mut file))
        } else {
            let mut file = entry
                .with_reader(&mut cursor, ZipReadOptions::new())
                .map_err(damaged)?;
            work(size, &mut file)
        };
        content.map(Content::File).map_err(|error| match error {
            // What the operating system reports may go better the next time; the rest is the archive's own damage.
            PhotoError::Read(e) if e.raw_os_error().is_none() => PhotoError::Damaged {
                format: "zip entry",
                reason: printable(&e.to_string()).into_owned(),
            },
            other => other,
        })
    }

    /// The archive as the user named it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Why an entry cannot be read, as far as the directory tells.
fn refusal(entry: &ZipFileEntry<'_>) -> Option<String> {
    if entry.is_symlink() {
        return Some(String::from("a symbolic link, which is not followed"));
    }
    if entry.encrypted() {
        return Some(String::from(
            "encrypted; pack the archive again without a password",
        ));
    }
    let known = [
        CompressionMethod::STORE,
        CompressionMethod::DEFLATE,
        CompressionMethod::DEFLATE64,
        CompressionMethod::BZIP2,
        CompressionMethod::ZSTD,
    ];
    if !known.contains(&entry.compression()) {
        // LZMA and XZ name the size of their dictionary themselves, up to 4 GiB.
        let method = method_name(entry.compression());
        return Some(format!(
            "packed with {method}, which is not supported; pack the archive again with deflate"
        ));
    }
    let limit = MAX_FILE_BYTES;
    (entry.size() > limit).then(|| PhotoError::TooManyBytes { limit }.to_string())
}

fn damaged(error: ZipError) -> PhotoError {
    PhotoError::Damaged {
        format: "zip entry",
        reason: printable(&error.to_string()).into_owned(),
    }
}

fn not_a_zip(name: String, bytes: &Bytes, error: &ZipError) -> DataError {
    let mut head = Vec::new();
    // What cannot be read here is described as empty, and the zip reader's own error says the rest.
    let _ = Cursor::new(bytes.clone()).take(1024).read_to_end(&mut head);
    if head.starts_with(b"PK") {
        return DataError::DamagedArchive {
            name,
            reason: printable(&error.to_string()).into_owned(),
        };
    }
    DataError::NotData {
        name,
        what: sniff::describe(&head),
    }
}

fn method_name(method: CompressionMethod) -> String {
    // The numbers of APPNOTE.TXT, 4.4.5.
    #[allow(deprecated)]
    match method {
        CompressionMethod::Unsupported(14) => String::from("LZMA"),
        CompressionMethod::Unsupported(95) => String::from("XZ"),
        CompressionMethod::Unsupported(99) => String::from("AES"),
        CompressionMethod::Unsupported(number) => format!("method {number}"),
        other => other.to_string(),
    }
}
