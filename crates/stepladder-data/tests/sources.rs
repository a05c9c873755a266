//! Listing data: zips, folders, separate archives, single files, and what is refused.

mod common;

use common::{Place, listing, open, png, reason, two_classes, zip_of};
use stepladder_data::{DataError, DataRequest, Dataset, Decoding, Photo, PhotoFile, find_photos};

#[test]
fn a_zip_with_junk_and_strays() {
    let place = Place::new();
    let photo = png(8, 8, 1);
    let path = place.write(
        "my photos.zip",
        zip_of([
            ("wrap/roses/1.png", photo.as_slice()),
            ("wrap/roses/more/2", &photo),
            ("wrap\\tulips\\3.JPG", &photo),
            ("wrap/stray.png", &photo),
            ("wrap/tulips/notes.txt", b"hello"),
            ("wrap/tulips/inner.zip", b"PK"),
            ("wrap/tulips/Thumbs.db", b"x"),
            ("wrap/tulips/._3.JPG", b"x"),
            ("__MACOSX/wrap/roses/._1.png", b"x"),
            ("../../evil/1.png", &photo),
            ("/etc/evil/2.png", &photo),
            ("C:\\evil\\3.png", &photo),
            ("wrap/tulips/\u{1b}[31m\n.png", &photo),
        ]),
    );
    let dataset = open(&path);
    assert_eq!(dataset.name, "my-photos");
    assert_eq!(dataset.classes, ["roses", "tulips"]);
    assert_eq!(
        listing(&dataset),
        [
            "roses - wrap/roses/1.png",
            "roses - wrap/roses/more/2",
            "tulips - wrap/tulips/3.JPG",
            "tulips - wrap/tulips/\\u{1b}[31m\\u{a}.png",
        ]
    );
    assert_eq!(reason(&dataset, "wrap/stray.png"), "not in a class folder");
    assert!(reason(&dataset, "wrap/tulips/inner.zip").contains("not opened"));
    assert!(reason(&dataset, "../../evil/1.png").contains("outside"));
    assert!(reason(&dataset, "C:\\evil\\3.png").contains("outside"));
    assert_eq!(dataset.skipped.len(), 6, "{:?}", dataset.skipped);
}

#[test]
fn a_part_of_one_unknown_class_looks_unlabelled() {
    let place = Place::new();
    for name in [
        "train/a/1.png",
        "train/b/2.png",
        "test/unknown/3.png",
        "test/unknown/4.png",
    ] {
        place.write(&format!("kaggle/{name}"), png(8, 8, 1));
    }
    let refused = || Dataset::open(&DataRequest::path(place.path("kaggle"))).expect_err("no labels");
    let error = refused();
    assert!(
        matches!(&error, DataError::UnlabelledPart { class, part: "test", photos: 2, .. } if class == "unknown"),
        "{error}"
    );
    place.write("kaggle/test/a/5.png", png(8, 8, 1));
    let error = refused();
    assert!(
        matches!(&error, DataError::ClassWithoutTraining { .. }),
        "{error}"
    );
}

#[test]
fn a_folder_lists_as_its_zip_does() {
    let place = Place::new();
    for name in [
        "set/b/2.png",
        "set/a/1.png",
        "set/a/.hidden.png",
        "set/.git/x/3.png",
        "set/a/readme.md",
    ] {
        place.write(name, png(8, 8, 1));
    }
    let dataset = open(place.path("set"));
    assert_eq!(listing(&dataset), ["a - a/1.png", "b - b/2.png"]);
    assert_eq!(dataset.skipped.len(), 1);
    // The folder above it wraps it.
    assert_eq!(open(place.path(".")).classes, ["a", "b"]);
}

#[test]
fn an_archive_in_memory() {
    let zip = zip_of([
        ("a/1.png", png(30, 20, 1)),
        ("a/2.png", png(9, 40, 2)),
        ("b/3.png", png(50, 60, 3)),
    ]);
    let bytes: &'static [u8] = zip.leak();
    let dataset = Dataset::open(&DataRequest::memory("shipped.zip", bytes)).expect("good");
    assert_eq!(
        (dataset.name.as_str(), dataset.origin.as_str()),
        ("shipped", "shipped.zip")
    );
    assert_eq!(
        dataset.typical_short_side(),
        Some(20),
        "the median of 9, 20 and 50"
    );
    let place = Place::new();
    assert_eq!(
        place.store(&dataset, 8).dimensions(1),
        Some((8, 8)),
        "the middle of a tall photo"
    );
    let both = DataRequest {
        path: Some("x.zip".into()),
        ..DataRequest::memory("shipped.zip", bytes)
    };
    assert!(matches!(Dataset::open(&both), Err(DataError::Request(_))));
}

#[cfg(unix)]
#[test]
fn links_that_leave_the_folder_are_not_followed() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    let outside = place.write("outside/secret.png", png(8, 8, 9));
    place.write("set/a/1.png", png(8, 8, 1));
    place.write("set/b/2.png", png(8, 8, 2));
    symlink(&outside, place.path("set/a/out.png")).expect("links");
    symlink(place.path("set/b/2.png"), place.path("set/a/in.png")).expect("links");
    symlink(place.path("set"), place.path("set/b/loop")).expect("links");
    symlink("nowhere", place.path("set/b/dangling.png")).expect("links");
    let dataset = open(place.path("set"));
    assert_eq!(listing(&dataset), ["a - a/1.png", "a - a/in.png", "b - b/2.png"]);
    assert!(reason(&dataset, "a/out.png").contains("leaves the folder"));
    assert!(reason(&dataset, "b/loop").contains("link to a folder"));
    assert!(reason(&dataset, "b/dangling.png").contains("no such file"));
}

#[test]
fn part_folders_declare_parts() {
    let place = Place::new();
    let photo = png(8, 8, 1);
    let names = [
        "d/Train/a/1.png",
        "d/Train/b/1.png",
        "d/val/a/2.png",
        "d/TEST/b/3.png",
    ];
    let dataset = open(place.write("d.zip", zip_of(names.map(|name| (name, &photo)))));
    assert!(dataset.declares_parts());
    assert_eq!(dataset.classes, ["a", "b"]);
    assert_eq!(listing(&dataset)[0], "b test d/TEST/b/3.png");

    let only_test = place.write(
        "t.zip",
        zip_of(["test/a/1.png", "val/a/2.png", "val/b/3.png"].map(|n| (n, &photo))),
    );
    assert!(matches!(
        Dataset::open(&DataRequest::path(&only_test)),
        Err(DataError::NoTrainingPart { .. })
    ));
    assert!(Dataset::open_for_evaluation(&DataRequest::path(&only_test)).is_ok());

    let untrained = place.write(
        "u.zip",
        zip_of(["train/a/1.png", "test/a/2.png", "test/b/3.png"].map(|n| (n, &photo))),
    );
    let error = Dataset::open(&DataRequest::path(untrained))
        .expect_err("b is not trained")
        .to_string();
    assert!(error.contains("\"b\"") && error.contains("test"), "{error}");
}

#[test]
fn separate_archives_are_parts() {
    let place = Place::new();
    let request = DataRequest {
        train: Some(two_classes(&place, "x.zip", 2)),
        test: Some(two_classes(&place, "y.zip", 1)),
        ..DataRequest::default()
    };
    let dataset = Dataset::open(&request).expect("both are good");
    assert_eq!(dataset.name, "x");
    assert_eq!(
        listing(&dataset),
        [
            "a test test/a/0.png",
            "b test test/b/0.png",
            "a train train/a/0.png",
            "a train train/a/1.png",
            "b train train/b/0.png",
            "b train train/b/1.png"
        ]
    );
    let store = place.store(&dataset, 8);
    assert_eq!(
        store.content_hash(0),
        store.content_hash(2),
        "the same photo in both archives"
    );
    assert_ne!(store.content_hash(0), store.content_hash(1));
}

#[test]
fn what_cannot_be_trained_on_is_refused_in_words() {
    let place = Place::new();
    let photo = png(8, 8, 1);
    for (name, bytes, words) in [
        (
            "flat.zip",
            zip_of([("1.png", &photo), ("2.png", &photo)]),
            "class folders",
        ),
        (
            "one.zip",
            zip_of([("a/1.png", &photo), ("a/2.png", &photo)]),
            "only one class, \"a\"",
        ),
        ("empty.zip", zip_of::<&str, &[u8]>([]), "no usable photos"),
        (
            "texts.zip",
            zip_of([("a/1.txt", b"x"), ("b/2.txt", b"x")]),
            "a/1.txt: not a photo",
        ),
        (
            "page.zip",
            b"<!DOCTYPE html><p>Not found".to_vec(),
            "an HTML page",
        ),
        (
            "cut.zip",
            two_class_bytes()[..400].to_vec(),
            "damaged or cut short",
        ),
        (
            "set.tar.gz",
            b"\x1f\x8b\x08\0".to_vec(),
            "unpack it and give the folder",
        ),
    ] {
        let path = place.write(name, bytes);
        let error = Dataset::open(&DataRequest::path(path))
            .expect_err(name)
            .to_string();
        assert!(error.contains(words), "{name}: {error}");
    }
    let error = Dataset::open(&DataRequest::path(place.path("missing.zip")))
        .expect_err("missing")
        .to_string();
    assert!(error.contains("missing.zip"), "{error}");
}

fn two_class_bytes() -> Vec<u8> {
    zip_of([("a/1.png", png(30, 30, 1)), ("b/2.png", png(30, 30, 2))])
}

#[test]
fn classes_without_a_readable_photo_are_dropped() {
    let place = Place::new();
    let photo = png(8, 8, 1);
    let files: [(&str, &[u8]); 4] = [
        ("a/1.png", &photo),
        ("b/2.heic", b"\0\0\0\x18ftypheic"),
        ("c/3.png", &photo),
        ("c/4.png", b""),
    ];
    let mut dataset = open(place.write("x.zip", zip_of(files)));
    let store = place.store(&dataset, 8);
    assert_eq!(
        dataset.drop_unreadable_classes(&store).expect("two remain"),
        ["b"]
    );
    assert_eq!(
        dataset.drop_unreadable_classes(&store).expect("two remain"),
        Vec::<String>::new()
    );
    assert_eq!(dataset.classes, ["a", "c"]);
    assert_eq!(dataset.labels(), [0, Photo::NO_CLASS, 1, 1]);
    let reasons: Vec<_> = store
        .skipped()
        .iter()
        .map(|s| (s.name.as_str(), s.reason.as_str()))
        .collect();
    assert!(
        reasons[0].0 == "b/2.heic" && reasons[0].1.contains("HEIC"),
        "{reasons:?}"
    );
    assert_eq!(reasons[1], ("c/4.png", "empty file"));
}

/// The names of what was found.
fn names(files: &[PhotoFile]) -> Vec<&str> {
    files.iter().map(PhotoFile::name).collect()
}

#[test]
fn photos_named_one_by_one() {
    let place = Place::new();
    let one = place.write("set/deep/er/one.png", png(8, 6, 1));
    place.write("set/two.jpg", b"<html>");
    place.write("set/notes.txt", b"x");
    let (files, skipped) = find_photos(&place.path("set"), false).expect("a folder");
    let two = place.path("set/two.jpg");
    assert_eq!(names(&files), [one.to_string_lossy(), two.to_string_lossy()]);
    assert_eq!(skipped.len(), 1);
    let (alone, _) = find_photos(&one, false).expect("a file");
    assert_eq!(names(&alone), [one.to_string_lossy()]);
    assert_eq!(
        alone[0].read(&Decoding::default()).expect("a good photo").width(),
        8
    );
    assert!(
        files[1]
            .read(&Decoding::default())
            .expect_err("a page")
            .to_string()
            .contains("HTML")
    );
    assert!(find_photos(&place.path("gone"), false).is_err());
    assert!(
        PhotoFile::at(place.path("gone"))
            .read(&Decoding::default())
            .is_err()
    );
}

#[test]
fn photos_in_a_zip_are_found_whatever_it_is_called() {
    let place = Place::new();
    let photo = png(8, 6, 1);
    let path = place.write(
        "photos.bin",
        zip_of([
            ("b/two.png", photo.as_slice()),
            ("one.png", &photo[..photo.len() / 2]),
            ("../out.png", &photo),
            ("__MACOSX/x.png", &photo),
        ]),
    );
    let (files, skipped) = find_photos(&path, false).expect("a zip");
    let shown = path.to_string_lossy();
    assert_eq!(
        names(&files),
        [format!("{shown}/b/two.png"), format!("{shown}/one.png")]
    );
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    assert_eq!(
        files[0].read(&Decoding::default()).expect("a good photo").width(),
        8
    );
    assert!(files[1].read(&Decoding::default()).is_err(), "cut short");
    let damaged = place.write("cut.zip", b"PK\x03\x04 and no more");
    assert!(matches!(
        find_photos(&damaged, false),
        Err(DataError::DamagedArchive { .. })
    ));
}
