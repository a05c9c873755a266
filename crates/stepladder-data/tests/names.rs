//! Names of files and classes as systems write them: bytes that are not UTF-8, accents in Unicode's two forms, old zips, nearly equal names.

mod common;

use common::{Place, listing, open, png, zip_of};
use stepladder_data::{DataError, DataRequest, Dataset, Reading, Remark, Split};
use stepladder_model::SplitFractions;

fn read(path: impl Into<std::path::PathBuf>, reading: Reading) -> Result<Dataset, DataError> {
    Dataset::open(&DataRequest::path(path).with_reading(reading))
}

/// A zip whose names are these bytes, not marked as UTF-8. Each is written as ASCII of the same length and replaced.
fn unmarked_zip(names: &[&[u8]]) -> Vec<u8> {
    let stand_in = |place: usize, name: &[u8]| format!("{}{place}", "q".repeat(name.len() - 1));
    let files = names.iter().enumerate();
    let files = files.map(|(place, name)| (stand_in(place, name), png(8, 8, place as u32)));
    let mut zip = zip_of(files);
    for (place, name) in names.iter().enumerate() {
        let written = stand_in(place, name).into_bytes();
        for at in 0..zip.len() - written.len() {
            if zip[at..].starts_with(&written) {
                zip[at..at + written.len()].copy_from_slice(name);
            }
        }
    }
    zip
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_stay_distinct_and_are_found_again() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    for (photo, (class, letter)) in [
        (&b"ros\xe9"[..], 0xe0_u8),
        (b"ros\xe9", 0xe1),
        (b"ros\xe8", 0xe0),
        (b"ros\xe8", 0xe1),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = place.path("set").join(OsStr::from_bytes(class));
        std::fs::create_dir_all(&folder).expect("writable");
        let file = folder.join(OsStr::from_bytes(&[letter, b'.', b'p', b'n', b'g']));
        std::fs::write(file, png(8, 8, photo as u32)).expect("writable");
    }
    let dataset = open(place.path("set"));
    assert_eq!(dataset.classes, ["ros\\xE8", "ros\\xE9"]);
    let names: Vec<&str> = dataset.photos.iter().map(|photo| photo.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "ros\\xE8/\\xE0.png",
            "ros\\xE8/\\xE1.png",
            "ros\\xE9/\\xE0.png",
            "ros\\xE9/\\xE1.png"
        ]
    );
    let store = place.store(&dataset, 8);
    let fractions = SplitFractions {
        validation: 0.0,
        test: 0.0,
    };
    let split = Split::new(&dataset, &store, &fractions, 0).expect("four photos");
    let mut table = Vec::new();
    split.write_tsv(&dataset, &mut table).expect("memory");
    assert_eq!(
        Split::read_tsv(&dataset, "split.tsv", table.as_slice()).expect("its own"),
        split
    );
    let table = place.write("split.tsv", table);
    let again = Dataset::open(&DataRequest::path(place.path("set")).with_table(table)).expect("found again");
    assert_eq!(
        again
            .photos
            .iter()
            .map(|photo| photo.name.as_str())
            .collect::<Vec<_>>(),
        names
    );
    let contents = |dataset: &Dataset| {
        let store = place.store(dataset, 8);
        (0..4).map(|photo| store.content_hash(photo)).collect::<Vec<_>>()
    };
    assert_eq!(contents(&dataset), contents(&again));
}

#[test]
fn utf8_in_a_zip_counts_without_its_mark() {
    let place = Place::new();
    let names = ["Blumen/Ga\u{308}nse/1.png", "Blumen/バラ/2.png"].map(str::as_bytes);
    let dataset = open(place.write("finder.zip", unmarked_zip(&names)));
    assert_eq!(dataset.classes, ["Gänse", "バラ"]);
    assert_eq!(dataset.remarks, []);
}

#[test]
fn an_old_zip_loses_no_name_and_is_read_in_its_encoding_on_request() {
    let place = Place::new();
    // 表 and 予 in Shift-JIS have a backslash as their second byte; 猫 in GBK would be UTF-8 by itself.
    for (zip, encoding, names, classes) in [
        (
            "sjis.zip",
            "shift_jis",
            vec![
                &b"d/\x95\x5c/1.png"[..],
                b"d/\x97\x5c/2.png",
                b"d/\x95\x5c\x8e\xa6/3.png",
            ],
            vec!["予", "表", "表示"],
        ),
        (
            "gbk.zip",
            "gbk",
            vec![b"\xc3\xa8/1.png", b"\xb9\xb7/2.png"],
            vec!["猫", "狗"],
        ),
        (
            "dos.zip",
            "cp866",
            vec![b"\x90\xae\xa7\xa0/1.png", b"\x8b\xa8\xaf\xa0/2.png"],
            vec!["Роза", "Липа"],
        ),
    ] {
        let path = place.write(zip, unmarked_zip(&names));
        let plain = open(&path);
        assert_eq!(plain.photos.len(), names.len(), "{zip}");
        assert_eq!(plain.classes.len(), classes.len(), "{zip}: {:?}", plain.classes);
        assert!(matches!(plain.remarks[..], [Remark::ZipNames { .. }]), "{zip}");
        let reading = Reading {
            zip_names: Some(String::from(encoding)),
            ..Reading::default()
        };
        let mut expected: Vec<&str> = classes;
        expected.sort();
        assert_eq!(read(&path, reading).expect("good").classes, expected, "{zip}");
    }
}

#[test]
fn unicodes_two_forms_are_one_class_and_one_file() {
    let place = Place::new();
    place.write("parts/train/Gänse/1.png", png(8, 8, 1));
    place.write("parts/train/b/2.png", png(8, 8, 2));
    place.write("parts/val/Ga\u{308}nse/3.png", png(8, 8, 3));
    let dataset = open(place.path("parts"));
    assert_eq!(dataset.classes, ["Gänse", "b"]);
    assert_eq!(listing(&dataset)[2], "Gänse validation val/Ga\u{308}nse/3.png");

    place.write("flat/Blu\u{308}te.png", png(8, 8, 4));
    place.write("flat/2.png", png(8, 8, 5));
    let table = place.write("labels.csv", "file,class\nBlüte.png,a\n2.png,b\n");
    let named = Dataset::open(&DataRequest::path(place.path("flat")).with_table(&table)).expect("found");
    assert_eq!(named.photos.len(), 2);
    let zip = zip_of([("Blu\u{308}te.png", png(8, 8, 4)), ("2.png", png(8, 8, 5))]);
    let zip = place.write("flat.zip", zip);
    assert_eq!(
        Dataset::open(&DataRequest::path(zip).with_table(table))
            .expect("found")
            .photos
            .len(),
        2
    );
}

#[test]
fn nearly_equal_classes_are_named() {
    let place = Place::new();
    for (photo, class) in ["Daisy", "daisy", "wild rose", "wild_rose ", "tulip"]
        .iter()
        .enumerate()
    {
        place.write(&format!("set/{class}/{photo}.png"), png(8, 8, photo as u32));
    }
    let said = open(place.path("set")).remarks;
    let alike = |classes: [&str; 2]| Remark::ClassesAlike {
        classes: classes.map(String::from).to_vec(),
    };
    assert_eq!(
        said,
        [alike(["Daisy", "daisy"]), alike(["wild rose", "wild_rose "])]
    );

    place.write("parts/train/Daisy/1.png", png(8, 8, 1));
    place.write("parts/train/b/2.png", png(8, 8, 2));
    place.write("parts/val/daisy/3.png", png(8, 8, 3));
    let error = Dataset::open(&DataRequest::path(place.path("parts"))).expect_err("daisy is not trained");
    assert!(
        error.to_string().contains("training part, which has \"Daisy\""),
        "{error}"
    );
}

#[test]
fn some_classes_are_taken_by_name() {
    let place = Place::new();
    for (photo, class) in ["Daisy", "rose", "tulip"].iter().enumerate() {
        place.write(&format!("set/{class}/{photo}.png"), png(8, 8, photo as u32));
    }
    let take = |classes: &[&str]| {
        let classes = classes.iter().map(|class| String::from(*class)).collect();
        read(
            place.path("set"),
            Reading {
                classes,
                ..Reading::default()
            },
        )
    };
    let dataset = take(&["tulip", "daisy"]).expect("both are there");
    assert_eq!(listing(&dataset), ["Daisy - Daisy/0.png", "tulip - tulip/2.png"]);
    assert_eq!(dataset.remarks, [Remark::SomeClasses { taken: 2, all: 3 }]);
    let error = take(&["tulips", "daisy"]).expect_err("tulips").to_string();
    assert!(error.contains("no class tulips (did you mean tulip?)"), "{error}");
    assert!(matches!(take(&["rose"]), Err(DataError::SingleClass { .. })));
}

#[test]
fn no_group_is_in_two_parts() {
    let place = Place::new();
    for group in 0..6 {
        for photo in 0..4 {
            for class in ["a", "b"] {
                let seed = group * 100 + photo * 10 + u32::from(class == "b");
                place.write(&format!("set/day{group}/{class}/{photo}.png"), png(8, 8, seed));
            }
        }
    }
    // The same file on two days binds them together.
    place.write("set/day0/a/same.png", png(8, 8, 999));
    place.write("set/day1/a/same.png", png(8, 8, 999));
    let reading = Reading {
        layout: Some(String::from("group/class")),
        ..Reading::default()
    };
    let dataset = read(place.path("set"), reading).expect("good");
    let store = place.store(&dataset, 8);
    let fractions = SplitFractions {
        validation: 0.2,
        test: 0.2,
    };
    for seed in 0..20 {
        let split = Split::new(&dataset, &store, &fractions, seed).expect("good");
        let days = |part: &[u32]| -> std::collections::BTreeSet<String> {
            let day = |photo: &u32| dataset.photos[*photo as usize].name[..4].replace("day1", "day0");
            part.iter().map(day).collect()
        };
        let (train, validation, test) = (days(&split.train), days(&split.validation), days(&split.test));
        assert!(train.is_disjoint(&validation) && train.is_disjoint(&test) && validation.is_disjoint(&test));
        assert!(
            !train.is_empty() && !validation.is_empty() && !test.is_empty(),
            "seed {seed}"
        );
        assert_eq!(
            split.train.len() + split.validation.len() + split.test.len(),
            dataset.photos.len()
        );
    }
    let table = "file,class,patient\nday0/a/0.png,a,x\nday0/b/0.png,b,x\nday1/a/0.png,a,y\nday1/b/0.png,b,\n";
    let table = place.write("labels.csv", table);
    let request = DataRequest::path(place.path("set")).with_table(table);
    let by = |group_by: &str| {
        let reading = Reading {
            group_by: Some(String::from(group_by)),
            ..Reading::default()
        };
        Dataset::open(&request.clone().with_reading(reading))
    };
    let groups = |dataset: &Dataset| -> Vec<Option<String>> {
        dataset
            .photos
            .iter()
            .map(|photo| photo.group.as_deref().map(String::from))
            .collect()
    };
    let some = |group: &str| Some(String::from(group));
    assert_eq!(
        groups(&by("patient").expect("a column")),
        [some("x"), some("x"), some("y"), None]
    );
    assert_eq!(groups(&by("{group}/*/*").expect("a pattern"))[2], some("day1"));
    assert!(
        by("doctor")
            .expect_err("no such column")
            .to_string()
            .contains("patient")
    );
}
