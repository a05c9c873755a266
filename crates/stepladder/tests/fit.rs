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
size = 16
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

        // Everyone is shown the photos as training was.
        let evaluation = place.json(&["evaluate", fit]);
        assert_eq!(
            evaluation["figures"]["accuracy"], summary["test_accuracy"],
            "{fit}"
        );
        let asked = place.json(&["predict", fit, "fruit/lime/3.png"]);
        let asked = &asked["photos"][0]["top"];
        let answered = served(&place, fit, &place.bytes("fruit/lime/3.png"));
        assert_eq!(asked.as_array().map(Vec::len), Some(2));
        for (asked, answered) in asked.as_array().unwrap().iter().zip(answered.as_array().unwrap()) {
            assert_eq!(asked["class"], answered["class"]);
            let difference = number(&asked["probability"]) - number(&answered["probability"]);
            assert!(difference.abs() < 1e-5, "{fit}: {asked} {answered}");
        }
        let exported = place.json(&["export", fit]);
        assert_eq!(exported["trial"]["differing"], 0);
        assert!(number(&exported["trial"]["largest_difference"]) < 1e-4);
        let onnx = String::from_utf8_lossy(&place.bytes(format!("{fit}/model.onnx"))).into_owned();
        let words = match fit {
            "crop" => "central square to size",
            "pad" => "long side to size, centered on gray",
            _ => "both sides to size",
        };
        assert!(onnx.contains(words), "{fit}");
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
