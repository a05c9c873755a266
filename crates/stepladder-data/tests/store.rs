//! The cache: built once, found again, rebuilt when damaged, safe to delete, and clear about what it cannot do.

mod common;

use std::fs;
use std::sync::Mutex;

use common::{Place, open, png, two_classes, zip_of};
use stepladder_data::{CacheConfig, DataError, Decoding, NoProgress, PhotoStore, Progress, decode};

/// Counts what is reported.
#[derive(Default)]
struct Counter(Mutex<(u64, u64, u64)>);

impl Progress for Counter {
    fn start(&self, total: u64, what: &str) {
        assert_eq!(what, "photos");
        self.0.lock().expect("one thread").0 += total;
    }
    fn advance(&self, n: u64) {
        self.0.lock().expect("one thread").1 += n;
    }
    fn finish(&self) {
        self.0.lock().expect("one thread").2 += 1;
    }
}

/// The only cache file of a place.
fn cache_file(place: &Place) -> std::path::PathBuf {
    let mut files: Vec<_> = fs::read_dir(place.path("cache"))
        .expect("exists")
        .map(|e| e.expect("listed").path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn photos_are_decoded_once_and_never_enlarged() {
    let place = Place::new();
    let photos = [
        ("a/small.png", png(6, 9, 1)),
        ("a/large.png", png(60, 30, 2)),
        ("b/strip.png", png(300, 2, 3)),
    ];
    let path = place.write("x.zip", zip_of(photos.iter().map(|(name, bytes)| (*name, bytes))));
    let dataset = open(&path);
    let counter = Counter::default();
    let store = PhotoStore::open_or_build(&dataset, 20, &place.cache(), &counter).expect("good photos");
    assert_eq!(*counter.0.lock().expect("one thread"), (3, 3, 1));
    assert_eq!(store.dimensions(0), Some((20, 20)));
    assert_eq!(store.dimensions(1), Some((6, 6)));
    assert_eq!(store.dimensions(2), Some((2, 2)), "a strip keeps its middle");
    assert_eq!(
        store.photo(1).expect("cached"),
        decode(&photos[0].1, &Decoding::default())
            .expect("a good photo")
            .crop([6, 6])
            .into_owned()
    );
    assert_eq!(
        store.content_hash(1),
        Some(*blake3::hash(&photos[0].1).as_bytes())
    );

    let again = PhotoStore::open_or_build(&dataset, 20, &place.cache(), &counter).expect("cached");
    assert_eq!(
        *counter.0.lock().expect("one thread"),
        (3, 3, 1),
        "nothing is read again"
    );
    assert_eq!(again.photo(0).expect("cached"), store.photo(0).expect("cached"));
    PhotoStore::open_or_build(&dataset, 21, &place.cache(), &counter).expect("another size is another cache");
    assert_eq!(counter.0.lock().expect("one thread").2, 2);
}

#[test]
fn whole_photos_are_kept_in_a_file_of_their_own() {
    let place = Place::new();
    let photos = [("a/wide.png", png(90, 60, 2)), ("b/strip.png", png(300, 3, 3))];
    let path = place.write("x.zip", zip_of(photos.iter().map(|(name, bytes)| (*name, bytes))));
    let dataset = open(&path);
    let counter = Counter::default();
    let both = place.cache().with_whole_photos(true);
    let files = || fs::read_dir(place.path("cache")).expect("exists").count();

    let store = PhotoStore::open_or_build(&dataset, 16, &both, &counter).expect("good photos");
    assert_eq!(
        *counter.0.lock().expect("one thread"),
        (2, 2, 1),
        "one pass for both"
    );
    assert_eq!(files(), 2);
    // A quarter longer than asked for; of a strip, four times its width.
    assert_eq!(store.whole_dimensions(0), Some((30, 20)));
    assert_eq!(store.whole_dimensions(1), Some((12, 3)));
    let plain = PhotoStore::open_or_build(&dataset, 16, &place.cache(), &counter).expect("cached");
    assert_eq!(plain.whole_dimensions(0), None);
    assert_eq!(plain.photo(0).expect("cached"), store.photo(0).expect("cached"));
    assert_eq!(
        counter.0.lock().expect("one thread").2,
        1,
        "nothing is read again"
    );

    fs::remove_file(store.path()).expect("it is there");
    PhotoStore::open_or_build(&dataset, 16, &both, &counter).expect("good photos");
    assert_eq!((counter.0.lock().expect("one thread").2, files()), (2, 2));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 30));
    let stores: Vec<_> = [1, 2, 7]
        .map(|threads| {
            let cache = CacheConfig::new(place.path(&format!("cache{threads}"))).with_threads(threads);
            PhotoStore::open_or_build(&dataset, 8, &cache, &NoProgress).expect("good photos")
        })
        .into();
    for photo in 0..60 {
        let first = stores[0].photo(photo).expect("cached");
        assert!(
            stores
                .iter()
                .all(|store| store.photo(photo).expect("cached") == first)
        );
    }
}

#[test]
fn unreadable_photos_are_known_the_second_time_too() {
    let place = Place::new();
    let files: [(&str, &[u8]); 3] = [
        ("a/1.png", &png(8, 8, 1)),
        ("b/1.png", &png(8, 8, 2)),
        ("b/2.png", b"<html>"),
    ];
    let dataset = open(place.write("x.zip", zip_of(files)));
    let first = place.store(&dataset, 8);
    let second = place.store(&dataset, 8);
    assert_eq!(first.skipped(), second.skipped());
    assert_eq!(first.skipped()[0].name, "b/2.png");
    assert!(first.skipped()[0].reason.contains("HTML"));
    assert!(!first.is_readable(2) && first.content_hash(2).is_none());
    assert!(matches!(first.photo(2), Err(DataError::CacheRead { .. })));
    assert!(first.photo(99).is_err());
}

#[test]
fn nothing_readable_is_an_error_that_says_why() {
    let place = Place::new();
    let dataset = open(place.write(
        "x.zip",
        zip_of([
            ("a/1.jpg", b"version https://git-lfs"),
            ("b/2.jpg", b"version https://git-lfs"),
        ]),
    ));
    let error = PhotoStore::open_or_build(&dataset, 8, &place.cache(), &NoProgress)
        .expect_err("pointers")
        .to_string();
    assert!(error.contains("git lfs pull"), "{error}");
}

#[test]
fn changed_data_is_another_cache() {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 2));
    let first = place.store(&dataset, 8);
    let changed = open(two_classes(&place, "x.zip", 3));
    assert_ne!(place.store(&changed, 8).path(), first.path());

    place.write("set/a/1.png", png(8, 8, 1));
    place.write("set/b/2.png", png(8, 8, 2));
    let before = place.store(&open(place.path("set")), 8);
    place.write("set/b/2.png", png(9, 9, 2));
    let after = place.store(&open(place.path("set")), 8);
    assert_ne!(before.content_hash(1), after.content_hash(1));
}

#[test]
fn a_damaged_cache_is_built_anew() {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 3));
    let expected = place.store(&dataset, 8).photo(0).expect("cached");
    let file = cache_file(&place);
    let whole = fs::read(&file).expect("readable");
    let mut flipped = whole.clone();
    *flipped.last_mut().expect("not empty") ^= 1;
    for damaged in [&whole[..whole.len() - 1], &whole[..40], &[], &flipped] {
        fs::write(&file, damaged).expect("writable");
        assert_eq!(place.store(&dataset, 8).photo(0).expect("cached"), expected);
        assert_eq!(fs::read(&file).expect("readable").len(), whole.len());
    }
}

#[test]
fn damage_while_in_use_names_the_photo_and_the_file() {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 1));
    let store = place.store(&dataset, 8);
    // Else the photo would be made again.
    fs::write(place.path("x.zip"), "").expect("writable");
    // The first photo's pixels, behind the header.
    let mut bytes = fs::read(store.path()).expect("readable");
    bytes[128..].fill(0);
    fs::write(store.path(), bytes).expect("writable");
    let error = store.photo(0).expect_err("damaged").to_string();
    assert!(
        error.contains("a/0.png") && error.contains(".photos") && error.contains("put the photo back"),
        "{error}"
    );
    fs::write(store.path(), []).expect("writable");
    assert!(
        store.photo(1).is_err(),
        "a file cut short is an error, not a signal"
    );
}

#[cfg(unix)]
#[test]
fn deleting_the_cache_while_it_is_used_harms_nothing() {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 2));
    let store = place.store(&dataset, 8);
    fs::remove_dir_all(place.path("cache")).expect("deletable");
    assert!((0..4).all(|photo| store.photo(photo).is_ok()));
    place.store(&dataset, 8);
    cache_file(&place);
}

#[test]
fn many_at_once_build_one_cache() {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 20));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(place.store(&dataset, 8).photo(39).is_ok()));
        }
    });
    cache_file(&place);
}

#[test]
fn the_limit_is_kept_by_dropping_what_was_used_longest_ago() {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 4));
    let tiny = place.cache().with_limit_bytes(1);
    let build = |size| PhotoStore::open_or_build(&dataset, size, &tiny, &NoProgress).expect("good photos");
    let first = build(7);
    let second = build(8);
    assert!(first.path().exists() && second.path().exists(), "both are in use");
    let gone = first.path().to_owned();
    drop(first);
    build(9);
    assert!(!gone.exists() && second.path().exists());
}

#[test]
fn a_cache_that_cannot_be_written_names_the_folder_and_the_option() {
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 1));
    let blocked = place.write("blocked", "a file, not a folder");
    let error = PhotoStore::open_or_build(&dataset, 8, &CacheConfig::new(&blocked), &NoProgress)
        .expect_err("no folder");
    let text = error.to_string();
    assert!(matches!(error, DataError::CacheWrite { .. }));
    assert!(
        text.contains("blocked") && text.contains("STEPLADDER_CACHE"),
        "{text}"
    );
    for size in [0, 70_000] {
        assert!(PhotoStore::open_or_build(&dataset, size, &place.cache(), &NoProgress).is_err());
    }
}

#[test]
fn files_that_vanish_are_skipped_once_and_tried_again_later() {
    let place = Place::new();
    for (name, seed) in [("set/a/1.png", 1), ("set/b/2.png", 2), ("set/b/3.png", 3)] {
        place.write(name, png(8, 8, seed));
    }
    let dataset = open(place.path("set"));
    let (away, back) = (place.path("set/b/3.png"), place.path("3.png"));
    fs::rename(&away, &back).expect("movable");
    let store = place.store(&dataset, 8);
    assert!(
        store.skipped()[0].reason.starts_with("cannot be read"),
        "{:?}",
        store.skipped()
    );
    fs::rename(&back, &away).expect("movable");
    assert!(place.store(&dataset, 8).skipped().is_empty());
}

#[test]
fn a_build_can_be_cancelled_and_leaves_nothing() {
    struct Impatient;
    impl Progress for Impatient {
        fn start(&self, _total: u64, _what: &str) {}
        fn advance(&self, _n: u64) {}
        fn finish(&self) {}
        fn is_cancelled(&self) -> bool {
            true
        }
    }
    let place = Place::new();
    let dataset = open(two_classes(&place, "x.zip", 50));
    let outcome = PhotoStore::open_or_build(&dataset, 8, &place.cache(), &Impatient);
    assert!(matches!(outcome, Err(DataError::Cancelled)));
    assert_eq!(fs::read_dir(place.path("cache")).expect("exists").count(), 0);
}

#[test]
fn what_is_damaged_in_the_cache_is_made_again_from_its_photo_and_mended() {
    let place = Place::new();
    let files = [("a/1.png", &png(20, 20, 1)), ("b/1.png", &png(20, 20, 2))];
    let path = place.write(
        "x.zip",
        zip_of(files.map(|(name, bytes)| (name, bytes.as_slice()))),
    );
    let dataset = open(&path);
    // By one thread, so that the first photo is the first in the file.
    let one_thread = place.cache().with_threads(1);
    let store = PhotoStore::open_or_build(&dataset, 16, &one_thread, &NoProgress).expect("built");
    let expected = store.photo(0).expect("cached");
    drop(store);
    let cache = place.store(&dataset, 16).path().to_owned();
    let whole = fs::read(&cache).expect("it is there");
    let mut damaged = whole.clone();
    damaged[200] ^= 4;
    fs::write(&cache, &damaged).expect("writable");
    let store = place.store(&dataset, 16);
    assert_eq!(store.photo(0).expect("made again"), expected);
    assert!(fs::read(&cache).expect("it is there") == whole, "mended");

    // The file of the photo has changed since: neither is what it was.
    let dataset = open(&path);
    let store = place.store(&dataset, 16);
    fs::write(&cache, &damaged).expect("writable");
    let content = fs::read(&path).expect("it is there");
    fs::write(&path, content.iter().rev().copied().collect::<Vec<u8>>()).expect("writable");
    let refusal = store.photo(0).expect_err("nothing is what it was");
    assert!(matches!(refusal, DataError::CacheRead { .. }), "{refusal}");
}
