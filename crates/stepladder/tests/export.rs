//! `stepladder export`: a run becomes files for other programs, each tried before it is left.

mod command;

use command::Workplace;
use serde_json::Value;

/// A run that takes a second.
fn trained(place: &Workplace) {
    place.json(&[
        "train",
        "--model",
        "baseline",
        "--epochs",
        "2",
        "--size",
        "32",
        "--precision",
        "f32",
        "--out",
        "run",
    ]);
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn an_onnx_file_agrees_with_the_model_on_its_test_photos() {
    let place = Workplace::new();
    trained(&place);
    let result = place.json(&["export", "run", "--license", "CC BY 4.0"]);
    assert_eq!(result["format"], "onnx");
    assert_eq!(result["size"], 32);
    assert_eq!(result["trial"]["on"], "photos of the test part");
    assert_eq!(result["trial"]["differing"], 0);
    assert!(number(&result["trial"]["photos"]) > 0.0);
    assert!(number(&result["trial"]["largest_difference"]) < 1e-4);
    let file = place.bytes("run/model.onnx");
    assert_eq!(result["bytes"], file.len());
    // The usual place is the run's own, and takes the next export.
    place.json(&["export", "run", "--input", "float-nchw"]);
    assert_ne!(place.bytes("run/model.onnx"), file);
    place.json(&["export", "run", "--license", "CC BY 4.0"]);
    assert_eq!(place.bytes("run/model.onnx"), file);
}

/// Its rung asks about each photo and its mirror image, in each form that a file can have.
#[test]
fn a_file_answers_in_the_mean_with_the_mirror_image_as_its_rung_does() {
    let place = Workplace::new();
    place.json(&[
        "train",
        "--model",
        "small",
        "--size",
        "64",
        "--steps",
        "6",
        "--precision",
        "f32",
        "--out",
        "run",
    ]);
    for form in [&["--input", "float-nchw"][..], &[]] {
        let result = place.json(&[&["export", "run"][..], form].concat());
        assert_eq!(result["trial"]["differing"], 0);
        assert!(number(&result["trial"]["largest_difference"]) < 1e-4);
    }
    let result = place.json(&["export", "run", "--quantize", "int8", "--out", "int8.onnx"]);
    assert_eq!(result["size"], 64);
}

#[test]
fn a_model_file_alone_is_checked_on_the_shipped_photos() {
    let place = Workplace::new();
    trained(&place);
    std::fs::rename(
        place.path("run/model.safetensors"),
        place.path("mine.safetensors"),
    )
    .unwrap();
    let result = place.json(&["export", "mine.safetensors"]);
    assert_eq!(result["file"], "mine.onnx");
    assert_eq!(result["trial"]["on"], "photos that Stepladder ships");
    assert_eq!(result["trial"]["photos"], 64);
    let message = place.error(&["export", "mine.safetensors"]);
    assert!(message.contains("mine.onnx is there already"), "{message}");
    let message = place.error(&["export", "mine.safetensors", "--quantize", "int8"]);
    assert!(message.contains("give the run's directory"), "{message}");
}

#[test]
fn int8_is_measured_before_and_after() {
    let place = Workplace::new();
    trained(&place);
    let result = place.json(&["export", "run", "--quantize", "int8", "--out", "small/int8.onnx"]);
    let trial = &result["trial"];
    let evaluation = place.json(&["evaluate", "run"]);
    assert_eq!(trial["before"]["accuracy"], evaluation["figures"]["accuracy"]);
    assert_eq!(trial["before"]["interval"], evaluation["accuracy_interval"]);
    assert!(number(&trial["after"]["accuracy"]) <= 1.0);
    let [low, high] = [0, 1].map(|end| number(&trial["after"]["interval"][end]));
    assert!(low < high);
    let int8 = place.bytes("small/int8.onnx").len();
    place.json(&["export", "run"]);
    let f32 = place.bytes("run/model.onnx").len();
    assert!(int8 * 2 < f32, "{int8} bytes of {f32}");
}

#[test]
fn weights_and_the_folder_for_python_are_complete() {
    let place = Workplace::new();
    trained(&place);
    place.json(&["export", "run", "--format", "safetensors"]);
    place.json(&["export", "run", "--format", "keras"]);
    assert_eq!(
        place.bytes("run/weights.safetensors"),
        place.bytes("run/keras/weights.safetensors")
    );
    for file in [
        "model.json",
        "rung.toml",
        "stepladder_files.py",
        "stepladder_keras.py",
        "stepladder_torch.py",
    ] {
        assert!(place.path("run/keras").join(file).exists(), "{file} is missing");
    }
}

#[test]
fn nothing_of_the_users_is_overwritten() {
    let place = Workplace::new();
    trained(&place);
    std::fs::write(place.path("thesis.onnx"), "mine").unwrap();
    std::fs::create_dir(place.path("full")).unwrap();
    std::fs::write(place.path("full/thesis.tex"), "mine").unwrap();
    for arguments in [
        &["export", "run", "--out", "thesis.onnx"][..],
        &["export", "run", "--format", "keras", "--out", "full"],
        &["export", "run", "--format", "safetensors", "--out", "full"],
    ] {
        let message = place.error(arguments);
        assert!(message.contains("is there already"), "{message}");
    }
    assert_eq!(place.read("thesis.onnx"), "mine");
    for (arguments, words) in [
        (
            &["export", "run", "--format", "keras", "--quantize", "int8"][..],
            "--quantize is for ONNX files",
        ),
        (&["export", "absent"], "absent does not exist"),
        (&["export", "thesis.onnx"], "thesis.onnx"),
    ] {
        let message = place.error(arguments);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_run_whose_photos_are_gone_is_checked_on_the_shipped_ones() {
    let place = Workplace::new();
    std::fs::create_dir(place.path("data")).unwrap();
    for (class, color) in [("blue", [10, 20, 220]), ("red", [220, 20, 10])] {
        std::fs::create_dir(place.path("data").join(class)).unwrap();
        for shade in 0..20_u8 {
            let [r, g, b] = color;
            let photo = image::RgbImage::from_pixel(16, 16, image::Rgb([r, g + shade * 2, b]));
            photo
                .save(place.path("data").join(class).join(format!("{shade}.png")))
                .unwrap();
        }
    }
    place.json(&[
        "train", "--model", "baseline", "data", "--epochs", "1", "--size", "32", "--out", "run",
    ]);
    std::fs::remove_dir_all(place.path("data")).unwrap();
    let output = place.run(&["export", "run", "--json"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words}");
    assert!(words.contains("checked on the shipped ones"), "{words}");
    assert_eq!(
        command::last_line(&output)["trial"]["on"],
        "photos that Stepladder ships"
    );
    // int8 has nothing to learn from.
    place.error(&["export", "run", "--quantize", "int8"]);
}
