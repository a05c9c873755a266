//! The reference data, file by file: damaged, odd and hostile photos and archives, and the real sets. Found through
//! `STEPLADDER_TEST_DATA`; without it these tests say that they were skipped.

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::{Place, listing, reference};
use stepladder_data::{DataError, DataRequest, Dataset, Decoding, Part, RgbPhoto, Split, decode};
use stepladder_model::SplitFractions;

/// The rows of a TSV file, without its header.
fn rows(path: &std::path::Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).expect("the reference data is readable");
    text.lines()
        .skip(1)
        .map(|line| line.split('\t').map(String::from).collect())
        .collect()
}

fn photo(name: &str) -> Option<RgbPhoto> {
    let bytes = fs::read(reference("dirty/files")?.join(name)).expect("the reference data is readable");
    Some(decode(&bytes, &Decoding::default()).unwrap_or_else(|e| panic!("{name}: {e}")))
}

/// Mean difference of two photos of the same size, on the 0..=255 scale.
fn difference(a: &RgbPhoto, b: &RgbPhoto) -> f64 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let sum: f64 = a
        .pixels()
        .iter()
        .zip(b.pixels())
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs())
        .sum();
    sum / a.pixels().len() as f64
}

#[test]
fn every_file_is_decoded_or_gives_a_reason() {
    let Some(folder) = reference("dirty/files") else {
        return;
    };
    for row in rows(&folder.join("../manifest.tsv")) {
        let (name, kind, pillow) = (&row[0], &row[3], &row[4]);
        let bytes = fs::read(folder.join(name)).expect("listed in the manifest");
        let outcome = decode(&bytes, &Decoding::default());
        if let Err(reason) = &outcome {
            let reason = reason.to_string();
            assert!(
                !reason.is_empty() && !reason.chars().any(char::is_control),
                "{name}: {reason}"
            );
        }
        // Formats that are not supported, and the size bomb.
        let refused = [
            "photo.avif",
            "photo.jp2",
            "jpeg_arithmetic.jpg",
            "huge_12000x9000.png",
            "no_palette.gif",
        ];
        if pillow == "ok" && kind != "bad" {
            assert_eq!(
                outcome.is_err(),
                refused.contains(&name.as_str()),
                "{name}: {outcome:?}"
            );
        }
    }
}

#[test]
fn the_exif_orientation_is_honored() {
    let Some(upright) = photo("exif_upright_reference.jpg") else {
        return;
    };
    for orientation in 2..=8 {
        let turned = photo(&format!("exif_orientation_{orientation}.jpg")).expect("beside the reference");
        // They were encoded anew; a wrong orientation differs by over 50.
        assert!(
            difference(&turned, &upright) < 6.0,
            "{orientation}: {}",
            difference(&turned, &upright)
        );
    }
    let webp = photo("exif_orientation_6.webp").expect("beside the reference");
    assert!(
        difference(&webp, &upright) < 6.0,
        "{}",
        difference(&webp, &upright)
    );
    let phone = photo("rotated_phone.jpg").expect("beside the reference");
    let reference = photo("rotated_phone_reference.jpg").expect("beside the reference");
    assert!(difference(&phone, &reference) < 3.0);
}

#[test]
fn colors_are_those_that_pillow_sees() {
    // Mean colors by Pillow 13, laid over white.
    for (name, expected) in [
        ("cmyk.jpg", [30.2, 5.4, 7.4]),
        ("gray.jpg", [84.7, 84.7, 84.7]),
        ("gray16_photo.png", [141.9, 141.9, 141.9]),
        ("rgba16.png", [215.2, 215.2, 195.2]),
        ("la_photo.png", [141.9, 141.9, 141.9]),
        ("palette_trns.png", [190.1, 188.8, 171.6]),
        ("palette_photo.png", [172.0, 129.2, 125.9]),
        ("fully_transparent.png", [255.0, 255.0, 255.0]),
        ("lossy_alpha.webp", [166.4, 203.2, 175.5]),
        ("animated_real.gif", [249.7, 250.9, 247.0]),
        ("photo.tif", [89.7, 80.1, 95.4]),
        ("rle8.bmp", [89.7, 80.1, 95.4]),
    ] {
        let Some(photo) = photo(name) else { return };
        let count = (photo.pixels().len() / 3) as f64;
        for (channel, expected) in expected.into_iter().enumerate() {
            let sum: f64 = photo
                .pixels()
                .iter()
                .skip(channel)
                .step_by(3)
                .map(|&v| f64::from(v))
                .sum();
            assert!(
                (sum / count - expected).abs() < 0.6,
                "{name}: {} in place of {expected}",
                sum / count
            );
        }
    }
}

#[test]
fn the_messy_archive_gives_what_is_expected() {
    let Some(path) = reference("dirty/dirty_dataset.zip") else {
        return;
    };
    let mut dataset = Dataset::open(&DataRequest::path(&path)).expect("usable");
    let place = Place::new();
    let store = place.store(&dataset, 64);
    let used: BTreeMap<&str, bool> = dataset
        .photos
        .iter()
        .zip(0..)
        .map(|(photo, number)| (photo.name.as_str(), store.is_readable(number)))
        .collect();
    for row in rows(&path.with_file_name("dirty_dataset_expected.tsv")) {
        let used = used.get(row[0].as_str()).copied().unwrap_or(false);
        match row[1].as_str() {
            "use" => assert!(used, "{} is not used", row[0]),
            "skip" => assert!(!used, "{} is used", row[0]),
            _ => {}
        }
        // What is not used is listed, other than folders and what systems leave behind.
        let name = row[0].rsplit('/').next().unwrap_or_default();
        let junk = name.is_empty() || name.starts_with('.') || ["Thumbs.db", "desktop.ini"].contains(&name);
        if !used && !junk {
            let mut skipped = dataset.skipped.iter().chain(store.skipped());
            assert!(
                skipped.any(|s| s.name == row[0] && !s.reason.is_empty()),
                "{} is not listed",
                row[0]
            );
        }
    }
    assert_eq!(
        dataset.drop_unreadable_classes(&store).expect("enough remain"),
        ["only_broken"]
    );
    assert_eq!(dataset.classes, ["daisy", "only_one", "roses", "tulips"]);
}

#[test]
fn every_archive_is_read_or_refused_in_words() {
    let Some(folder) = reference("dirty/zips") else {
        return;
    };
    let place = Place::new();
    for row in rows(&folder.join("zips.tsv")) {
        let name = row[0].as_str();
        let opened = Dataset::open(&DataRequest::path(folder.join(name)));
        let refused = match name {
            "encrypted.zip" => Some("encrypted"),
            "lzma.zip" => Some("LZMA"),
            "truncated.zip" => Some("cut short"),
            "not_a_zip.zip" => Some("HTML"),
            "empty.zip" => Some("no usable photos"),
            "nested_zip.zip" => Some("archive inside"),
            "flat_no_classes.zip" => Some("class folders"),
            "one_class.zip" => Some("only one class"),
            _ => None,
        };
        if let Some(words) = refused {
            let error = opened.expect_err(name).to_string();
            assert!(error.contains(words) && error.contains(name), "{name}: {error}");
            continue;
        }
        let dataset = opened.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(dataset.classes.len(), 3, "{name}: {:?}", dataset.classes);
        let store = place.store(&dataset, 32);
        let readable = (0..store.len() as u32)
            .filter(|&photo| store.is_readable(photo))
            .count();
        match name {
            // One photo's bytes are flipped.
            "crc_mismatch.zip" => assert_eq!((readable, store.skipped().len()), (17, 1), "{name}"),
            "zipslip.zip" => {
                assert!(readable >= 18 && dataset.skipped.iter().all(|s| s.reason.contains("outside")))
            }
            "symlink.zip" => assert!(dataset.skipped.iter().any(|s| s.reason.contains("symbolic link"))),
            "zip_bomb_small.zip" => assert_eq!((readable, store.skipped().len()), (18, 1), "{name}"),
            _ => assert_eq!(
                readable,
                18,
                "{name}: {:?} {:?}",
                dataset.skipped,
                store.skipped()
            ),
        }
        if name == "train_val_layout.zip" {
            let part = |part| {
                dataset
                    .photos
                    .iter()
                    .filter(|photo| photo.part == Some(part))
                    .count()
            };
            assert_eq!(
                (part(Part::Train) + part(Part::Validation), part(Part::Test)),
                (18, 0)
            );
        }
        if name != "shiftjis_names.zip" {
            assert_eq!(dataset.classes, ["daisy", "roses", "tulips"], "{name}");
        }
    }
}

#[test]
fn tables_for_archives() {
    for (set, classes, counts) in [("flowers5", 5, [2932, 734, 0]), ("trashnet", 6, [1764, 327, 430])] {
        let Some(folder) = reference(set) else { return };
        let plain = Dataset::open(&DataRequest::path(folder.join(format!("{set}.zip")))).expect("a good set");
        assert!(!plain.declares_parts() && plain.skipped.is_empty());
        let request =
            DataRequest::path(folder.join(format!("{set}.zip"))).with_table(folder.join("split.tsv"));
        let dataset = Dataset::open(&request).expect("a good set");
        assert_eq!(
            (dataset.classes.len(), dataset.photos.len()),
            (classes, plain.photos.len())
        );
        assert_eq!(dataset.classes, plain.classes);
        for (part, count) in Part::ALL.into_iter().zip(counts) {
            assert_eq!(
                dataset
                    .photos
                    .iter()
                    .filter(|photo| photo.part == Some(part))
                    .count(),
                count,
                "{set}"
            );
        }
    }
}

#[test]
fn a_real_set_is_split_about_as_wanted_in_each_class() {
    let Some(path) = reference("flowers5/flowers5.zip") else {
        return;
    };
    let dataset = Dataset::open(&DataRequest::path(path)).expect("a good set");
    assert_eq!(dataset.typical_short_side(), Some(128));
    let place = Place::new();
    let store = place.store(&dataset, 32);
    assert!(store.skipped().is_empty());
    let split = Split::new(&dataset, &store, &SplitFractions::default(), 1).expect("enough photos");
    for class in 0..5 {
        let of_class = |photos: &[u32]| {
            photos
                .iter()
                .filter(|&&p| dataset.photos[p as usize].class == class)
                .count() as f64
        };
        let all = Part::ALL
            .iter()
            .map(|&part| of_class(split.part(part)))
            .sum::<f64>();
        for part in [Part::Validation, Part::Test] {
            // Five standard deviations.
            let spread = 5.0 * (all * 0.1 * 0.9).sqrt();
            assert!(
                (of_class(split.part(part)) - all * 0.1).abs() < spread,
                "class {class}"
            );
        }
    }
}

#[test]
fn a_zip_and_its_folder_are_the_same_set() {
    let Some(folder) = reference("small_flowers5") else {
        return;
    };
    let zip = Dataset::open(&DataRequest::path(folder.join("small_flowers5.zip"))).expect("a good set");
    let unpacked = Dataset::open(&DataRequest::path(folder.join("photos"))).expect("a good set");
    let strip = |line: String| line.replace("small_flowers5/", "");
    assert_eq!(
        listing(&zip).into_iter().map(strip).collect::<Vec<_>>(),
        listing(&unpacked)
    );
    let place = Place::new();
    let (a, b) = (place.store(&zip, 48), place.store(&unpacked, 48));
    for photo in 0..200 {
        assert_eq!(a.content_hash(photo), b.content_hash(photo));
        assert_eq!(a.photo(photo).expect("cached"), b.photo(photo).expect("cached"));
    }
}

#[test]
fn mnist_has_its_counts() {
    let Some(folder) = reference("mnist") else { return };
    let dataset = Dataset::open(&DataRequest::path(folder)).expect("a good set");
    assert_eq!(
        dataset.classes,
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
    );
    let count = |part: Part| {
        (0..10)
            .map(|class| {
                dataset
                    .photos
                    .iter()
                    .filter(|p| p.class == class && p.part == Some(part))
                    .count()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        count(Part::Train),
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    );
    assert_eq!(
        count(Part::Test),
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    );
    let place = Place::new();
    let store = place.store(&dataset, 28);
    assert_eq!((store.dimensions(0), store.skipped().len()), (Some((28, 28)), 0));
}

#[test]
fn a_missing_class_folder_in_a_part_is_no_shift_of_labels() {
    let Some(folder) = reference("dirty/zips") else {
        return;
    };
    // `one_class.zip` holds roses only, which is class 1 of the other archive.
    let request = DataRequest {
        train: Some(folder.join("plain_stored.zip")),
        test: Some(folder.join("one_class.zip")),
        ..DataRequest::default()
    };
    let dataset = Dataset::open(&request).expect("both are good");
    assert!(
        dataset
            .photos
            .iter()
            .filter(|p| p.part == Some(Part::Test))
            .all(|p| dataset.classes[p.class as usize] == "roses")
    );
    let swapped = DataRequest {
        train: request.test,
        test: request.train,
        ..DataRequest::default()
    };
    assert!(matches!(
        Dataset::open(&swapped),
        Err(DataError::ClassWithoutTraining { .. })
    ));
}

/// What the docs say of each damaged file and archive is what happens. `STEPLADDER_UPDATE_DOCS=1` writes it anew.
#[test]
fn the_docs_say_what_becomes_of_each_file() {
    let Some(folder) = reference("dirty/files") else {
        return;
    };
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let mut table =
        String::from("## Files\n\n| file | what it is | what becomes of it |\n| --- | --- | --- |\n");
    for row in rows(&folder.join("../manifest.tsv")) {
        let bytes = fs::read(folder.join(&row[0])).expect("listed in the manifest");
        let outcome = match decode(&bytes, &Decoding::default()) {
            Ok(photo) => format!("read, {} x {}", photo.width(), photo.height()),
            Err(reason) => format!("set aside: {reason}"),
        };
        let note = row[7].split(';').next().unwrap_or_default();
        table += &format!("| `{}` | {} | {} |\n", row[0], cell(note), cell(&outcome));
    }
    table += "\n## Archives\n\n| archive | what it is | what becomes of it |\n| --- | --- | --- |\n";
    let place = Place::new();
    let zips = folder.join("../zips");
    for row in rows(&zips.join("zips.tsv")) {
        let path = zips.join(&row[0]);
        let outcome = match Dataset::open(&DataRequest::path(&path)) {
            Err(error) => format!(
                "refused: {}",
                error.to_string().replace(&*path.to_string_lossy(), &row[0])
            ),
            Ok(dataset) => {
                let store = place.store(&dataset, 32);
                let read = (0..store.len() as u32)
                    .filter(|&photo| store.is_readable(photo))
                    .count();
                let mut skipped = dataset.skipped.iter().chain(store.skipped());
                let aside = skipped.next().map_or(String::new(), |first| {
                    format!(", {} set aside ({})", 1 + skipped.count(), first.reason)
                });
                format!("{read} photos of {} classes read{aside}", dataset.classes.len())
            }
        };
        table += &format!("| `{}` | {} | {} |\n", row[0], cell(&row[3]), cell(&outcome));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/damaged-files.md");
    let text = fs::read_to_string(&path).expect("the docs are there");
    let (head, _) = text.split_once("## Files\n").expect("the marker");
    let now = format!("{head}{table}");
    if std::env::var_os("STEPLADDER_UPDATE_DOCS").is_some_and(|value| value == "1") {
        fs::write(&path, now).expect("writable");
    } else {
        assert!(
            text == now,
            "{} is out of date; set STEPLADDER_UPDATE_DOCS=1",
            path.display()
        );
    }
}
