//! How many copies are found, and how many photos are taken for copies that are none:
//! `cargo run --release -p stepladder-inspection --example recall -- photos.zip`
//!
//! Each photo is copied in several ways into a folder beside the others; a copy is found if it is in a group with its original. Groups of
//! originals are printed by name, for a person to judge.

use std::error::Error;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, flip_horizontal, resize, rotate90, rotate180};
use image::{DynamicImage, RgbImage};
use stepladder_data::{CacheConfig, DataRequest, Dataset, NoProgress, PhotoStore};
use stepladder_inspection::near_groups;

/// A way of copying, and the quality of the JPEG.
type Way = (&'static str, fn(&RgbImage) -> RgbImage, u8);

const WAYS: [Way; 7] = [
    ("quality 95", Clone::clone, 95),
    ("quality 40", Clone::clone, 40),
    (
        "half the size",
        |photo| resize(photo, photo.width() / 2, photo.height() / 2, FilterType::Lanczos3),
        85,
    ),
    ("mirrored", flip_horizontal, 85),
    ("a quarter turn", rotate90, 85),
    ("upside down", rotate180, 85),
    (
        "a turn, mirrored, small",
        |photo| {
            let photo = resize(
                photo,
                photo.width() * 2 / 3,
                photo.height() * 2 / 3,
                FilterType::Triangle,
            );
            flip_horizontal(&rotate90(&photo))
        },
        60,
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name a zip, a folder or a table")?;
    let dataset = Dataset::open(&DataRequest::path(&path))?;
    let place = tempfile::tempdir()?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let store = |dataset: &Dataset, name: &str| {
        PhotoStore::open_or_build(
            dataset,
            512,
            &CacheConfig::new(place.path().join(name)),
            &NoProgress,
        )
    };
    let originals = near_groups(&store(&dataset, "originals")?)?;
    println!(
        "{} photos, {} groups among them",
        dataset.photos.len(),
        originals.len()
    );
    for group in &originals {
        let names: Vec<&str> = group
            .photos
            .iter()
            .map(|&number| dataset.photos[number as usize].name.as_str())
            .collect();
        println!("  {}", names.join(" = "));
    }
    for (what, copy, quality) in WAYS {
        let folder = place.path().join("copies");
        dataset.scan(threads, &NoProgress, |number, scanned| -> Option<()> {
            let photo = scanned.ok()?.photo;
            let original = RgbImage::from_raw(photo.width(), photo.height(), photo.into_pixels())?;
            for (kind, picture) in [("original", original.clone()), ("copy", copy(&original))] {
                let file = folder.join(kind).join(format!(
                    "{number:06}.{}",
                    if kind == "copy" { "jpg" } else { "png" }
                ));
                std::fs::create_dir_all(file.parent()?).ok()?;
                let mut bytes = Vec::new();
                match kind {
                    "copy" => {
                        let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
                        DynamicImage::from(picture).write_with_encoder(encoder).ok()?;
                        std::fs::write(file, bytes).ok()?;
                    }
                    _ => picture.save(file).ok()?,
                }
            }
            Some(())
        })?;
        let both = Dataset::open(&DataRequest::path(&folder))?;
        let groups = near_groups(&store(&both, "both")?)?;
        let number = |photo: u32| {
            both.photos[photo as usize]
                .name
                .rsplit('/')
                .next()
                .and_then(|file| file.split('.').next().map(String::from))
        };
        let mut found = std::collections::BTreeSet::new();
        for group in &groups {
            let (copies, originals): (Vec<u32>, Vec<u32>) = group
                .photos
                .iter()
                .partition(|&&photo| both.photos[photo as usize].name.starts_with("copy"));
            let originals: Vec<_> = originals.into_iter().map(number).collect();
            found.extend(
                copies
                    .into_iter()
                    .map(number)
                    .filter(|copy| originals.contains(copy)),
            );
        }
        println!("{what:24} {} of {} found", found.len(), dataset.photos.len());
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}
