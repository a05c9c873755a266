//! Damaged input for every reader: the archive scanner, each picture format, tables, rungs and model files. Whatever the bytes, the answer is data
//! or an error in words; never a panic, and never a long wait.
//!
//! Each file of `corpus/`, and each shipped rung, is tried as it is, then with a few bytes changed, cut, doubled or mixed with another file. The changes follow from
//! a seed, so that a failure comes back. `STEPLADDER_FUZZ=100000 cargo test --release --test fuzz` tries more of them than the usual few
//! hundred, and `STEPLADDER_FUZZ_SEED` others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stepladder_classifier::Classifier;
use stepladder_data::{CacheConfig, DataRequest, Dataset, NoProgress, PhotoStore, decode};
use stepladder_model::{Rung, RungCatalog, shipped};
use stepladder_nn::{Device, Model};

/// Damaged inputs for each file of the corpus.
const TRIES: u64 = 150;
/// What none may take. The usual is a millisecond; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

/// The files of a part of the corpus.
fn corpus(kind: &str) -> Vec<(String, Vec<u8>)> {
    files_in(&Path::new("tests/corpus").join(kind))
}

/// The files in a folder, by its path from that of this crate.
fn files_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the corpus is there")
        .map(|entry| entry.expect("listed").path())
        .collect();
    files.sort();
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    files
        .iter()
        .map(|path| {
            (
                name(path).expect("a file"),
                std::fs::read(path).expect("readable"),
            )
        })
        .collect()
}

/// Changes a few things.
fn damage(bytes: &mut Vec<u8>, others: &[(String, Vec<u8>)], chance: &mut Chance) {
    /// Numbers at which sizes and counts go wrong.
    const EDGES: [u32; 8] = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len());
        let len = 1 + chance.below(16);
        match chance.below(8) {
            _ if bytes.is_empty() => bytes.push(chance.next() as u8),
            0 => bytes[at] ^= 1 << chance.below(8),
            1 => bytes[at] = chance.next() as u8,
            2 => bytes.truncate(at),
            3 => {
                let end = (at + len).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + len).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            edge @ (5 | 6) => {
                let value = EDGES[chance.below(EDGES.len())];
                let number = if edge == 5 {
                    value.to_le_bytes()
                } else {
                    value.to_be_bytes()
                };
                for (byte, new) in bytes[at..].iter_mut().zip(number) {
                    *byte = new;
                }
            }
            _ => {
                let other = &others[chance.below(others.len())].1;
                let from = chance.below(other.len());
                let piece = &other[from..(from + len * 4).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

/// Tries each file of the corpus and what chance makes of it. `works` says whether the files as they are must be read.
fn fuzz(seeds: &[(String, Vec<u8>)], read: impl Fn(&str, &[u8]) -> Result<(), String>) {
    let seed = number("STEPLADDER_FUZZ_SEED", 0);
    for (file, whole) in seeds {
        for round in 0..=number("STEPLADDER_FUZZ", TRIES) {
            let mut bytes = whole.clone();
            if round > 0 {
                let name_hash = file
                    .bytes()
                    .fold(seed, |hash, byte| hash.wrapping_mul(31) + u64::from(byte));
                damage(&mut bytes, seeds, &mut Chance(name_hash ^ (round << 32)));
            }
            let start = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| read(file, &bytes)));
            let place = format!("{file}, round {round}, seed {seed}");
            match outcome {
                Err(_) => panic!("{place}: panicked"),
                Ok(Err(message)) => {
                    assert!(
                        !message.is_empty() && message.len() < 4000,
                        "{place}: {message:?}"
                    );
                    assert!(
                        !message.contains(|c: char| c.is_control() && c != '\n'),
                        "{place}: {message:?}"
                    );
                }
                Ok(Ok(())) => {}
            }
            assert!(start.elapsed() < PATIENCE, "{place}: {:?}", start.elapsed());
        }
    }
}

/// Opens a data set and reads all of its photos.
fn read_all(request: &DataRequest, cache: &Path) -> Result<(), String> {
    let dataset = Dataset::open_for_evaluation(request).map_err(|error| error.to_string())?;
    for photo in &dataset.photos {
        assert!(!photo.name.contains(char::is_control), "{:?}", photo.name);
    }
    for skipped in &dataset.skipped {
        assert!(
            !skipped.name.contains(char::is_control) && !skipped.reason.is_empty(),
            "{skipped:?}"
        );
    }
    let cache = CacheConfig::new(cache).with_threads(1).with_limit_bytes(0);
    let store =
        PhotoStore::open_or_build(&dataset, 8, &cache, &NoProgress).map_err(|error| error.to_string())?;
    for photo in (0..store.len() as u32).filter(|&photo| store.is_readable(photo)) {
        store.photo(photo).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[test]
fn archives() {
    let place = tempfile::tempdir().expect("a folder");
    let inside = place.path().join("inside");
    std::fs::create_dir(&inside).expect("ours");
    fuzz(&corpus("archive"), |_, bytes| {
        let path = inside.join("x.zip");
        std::fs::write(&path, bytes).expect("ours");
        read_all(&DataRequest::path(&path), &place.path().join("cache"))
    });
    let left: Vec<_> = std::fs::read_dir(place.path())
        .expect("ours")
        .map(|entry| entry.expect("listed").file_name())
        .collect();
    assert!(
        left.iter().all(|name| name == "inside" || name == "cache"),
        "{left:?}"
    );
    assert_eq!(
        std::fs::read_dir(inside).expect("ours").count(),
        1,
        "nothing is unpacked"
    );
}

#[test]
fn photos() {
    // A panic within a decoder is caught and costs the photo; what it writes to stderr is not worth reading.
    fuzz(&corpus("photo"), |_, bytes| {
        decode(bytes).map(drop).map_err(|error| error.to_string())
    });
    for (file, bytes) in corpus("photo") {
        decode(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

#[test]
fn tables() {
    let place = tempfile::tempdir().expect("a folder");
    for (folder, file) in [("roses/1.png", "rgb.png"), ("tulips/2.jpg", "baseline.jpg")] {
        let path = place.path().join(folder);
        std::fs::create_dir_all(path.parent().expect("below")).expect("ours");
        let photo = corpus("photo")
            .into_iter()
            .find(|(name, _)| name == file)
            .expect("in the corpus")
            .1;
        std::fs::write(path, photo).expect("ours");
    }
    fuzz(&corpus("table"), |file, bytes| {
        let path = place.path().join(file);
        std::fs::write(&path, bytes).expect("ours");
        read_all(&DataRequest::path(&path), &place.path().join("cache"))
    });
}

#[test]
fn rungs() {
    let catalog = RungCatalog::shipped();
    let seeds: Vec<_> = shipped()
        .iter()
        .map(|rung| (rung.name.to_owned(), rung.toml.as_bytes().to_vec()))
        .collect();
    fuzz(&seeds, |_, bytes| {
        let text = String::from_utf8_lossy(bytes);
        let rung = Rung::from_toml(&text, "fuzz.toml", &catalog).map_err(|error| error.to_string())?;
        rung.graph(64, 5).map(drop).map_err(|error| error.to_string())
    });
}

/// Pretrained weights: safetensors, and PyTorch's files with their pickles.
#[test]
fn weights() {
    let seeds = files_in(Path::new("../stepladder-weights/tests/golden/files"));
    let read = |file: &str, bytes: &[u8]| {
        let read = stepladder_weights::from_bytes(Path::new(file), bytes);
        read.map(drop).map_err(|error| error.to_string())
    };
    fuzz(&seeds, read);
    for good in ["checkpoint.pth", "legacy.pth", "tensors.safetensors", "zip.pth"] {
        let (file, bytes) = seeds
            .iter()
            .find(|(file, _)| file == good)
            .expect("in the folder");
        read(file, bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

#[test]
fn models() {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("model.safetensors");
    // At 16 pixels the smallest rung is a file of 80 KB.
    let rung = RungCatalog::shipped().get("baseline").expect("shipped");
    let graph = rung.graph(16, 2).expect("a good network");
    let classes = vec![String::from("a"), String::from("b")];
    let model = Classifier::new(Model::new(graph, 0, Device::Cpu), rung, classes);
    model.save(&path).expect("ours");
    let whole = std::fs::read(&path).expect("just written");
    fuzz(&[(String::from("model.safetensors"), whole)], |_, bytes| {
        std::fs::write(&path, bytes).expect("ours");
        Classifier::load(&path, Device::Cpu)
            .map(drop)
            .map_err(|error| error.to_string())
    });
}
