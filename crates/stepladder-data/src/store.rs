//! All photos of a data set, decoded once: one parallel pass reads every file, hashes its content, decodes, shrinks and
//! writes the pixels to a cache file; from then on photos are read from there, in this run and the next.
//!
//! Pixels go to disk as they come, so memory holds the photos in work and never the set. A photo that does not read back as it was written
//! is made again from its file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stepladder_model::ImageSize;

use crate::cache::format::{self, Pixels, Record};
use crate::cache::{self, CacheConfig};
use crate::dataset::Dataset;
use crate::error::{DataError, PhotoError, Skipped};
use crate::parallel::in_parallel;
use crate::photo::RgbPhoto;
use crate::progress::Progress;
use crate::rendition::Rendition;
use crate::scaling::Scaling;
use crate::source::Source;

/// The decoded photos of a [`Dataset`], by photo number. Cheap to clone; clones share one open file.
#[derive(Debug, Clone)]
pub struct PhotoStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    input: Kept,
    whole: Option<Kept>,
    names: Vec<Box<str>>,
    skipped: Vec<Skipped>,
    size: ImageSize,
    scaling: Scaling,
    origins: Origins,
}

/// All photos in one rendition.
#[derive(Debug)]
struct Kept {
    rendition: Rendition,
    file: File,
    path: PathBuf,
    /// `None` for photos that cannot be read.
    photos: Vec<Option<Pixels>>,
}

/// Where the photos come from, for those that have to be made again.
#[derive(Debug)]
struct Origins {
    sources: Vec<Arc<dyn Source>>,
    /// Of each photo, its source and its entry there.
    entries: Vec<(u32, u32)>,
}

/// A cache file with what its index says of each photo.
struct CacheFile {
    rendition: Rendition,
    file: File,
    path: PathBuf,
    records: Vec<Record>,
}

impl PhotoStore {
    /// Opens the cache of these photos at this size, or builds it.
    ///
    /// Photos are kept as [`CacheConfig::scaling`] says, of `size`, or of their own size where that is smaller. Unreadable ones are listed in
    /// [`skipped`](Self::skipped); none readable is an error. A cache that is damaged, of another version or incomplete is
    /// built anew. Two processes may build the same at once.
    pub fn open_or_build(
        dataset: &Dataset,
        size: impl Into<ImageSize>,
        cache: &CacheConfig,
        progress: &dyn Progress,
    ) -> Result<Self, DataError> {
        let size = size.into();
        if size.short_side() == 0 || size.long_side() > usize::from(u16::MAX) {
            return Err(DataError::Setting(format!(
                "a photo size of {size} is impossible; use 1 to {}",
                u16::MAX
            )));
        }
        let mut renditions = vec![Rendition::input(cache.scaling, size)];
        if cache.whole_photos {
            renditions.push(Rendition::whole(size));
        }
        let files = open_or_build(dataset, &renditions, cache, progress)?;
        let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
        cache::make_room(&cache.dir, cache.limit_bytes, &paths);
        Self::new(dataset, size, cache.scaling, files)
    }

    /// `files` hold the photos as input and, if there are two, whole.
    fn new(
        dataset: &Dataset,
        size: ImageSize,
        scaling: Scaling,
        files: Vec<CacheFile>,
    ) -> Result<Self, DataError> {
        let mut skipped = Vec::new();
        let readable: Vec<bool> = (0..dataset.photos.len())
            .map(
                |photo| match files.iter().find_map(|file| file.records[photo].reason()) {
                    Some(reason) => {
                        skipped.push(Skipped {
                            name: dataset.photos[photo].name.clone(),
                            reason: reason.to_owned(),
                        });
                        false
                    }
                    None => true,
                },
            )
            .collect();
        if !readable.contains(&true) {
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
        let mut kept = files.into_iter().map(|file| Kept::new(file, &readable));
        let input = kept.next().expect("photos are always kept as input");
        Ok(Self {
            inner: Arc::new(Inner {
                input,
                whole: kept.next(),
                names,
                skipped,
                size,
                scaling,
                origins: Origins::of(dataset),
            }),
        })
    }

    /// Number of photos, readable or not.
    pub fn len(&self) -> usize {
        self.inner.names.len()
    }

    /// Whether there are no photos; a store has at least one.
    pub fn is_empty(&self) -> bool {
        self.inner.names.is_empty()
    }

    /// The rule by which photos are scaled.
    pub fn scaling(&self) -> Scaling {
        self.inner.scaling
    }

    /// Whether whole photos are kept beside.
    pub fn has_whole_photos(&self) -> bool {
        self.inner.whole.is_some()
    }

    /// The input that photos were shrunk for.
    pub fn size(&self) -> ImageSize {
        self.inner.size
    }

    /// The cache file; that of whole photos is another.
    pub fn path(&self) -> &Path {
        &self.inner.input.path
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

    /// Width and height of the whole photo as cached. `None` for unreadable photos, and where no whole photos are kept.
    pub fn whole_dimensions(&self, photo: u32) -> Option<(u32, u32)> {
        let pixels = self.inner.whole.as_ref()?.pixels(photo)?;
        Some((pixels.width, pixels.height))
    }

    /// Reads a photo from the cache, or makes it again from its file where the cache is damaged. An unreadable photo is an error, and so is
    /// one whose file has changed meanwhile.
    pub fn photo(&self, photo: u32) -> Result<RgbPhoto, DataError> {
        self.photo_in(photo, Vec::new())
    }

    /// [`photo`](Self::photo) in the memory of an earlier one.
    pub(crate) fn photo_in(&self, photo: u32, memory: Vec<u8>) -> Result<RgbPhoto, DataError> {
        self.read(&self.inner.input, photo, memory)
    }

    /// All of a photo, where whole photos are kept, in the memory of an earlier one.
    pub(crate) fn whole_photo_in(&self, photo: u32, memory: Vec<u8>) -> Result<RgbPhoto, DataError> {
        self.read(
            self.inner.whole.as_ref().unwrap_or(&self.inner.input),
            photo,
            memory,
        )
    }

    fn read(&self, kept: &Kept, photo: u32, memory: Vec<u8>) -> Result<RgbPhoto, DataError> {
        let failed = |reason: String| DataError::CacheRead {
            file: kept.path.clone(),
            photo: self.name(photo),
            reason,
        };
        let pixels = kept
            .pixels(photo)
            .ok_or_else(|| failed(String::from("it was never readable")))?;
        pixels.read(&kept.file, memory).or_else(|damage| {
            self.made_again(kept, photo, pixels)
                .map_err(|reason| failed(format!("{damage}, and {reason}")))
        })
    }

    /// The photo from its file, as it was when the cache was made; and the cache mended, if that can be.
    fn made_again(&self, kept: &Kept, photo: u32, pixels: &Pixels) -> Result<RgbPhoto, String> {
        let Origins { sources, entries } = &self.inner.origins;
        let &(source, entry) = entries.get(photo as usize).ok_or("it has no file")?;
        let source = sources.get(source as usize).ok_or("it has no source")?;
        let reader = source.reader().map_err(|error| error.to_string())?;
        let unreadable = |error: PhotoError| format!("its file cannot be used: {error}");
        let content = reader.read(entry).map_err(unreadable)?;
        let decoded = content.decode().map_err(unreadable)?;
        let made = kept.rendition.shrink(&decoded).into_owned();
        if !pixels.are_of(&content.hash(), &made) {
            return Err(String::from("its file is another than when the cache was made"));
        }
        // Whatever refuses this, the next reader makes the photo again.
        let _ = cache::open_to_mend(&kept.path, &kept.file).and_then(|file| pixels.write(&file, &made));
        Ok(made)
    }

    fn pixels(&self, photo: u32) -> Option<&Pixels> {
        self.inner.input.pixels(photo)
    }

    fn name(&self, photo: u32) -> String {
        self.inner
            .names
            .get(photo as usize)
            .map_or_else(|| format!("photo {photo}"), |name| String::from(&**name))
    }
}

impl Origins {
    fn of(dataset: &Dataset) -> Self {
        let photos = dataset.photos.iter();
        Self {
            sources: dataset.sources.clone(),
            entries: photos.map(|photo| (photo.source, photo.entry)).collect(),
        }
    }
}

impl Kept {
    fn new(file: CacheFile, readable: &[bool]) -> Self {
        let pixels = |(record, readable): (Record, &bool)| match record {
            Record::Readable(pixels) => readable.then_some(pixels),
            Record::Unusable(_) | Record::NotRead(_) => None,
        };
        Self {
            photos: file.records.into_iter().zip(readable).map(pixels).collect(),
            rendition: file.rendition,
            file: file.file,
            path: file.path,
        }
    }

    fn pixels(&self, photo: u32) -> Option<&Pixels> {
        self.photos.get(photo as usize)?.as_ref()
    }
}

/// Opens the cache file of each rendition; those that are missing are built, in one pass over the photos.
fn open_or_build(
    dataset: &Dataset,
    renditions: &[Rendition],
    cache: &CacheConfig,
    progress: &dyn Progress,
) -> Result<Vec<CacheFile>, DataError> {
    let open = |rendition| open(dataset, rendition, cache);
    let known: Vec<Option<CacheFile>> = renditions.iter().map(open).collect();
    let missing = renditions.iter().zip(&known).filter(|(_, known)| known.is_none());
    let missing: Vec<Rendition> = missing.map(|(rendition, _)| *rendition).collect();
    let mut built = match missing.is_empty() {
        true => Vec::new(),
        false => build(dataset, &missing, cache, progress)?,
    }
    .into_iter();
    Ok(known
        .into_iter()
        .filter_map(|known| known.or_else(|| built.next()))
        .collect())
}

/// The cache file of a rendition, where there is one that is whole.
fn open(dataset: &Dataset, rendition: &Rendition, cache: &CacheConfig) -> Option<CacheFile> {
    let (key, path) = key_and_path(dataset, rendition, cache);
    let file = cache::open(&path).ok()?;
    let records = format::read(
        &file,
        &key,
        rendition.size.long_side() as u32,
        dataset.photos.len(),
    )?;
    let complete = !records.iter().any(|record| matches!(record, Record::NotRead(_)));
    complete.then_some(CacheFile {
        rendition: *rendition,
        file,
        path,
        records,
    })
}

fn key_and_path(dataset: &Dataset, rendition: &Rendition, cache: &CacheConfig) -> ([u8; 32], PathBuf) {
    let key = key_of(dataset, rendition);
    (key, cache::path_for(&cache.dir, &key, rendition.size))
}

/// What a cache must have been made from, and how, to serve this data.
fn key_of(dataset: &Dataset, rendition: &Rendition) -> [u8; 32] {
    let mut key = blake3::Hasher::new();
    key.update(rendition.tag());
    if !rendition.size.is_square() {
        key.update(rendition.size.to_string().as_bytes());
    }
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

/// A photo's content hash and its pixels in each rendition, or why there are none.
type Decoded = Result<([u8; 32], Vec<RgbPhoto>), PhotoError>;

/// Decodes every photo and writes a cache file for each rendition.
fn build(
    dataset: &Dataset,
    renditions: &[Rendition],
    cache: &CacheConfig,
    progress: &dyn Progress,
) -> Result<Vec<CacheFile>, DataError> {
    let failed = |source| DataError::CacheWrite {
        dir: cache.dir.clone(),
        source,
    };
    let create = |_| cache::create(&cache.dir);
    let unfinished: Vec<_> = renditions
        .iter()
        .map(create)
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    let files: Vec<&File> = unfinished.iter().map(|file| file.as_file()).collect();
    let all_records = write(dataset, renditions, &files, cache, progress)?;
    let publish = |((file, records), rendition): ((tempfile::NamedTempFile, Vec<Record>), &Rendition)| {
        let (_, path) = key_and_path(dataset, rendition, cache);
        let file = cache::publish(file, &path).map_err(failed)?;
        Ok(CacheFile {
            rendition: *rendition,
            file,
            path,
            records,
        })
    };
    unfinished
        .into_iter()
        .zip(all_records)
        .zip(renditions)
        .map(publish)
        .collect()
}

/// Writes each rendition of every photo to its file, and gives the records of each file.
fn write(
    dataset: &Dataset,
    renditions: &[Rendition],
    files: &[&File],
    cache: &CacheConfig,
    progress: &dyn Progress,
) -> Result<Vec<Vec<Record>>, DataError> {
    let readers = dataset.readers()?;
    let work = |photo: usize| -> Decoded {
        let photo = &dataset.photos[photo];
        let content = readers[photo.source as usize].read(photo.entry)?;
        let decoded = content.decode()?;
        let shrink = |rendition: &Rendition| rendition.shrink(&decoded).into_owned();
        Ok((content.hash(), renditions.iter().map(shrink).collect()))
    };
    let photos = dataset.photos.len();
    let mut all_records = vec![vec![Record::NotRead(String::new()); photos]; renditions.len()];
    progress.start(photos as u64, "photos");
    let failed = |source| DataError::CacheWrite {
        dir: cache.dir.clone(),
        source,
    };
    let writers: Result<Vec<_>, _> = files.iter().map(|file| format::Writer::new(file)).collect();
    let mut writers = writers.map_err(failed)?;
    let outcome = in_parallel(photos, cache.threads, work, |photo, decoded| {
        if progress.is_cancelled() {
            return Err(DataError::Cancelled);
        }
        for (number, records) in all_records.iter_mut().enumerate() {
            records[photo] = match &decoded {
                Ok((content, kept)) => {
                    let pixels = writers[number].append(*content, &kept[number]);
                    Record::Readable(pixels.map_err(failed)?)
                }
                Err(e @ PhotoError::Read(_)) => Record::NotRead(e.to_string()),
                Err(e) => Record::Unusable(e.to_string()),
            };
        }
        progress.advance(1);
        Ok(())
    });
    progress.finish();
    outcome?;
    for ((writer, records), rendition) in writers.into_iter().zip(&all_records).zip(renditions) {
        let key = key_of(dataset, rendition);
        writer
            .finish(&key, rendition.size.long_side() as u32, records)
            .map_err(failed)?;
    }
    Ok(all_records)
}
