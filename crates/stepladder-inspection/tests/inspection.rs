//! What an inspection finds in sets that were made with known faults, and that what it advises answers them.

use std::path::Path;

use image::imageops::{FilterType, flip_horizontal, resize, rotate90};
use image::{DynamicImage, RgbImage};
use stepladder_data::{CacheConfig, DataRequest, Dataset, NoProgress, PhotoStore, Split};
use stepladder_inspection::{Finding, FindingKind, Inspection, Kept, concerns, near_groups};
use stepladder_model::SplitFractions;

/// A picture of a few waves that follow from `seed`, without symmetry.
fn picture(seed: u32) -> RgbImage {
    let wave = |n: u32| {
        f64::from(((seed + 1).wrapping_mul(2_654_435_761_u32.wrapping_add(n * 977)) >> 8) & 0xff) / 40.0
    };
    RgbImage::from_fn(120, 90, |x, y| {
        let (x, y) = (f64::from(x) / 20.0, f64::from(y) / 20.0);
        let value = (x * wave(1) + y * wave(2)).sin() + (x * wave(3) - y * wave(4) + wave(5)).cos();
        let light = 127.0 + 55.0 * value;
        image::Rgb([light as u8, (light * 0.7) as u8, (255.0 - light) as u8])
    })
}

fn save(folder: &Path, name: &str, picture: &RgbImage) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("below")).expect("ours");
    DynamicImage::from(picture.clone()).save(path).expect("ours");
}

fn open(folder: &Path) -> Dataset {
    Dataset::open(&DataRequest::path(folder)).expect("two classes")
}

fn inspect(dataset: &Dataset) -> Inspection {
    Inspection::new(dataset, 2, &NoProgress).expect("readable")
}

fn of(inspection: &Inspection, kind: FindingKind) -> &Finding {
    let finding = inspection.findings.iter().find(|finding| finding.kind == kind);
    finding.unwrap_or_else(|| panic!("no {kind:?} in {:?}", inspection.findings))
}

/// The files of each group of a finding.
fn files(finding: &Finding) -> Vec<Vec<&str>> {
    finding
        .groups
        .iter()
        .map(|group| group.iter().map(|member| member.file.as_str()).collect())
        .collect()
}

/// Two classes of a dozen different photos each.
fn clean(folder: &Path) {
    for seed in 0..24 {
        save(
            folder,
            &format!("{}/{seed:02}.png", ["a", "b"][seed as usize % 2]),
            &picture(seed),
        );
    }
}

#[test]
fn a_clean_set_has_no_finding() {
    let place = tempfile::tempdir().expect("a folder");
    clean(place.path());
    let inspection = inspect(&open(place.path()));
    assert_eq!(inspection.findings, Vec::new());
    assert_eq!(inspection.statistics.photos, 24);
    assert_eq!(
        (
            inspection.statistics.short_side.median,
            inspection.statistics.long_side.median
        ),
        (90.0, 120.0)
    );
}

#[test]
fn every_fault_is_found_and_fixed() {
    let place = tempfile::tempdir().expect("a folder");
    let data = place.path().join("data");
    clean(&data);
    save(&data, "a/exact.png", &picture(0));
    save(&data, "b/contradiction.png", &picture(2));
    save(&data, "a/turned.jpg", &rotate90(&picture(4)));
    save(&data, "b/mirrored.jpg", &flip_horizontal(&picture(5)));
    save(
        &data,
        "a/smaller.jpg",
        &resize(&picture(6), 60, 45, FilterType::Triangle),
    );
    save(
        &data,
        "a/blank.png",
        &RgbImage::from_pixel(100, 90, image::Rgb([80, 90, 100])),
    );
    save(
        &data,
        "b/tiny.png",
        &resize(&picture(40), 12, 9, FilterType::Triangle),
    );
    save(
        &data,
        "c/strip.png",
        &resize(&picture(41), 500, 40, FilterType::Triangle),
    );
    std::fs::write(data.join("b/page.jpg"), "<html>").expect("ours");
    std::fs::write(data.join("b/\u{1b}[31m.jpg"), "").expect("ours");

    let dataset = open(&data);
    let inspection = inspect(&dataset);
    let groups = |kind| files(of(&inspection, kind));
    assert_eq!(
        groups(FindingKind::ExactDuplicates),
        [["a/00.png", "a/exact.png"]]
    );
    assert_eq!(
        groups(FindingKind::TwoLabels),
        [["a/02.png", "b/contradiction.png"]]
    );
    assert_eq!(
        groups(FindingKind::NearDuplicates),
        [
            ["a/04.png", "a/turned.jpg"],
            ["a/06.png", "a/smaller.jpg"],
            ["b/05.png", "b/mirrored.jpg"]
        ]
    );
    assert_eq!(groups(FindingKind::Blank), [["a/blank.png"]]);
    assert_eq!(groups(FindingKind::Tiny), [["b/tiny.png"]]);
    assert_eq!(groups(FindingKind::Strip), [["c/strip.png"]]);
    assert_eq!(
        groups(FindingKind::SetAside),
        [["b/\\u{1b}[31m.jpg"], ["b/page.jpg"]]
    );
    assert!(of(&inspection, FindingKind::SmallClass).what.contains("c (1)"));
    assert!(of(&inspection, FindingKind::Imbalance).serious);
    assert!(
        inspection
            .findings
            .iter()
            .all(|finding| !finding.advice.is_empty())
    );
    assert!(inspection.findings.is_sorted_by_key(|finding| !finding.serious));

    // The table that is advised: train takes it, and what harms is gone.
    let kept = Kept::new(&dataset, &inspection);
    let mut table = Vec::new();
    kept.write(&dataset, b',', &mut table).expect("memory");
    let path = place.path().join("kept.csv");
    std::fs::write(&path, table).expect("ours");
    let fixed = Dataset::open(&DataRequest::path(&data).with_table(&path)).expect("train takes it");
    assert_eq!(fixed.photos.len(), kept.photos.len());
    assert_eq!(kept.left_out, 5, "exact, two labels twice, blank, tiny");
    let left: Vec<FindingKind> = inspect(&fixed)
        .findings
        .iter()
        .map(|finding| finding.kind)
        .collect();
    assert_eq!(
        left,
        [
            FindingKind::SmallClass,
            FindingKind::Imbalance,
            FindingKind::NearDuplicates,
            FindingKind::Strip
        ]
    );

    let page = stepladder_inspection::page(&dataset, &inspection, 2, &NoProgress).expect("readable");
    assert!(page.contains("b/contradiction.png") && page.contains("data:image/jpeg;base64,"));
    assert!(
        !page.contains('\u{1b}') && !page.contains("<html>"),
        "names and reasons are escaped"
    );
}

#[test]
fn leaks_between_parts_and_between_archives_are_found() {
    let place = tempfile::tempdir().expect("a folder");
    let parts = place.path().join("parts");
    for (part, seeds) in [("train", 0..12), ("test", 12..20)] {
        for seed in seeds {
            save(
                &parts,
                &format!("{part}/{}/{seed}.png", ["a", "b"][seed as usize % 2]),
                &picture(seed),
            );
        }
    }
    save(&parts, "test/a/same.png", &picture(2));
    save(&parts, "test/b/alike.jpg", &flip_horizontal(&picture(3)));
    let dataset = open(&parts);
    let inspection = inspect(&dataset);
    let expected = [
        ["test/a/same.png", "train/a/2.png"],
        ["test/b/alike.jpg", "train/b/3.png"],
    ];
    assert_eq!(files(of(&inspection, FindingKind::Leak)), expected);
    let kept = Kept::new(&dataset, &inspection);
    let name = |&number: &u32| dataset.photos[number as usize].name.as_str();
    let names: Vec<&str> = kept.photos.iter().map(name).collect();
    assert!(
        names.contains(&"test/a/same.png") && !names.contains(&"train/a/2.png"),
        "the test keeps its photos"
    );

    let request = DataRequest {
        train: Some(parts.join("train")),
        test: Some(parts.join("test")),
        ..DataRequest::default()
    };
    let separate = Dataset::open(&request).expect("two sets");
    assert_eq!(files(of(&inspect(&separate), FindingKind::Leak)), expected);

    // The cheap part says it, too, of equal files.
    let cache = CacheConfig::new(place.path().join("cache"));
    let store = PhotoStore::open_or_build(&dataset, 32, &cache, &NoProgress).expect("readable");
    let fractions = SplitFractions {
        validation: 0.1,
        test: 0.1,
    };
    let split = Split::new(&dataset, &store, &fractions, 0).expect("declared");
    let said = concerns(&dataset, &store, &split, false);
    assert!(said[0].contains("1 photo in more than one part"), "{said:?}");
    assert!(said[1].contains("class a has 6 photos to train on"), "{said:?}");
}

#[test]
fn grouped_copies_stay_in_one_part() {
    let place = tempfile::tempdir().expect("a folder");
    let data = place.path().join("data");
    for seed in 0..60 {
        let class = ["a", "b"][seed as usize % 2];
        save(&data, &format!("{class}/{seed:02}.png"), &picture(seed));
        save(
            &data,
            &format!("{class}/{seed:02}-mirrored.jpg"),
            &flip_horizontal(&picture(seed)),
        );
    }
    let dataset = open(&data);
    let cache = CacheConfig::new(place.path().join("cache"));
    let store = PhotoStore::open_or_build(&dataset, 48, &cache, &NoProgress).expect("readable");
    let groups: Vec<Vec<u32>> = near_groups(&store)
        .expect("cached")
        .into_iter()
        .map(|group| group.photos)
        .collect();
    assert_eq!(groups.len(), 60);
    let fractions = SplitFractions {
        validation: 0.2,
        test: 0.2,
    };
    let apart = |split: &Split| {
        let part = |photo: u32| {
            [&split.train, &split.validation, &split.test]
                .iter()
                .position(|part| part.contains(&photo))
        };
        groups
            .iter()
            .filter(|group| group.iter().any(|&photo| part(photo) != part(group[0])))
            .count()
    };
    let plain = Split::new(&dataset, &store, &fractions, 0).expect("enough");
    let grouped = Split::grouped(&dataset, &store, &fractions, 0, &groups).expect("enough");
    assert!(apart(&plain) > 10, "by content alone, copies part");
    assert_eq!(apart(&grouped), 0);
    assert!(!grouped.test.is_empty() && !grouped.validation.is_empty());
}

#[test]
fn narrow_levels_are_not_blank_photos() {
    let folder = tempfile::tempdir().expect("ours");
    for seed in 0..8_u16 {
        let path = folder.path().join(["a", "b"][usize::from(seed) % 2]);
        std::fs::create_dir_all(&path).expect("ours");
        let deep = image::ImageBuffer::from_fn(60, 60, |x, y| {
            image::Luma([300 + seed + (x * 7 + y * 5) as u16 % 90 * (1 + seed % 3)])
        });
        DynamicImage::ImageLuma16(deep)
            .save(path.join(format!("{seed}.png")))
            .expect("ours");
    }
    save(
        folder.path(),
        "a/blank.png",
        &RgbImage::from_pixel(60, 60, image::Rgb([9; 3])),
    );
    let dataset = open(folder.path());
    let inspection = inspect(&dataset);
    of(&inspection, FindingKind::NarrowLevels);
    assert_eq!(files(of(&inspection, FindingKind::Blank)), [["a/blank.png"]]);
    let kept = Kept::new(&dataset, &inspection);
    let names: Vec<&str> = (kept.photos.iter())
        .map(|&number| dataset.photos[number as usize].name.as_str())
        .collect();
    assert!(!names.contains(&"a/blank.png") && names.len() == 8, "{names:?}");
}

#[test]
fn figures_of_no_photo_are_zero() {
    let folder = tempfile::tempdir().expect("ours");
    for name in ["a", "b"] {
        let class = folder.path().join(name);
        std::fs::create_dir_all(&class).expect("ours");
        std::fs::write(class.join("1.png"), b"no picture").expect("ours");
    }
    let statistics = inspect(&open(folder.path())).statistics;
    assert_eq!(statistics.photos, 0);
    assert!(
        statistics
            .mean
            .iter()
            .all(|mean| *mean == 0.0 && mean.is_sign_positive())
    );
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    clean(place.path());
    save(place.path(), "a/turned.jpg", &rotate90(&picture(4)));
    let dataset = open(place.path());
    let found = [1, 2, 5].map(|threads| {
        let inspection = Inspection::new(&dataset, threads, &NoProgress).expect("readable");
        (inspection.findings, inspection.statistics)
    });
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
}
