//! The main job as a user does it: train on the shipped photos, measure, ask about photos, and use the model's one file
//! alone.

mod command;

use command::{Workplace, last_line, test_data};
use serde_json::Value;

/// A training that takes a second or two.
const SHORT: [&str; 9] = [
    "train",
    "--model",
    "baseline",
    "--epochs",
    "2",
    "--size",
    "32",
    "--set",
    "early_stopping.patience=50",
];

fn short<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SHORT.iter().copied().chain(more.iter().copied()).collect()
}

/// On the photos that are shipped, whoever reads the output gets a page beside the run; a program gets the run alone.
#[cfg(feature = "pages")]
#[test]
fn the_first_training_leaves_a_report() {
    let place = Workplace::new();
    let output = place.run(&short(&["--out", "run"]));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("wrote run/report.html"),
        "{said}"
    );
    assert!(place.read("run/report.html").contains("</html>"));
    place.json(&short(&["--out", "other"]));
    assert!(!place.path("other/report.html").exists());
}

#[test]
fn training_leaves_a_complete_run() {
    let place = Workplace::new();
    let summary = place.json(&short(&["--out", "run"]));
    for field in [
        "run",
        "model",
        "classes",
        "train_images",
        "val_images",
        "test_images",
        "epochs",
        "best_epoch",
        "train_accuracy",
        "val_accuracy",
        "test_accuracy",
        "test_loss",
        "seconds",
        "images_per_second",
        "input_wait_fraction",
        "peak_memory_bytes",
        "seed",
        "precision",
        "threads",
        "skipped_images",
    ] {
        assert!(summary.get(field).is_some(), "{field} is missing from {summary}");
    }
    assert_eq!(
        summary["classes"],
        serde_json::json!(["daisy", "dandelion", "roses", "sunflowers", "tulips"])
    );
    let images = ["train_images", "val_images", "test_images"].map(|part| summary[part].as_u64().unwrap());
    assert_eq!(images.iter().sum::<u64>(), 200);
    let mut written: Value = serde_json::from_str(&place.read("run/summary.json")).unwrap();
    // What lints and data give to think of is on the line only: nothing here.
    written["lints"] = serde_json::json!([]);
    written["concerns"] = serde_json::json!([]);
    written["data_notes"] = serde_json::json!([]);
    assert_eq!(written, summary);

    let steps_per_epoch = images[0].div_ceil(32);
    assert_eq!(
        place.read("run/steps.jsonl").lines().count() as u64,
        2 * steps_per_epoch
    );
    assert_eq!(place.read("run/epochs.jsonl").lines().count(), 2);
    assert_eq!(place.read("run/split.tsv").lines().count(), 201);
    assert_eq!(
        place.read("run/test_predictions.tsv").lines().count() as u64,
        1 + images[2]
    );
    for file in [
        "config.json",
        "rung.toml",
        "environment.json",
        "skipped.tsv",
        "best.safetensors",
        "last.safetensors",
        "model.safetensors",
        "content.tsv",
    ] {
        assert!(place.path("run").join(file).exists(), "{file} is missing");
    }
}

#[test]
fn the_model_is_used_again_from_the_run_and_from_its_file_alone() {
    let place = Workplace::new();
    let summary = place.json(&short(&["--out", "run"]));
    let evaluation = place.json(&["evaluate", "run"]);
    assert_eq!(evaluation["figures"]["accuracy"], summary["test_accuracy"]);
    assert_eq!(evaluation["figures"]["images"], summary["test_images"]);
    let trained = place.json(&["evaluate", "run", "--part", "train"]);
    assert_eq!(trained["figures"]["accuracy"], summary["train_accuracy"]);

    // The rung that the run wrote down trains again, and its split is a table that `--table` accepts.
    let again = place.json(&[
        "train",
        "--model",
        "run/rung.toml",
        "--size",
        "32",
        "--out",
        "again",
    ]);
    assert_eq!(again["test_accuracy"], summary["test_accuracy"]);

    // Nothing but the one file is needed to ask about photos.
    std::fs::copy(
        place.path("run/model.safetensors"),
        place.path("alone.safetensors"),
    )
    .unwrap();
    std::fs::remove_dir_all(place.path("run")).unwrap();
    let photos = photos(&place);
    let answer = place.json(&["predict", "alone.safetensors", photos]);
    let answers = answer["photos"].as_array().unwrap();
    assert_eq!(answers.len(), 3);
    for photo in answers {
        let sum: f64 = photo["probabilities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p.as_f64().unwrap())
            .sum();
        assert!((sum - 1.0).abs() < 1e-5, "{photo}");
    }
}

/// Three photos in a folder: solid colors, as PNG files made here.
fn photos(place: &Workplace) -> &'static str {
    std::fs::create_dir_all(place.path("asked/more")).unwrap();
    for (name, color) in [
        ("red.png", [200, 30, 30]),
        ("more/green.png", [20, 160, 40]),
        ("blue.png", [10, 20, 220]),
    ] {
        let photo = image::RgbImage::from_pixel(60, 40, image::Rgb(color));
        photo.save(place.path("asked").join(name)).unwrap();
    }
    "asked"
}

#[test]
fn a_photo_that_cannot_be_read_is_named_and_the_others_are_answered() {
    let place = Workplace::new();
    place.json(&short(&["--out", "run"]));
    let photos = photos(&place);
    std::fs::write(
        place.path("asked/broken.jpg"),
        b"\xff\xd8\xff\xe0 not much of a photo",
    )
    .unwrap();
    let output = place.run(&["predict", "run", photos, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken.jpg"));
    let answer = last_line(&output);
    assert_eq!(answer["photos"].as_array().unwrap().len(), 3);
    assert_eq!(answer["failed"].as_array().unwrap().len(), 1);
}

#[test]
fn threads_change_nothing_and_the_seed_changes_the_weights() {
    let place = Workplace::new();
    for (out, threads, seed) in [
        ("one", "1", "7"),
        ("two", "2", "7"),
        ("three", "3", "7"),
        ("other", "2", "8"),
    ] {
        place.json(&short(&["--out", out, "--threads", threads, "--seed", seed]));
    }
    let model = |run: &str| place.bytes(format!("{run}/model.safetensors"));
    assert!(model("one") == model("two"), "1 and 2 threads differ");
    assert!(model("one") == model("three"), "1 and 3 threads differ");
    assert!(
        model("one") != model("other"),
        "another seed gives the same weights"
    );
    assert_eq!(place.read("one/steps.jsonl"), place.read("two/steps.jsonl"));
}

#[test]
fn runs_are_numbered_by_data_and_model() {
    let place = Workplace::new();
    let first = place.json(&short(&[]));
    let second = place.json(&short(&["--new"]));
    assert_eq!(first["run"], "runs/small_flowers5-baseline-1");
    assert_eq!(second["run"], "runs/small_flowers5-baseline-2");
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_the_run_after_the_step_with_a_checkpoint() {
    let place = Workplace::new();
    let mut child = place.command(&[
        "train", "--model", "baseline", "--out", "run", "--epochs", "1000", "--json",
    ]);
    let child = child
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The rung is written before the first step; then it takes a moment to be in the middle of training.
    while !place.path("run/epochs.jsonl").exists() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(130),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(last_line(&output)["outcome"], "interrupted");
    let checkpoints = std::fs::read_dir(place.path("run/checkpoints")).unwrap();
    let names = checkpoints.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().any(|name| name.starts_with("step-")));
    place.json(&["evaluate", "run"]);
}

#[test]
fn a_messy_archive_trains_through_and_lists_what_it_left_out() {
    let Some(dirty) = test_data("dirty/dirty_dataset.zip") else {
        return;
    };
    let place = Workplace::new();
    let summary = place.json(&[
        "train",
        "--model",
        "baseline",
        dirty.to_str().unwrap(),
        "--size",
        "32",
        "--epochs",
        "1",
        "--out",
        "run",
    ]);
    let skipped = place.read("run/skipped.tsv");
    assert!(summary["skipped_images"].as_u64().unwrap() > 0);
    assert_eq!(
        skipped.lines().count() as u64,
        1 + summary["skipped_images"].as_u64().unwrap()
    );
    for line in skipped.lines().skip(1) {
        let (file, reason) = line.split_once('\t').unwrap();
        assert!(!file.is_empty() && !reason.is_empty(), "{line}");
    }
}

#[test]
fn a_table_says_which_part_a_photo_is_in_and_missing_parts_are_null() {
    let (Some(zip), Some(table)) = (
        test_data("flowers5/flowers5.zip"),
        test_data("flowers5/split.tsv"),
    ) else {
        return;
    };
    let place = Workplace::new();
    let (zip, table) = (zip.to_str().unwrap(), table.to_str().unwrap());
    let summary = place.json(&[
        "train", "--model", "baseline", zip, "--table", table, "--size", "16", "--epochs", "1", "--out",
        "run",
    ]);
    assert_eq!(
        (summary["train_images"].as_u64(), summary["val_images"].as_u64()),
        (Some(2932), Some(734))
    );
    assert_eq!(summary["test_images"], 0);
    assert_eq!(summary["test_accuracy"], Value::Null);
    assert_eq!(summary["test_loss"], Value::Null);
    assert!(summary["val_accuracy"].is_number());
}
