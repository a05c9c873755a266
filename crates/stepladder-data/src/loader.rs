//! Batches for the trainer, made ahead by threads of their own. Order and content follow from seed and epoch alone; how many
//! threads there are, and how fast the trainer is, changes nothing.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use rayon::prelude::*;
use stepladder_model::ImageSize;

use crate::augment::{Augmentation, Showing};
use crate::error::DataError;
use crate::images::{Images, ImagesPool};
use crate::mixing::Mixing;
use crate::random::{Purpose, Stream};
use crate::store::PhotoStore;

thread_local! {
    /// The memory of a photo that was read, for the next one.
    static CACHED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How a [`Loader`] makes batches.
#[derive(Debug, Clone)]
pub struct LoaderConfig {
    /// Photos per batch; the last of an epoch may have fewer.
    pub batch_size: usize,
    /// Height and width of the delivered photos.
    pub size: ImageSize,
    /// Another order in each epoch, else the order given.
    pub shuffle: bool,
    /// Decides order and augmentation.
    pub seed: u64,
    /// What is done to the photos.
    pub augmentation: Augmentation,
    /// What is done to batches.
    pub mixing: Mixing,
    /// Threads that make batches.
    pub threads: usize,
    /// What batches made ahead may take, in bytes. One is always made ahead.
    pub prefetch_bytes: usize,
}

impl LoaderConfig {
    /// Batches in the given order, without augmentation, with one thread and 256 MiB ahead.
    pub fn new(batch_size: usize, size: impl Into<ImageSize>) -> Self {
        Self {
            batch_size,
            size: size.into(),
            shuffle: false,
            seed: 0,
            augmentation: Augmentation::none(),
            mixing: Mixing::default(),
            threads: 1,
            prefetch_bytes: 256 << 20,
        }
    }

    /// The batches of an epoch for which nothing else is said.
    fn shape(&self) -> BatchShape {
        BatchShape {
            size: self.size,
            batch_size: self.batch_size,
        }
    }

    /// Batches of this shape that are made ahead.
    fn ahead(&self, shape: BatchShape) -> usize {
        let values = shape.batch_size.saturating_mul(shape.size.values());
        let batch_bytes = values.saturating_mul(size_of::<f32>());
        (self.prefetch_bytes / batch_bytes.max(1)).max(1)
    }
}

/// What the batches of an epoch are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchShape {
    /// Height and width of the delivered photos.
    pub size: ImageSize,
    /// Photos per batch; the last of an epoch may have fewer.
    pub batch_size: usize,
}

/// Some photos, ready for the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The photos' values.
    pub images: Images,
    /// `N` classes.
    pub labels: Vec<u32>,
    /// Where photos were mixed, the class of the other photo and the first one's share, `N` of them; else empty.
    pub mixed: Vec<(u32, f32)>,
    /// `N` photo numbers.
    pub photos: Vec<u32>,
}

/// Delivers a list of photos in batches, epoch after epoch.
#[derive(Debug)]
pub struct Loader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: PhotoStore,
    labels: Vec<u32>,
    photos: Vec<u32>,
    config: LoaderConfig,
    pool: rayon::ThreadPool,
    memory: ImagesPool,
}

impl Loader {
    /// A loader of the photos with the numbers `photos`. `labels` holds the class of every photo of the store, by photo
    /// number, as [`Dataset::labels`](crate::Dataset::labels) gives them.
    ///
    /// Fails where a photo is not in the store, was unreadable, or has no label, and where a size is zero.
    pub fn new(
        store: &PhotoStore,
        labels: &[u32],
        photos: &[u32],
        config: LoaderConfig,
    ) -> Result<Self, DataError> {
        if config.batch_size == 0 || config.size.short_side() == 0 {
            return Err(DataError::Setting(String::from(
                "the batch size and the photo size must be at least 1",
            )));
        }
        if let Some(photo) = photos
            .iter()
            .find(|&&p| !store.is_readable(p) || p as usize >= labels.len())
        {
            return Err(DataError::Setting(format!(
                "photo {photo} is not readable or has no label"
            )));
        }
        if config.augmentation.cuts_whole_photos() && !store.has_whole_photos() {
            return Err(DataError::Setting(String::from(
                "this augmentation cuts its pictures out of whole photos, and the cache holds none",
            )));
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(config.threads.max(1))
            .thread_name(|n| format!("loader-{n}"))
            .build()
            .map_err(|e| {
                DataError::Setting(format!("cannot start {} loader threads: {e}", config.threads))
            })?;
        let (labels, photos) = (labels.to_vec(), photos.to_vec());
        // A batch comes back as often as one is made. More would hold memory from the end of an epoch to the next.
        let memory = ImagesPool::new(2);
        Ok(Self {
            shared: Arc::new(Shared {
                store: store.clone(),
                labels,
                photos,
                config,
                pool,
                memory,
            }),
        })
    }

    /// Number of photos in an epoch.
    pub fn len(&self) -> usize {
        self.shared.photos.len()
    }

    /// Whether an epoch has no photos.
    pub fn is_empty(&self) -> bool {
        self.shared.photos.is_empty()
    }

    /// Number of batches in an epoch.
    pub fn batches(&self) -> usize {
        self.len().div_ceil(self.shared.config.batch_size)
    }

    /// The batches of epoch `epoch`. Making them begins at once.
    pub fn epoch(&self, epoch: u64) -> Epoch {
        self.epoch_from(epoch, 0)
    }

    /// As [`epoch`](Self::epoch), without the first `skip` batches, to go on where a run was interrupted. They cost no time.
    pub fn epoch_from(&self, epoch: u64, skip: usize) -> Epoch {
        self.epoch_of(epoch, skip, self.shared.config.shape())
    }

    /// As [`epoch_from`](Self::epoch_from), in batches of another shape than the loader's own.
    pub fn epoch_of(&self, epoch: u64, skip: usize, shape: BatchShape) -> Epoch {
        // The thread itself holds one batch that waits to be sent.
        let (sender, batches) = crossbeam_channel::bounded(self.shared.config.ahead(shape) - 1);
        let shared = Arc::clone(&self.shared);
        let made = std::thread::Builder::new()
            .name(String::from("prefetch"))
            .spawn(move || shared.make_epoch(epoch, skip, shape, &sender));
        let (maker, refused) = match made {
            Ok(maker) => (Some(maker), None),
            Err(e) => (
                None,
                Some(DataError::Setting(format!("cannot start a loader thread: {e}"))),
            ),
        };
        Epoch {
            batches: Some(batches),
            maker,
            refused,
            waited: Duration::ZERO,
        }
    }
}

impl Shared {
    fn order(&self, epoch: u64) -> Vec<u32> {
        let mut order = self.photos.clone();
        if self.config.shuffle {
            Stream::new(Purpose::Order, self.config.seed, epoch, 0).shuffle(&mut order);
        }
        order
    }

    fn make_epoch(
        &self,
        epoch: u64,
        skip: usize,
        shape: BatchShape,
        sender: &Sender<Result<Batch, DataError>>,
    ) {
        let order = self.order(epoch);
        let batches = order.chunks(shape.batch_size).enumerate().skip(skip);
        for (index, photos) in batches {
            let batch = self.make_batch(epoch, index as u64, photos, shape.size);
            let failed = batch.is_err();
            // Nobody receives any more once the epoch is dropped.
            if sender.send(batch).is_err() || failed {
                return;
            }
        }
    }

    fn make_batch(
        &self,
        epoch: u64,
        index: u64,
        photos: &[u32],
        size: ImageSize,
    ) -> Result<Batch, DataError> {
        let mut images = self.memory.take(photos.len() * size.values());
        self.pool.install(|| {
            images
                .par_chunks_exact_mut(size.values())
                .zip(photos)
                .try_for_each(|(out, &photo)| self.load(epoch, photo, size, out))
        })?;
        let labels = photos.iter().map(|&photo| self.labels[photo as usize]).collect();
        let mut batch = Batch {
            images,
            labels,
            mixed: Vec::new(),
            photos: photos.to_vec(),
        };
        let LoaderConfig { mixing, seed, .. } = self.config;
        self.pool
            .install(|| mixing.apply(&mut batch, size, seed, epoch, index));
        Ok(batch)
    }

    fn load(&self, epoch: u64, photo: u32, size: ImageSize, out: &mut [f32]) -> Result<(), DataError> {
        let LoaderConfig {
            augmentation, seed, ..
        } = &self.config;
        let showing = Showing {
            seed: *seed,
            epoch,
            photo,
        };
        let cached = match augmentation.cuts_whole_photos() {
            true => self.store.whole_photo_in(photo, CACHED.take())?,
            false => self.store.photo_in(photo, CACHED.take())?,
        };
        match augmentation.cuts_whole_photos() {
            true => augmentation.cut(&self.store.scaling().uncut(&cached, size), size, showing, out),
            false => {
                let input = self.store.scaling().input(&cached, size);
                augmentation.apply(&input, showing, out);
            }
        }
        CACHED.set(cached.into_pixels());
        Ok(())
    }
}

/// The batches of one epoch, in order. After an error, which names the photo, it ends. Dropping it ends its thread.
#[derive(Debug)]
pub struct Epoch {
    batches: Option<Receiver<Result<Batch, DataError>>>,
    maker: Option<JoinHandle<()>>,
    refused: Option<DataError>,
    waited: Duration,
}

impl Epoch {
    /// How long [`next`](Iterator::next) has kept its caller waiting so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.refused.take() {
            return Some(Err(error));
        }
        let start = Instant::now();
        let batch = self.batches.as_ref()?.recv().ok();
        self.waited += start.elapsed();
        // The thread hangs up when it is done; an epoch must not end early because it died.
        batch.or_else(|| {
            let died = self.maker.take()?.join().is_err();
            died.then_some(Err(DataError::LoaderDied))
        })
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        // Without a receiver the thread's next send fails, so that it ends after the batch in work.
        self.batches = None;
        if let Some(maker) = self.maker.take() {
            let _ = maker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_dies_is_an_error_and_no_early_end() {
        let (sender, batches) = crossbeam_channel::bounded(1);
        let maker = std::thread::spawn(move || {
            drop(sender);
            panic!("as if by a mistake in augmentation");
        });
        let mut epoch = Epoch {
            batches: Some(batches),
            maker: Some(maker),
            refused: None,
            waited: Duration::ZERO,
        };
        assert!(matches!(epoch.next(), Some(Err(DataError::LoaderDied))));
        assert!(epoch.next().is_none());
    }
}
