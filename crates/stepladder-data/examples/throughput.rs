//! How fast photos are read, decoded and shrunk into the cache, and how fast batches come out of it:
//! `cargo run --release -p stepladder-data --example throughput -- photos.zip [size] [threads]`

use std::error::Error;
use std::time::Instant;

use stepladder_data::{
    Augmentation, CacheConfig, DataRequest, Dataset, Loader, LoaderConfig, NoProgress, PhotoStore,
};
use stepladder_model::{
    ColorJitter, FillMode, FlipMode, ImageDataGenerator, RandomBrightness, RandomFlip, RandomResizedCrop,
    RandomRotation, RandomTransform, RandomTranslation, RandomZoom, TrivialAugmentWide,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a zip, a folder or a table")?;
    let size: usize = arguments.next().map_or(Ok(128), |text| text.parse())?;
    let threads: usize = match arguments.next() {
        Some(text) => text.parse()?,
        None => std::thread::available_parallelism()?.into(),
    };

    let start = Instant::now();
    let dataset = Dataset::open(&DataRequest::path(path))?;
    println!(
        "list      {:8.1} ms, {} photos",
        start.elapsed().as_secs_f64() * 1e3,
        dataset.photos.len()
    );

    let start = Instant::now();
    let side = dataset.typical_short_side();
    println!(
        "sample    {:8.1} ms, short side {side:?}",
        start.elapsed().as_secs_f64() * 1e3
    );

    let cache = tempfile::tempdir()?;
    let config = CacheConfig::new(cache.path()).with_threads(threads);
    let photos = dataset.photos.len() as f64;
    for what in ["build", "reopen"] {
        let start = Instant::now();
        PhotoStore::open_or_build(&dataset, size, &config, &NoProgress)?;
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{what:8}  {:8.1} ms, {:.0} photos/s",
            seconds * 1e3,
            photos / seconds
        );
    }

    let store = PhotoStore::open_or_build(&dataset, size, &config.with_whole_photos(true), &NoProgress)?;
    let readable: Vec<u32> = (0..store.len() as u32)
        .filter(|&photo| store.is_readable(photo))
        .collect();
    let augmentations = [
        ("plain", Augmentation::none()),
        ("generator", Augmentation::new(Some(&generator()), &[])),
        ("layers", Augmentation::new(None, &layers())),
        ("crop", Augmentation::new(None, &crop(None))),
        ("turned", Augmentation::new(None, &crop(Some(0.05)))),
        ("colors", with(&crop(None), jitter(0.1))),
        ("no hue", with(&crop(None), jitter(0.0))),
        ("trivial", with(&crop(None), trivial())),
    ];
    let half = augmentations[3..5].to_vec();
    let of = |size| move |(name, augmentation)| (name, size, augmentation);
    let runs = augmentations.into_iter().map(of(size));
    for (name, size, augmentation) in runs.chain(half.into_iter().map(of(size / 2))) {
        let config = LoaderConfig {
            shuffle: true,
            augmentation,
            threads,
            ..LoaderConfig::new(32, size)
        };
        let loader = Loader::new(&store, &dataset.labels(), &readable, config)?;
        let start = Instant::now();
        for batch in loader.epoch(0) {
            batch?;
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{name:9} {:8.1} ms, {:.0} photos/s at {size} pixels",
            seconds * 1e3,
            readable.len() as f64 / seconds
        );
    }
    Ok(())
}

fn with(crop: &[RandomTransform], layer: RandomTransform) -> Augmentation {
    Augmentation::new(None, &[crop, &[layer]].concat())
}

fn jitter(hue: f32) -> RandomTransform {
    RandomTransform::ColorJitter(ColorJitter {
        brightness: [0.7, 1.3],
        contrast: [0.7, 1.3],
        saturation: [0.7, 1.3],
        hue: [-hue, hue],
    })
}

fn trivial() -> RandomTransform {
    RandomTransform::TrivialAugmentWide(TrivialAugmentWide {
        num_magnitude_bins: 31,
        fill_value: 0.0,
    })
}

/// A crop that is mirrored, and turned by up to this share of a full turn.
fn crop(factor: Option<f32>) -> Vec<RandomTransform> {
    let crop = RandomTransform::ResizedCrop(RandomResizedCrop {
        scale: [0.35, 1.0],
        ratio: RandomResizedCrop::RATIO,
    });
    let flip = RandomTransform::Flip(RandomFlip {
        mode: FlipMode::Horizontal,
        alternating: true,
    });
    let rotation = factor.map(|factor| {
        RandomTransform::Rotation(RandomRotation {
            factor: [-factor, factor],
            fill_mode: FillMode::Reflect,
            fill_value: 0.0,
        })
    });
    [crop, flip].into_iter().chain(rotation).collect()
}

/// The deck's earlier augmentation.
fn generator() -> ImageDataGenerator {
    ImageDataGenerator {
        rotation_range: 45.0,
        width_shift_range: 0.05,
        height_shift_range: 0.05,
        shear_range: 0.05,
        zoom_range: [0.9, 1.1],
        horizontal_flip: true,
        brightness_range: Some([0.2, 1.2]),
        ..ImageDataGenerator::default()
    }
}

/// The augmentation of the deck's last model.
fn layers() -> Vec<RandomTransform> {
    let (fill_mode, fill_value) = (FillMode::Reflect, 0.0);
    vec![
        RandomTransform::Rotation(RandomRotation {
            factor: [-0.45, 0.45],
            fill_mode,
            fill_value,
        }),
        RandomTransform::Translation(RandomTranslation {
            height_factor: [-0.05, 0.05],
            width_factor: [-0.05, 0.05],
            fill_mode,
            fill_value,
        }),
        RandomTransform::Zoom(RandomZoom {
            height_factor: [-0.1, 0.1],
            width_factor: Some([-0.1, 0.1]),
            fill_mode,
            fill_value,
        }),
        RandomTransform::Flip(RandomFlip {
            mode: FlipMode::Horizontal,
            alternating: false,
        }),
        RandomTransform::Brightness(RandomBrightness {
            factor: [-0.2, 0.2],
            value_range: [0.0, 1.0],
        }),
    ]
}
