//! All photos of a data set, decoded once: one parallel pass reads every file, hashes its content, decodes, shrinks and
//! writes the pixels to a cache file; from then on photos are read from there, in this run and the next.
//!
//! Pixels go to disk as they come, so memory holds the photos in work and never the set. A photo that does not read back as it was written
//! is made again from its file.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use crate::cache::format::{self, Pixels, Record};
use crate::cache::{self, CacheConfig};
use crate::dataset::Dataset;
use crate::error::{DataError, PhotoError, Skipped};
use crate::parallel::in_parallel;
use crate::photo::RgbPhoto;
use crate::progress::Progress;
use crate::scaling::Scaling;
use crate::source::Source;

/// The decoded photos of a [`Dataset`], by photo number. Cheap to clone; clones share one open file.
#[derive(Debug, Clone)]
pub struct PhotoStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    path: PathBuf,
    names: Vec<Box<str>>,
    photos: Vec<Option<Pixels>>,
    skipped: Vec<Skipped>,
    size: usize,
    origins: Origins,
}

/// Where the photos come from, for those that have to be made again.
#[derive(Debug)]
struct Origins {
    sources: Vec<Arc<dyn Source>>,
    /// Of each photo, its source and its entry there.
    entries: Vec<(u32, u32)>,
    scaling: Scaling,
    side: u32,
}

impl PhotoStore {
    /// Opens the cache of these photos at this size, or builds it.
    ///
    /// Photos are kept as [`CacheConfig::scaling`] says, of `size` pixels, or of their own size where that is smaller. Unreadable ones are listed in
    /// [`skipped`](Self::skipped); none readable is an error. A cache that is damaged, of another version or incomplete is
    /// built anew. Two processes may build the same at once.
    pub fn open_or_build(
        dataset: &Dataset,
        size: usize,
        cache: &CacheConfig,
        progress: &dyn Progress,
    ) -> Result<Self, DataError> {
        let Some(side) = u32::try_from(size)
            .ok()
            .filter(|side| (1..=u32::from(u16::MAX)).contains(side))
        else {
            return Err(DataError::Setting(format!(
                "a photo size of {size} is impossible; use 1 to {}",
                u16::MAX
            )));
        };
        let key = key_of(dataset, cache.scaling);
        let path = cache::path_for(&cache.dir, &key, side);
        let known = cache::open(&path).ok().and_then(|file| {
            let records = format::read(&file, &key, side, dataset.photos.len())?;
            let complete = !records.iter().any(|record| matches!(record, Record::NotRead(_)));
            complete.then_some((file, records))
        });
        let (file, records) = match known {
            Some(known) => known,
            None => {
                let failed = |source| DataError::CacheWrite {
                    dir: cache.dir.clone(),
                    source,
                };
                let unfinished = cache::create(&cache.dir).map_err(failed)?;
                let records = build(dataset, side, unfinished.as_file(), &key, cache, progress)?;
                (cache::publish(unfinished, &path).map_err(failed)?, records)
            }
        };
        cache::make_room(&cache.dir, cache.limit_bytes, &path);
        let origins = Origins {
            sources: dataset.sources.clone(),
            entries: dataset
                .photos
                .iter()
                .map(|photo| (photo.source, photo.entry))
                .collect(),
            scaling: cache.scaling,
            side,
        };
        Self::new(dataset, size, file, path, records, origins)
    }

    fn new(
        dataset: &Dataset,
        size: usize,
        file: File,
        path: PathBuf,
        records: Vec<Record>,
        origins: Origins,
    ) -> Result<Self, DataError> {
        let mut skipped = Vec::new();
        let mut photos = Vec::with_capacity(records.len());
        for (photo, record) in dataset.photos.iter().zip(records) {
            photos.push(match record {
                Record::Readable(pixels) => Some(pixels),
                Record::Unusable(reason) | Record::NotRead(reason) => {
                    skipped.push(Skipped {
                        name: photo.name.clone(),
                        reason,
                    });
                    None
                }
            });
        }
        if photos.iter().all(Option::is_none) {
            let example = skipped.first().cloned();
            return Err(DataError::NoPhotos {
                name: dataset.origin.clone(),
                skipped: skipped.len(),
                example,
            });
        }
        let names = dataset
            .photos
            .iter()
            .map(|photo| Box::from(photo.name.as_str()))
            .collect();
        Ok(Self {
            inner: Arc::new(Inner {
                file,
                path,
                names,
                photos,
                skipped,
                size,
                origins,
            }),
        })
    }

    /// Number of photos, readable or not.
    pub fn len(&self) -> usize {
        self.inner.photos.len()
    }

    /// Whether there are no photos; a store has at least one.
    pub fn is_empty(&self) -> bool {
        self.inner.photos.is_empty()
    }

    /// The side that photos were shrunk to.
    pub fn size(&self) -> usize {
        self.inner.size
    }

    /// The cache file.
    pub fn path(&self) -> &std::path::Path {
        &self.inner.path
    }

    /// Photos that the pass could not read, with reasons, sorted by name. Files that were set aside before are in
    /// [`Dataset::skipped`].
    pub fn skipped(&self) -> &[Skipped] {
        &self.inner.skipped
    }

    /// Whether a photo could be read.
    pub fn is_readable(&self, photo: u32) -> bool {
        self.pixels(photo).is_some()
    }

    /// blake3 of the photo's file; the same for exact duplicates. `None` for unreadable photos.
    pub fn content_hash(&self, photo: u32) -> Option<[u8; 32]> {
        self.pixels(photo).map(|pixels| pixels.content)
    }

    /// Width and height as cached. `None` for unreadable photos.
    pub fn dimensions(&self, photo: u32) -> Option<(u32, u32)> {
        self.pixels(photo).map(|pixels| (pixels.width, pixels.height))
    }

    /// Reads a photo from the cache, or makes it again from its file where the cache is damaged. An unreadable photo is an error, and so is
    /// one whose file has changed meanwhile.
    pub fn photo(&self, photo: u32) -> Result<RgbPhoto, DataError> {
        self.photo_in(photo, Vec::new())
    }

    /// [`photo`](Self::photo) in the memory of an earlier one.
    pub(crate) fn photo_in(&self, photo: u32, memory: Vec<u8>) -> Result<RgbPhoto, DataError> {
        let failed = |reason: String| DataError::CacheRead {
            file: self.inner.path.clone(),
            photo: self.name(photo),
            reason,
        };
        let pixels = self
            .pixels(photo)
            .ok_or_else(|| failed(String::from("it was never readable")))?;
        pixels.read(&self.inner.file, memory).or_else(|damage| {
            self.made_again(photo, pixels)
                .map_err(|reason| failed(format!("{damage}, and {reason}")))
        })
    }

    /// The photo from its file, as it was when the cache was made; and the cache mended, if that can be.
    fn made_again(&self, photo: u32, pixels: &Pixels) -> Result<RgbPhoto, String> {
        let Origins {
            sources,
            entries,
            scaling,
            side,
        } = &self.inner.origins;
        let &(source, entry) = entries.get(photo as usize).ok_or("it has no file")?;
        let source = sources.get(source as usize).ok_or("it has no source")?;
        let reader = source.reader().map_err(|error| error.to_string())?;
        let unreadable = |error: PhotoError| format!("its file cannot be used: {error}");
        let content = reader.read(entry).map_err(unreadable)?;
        let made = scaling
            .shrink(&content.decode().map_err(unreadable)?, *side)
            .into_owned();
        if !pixels.are_of(&content.hash(), &made) {
            return Err(String::from("its file is another than when the cache was made"));
        }
        // Whatever refuses this, the next reader makes the photo again.
        let _ = cache::open_to_mend(&self.inner.path, &self.inner.file)
            .and_then(|file| pixels.write(&file, &made));
        Ok(made)
    }

    fn pixels(&self, photo: u32) -> Option<&Pixels> {
        self.inner.photos.get(photo as usize)?.as_ref()
    }

    fn name(&self, photo: u32) -> String {
        self.inner
            .names
            .get(photo as usize)
            .map_or_else(|| format!("photo {photo}"), |name| String::from(&**name))
    }
}

/// What a cache must have been made from, and how, to serve this data.
fn key_of(dataset: &Dataset, scaling: Scaling) -> [u8; 32] {
    let mut key = blake3::Hasher::new();
    key.update(match scaling {
        Scaling::Bilinear => b"bilinear",
        Scaling::Lanczos => b"lanczos\0",
    });
    for source in &dataset.sources {
        source.fingerprint(&mut key);
    }
    for photo in &dataset.photos {
        key.update(photo.name.as_bytes())
            .update(b"\0")
            .update(&photo.source.to_le_bytes());
        dataset.sources[photo.source as usize].fingerprint_entry(photo.entry, &mut key);
    }
    *key.finalize().as_bytes()
}

/// A photo's content hash and pixels, or why there are none.
type Decoded = Result<([u8; 32], RgbPhoto), PhotoError>;

fn build(
    dataset: &Dataset,
    size: u32,
    file: &File,
    key: &[u8; 32],
    cache: &CacheConfig,
    progress: &dyn Progress,
) -> Result<Vec<Record>, DataError> {
    let readers = dataset.readers()?;
    let work = |photo: usize| -> Decoded {
        let photo = &dataset.photos[photo];
        let content = readers[photo.source as usize].read(photo.entry)?;
        let decoded = content.decode()?;
        Ok((content.hash(), cache.scaling.shrink(&decoded, size).into_owned()))
    };
    let mut records = vec![Record::NotRead(String::new()); dataset.photos.len()];
    progress.start(records.len() as u64, "photos");
    let failed = |source| DataError::CacheWrite {
        dir: cache.dir.clone(),
        source,
    };
    let mut writer = format::Writer::new(file).map_err(failed)?;
    let outcome = in_parallel(records.len(), cache.threads, work, |photo, decoded| {
        if progress.is_cancelled() {
            return Err(DataError::Cancelled);
        }
        records[photo] = match decoded {
            Ok((content, photo)) => Record::Readable(writer.append(content, &photo).map_err(failed)?),
            Err(e @ PhotoError::Read(_)) => Record::NotRead(e.to_string()),
            Err(e) => Record::Unusable(e.to_string()),
        };
        progress.advance(1);
        Ok(())
    });
    progress.finish();
    outcome?;
    writer.finish(key, size, &records).map_err(failed)?;
    Ok(records)
}
