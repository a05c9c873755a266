//! `[input] fit`: photos whose classes differ at their edges alone, from training to what is served and exported.
#![cfg(unix)]

mod command;

use command::Workplace;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

/// Three times as wide as it is high: noise in the middle, and the class's color at the left and right end.
fn photo(path: &Path, seed: u32, color: [u8; 3]) {
    let noise = |x: u32, y: u32, c: usize| {
        let mixed = (seed * 7919 + x * 101 + y * 907 + c as u32 * 13).wrapping_mul(2_654_435_761);
        (mixed >> 24) as u8
    };
    let picture = image::RgbImage::from_fn(96, 32, |x, y| {
        let pixel = [0, 1, 2].map(|c| noise(x, y, c));
        match (24..72).contains(&x) {
            true => image::Rgb(pixel),
            false => image::Rgb([0, 1, 2].map(|c| (pixel[c] / 2).saturating_add(color[c] / 2))),
        }
    });
    picture.save(path).unwrap();
}

fn photos(place: &Workplace) {
    for (number, (class, color)) in (0..).zip([("plum", [200, 0, 200]), ("lime", [100, 255, 0])]) {
        let folder = place.path("fruit").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..80 {
            photo(&folder.join(format!("{n}.png")), 1000 * number + n, color);
        }
    }
}

/// A small network, for photos in this fit.
fn rung(place: &Workplace, fit: &str) -> String {
    rung_of_size(place, fit, "16")
}

fn rung_of_size(place: &Workplace, fit: &str, size: &str) -> String {
    let name = format!("{fit}.toml");
    let text = format!(
        r#"name = "{fit}"
layers = [
    {{ layer = "Conv2D", filters = 8, kernel_size = 3, activation = "relu" }},
    {{ layer = "MaxPooling2D" }},
    {{ layer = "Flatten" }},
    {{ layer = "Dense", units = "classes", activation = "softmax" }},
]
[input]
size = {size}
fit = "{fit}"
[optimizer]
type = "adam"
learning_rate = 0.005
[training]
epochs = 12
batch_size = 16
[split]
validation = 0.1
test = 0.3
"#
    );
    std::fs::write(place.path(&name), text).unwrap();
    name
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// What a server answers about a photo: the probability of each class.
fn served(place: &Workplace, run: &str, photo: &[u8]) -> Value {
    let mut command = place.command(&["serve", run, "--port", "0", "--json"]);
    let mut server = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let started: Value = serde_json::from_str(&line).unwrap();
    let address = started["url"].as_str().unwrap().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "POST /v1/predict HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        photo.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(photo).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    let from = body.find('{').unwrap();
    let until = body.rfind('}').unwrap();
    let body: Value = serde_json::from_str(&body[from..=until]).unwrap();
    body["photos"][0]["classes"].clone()
}

/// `words` are what an export says of the fit.
fn everyone_sees_photos_as_training_did(place: &Workplace, run: &str, summary: &Value, words: &str) {
    let evaluation = place.json(&["evaluate", run]);
    assert_eq!(
        evaluation["figures"]["accuracy"], summary["test_accuracy"],
        "{run}"
    );
    let asked = place.json(&["predict", run, "fruit/lime/3.png"]);
    let asked = &asked["photos"][0]["top"];
    let answered = served(place, run, &place.bytes("fruit/lime/3.png"));
    assert_eq!(asked.as_array().map(Vec::len), Some(2));
    for (asked, answered) in asked.as_array().unwrap().iter().zip(answered.as_array().unwrap()) {
        assert_eq!(asked["class"], answered["class"]);
        let difference = number(&asked["probability"]) - number(&answered["probability"]);
        assert!(difference.abs() < 1e-5, "{run}: {asked} {answered}");
    }
    let exported = place.json(&["export", run]);
    assert_eq!(exported["trial"]["differing"], 0);
    assert!(number(&exported["trial"]["largest_difference"]) < 1e-4);
    let onnx = String::from_utf8_lossy(&place.bytes(format!("{run}/model.onnx"))).into_owned();
    assert!(onnx.contains(words), "{run}");
}

#[test]
fn what_differs_at_the_edges_is_learned_from_whole_photos_alone() {
    let place = Workplace::new();
    photos(&place);
    for fit in ["crop", "pad", "stretch"] {
        let rung = rung(&place, fit);
        let summary = place.json(&["train", "fruit", "--model", &rung, "--out", fit]);
        let accuracy = number(&summary["test_accuracy"]);
        match fit {
            "crop" => assert!(accuracy < 0.8, "{fit}: {accuracy}"),
            _ => assert!(accuracy > 0.95, "{fit}: {accuracy}"),
        }
        let kept = place.read(format!("{fit}/rung.toml")).contains("fit = ");
        assert_eq!(kept, fit != "crop", "the usual fit is not written");

        let words = match fit {
            "crop" => "central square to size",
            "pad" => "long side to size, centered on gray",
            _ => "both sides to size",
        };
        everyone_sees_photos_as_training_did(&place, fit, &summary, words);
        let explained = place.json(&["explain", fit, "fruit/lime/3.png", "--out", "look.png"]);
        let side = number(&explained["picture"]["side"]) as u32;
        let look = image::open(place.path("look.png")).unwrap().to_rgb8();
        assert_eq!((look.width(), look.height()), (side, side));
        let corner_is_gray = look.get_pixel(0, 0).0.iter().all(|v| *v == 128);
        // The map may color the gray; where it is clear, it is the gray.
        assert!(fit == "pad" || !corner_is_gray, "{fit}");
    }
}

#[test]
fn it_is_said_what_the_crop_leaves_out() {
    let place = Workplace::new();
    photos(&place);
    let said = |arguments: &[&str]| {
        let output = place.run(arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(output.status.success(), "{said}");
        said
    };
    let lost = "the central square leaves out 67% of a typical photo";
    let inspected = said(&["inspect", "fruit"]);
    assert!(inspected.contains(lost), "{inspected}");
    assert!(
        inspected.contains("fit = \"pad\" in a rung's [input]"),
        "{inspected}"
    );
    let plan = |fit: &str| {
        let rung = rung(&place, fit);
        said(&["train", "fruit", "--model", &rung, "--epochs", "1", "--out", fit])
    };
    let cropped = plan("crop");
    assert!(
        cropped.contains(lost) && cropped.contains("likely better here"),
        "{cropped}"
    );
    let padded = plan("pad");
    assert!(!padded.contains("central square leaves out"), "{padded}");
    let statistics = place.json(&["inspect", "fruit"])["beyond_square"]["median"].clone();
    assert_eq!(statistics, json!(1.0 - 32.0 / 96.0));
}

/// In the photos' own shape, nothing is cut, so that each fit learns what lies at the edges.
#[test]
fn input_of_the_photos_shape_shows_them_whole_in_each_fit() {
    let place = Workplace::new();
    photos(&place);
    let inspected = place.json(&["inspect", "fruit", "--size", "16x48"]);
    assert_eq!(inspected["beyond_input"]["median"], json!(0.0));
    for (fit, words) in [
        ("crop", "largest central part of size's shape to size"),
        ("pad", "as large as fits into size, centered on gray"),
        ("stretch", "both sides to size"),
    ] {
        let rung = rung_of_size(&place, fit, "[16, 48]");
        let summary = place.json(&["train", "fruit", "--model", &rung, "--epochs", "6", "--out", fit]);
        assert_eq!(summary["size"], json!([16, 48]));
        let accuracy = number(&summary["test_accuracy"]);
        assert!(accuracy > 0.95, "{fit}: {accuracy}");
        assert!(place.read(format!("{fit}/rung.toml")).contains("size = [16, 48]"));
        everyone_sees_photos_as_training_did(&place, fit, &summary, words);
        let explained = place.json(&["explain", fit, "fruit/lime/3.png", "--out", "look.png"]);
        assert_eq!(explained["picture"]["side"], json!([256, 768]));
        let look = image::open(place.path("look.png")).unwrap();
        assert_eq!((look.width(), look.height()), (768, 256));
        let quantized = place.json(&["export", fit, "--quantize", "int8", "--out", "int8.onnx"]);
        let share = &quantized["trial"]["before"]["accuracy"];
        assert_eq!(number(share), accuracy, "the photos are prepared as in training");
        assert!(
            number(&quantized["trial"]["after"]["accuracy"]) > 0.9,
            "{quantized}"
        );
    }
    // The same size on the command line is the same training.
    let square = rung(&place, "crop");
    let options = ["--size", "16x48", "--epochs", "6", "--out", "asked"];
    place.json(&[&["train", "fruit", "--model", &square][..], &options].concat());
    let weights = |run: &str| place.json(&["evaluate", run])["figures"].clone();
    assert_eq!(weights("asked"), weights("crop"));
    let report = place.run(&["report", "asked"]);
    assert!(report.status.success());
    assert!(place.read("asked/report.html").contains("16 x 48 x 3"));
}

#[test]
fn small_photos_are_enlarged_where_the_rung_says_so() {
    let place = Workplace::new();
    photos(&place);
    let trained = |size: &str, more: &[&str]| {
        let rung = rung_of_size(&place, "crop", size);
        let train = ["train", "fruit", "--model", &rung, "--epochs", "1", "--new"];
        place.json(&[&train[..], more].concat())["size"].clone()
    };
    assert_eq!(trained("64", &[]), json!(32));
    assert_eq!(trained("[64, 96]", &[]), json!([32, 48]));
    assert_eq!(trained("64", &["--set", "input.enlarge=true"]), json!(64));
    assert_eq!(trained("64", &["--size", "24"]), json!(24));
}

/// `auto` takes 16 pixels at least, which these photos do not have.
#[test]
fn what_auto_chose_trains_again_to_the_same_bytes() {
    let place = Workplace::new();
    for (class, color) in [("plum", [200, 0, 200]), ("lime", [100, 255, 0])] {
        let folder = place.path("tiny").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..12 {
            let picture = image::RgbImage::from_fn(12, 12, |x, y| {
                image::Rgb([0, 1, 2].map(|c| (color[c] / 2) + ((x * y + n) % 50) as u8))
            });
            picture.save(folder.join(format!("{n}.png"))).unwrap();
        }
    }
    let chosen = place.json(&["train", "tiny", "--steps", "4", "--out", "auto"]);
    assert_eq!(chosen["size"], json!(16));
    assert!(place.read("auto/rung.toml").contains("enlarge = true"));
    let again = [
        "train",
        "tiny",
        "--model",
        "auto/rung.toml",
        "--steps",
        "4",
        "--out",
        "again",
    ];
    assert_eq!(place.json(&again)["size"], json!(16));
    assert_eq!(
        place.bytes("again/model.safetensors"),
        place.bytes("auto/model.safetensors")
    );
}
