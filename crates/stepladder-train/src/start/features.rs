//! What a frozen network makes of each photo, computed once in a few fixed views and kept beside the photos' cache.

use crate::error::TrainError;
use crate::preparation::{Prepared, TrainingRequest};
use stepladder_classifier::mirrored;
use stepladder_data::{DataError, FeatureCache, Loader, LoaderConfig, Progress};
use stepladder_model::ImageSize;
use stepladder_nn::Model;

/// Changes when features of the same photos and weights would be others.
const VERSION: &str = "features 1";

/// Photos that go through the network between two looks at the cache: a kill loses no more.
const TOGETHER: usize = 32;

/// Batches made ahead: the network takes longer than the loader.
const AHEAD: usize = 16 << 20;

/// How a photo is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// As in asking: the square that the network sees.
    Plain = 0,
    /// The same, left and right exchanged.
    Mirrored = 1,
}

/// The features of all photos of a training.
#[derive(Debug)]
pub(super) struct Features {
    cache: FeatureCache,
    /// Features of a photo.
    pub width: usize,
}

impl Features {
    /// Computes what is not in the cache: each photo plain, and those of the training part mirrored.
    pub fn compute(
        request: &TrainingRequest,
        prepared: &Prepared,
        progress: &dyn Progress,
    ) -> Result<Features, TrainError> {
        let model = request.initial_model(prepared, request.seed)?;
        let key = key(request, prepared, &model);
        let model = model.with_precision(request.precision).folded();
        let width = width(&model);
        let mut cache = FeatureCache::open(&request.cache, &key, width)?;
        let split = &prepared.split;
        let parts = [
            (&split.train, &[View::Plain, View::Mirrored][..]),
            (&split.validation, &[View::Plain]),
            (&split.test, &[View::Plain]),
        ];
        let missing = |photo: u32, views: &[View]| {
            let is_missing = |view: &&View| cache.row(photo, **view as u32).is_none();
            views.iter().filter(is_missing).copied().collect::<Vec<View>>()
        };
        let mut work: Vec<(u32, Vec<View>)> = Vec::new();
        for (photos, views) in parts {
            work.extend(photos.iter().map(|&photo| (photo, missing(photo, views))));
        }
        work.retain(|(_, views)| !views.is_empty());
        compute(request, prepared, &model, &work, &mut cache, progress)?;
        Ok(Features { cache, width })
    }

    /// The rows of some photos in a view, one after the other.
    ///
    /// # Panics
    ///
    /// One was not computed.
    pub fn rows(&self, photos: &[u32], view: View) -> Vec<f32> {
        let row = |photo: &u32| {
            self.cache
                .row(*photo, view as u32)
                .expect("a view that was computed")
        };
        photos.iter().flat_map(row).copied().collect()
    }
}

fn compute(
    request: &TrainingRequest,
    prepared: &Prepared,
    model: &Model,
    work: &[(u32, Vec<View>)],
    cache: &mut FeatureCache,
    progress: &dyn Progress,
) -> Result<(), TrainError> {
    if work.is_empty() {
        return Ok(());
    }
    let photos: Vec<u32> = work.iter().map(|(photo, _)| *photo).collect();
    let config = LoaderConfig {
        threads: request.threads,
        prefetch_bytes: AHEAD,
        ..LoaderConfig::new(TOGETHER, prepared.size)
    };
    let loader = Loader::new(&prepared.store, &prepared.labels, &photos, config)?;
    progress.start(photos.len() as u64, "features");
    let mut outcome = Ok(());
    for (batch, work) in loader.epoch(0).zip(work.chunks(TOGETHER)) {
        let batch = batch?;
        let image = batch.images.len() / work.len();
        for view in [View::Plain, View::Mirrored] {
            let wanted: Vec<usize> = (0..work.len()).filter(|&at| work[at].1.contains(&view)).collect();
            let images: Vec<f32> = wanted
                .iter()
                .flat_map(|&at| &batch.images[at * image..(at + 1) * image])
                .copied()
                .collect();
            let images = match view {
                View::Plain => images,
                View::Mirrored => mirrored(&images, prepared.size.width),
            };
            let photos: Vec<u32> = wanted.iter().map(|&at| work[at].0).collect();
            if !photos.is_empty() {
                cache.append(&photos, view as u32, &model.features(images, photos.len()));
            }
        }
        progress.advance(work.len() as u64);
        if progress.is_cancelled() {
            outcome = Err(DataError::Cancelled.into());
            break;
        }
    }
    progress.finish();
    outcome
}

/// Values that the head reads of a photo.
fn width(model: &Model) -> usize {
    let graph = model.graph();
    let source = graph
        .head()
        .map_or(graph.logits(), |head| graph.operations[head].inputs[0]);
    graph.shape(source).count() as usize
}

/// What features depend on: photos and how they are read, the network up to its head with its weights, and how it computes.
fn key(request: &TrainingRequest, prepared: &Prepared, model: &Model) -> [u8; 32] {
    let mut key = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        key.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    part(VERSION.as_bytes());
    part(env!("CARGO_PKG_VERSION").as_bytes());
    part(
        prepared
            .store
            .path()
            .file_name()
            .unwrap_or_default()
            .as_encoded_bytes(),
    );
    let ImageSize { height, width } = prepared.size;
    part(&(height as u64).to_le_bytes());
    if width != height {
        part(&(width as u64).to_le_bytes());
    }
    part(request.precision.to_string().as_bytes());
    part(request.device.to_string().as_bytes());
    part(request.device.instruction_set().unwrap_or_default().as_bytes());
    let graph = model.graph();
    let operations = graph.head().unwrap_or(graph.operations.len());
    part(format!("{:?}", &graph.operations[..operations]).as_bytes());
    let used = graph.operations[..operations]
        .iter()
        .flat_map(|operation| operation.op.parameters());
    let arrays = model.to_arrays();
    for id in used {
        let array = &arrays[id.0];
        part(format!("{} {:?}", array.name, array.shape).as_bytes());
        part(bytemuck::cast_slice(&array.values));
    }
    *key.finalize().as_bytes()
}
