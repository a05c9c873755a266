//! What the tests share: small pictures and archives made in code, and the way to the reference data.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use stepladder_model::ImageSize;

use stepladder_data::{CacheConfig, DataRequest, Dataset, NoProgress, PhotoStore};
use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// A PNG of `width` by `height` pixels whose content follows from `seed`.
pub fn png(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        let noise = (x * 7 + y * 13 + seed * 101).wrapping_mul(2_654_435_761) >> 24;
        image::Rgb([noise as u8, (seed * 37 % 256) as u8, (x + y) as u8])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("memory");
    bytes.into_inner()
}

/// A zip of these files, deflated.
pub fn zip_of<N: AsRef<str>, B: AsRef<[u8]>>(files: impl IntoIterator<Item = (N, B)>) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in files {
        archive.start_file(name.as_ref(), options).expect("memory");
        archive.write_all(bytes.as_ref()).expect("memory");
    }
    archive.finish().expect("memory").into_inner()
}

/// A folder that goes when the test ends, for data and for a cache.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, with the folders it needs.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("below the place")).expect("writable");
        std::fs::write(&path, bytes).expect("writable");
        path
    }

    pub fn cache(&self) -> CacheConfig {
        CacheConfig::new(self.path("cache")).with_threads(2)
    }

    pub fn store(&self, dataset: &Dataset, size: impl Into<ImageSize>) -> PhotoStore {
        PhotoStore::open_or_build(dataset, size, &self.cache(), &NoProgress).expect("the photos are readable")
    }
}

/// A zip with `count` photos in each of the classes a and b.
pub fn two_classes(place: &Place, name: &str, count: u32) -> PathBuf {
    let files = (0..count).flat_map(|i| {
        [
            (format!("a/{i}.png"), png(12, 10, i)),
            (format!("b/{i}.png"), png(9, 14, 1000 + i)),
        ]
    });
    place.write(name, zip_of(files))
}

pub fn open(path: impl Into<PathBuf>) -> Dataset {
    Dataset::open(&DataRequest::path(path)).expect("the data is good")
}

/// "class part name" of each photo.
pub fn listing(dataset: &Dataset) -> Vec<String> {
    let part = |p: Option<stepladder_data::Part>| p.map_or("-", |p| p.name());
    let class = |c: u32| dataset.classes[c as usize].as_str();
    dataset
        .photos
        .iter()
        .map(|p| format!("{} {} {}", class(p.class), part(p.part), p.name))
        .collect()
}

/// The reason why a file was set aside.
pub fn reason<'a>(dataset: &'a Dataset, name: &str) -> &'a str {
    let found = dataset.skipped.iter().find(|s| s.name == name);
    &found
        .unwrap_or_else(|| panic!("{name} is not skipped: {:?}", dataset.skipped))
        .reason
}

/// A file or folder of the reference data: below `STEPLADDER_TEST_DATA`, or `shared/data` beside the repository. `None`, with a
/// line on stderr, where there is none.
pub fn reference(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("STEPLADDER_TEST_DATA").map_or(beside, PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: there is no {name} in the reference data (set STEPLADDER_TEST_DATA)");
    None
}
