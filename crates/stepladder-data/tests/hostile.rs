//! Archives and folders that were made to harm, or that change under the reader: each costs the files concerned and nothing else.

mod common;

use std::io::{Cursor, Write};
use std::time::{Duration, Instant};

use common::{Place, listing, open, png, reason, two_classes, zip_of};
use stepladder_data::{Augmentation, DataRequest, Dataset, Loader, LoaderConfig, MAX_FILE_BYTES};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// A zip of one entry that unpacks to `len` zeros.
fn zeros(name: &str, len: u64) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    archive.start_file(name, options).expect("memory");
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), len), &mut archive).expect("memory");
    archive.finish().expect("memory").into_inner()
}

/// Where the records with this signature begin.
fn records(zip: &[u8], signature: &[u8; 4]) -> Vec<usize> {
    (0..zip.len() - 4)
        .filter(|&at| &zip[at..at + 4] == signature)
        .collect()
}

/// The photos of the archive that can be read, and the reasons of those that cannot.
fn readable(place: &Place, zip: &[u8]) -> (usize, Vec<String>) {
    let dataset = Dataset::open(&DataRequest::path(place.write("x.zip", zip))).expect("two classes are good");
    let store = place.store(&dataset, 8);
    let count = (0..store.len() as u32)
        .filter(|&photo| store.is_readable(photo))
        .count();
    let skipped = dataset.skipped.iter().chain(store.skipped());
    (count, skipped.map(|skipped| skipped.reason.clone()).collect())
}

/// Two good photos and one more entry, taken from another zip.
fn beside_good_ones(bomb: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    for (name, seed) in [("a/1.png", 1), ("b/2.png", 2)] {
        archive.start_file(name, options).expect("memory");
        archive.write_all(&png(9, 9, seed)).expect("memory");
    }
    let mut other = zip::ZipArchive::new(Cursor::new(bomb)).expect("a zip");
    let entry = other.by_index_raw(0).expect("one entry");
    archive.raw_copy_file(entry).expect("memory");
    archive.finish().expect("memory").into_inner()
}

#[test]
fn a_bomb_of_zeros_is_refused_by_what_it_claims() {
    let place = Place::new();
    let mut zip = beside_good_ones(&zeros("b/bomb.png", 1 << 20));
    // 3 GiB claimed, in the directory as in front of the entry.
    let claim = (3_u32 << 30).to_le_bytes();
    let (local, central) = (records(&zip, b"PK\x03\x04")[2], records(&zip, b"PK\x01\x02")[2]);
    zip[local + 22..local + 26].copy_from_slice(&claim);
    zip[central + 24..central + 28].copy_from_slice(&claim);
    let (count, reasons) = readable(&place, &zip);
    assert_eq!((count, reasons.len()), (2, 1));
    assert!(reasons[0].contains("256 MiB"), "{reasons:?}");
}

#[test]
fn a_bomb_that_claims_little_is_cut_off_at_the_limit() {
    let place = Place::new();
    let mut zip = beside_good_ones(&zeros("b/bomb.png", MAX_FILE_BYTES + (50 << 20)));
    let claim = 100_u32.to_le_bytes();
    let (local, central) = (records(&zip, b"PK\x03\x04")[2], records(&zip, b"PK\x01\x02")[2]);
    zip[local + 22..local + 26].copy_from_slice(&claim);
    zip[central + 24..central + 28].copy_from_slice(&claim);
    let (count, reasons) = readable(&place, &zip);
    assert_eq!((count, reasons.len()), (2, 1), "{reasons:?}");
}

#[test]
fn entries_that_overlap_cost_time_in_proportion_and_no_more() {
    let place = Place::new();
    let zip = beside_good_ones(&zeros("b/bomb.png", 4 << 20));
    // The last entry of the directory again and again under other names: each unpacks the same bytes.
    const COPIES: usize = 200;
    let (central, end) = (records(&zip, b"PK\x01\x02")[2], records(&zip, b"PK\x05\x06")[0]);
    let start = records(&zip, b"PK\x01\x02")[0];
    let mut bomb = zip[..end].to_vec();
    for copy in 0..COPIES {
        let mut entry = zip[central..end].to_vec();
        let name = format!("b/{copy:04}.png");
        entry[28..30].copy_from_slice(&(name.len() as u16).to_le_bytes());
        entry.splice(46..46 + "b/bomb.png".len(), name.bytes());
        bomb.extend(entry);
    }
    let length = (bomb.len() - start) as u32;
    let mut tail = zip[end..].to_vec();
    for at in [8, 10] {
        tail[at..at + 2].copy_from_slice(&(3 + COPIES as u16).to_le_bytes());
    }
    tail[12..16].copy_from_slice(&length.to_le_bytes());
    bomb.extend(tail);
    let began = Instant::now();
    match Dataset::open(&DataRequest::path(place.write("x.zip", &bomb))) {
        // The zip reader may refuse the whole archive.
        Err(error) => assert!(error.to_string().contains("x.zip"), "{error}"),
        Ok(dataset) => {
            let store = place.store(&dataset, 8);
            let good = (0..store.len() as u32)
                .filter(|&photo| store.is_readable(photo))
                .count();
            assert_eq!(good, 2);
            assert_eq!(store.skipped().len(), COPIES + 1);
        }
    }
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn an_archive_in_an_archive_is_named_and_never_opened() {
    let place = Place::new();
    let inner = zip_of([("a/9.png", png(9, 9, 9))]);
    let files: [(&str, &[u8]); 4] = [
        ("a/1.png", &png(9, 9, 1)),
        ("b/2.png", &png(9, 9, 2)),
        ("b/inner.zip", &inner),
        ("b/inner.png", &inner),
    ];
    let (count, reasons) = readable(&place, &zip_of(files));
    assert_eq!(count, 2);
    assert!(
        reasons.iter().any(|reason| reason.contains("archive inside")),
        "{reasons:?}"
    );
    assert!(reasons.iter().any(|reason| reason.contains("zip")), "{reasons:?}");
}

#[test]
fn every_way_of_packing_that_is_said_to_be_read_is_read() {
    let place = Place::new();
    let methods = [
        CompressionMethod::Stored,
        CompressionMethod::Deflated,
        CompressionMethod::Bzip2,
        CompressionMethod::Zstd,
    ];
    for method in methods {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .large_file(true);
        for (name, seed) in [("a/1.png", 1), ("b/2.png", 2)] {
            archive.start_file(name, options).expect("memory");
            archive.write_all(&png(9, 9, seed)).expect("memory");
        }
        let zip = archive.finish().expect("memory").into_inner();
        assert_eq!(readable(&place, &zip), (2, Vec::new()), "{method}");
        // Cut or flipped anywhere in the second photo, it costs that photo at the most.
        let second = records(&zip, b"PK\x03\x04")[1];
        for at in (second + 60..second + 160).step_by(7) {
            let mut damaged = zip.clone();
            damaged[at] ^= 0x41;
            let place = Place::new();
            let Ok(dataset) = Dataset::open(&DataRequest::path(place.write("x.zip", &damaged))) else {
                continue;
            };
            assert!(place.store(&dataset, 8).is_readable(0), "{method} {at}");
        }
    }
    // Made by 7-Zip, as nothing in Rust packs deflate64.
    let (count, reasons) = readable(&place, include_bytes!("fixtures/deflate64.zip"));
    assert_eq!((count, reasons), (2, Vec::new()));
}

#[test]
fn an_archive_cut_short_anywhere_is_an_error_in_words() {
    let place = Place::new();
    let whole = zip_of([("a/1.png", png(20, 20, 1)), ("b/2.png", png(20, 20, 2))]);
    for keep in (0..whole.len()).step_by(11) {
        let error = Dataset::open(&DataRequest::path(place.write("cut.zip", &whole[..keep])))
            .expect_err("its directory is gone")
            .to_string();
        assert!(error.contains("cut.zip"), "{keep}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn names_in_other_encodings_and_with_escapes_are_read_and_never_shown_raw() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    place.write("set/a/1.png", png(9, 9, 1));
    place.write("set/b/2.png", png(9, 9, 2));
    // Latin-1, and what a terminal would act upon.
    for (name, seed) in [(&b"Bl\xfcte.png"[..], 3), (b"\x1b]0;owned\x07\n.png", 4)] {
        let path = place.path("set/b").join(OsStr::from_bytes(name));
        // A file system that takes UTF-8 alone has no such names.
        let _ = std::fs::write(path, png(9, 9, seed));
    }
    let dataset = open(place.path("set"));
    let store = place.store(&dataset, 8);
    assert!(store.skipped().is_empty(), "{:?}", store.skipped());
    for name in listing(&dataset) {
        assert!(!name.chars().any(char::is_control), "{name:?}");
    }
    if cfg!(target_os = "linux") {
        assert_eq!(dataset.photos.len(), 4);
    }
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_costs_that_folder() {
    use std::fs::{Permissions, read_dir, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write("set/a/1.png", png(9, 9, 1));
    place.write("set/b/2.png", png(9, 9, 2));
    place.write("set/closed/3.png", png(9, 9, 3));
    let closed = place.path("set/closed");
    set_permissions(&closed, Permissions::from_mode(0o000)).expect("ours");
    let may_read = read_dir(&closed).is_ok();
    let dataset = open(place.path("set"));
    set_permissions(&closed, Permissions::from_mode(0o700)).expect("ours");
    if may_read {
        // The superuser may read everything.
        assert_eq!(dataset.classes, ["a", "b", "closed"]);
    } else {
        assert_eq!(dataset.classes, ["a", "b"]);
        assert!(reason(&dataset, "closed").contains("cannot be listed"));
    }
}

#[test]
fn files_that_change_or_vanish_after_they_were_read_change_nothing() {
    let place = Place::new();
    let names = ["set/a/1.png", "set/a/2.png", "set/b/3.png", "set/b/4.png"];
    for (name, seed) in names.iter().zip(0..) {
        place.write(name, png(12, 12, seed));
    }
    let dataset = open(place.path("set"));
    let store = place.store(&dataset, 8);
    let config = LoaderConfig {
        augmentation: Augmentation::none(),
        ..LoaderConfig::new(2, 8)
    };
    let loader = Loader::new(&store, &dataset.labels(), &[0, 1, 2, 3], config).expect("good photos");
    let first: Vec<_> = loader.epoch(0).map(|batch| batch.expect("cached")).collect();
    place.write(names[0], png(12, 12, 77));
    place.write(names[1], b"no photo any more");
    std::fs::remove_dir_all(place.path("set/b")).expect("ours");
    let second: Vec<_> = loader.epoch(0).map(|batch| batch.expect("cached")).collect();
    assert_eq!(first, second);
}

#[test]
fn an_archive_that_changes_while_it_is_read_costs_photos_and_no_more() {
    let place = Place::new();
    let path = two_classes(&place, "x.zip", 40);
    let dataset = open(&path);
    // Cut in place: the open file is the same, and its second half is gone.
    let half = std::fs::metadata(&path).expect("exists").len() / 2;
    let file = std::fs::File::options().write(true).open(&path).expect("ours");
    file.set_len(half).expect("ours");
    let store = place.store(&dataset, 8);
    let readable = (0..80).filter(|&photo| store.is_readable(photo)).count();
    assert!((1..80).contains(&readable), "{readable}");
    assert_eq!(store.skipped().len(), 80 - readable);
}
