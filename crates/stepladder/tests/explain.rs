//! `stepladder explain` on a short training of the shipped photos: what it says, what it writes, and what it leaves alone.

mod command;

use command::Workplace;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

/// One short training, which every test may ask.
fn trained() -> &'static Workplace {
    static TRAINED: OnceLock<Workplace> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let place = Workplace::new();
        place.json(&[
            "train", "--model", "baseline", "--epochs", "2", "--size", "32", "--out", "run",
        ]);
        place
    })
}

/// A place with a photo of the training part, and its name in the data.
fn place() -> (Workplace, String, String) {
    let place = Workplace::new();
    let split = trained().read("run/split.tsv");
    let row = split.lines().find(|line| line.ends_with("\ttrain")).unwrap();
    let name = row.split('\t').next().unwrap().to_string();
    let zip = Path::new(env!("CARGO_MANIFEST_DIR")).join("photos/small_flowers5.zip");
    let mut zip = zip::ZipArchive::new(std::fs::File::open(zip).unwrap()).unwrap();
    let mut bytes = Vec::new();
    zip.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
    std::fs::write(place.path("flower.jpg"), bytes).unwrap();
    let run = trained().path("run").to_str().unwrap().to_string();
    (place, run, name)
}

fn entries(place: &Workplace) -> Vec<String> {
    let entries = std::fs::read_dir(place.path("")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Classes and probabilities of a list.
fn classes(list: &Value) -> Vec<(&str, f32)> {
    let known = list.as_array().unwrap().iter();
    known
        .map(|known| {
            let probability = known["probability"].as_f64().unwrap() as f32;
            (known["class"].as_str().unwrap(), probability)
        })
        .collect()
}

#[test]
fn probabilities_are_those_of_predict_and_the_photo_is_most_similar_to_itself() {
    let (place, run, name) = place();
    let photo = place.bytes("flower.jpg");
    let found = place.json(&["explain", &run, "flower.jpg", "--neighbors", "3"]);
    let predicted = place.json(&["predict", &run, "flower.jpg", "--top", "5"]);
    // As 32-bit numbers: one of the two writes more digits than they have.
    assert_eq!(
        classes(&found["classes"]),
        classes(&predicted["photos"][0]["top"])
    );
    assert_eq!(classes(&found["classes"]).len(), 5);
    assert_eq!(found["temperature"], predicted["temperature"]);

    let similar = found["neighbors"]["photos"].as_array().unwrap();
    assert_eq!(similar.len(), 3);
    assert_eq!(similar[0]["file"], Value::from(name.as_str()));
    assert!(name.contains(similar[0]["class"].as_str().unwrap()), "{name}");
    let similarity: Vec<f64> = similar
        .iter()
        .map(|photo| photo["similarity"].as_f64().unwrap())
        .collect();
    assert!((similarity[0] - 1.0).abs() < 1e-4, "{similarity:?}");
    assert!(similarity.is_sorted_by(|a, b| a >= b) && similarity[2] > -1.0);

    let picture = &found["picture"];
    assert_eq!(picture["file"], "flower-explained.png");
    assert_eq!(picture["class"], found["classes"][0]["class"]);
    let written = image::load_from_memory(&place.bytes("flower-explained.png")).unwrap();
    assert_eq!(Value::from(written.width()), picture["side"]);
    assert_eq!(place.bytes("flower.jpg"), photo);
    assert_eq!(entries(&place), ["cache", "flower-explained.png", "flower.jpg"]);
}

#[test]
fn another_class_has_another_picture_and_the_same_neighbors_whatever_the_threads() {
    let (place, run, _) = place();
    let ask = |class: &str, threads: &str, out: &str| {
        let ask = [
            "explain",
            &run,
            "flower.jpg",
            "--class",
            class,
            "--threads",
            threads,
            "--out",
            out,
        ];
        place.json(&ask)
    };
    let roses = ask("roses", "1", "roses.png");
    let again = ask("roses", "2", "again.png");
    let tulips = ask("tulips", "2", "tulips.png");
    assert_eq!(roses["picture"]["class"], "roses");
    assert_eq!(roses["picture"]["heat"], again["picture"]["heat"]);
    assert_ne!(roses["picture"]["heat"], tulips["picture"]["heat"]);
    assert_eq!(place.bytes("roses.png"), place.bytes("again.png"));
    assert_eq!(roses["neighbors"], tulips["neighbors"]);
    assert_eq!(roses["classes"], tulips["classes"]);
}

#[test]
fn a_model_alone_and_photos_that_are_gone_leave_the_neighbors_out_and_say_so() {
    let (place, run, _) = place();
    let model = format!("{run}/model.safetensors");
    let shown = place.run(&["explain", &model, "flower.jpg"]);
    assert!(shown.status.success());
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("neighbors   left out:") && shown.contains("is a model alone"),
        "{shown}"
    );
    assert!(shown.contains("picture     flower-explained.png"), "{shown}");

    // A run whose record names photos that are not there.
    std::fs::create_dir(place.path("moved")).unwrap();
    for file in ["model.safetensors", "split.tsv"] {
        std::fs::copy(format!("{run}/{file}"), place.path("moved").join(file)).unwrap();
    }
    let config = std::fs::read_to_string(format!("{run}/config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["data"]["shipped"] = Value::Null;
    config["data"]["path"] = Value::from("gone.zip");
    std::fs::write(place.path("moved/config.json"), config.to_string()).unwrap();
    let found = place.json(&["explain", "moved", "flower.jpg"]);
    let reason = found["neighbors"]["reason"].as_str().unwrap();
    assert!(reason.contains("gone.zip"), "{reason}");
    assert!(found["picture"].is_object());
    let none = place.json(&["explain", "moved", "flower.jpg", "--neighbors", "0"]);
    assert_eq!(none["neighbors"], Value::Null);
}

#[test]
fn neither_the_photo_nor_anything_that_is_no_picture_is_written_over() {
    let (place, run, _) = place();
    let flower = image::load_from_memory(&place.bytes("flower.jpg")).unwrap();
    flower.save(place.path("photo.png")).unwrap();
    let before = place.bytes("photo.png");
    std::fs::create_dir_all(place.path("several")).unwrap();
    for name in ["several/a.jpg", "several/b.jpg"] {
        std::fs::copy(place.path("flower.jpg"), place.path(name)).unwrap();
    }
    std::fs::write(place.path("page.jpg"), "<html>").unwrap();
    for (arguments, phrase) in [
        (["photo.png", "--out", "./photo.png"], "that is the photo itself"),
        (["photo.png", "--out", "picture.jpg"], "must end in .png"),
        (
            ["photo.png", "--out", "absent/picture.png"],
            "cannot write absent/picture.png",
        ),
        (
            ["photo.png", "--class", "cats"],
            "it knows daisy, dandelion, roses, sunflowers, tulips",
        ),
        (["several", "--top", "1"], "several holds 2 photos"),
        (["page.jpg", "--top", "1"], "page.jpg"),
        (["absent.jpg", "--top", "1"], "absent.jpg"),
    ] {
        let message = place.error(&[["explain", run.as_str()].as_slice(), &arguments].concat());
        assert!(message.contains(phrase), "{message}");
    }
    assert!(place.bytes("photo.png") == before);
    assert!(!entries(&place).iter().any(|name| name.contains("explained")));
}
