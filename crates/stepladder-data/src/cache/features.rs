//! The cache of features: what a frozen network makes of each photo, kept beside the photos' own cache.
//!
//! ```text
//! header   magic 8 | version u32 | width u32 | key 32
//! record   photo u32 | view u32 | check u64 | width values f32
//! ```
//!
//! Numbers are little endian; the check is XXH3 of the rest of the record. Records have one length, are only ever appended, and each
//! is good by itself: what a kill has left half written, and what was damaged since, is computed again. One process writes at a
//! time; others read what is there, and keep what they compute themselves to themselves.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use xxhash_rust::xxh3::xxh3_64;

use super::{CacheConfig, FEATURES, make_room};
use crate::error::DataError;

const MAGIC: &[u8; 8] = b"SLFEATUR";
const VERSION: u32 = 1;
const HEADER: usize = 48;
/// Photo, view and check.
const HEAD: usize = 16;
/// The widest row: no network's features have more.
const WIDEST: usize = 1 << 20;

/// Features that were computed before, and those that are computed now.
#[derive(Debug)]
pub struct FeatureCache {
    path: PathBuf,
    width: usize,
    /// The file, locked, where this process may write.
    file: Option<File>,
    /// The place of each row among `values`.
    rows: HashMap<(u32, u32), usize>,
    values: Vec<f32>,
}

impl FeatureCache {
    /// Opens the features with this key, `width` of them a row, or begins an empty cache.
    ///
    /// # Errors
    ///
    /// The folder cannot be written, or the width is none that can be.
    pub fn open(cache: &CacheConfig, key: &[u8; 32], width: usize) -> Result<Self, DataError> {
        if !(1..=WIDEST).contains(&width) {
            return Err(DataError::Setting(format!(
                "{width} features a photo are impossible; use 1 to {WIDEST}"
            )));
        }
        let failed = |source| DataError::CacheWrite {
            dir: cache.dir.clone(),
            source,
        };
        fs::create_dir_all(&cache.dir).map_err(failed)?;
        let hash = blake3::Hash::from_bytes(*key).to_hex();
        let path = cache.dir.join(format!("{}.{FEATURES}", &hash[..32]));
        let mut found = Self {
            file: writable(&path),
            path,
            width,
            rows: HashMap::new(),
            values: Vec::new(),
        };
        let whole = found.read(key).map_err(failed)?;
        if let Some(file) = &mut found.file {
            begin(file, key, width, whole).map_err(failed)?;
            // What was used longest ago goes first.
            let _ = file.set_modified(SystemTime::now());
        }
        make_room(&cache.dir, cache.limit_bytes, &[&found.path]);
        Ok(found)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The features of a photo in a view, if they are there.
    pub fn row(&self, photo: u32, view: u32) -> Option<&[f32]> {
        let at = *self.rows.get(&(photo, view))?;
        Some(&self.values[at * self.width..(at + 1) * self.width])
    }

    /// Adds rows of some photos in one view: `values` is `[photos, width]`. Where the file cannot be written, they are kept in memory
    /// only: what is computed is needed now, and the next time is another matter.
    ///
    /// # Panics
    ///
    /// If there are not as many rows as photos.
    pub fn append(&mut self, photos: &[u32], view: u32, values: &[f32]) {
        assert_eq!(values.len(), photos.len() * self.width, "a row for each photo");
        let mut records = Vec::with_capacity(photos.len() * (HEAD + 4 * self.width));
        for (photo, row) in photos.iter().zip(values.chunks_exact(self.width)) {
            records.extend(record(*photo, view, row));
            self.keep(*photo, view, row);
        }
        let written = self.file.as_mut().map(|file| file.write_all(&records));
        if written.is_some_and(|written| written.is_err()) {
            self.file = None;
        }
    }

    fn keep(&mut self, photo: u32, view: u32, row: &[f32]) {
        self.rows.insert((photo, view), self.values.len() / self.width);
        self.values.extend_from_slice(row);
    }

    /// Reads the records that are whole, and says how many bytes of the file are of records, whole or not; 0 if it is no such file.
    fn read(&mut self, key: &[u8; 32]) -> io::Result<u64> {
        // Not locked: the lock to write is another handle's.
        let mut file = match stepladder_files::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut head = [0; HEADER];
        if file.read_exact(&mut head).is_err() || head != header(key, self.width) {
            return Ok(0);
        }
        let length = HEAD + 4 * self.width;
        let (mut bytes, mut record) = (HEADER as u64, vec![0; length]);
        let mut file = io::BufReader::with_capacity(1 << 20, file);
        while file.read_exact(&mut record).is_ok() {
            bytes += length as u64;
            if let Some((photo, view, row)) = whole(&record) {
                self.keep(photo, view, &row);
            }
        }
        Ok(bytes)
    }
}

/// The file, locked for this process alone; `None` where another has it, or it cannot be written.
fn writable(path: &Path) -> Option<File> {
    // A pipe in its place would be waited for.
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return None;
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .ok()?;
    file.try_lock().ok()?;
    Some(file)
}

/// Makes the file end after `bytes`, which are whole records behind a header; begins it anew where that is 0.
fn begin(file: &mut File, key: &[u8; 32], width: usize, bytes: u64) -> io::Result<()> {
    file.set_len(bytes)?;
    file.seek(SeekFrom::Start(bytes))?;
    match bytes {
        0 => file.write_all(&header(key, width)),
        _ => Ok(()),
    }
}

fn header(key: &[u8; 32], width: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&(width as u32).to_le_bytes());
    header[16..].copy_from_slice(key);
    header
}

fn record(photo: u32, view: u32, row: &[f32]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEAD + 4 * row.len());
    record.extend(photo.to_le_bytes());
    record.extend(view.to_le_bytes());
    record.extend([0; 8]);
    row.iter().for_each(|value| record.extend(value.to_le_bytes()));
    let check = check_of(&record);
    record[8..HEAD].copy_from_slice(&check);
    record
}

/// The check of a record, over all of it but the check itself.
fn check_of(record: &[u8]) -> [u8; 8] {
    let places = xxh3_64(&record[..8]);
    (xxh3_64(&record[HEAD..]) ^ places.rotate_left(17)).to_le_bytes()
}

/// What a record says; `None` of a damaged one.
fn whole(record: &[u8]) -> Option<(u32, u32, Vec<f32>)> {
    if check_of(record) != record[8..HEAD] {
        return None;
    }
    let word = |at: usize| -> [u8; 4] { record[at..at + 4].try_into().unwrap_or_default() };
    let values = (HEAD..record.len())
        .step_by(4)
        .map(|at| f32::from_le_bytes(word(at)));
    Some((
        u32::from_le_bytes(word(0)),
        u32::from_le_bytes(word(4)),
        values.collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn filled(cache: &CacheConfig) -> PathBuf {
        let mut features = FeatureCache::open(cache, &KEY, 3).unwrap();
        features.append(&[4, 9], 0, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        features.append(&[4], 1, &[7.0, 8.0, 9.0]);
        features.path().to_path_buf()
    }

    #[test]
    fn rows_come_back_and_more_can_be_added() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CacheConfig::new(folder.path());
        filled(&cache);
        let mut again = FeatureCache::open(&cache, &KEY, 3).unwrap();
        assert_eq!(again.row(9, 0), Some(&[4.0, 5.0, 6.0][..]));
        assert_eq!(again.row(9, 1), None);
        again.append(&[9], 1, &[0.5, 0.25, -1.0]);
        drop(again);
        let third = FeatureCache::open(&cache, &KEY, 3).unwrap();
        assert_eq!(third.row(9, 1), Some(&[0.5, 0.25, -1.0][..]));
        assert_eq!(third.row(4, 1), Some(&[7.0, 8.0, 9.0][..]));
        // Another key is another file, and a file of another width is none.
        assert_eq!(FeatureCache::open(&cache, &[8; 32], 3).unwrap().row(4, 0), None);
        drop(third);
        assert_eq!(FeatureCache::open(&cache, &KEY, 2).unwrap().row(4, 0), None);
    }

    /// Cut anywhere, and with any bit flipped: what is whole stays, what is not is gone, and new rows are read again.
    #[test]
    fn what_is_damaged_is_gone_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CacheConfig::new(folder.path());
        let path = filled(&cache);
        let bytes = fs::read(&path).unwrap();
        let record = HEAD + 12;
        assert_eq!(bytes.len(), HEADER + 3 * record);
        let places = [(4, 0), (9, 0), (4, 1)];
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            let mut found = FeatureCache::open(&cache, &KEY, 3).unwrap();
            for (at, (photo, view)) in places.into_iter().enumerate() {
                let is_there = length >= HEADER + (at + 1) * record;
                assert_eq!(found.row(photo, view).is_some(), is_there, "{length} bytes");
            }
            found.append(&[77], 0, &[1.0, 1.0, 2.0]);
            drop(found);
            let again = FeatureCache::open(&cache, &KEY, 3).unwrap();
            assert_eq!(again.row(77, 0), Some(&[1.0, 1.0, 2.0][..]), "{length} bytes");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(&path, &damaged).unwrap();
            let found = FeatureCache::open(&cache, &KEY, 3).unwrap();
            for (index, (photo, view)) in places.into_iter().enumerate() {
                let is_hit = at < HEADER || (at - HEADER) / record == index;
                assert_eq!(found.row(photo, view).is_none(), is_hit, "byte {at}");
            }
        }
    }

    #[test]
    fn a_second_process_reads_and_does_not_write() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CacheConfig::new(folder.path());
        let mut first = FeatureCache::open(&cache, &KEY, 1).unwrap();
        first.append(&[1], 0, &[0.5]);
        let mut second = FeatureCache::open(&cache, &KEY, 1).unwrap();
        second.append(&[2], 0, &[0.25]);
        assert_eq!(
            [second.row(1, 0), second.row(2, 0)],
            [Some(&[0.5][..]), Some(&[0.25][..])]
        );
        drop((first, second));
        let third = FeatureCache::open(&cache, &KEY, 1).unwrap();
        assert_eq!([third.row(1, 0), third.row(2, 0)], [Some(&[0.5][..]), None]);
    }
}
