//! Stepladder's side of `bench/loader`: `loader cold|cached FOLDER SIZE THREADS EPOCHS` prints its photos per second as JSON.
//!
//! `cold` is the first epoch from the files on: listing, decoding, shrinking, writing the cache, and augmented batches out of it. `cached`
//! is later epochs, from the cache to augmented batches.

use std::error::Error;
use std::time::Instant;

use stepladder_data::{
    Augmentation, CacheConfig, DataRequest, Dataset, Loader, LoaderConfig, NoProgress, PhotoStore,
};
use stepladder_model::ImageDataGenerator;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [case, folder, size, threads, epochs] = arguments.as_slice() else {
        return Err("write: loader cold|cached FOLDER SIZE THREADS EPOCHS".into());
    };
    let (size, threads, epochs): (usize, usize, u64) = (size.parse()?, threads.parse()?, epochs.parse()?);
    let cache = tempfile::tempdir()?;
    let cache = CacheConfig::new(cache.path()).with_threads(threads);
    let open = || -> Result<Loader, Box<dyn Error>> {
        let dataset = Dataset::open(&DataRequest::path(folder))?;
        let store = PhotoStore::open_or_build(&dataset, size, &cache, &NoProgress)?;
        let config = LoaderConfig {
            shuffle: true,
            augmentation: Augmentation::new(Some(&generator()), &[]),
            threads,
            ..LoaderConfig::new(32, size)
        };
        let photos: Vec<u32> = (0..store.len() as u32).collect();
        Ok(Loader::new(&store, &dataset.labels(), &photos, config)?)
    };
    let start = Instant::now();
    let loader = open()?;
    let start = if case == "cold" { start } else { Instant::now() };
    let mut photos = 0;
    for epoch in 0..epochs {
        for batch in loader.epoch(epoch) {
            photos += batch?.labels.len();
        }
    }
    let per_second = photos as f64 / start.elapsed().as_secs_f64();
    println!("{{\"images_per_second\": {per_second}}}");
    Ok(())
}

/// The augmentation of the ladder's m13 in kind: turned, moved, sheared, zoomed, mirrored, lit.
fn generator() -> ImageDataGenerator {
    ImageDataGenerator {
        rotation_range: 45.0,
        width_shift_range: 0.05,
        height_shift_range: 0.05,
        shear_range: 3.0,
        zoom_range: [0.9, 1.1],
        horizontal_flip: true,
        brightness_range: Some([0.8, 1.2]),
        ..ImageDataGenerator::default()
    }
}
