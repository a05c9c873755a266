//! Classes of very different size, and copies of photos: what `train` says of them, and what the options that it names do.

mod command;

use command::Workplace;
use std::path::Path;

/// A photo of soft waves that no other resembles.
fn photo(path: &Path, seed: u32) {
    let wave = |n: u32| {
        let mixed = (seed * 8 + n).wrapping_mul(2_654_435_761);
        1.0 + f64::from(mixed >> 16) / 65_536.0 * 3.0
    };
    let picture = image::RgbImage::from_fn(80, 60, |x, y| {
        let (x, y) = (f64::from(x) / 14.0, f64::from(y) / 14.0);
        let value = (x * wave(1) + y * wave(2)).sin() + (x * wave(3) - y * wave(4) + wave(5)).cos();
        let light = 127.0 + 55.0 * value;
        image::Rgb([light as u8, (light * 0.7) as u8, (255.0 - light) as u8])
    });
    picture.save(path).unwrap();
}

/// So many photos of each class.
fn photos(place: &Workplace, classes: &[(&str, u32)]) {
    for (number, (class, count)) in (0..).zip(classes) {
        let folder = place.path("birds").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..*count {
            photo(&folder.join(format!("{n}.png")), 1000 * number + n);
        }
    }
}

const TRAIN: [&str; 8] = [
    "train", "--model", "baseline", "birds", "--size", "32", "--epochs", "1",
];

#[test]
fn uneven_classes_are_said_with_the_option_that_weighs_them_and_no_more_once_it_is_given() {
    let place = Workplace::new();
    photos(&place, &[("gull", 150), ("heron", 12)]);
    let said = |more: &[&str]| {
        let output = place.run(&[&TRAIN[..], more].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        said
    };
    let plain = said(&["--out", "plain"]);
    assert!(
        plain.contains("times as many photos as heron; --class-weights balanced"),
        "{plain}"
    );
    let weighed = said(&["--out", "weighed", "--class-weights", "balanced"]);
    assert!(!weighed.contains("--class-weights"), "{weighed}");
    assert!(
        place
            .read("weighed/rung.toml")
            .contains("class_weights = \"balanced\"")
    );
    assert_ne!(
        place.bytes("plain/last.safetensors"),
        place.bytes("weighed/last.safetensors")
    );
}

#[test]
fn near_copies_stay_in_one_part_with_group_duplicates_and_are_parted_without() {
    let place = Workplace::new();
    photos(&place, &[("gull", 40), ("heron", 40)]);
    // Each photo once more, a little smaller: other bytes, the same picture.
    for class in ["gull", "heron"] {
        for n in 0..40 {
            let path = place.path("birds").join(class).join(format!("{n}.png"));
            let small = image::open(&path).unwrap();
            let small = small.resize_exact(72, 54, image::imageops::FilterType::Triangle);
            small.save(path.with_file_name(format!("{n}-small.png"))).unwrap();
        }
    }
    let parted = |run: &str, more: &[&str]| {
        place.json(&[&TRAIN[..], &["--out", run], more].concat());
        let split = place.read(format!("{run}/split.tsv"));
        let mut parts = std::collections::BTreeMap::<String, Vec<String>>::new();
        for line in split.lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            let original = fields[0].replace("-small", "");
            parts.entry(original).or_default().push(fields[2].to_string());
        }
        assert_eq!(parts.len(), 80);
        parts.values().filter(|pair| pair[0] != pair[1]).count()
    };
    assert!(parted("plain", &[]) > 5, "chance parts some of them");
    assert_eq!(parted("grouped", &["--group-duplicates"]), 0);
}
