//! Asking a trained model about photos, wherever they lie, and what it says where it is not sure.

mod command;

use command::{Workplace, last_line};
use serde_json::Value;
use std::io::{Cursor, Write};
use std::process::Stdio;
use std::sync::OnceLock;

const TRAIN: [&str; 11] = [
    "train",
    "--model",
    "baseline",
    "--epochs",
    "2",
    "--size",
    "32",
    "--set",
    "early_stopping.patience=50",
    "--out",
    "run",
];

/// The files of one short training, which every test may ask.
fn trained() -> &'static (Vec<u8>, String) {
    static TRAINED: OnceLock<(Vec<u8>, String)> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let place = Workplace::new();
        place.json(&[TRAIN.as_slice(), &["--threads", "1"]].concat());
        (
            place.bytes("run/model.safetensors"),
            place.read("run/MODEL_CARD.md"),
        )
    })
}

fn png(seed: u8) -> Vec<u8> {
    let photo = image::RgbImage::from_fn(60, 40, |x, y| image::Rgb([x as u8 * 4, y as u8 * 6, seed]));
    let mut bytes = Cursor::new(Vec::new());
    photo.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A place with the model and some photos: three in `photos`, one of them in a folder of its own.
fn place() -> Workplace {
    let place = Workplace::new();
    std::fs::write(place.path("model.safetensors"), &trained().0).unwrap();
    std::fs::create_dir_all(place.path("photos/more")).unwrap();
    for (seed, name) in [(1, "photos/a.png"), (2, "photos/b.png"), (3, "photos/more/c.png")] {
        std::fs::write(place.path(name), png(seed)).unwrap();
    }
    place
}

/// The files of an answer, in its order.
fn files(answer: &Value) -> Vec<&str> {
    let photos = answer["photos"].as_array().unwrap().iter();
    photos.map(|photo| photo["file"].as_str().unwrap()).collect()
}

#[test]
fn folders_patterns_and_lists_name_the_same_photos() {
    let place = place();
    let folder = place.json(&["predict", "model.safetensors", "photos"]);
    assert_eq!(
        files(&folder),
        ["photos/a.png", "photos/b.png", "photos/more/c.png"]
    );
    let pattern = place.json(&["predict", "model.safetensors", "photos/**/*.png", "--batch", "2"]);
    assert_eq!(pattern["photos"], folder["photos"]);
    let mut listed = place
        .command(&["predict", "model.safetensors", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    listed
        .stdin
        .take()
        .unwrap()
        .write_all(b"photos/a.png\nphotos/b.png\r\n\nphotos/more\n")
        .unwrap();
    let listed = last_line(&listed.wait_with_output().unwrap());
    assert_eq!(listed["photos"], folder["photos"]);
}

#[test]
fn a_zip_is_read_in_place() {
    let place = place();
    let zip = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("photos/small_flowers5.zip");
    let answer = place.json(&["predict", "model.safetensors", zip.to_str().unwrap()]);
    let files = files(&answer);
    assert_eq!(files.len(), 200);
    assert!(files[0].contains("small_flowers5.zip/"), "{}", files[0]);
    assert_eq!(answer["failed"], serde_json::json!([]));
}

#[test]
fn what_cannot_be_used_is_named_and_the_rest_is_done() {
    let place = place();
    std::fs::write(place.path("photos/bad.jpg"), b"<html>").unwrap();
    let arguments = [
        "predict",
        "model.safetensors",
        "photos",
        "absent.jpg",
        "no/*.jpg",
        "--json",
    ];
    let output = place.run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let answer = last_line(&output);
    assert_eq!(files(&answer).len(), 3);
    let failed: Vec<&str> = answer["failed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failed| failed["file"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["absent.jpg", "no/*.jpg", "photos/bad.jpg"]);
    let said = String::from_utf8(output.stderr).unwrap();
    for file in failed {
        assert_eq!(
            said.lines().filter(|line| line.contains(file)).count(),
            1,
            "{said}"
        );
    }
}

#[test]
fn below_the_threshold_it_is_unsure() {
    let place = place();
    let shown = |threshold: &str| {
        let output = place.run(&[
            "predict",
            "model.safetensors",
            "photos",
            "--unsure",
            threshold,
            "--csv",
        ]);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let unsure = shown("1");
    let mut lines = unsure.lines();
    assert_eq!(
        lines.next(),
        Some("file,class,probability,p(daisy),p(dandelion),p(roses),p(sunflowers),p(tulips)")
    );
    assert!(lines.clone().count() == 3 && lines.all(|line| line.split(',').nth(1) == Some("unsure")));
    assert!(!shown("0").contains("unsure"));
    let unsure = [
        "predict",
        "model.safetensors",
        "photos",
        "--unsure",
        "1",
        "--top",
        "3",
    ];
    let table = place.run(&unsure);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.contains("unsure (") && table.lines().count() == 4,
        "{table}"
    );
    let json = place.json(&unsure);
    assert_eq!(json["photos"][0]["class"], Value::Null);
    assert_eq!(json["photos"][0]["top"].as_array().unwrap().len(), 3);
    assert!(
        place
            .error(&["predict", "model.safetensors", "photos", "--unsure", "7"])
            .contains("--unsure 7")
    );
}

#[test]
fn with_mirror_images_a_photo_and_its_mirror_image_have_one_answer() {
    let place = place();
    let photo = image::load_from_memory(&png(9)).unwrap();
    photo.save(place.path("one.png")).unwrap();
    photo.fliph().save(place.path("other.png")).unwrap();
    let ask = |more: &[&str]| {
        let answer = place.json(
            &[
                ["predict", "model.safetensors", "one.png", "other.png"].as_slice(),
                more,
            ]
            .concat(),
        );
        [0, 1].map(|photo| answer["photos"][photo]["probability"].as_f64().unwrap())
    };
    let [one, other] = ask(&[]);
    assert!(
        (one - other).abs() > 1e-4,
        "the model tells left from right: {one}, {other}"
    );
    let [one, other] = ask(&["--tta"]);
    assert!((one - other).abs() < 1e-5, "{one}, {other}");
}

#[test]
fn training_calibrates_and_leaves_a_card_that_does_not_depend_on_threads_or_place() {
    let (model, card) = trained();
    let place = Workplace::new();
    let out = place.path("somewhere/else");
    let again = [&TRAIN[..9], &["--out", out.to_str().unwrap(), "--threads", "2"]].concat();
    place.json(&again);
    assert!(&place.bytes("somewhere/else/model.safetensors") == model);
    assert_eq!(&place.read("somewhere/else/MODEL_CARD.md"), card);
    for said in [
        "small\\_flowers5",
        "| daisy |",
        "95% interval",
        "## Limits",
        "--model rung.toml --size 32 --seed 0",
    ] {
        assert!(card.contains(said), "{said} is missing from\n{card}");
    }
    std::fs::write(place.path("photo.png"), png(1)).unwrap();
    let answer = place.json(&["predict", "somewhere/else", "photo.png"]);
    let temperature = answer["temperature"].as_f64().unwrap();
    assert!((1.0 / 16.0..=16.0).contains(&temperature));
    assert!(card.contains(&format!("divided by {temperature:.4}")), "{card}");
}
