//! A training that is killed at any moment and goes on leaves the same bytes as one that was never interrupted.
#![cfg(unix)]

mod command;

use command::Workplace;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// A training of a few seconds with a checkpoint at every step.
const TRAIN: [&str; 11] = [
    "train",
    "--model",
    "baseline",
    "--epochs",
    "4",
    "--size",
    "32",
    "--batch",
    "16",
    "--checkpoint-every",
    "0",
];

fn train(out: &str) -> Vec<&str> {
    [&TRAIN[..], &["--out", out]].concat()
}

/// The lines of a log without what depends on time.
fn timeless(log: &str) -> Vec<Value> {
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|mut line| {
            for key in ["seconds", "images_per_second", "input_wait_fraction"] {
                line.as_object_mut().unwrap().remove(key);
            }
            line
        })
        .collect()
}

fn assert_same(place: &Workplace, a: &str, b: &str) {
    for file in [
        "model.safetensors",
        "best.safetensors",
        "last.safetensors",
        "test_predictions.tsv",
        "steps.jsonl",
        "split.tsv",
        "content.tsv",
        "rung.toml",
        "config.json",
    ] {
        let bytes = |run: &str| place.bytes(Path::new(run).join(file));
        assert!(bytes(a) == bytes(b), "{file} differs");
    }
    let epochs = |run: &str| timeless(&place.read(Path::new(run).join("epochs.jsonl")));
    assert_eq!(epochs(a), epochs(b));
    let figures = |run: &str| {
        let summary: Value = serde_json::from_str(&place.read(Path::new(run).join("summary.json"))).unwrap();
        let keys = [
            "outcome",
            "epochs",
            "best_epoch",
            "exported_epoch",
            "test_accuracy",
            "test_loss",
        ];
        keys.map(|key| summary[key].clone())
    };
    assert_eq!(figures(a), figures(b));
}

/// Starts a command and kills it after a while; true if it had ended by itself.
fn killed_after(place: &Workplace, arguments: &[&str], wait: Duration) -> bool {
    let mut command = place.command(arguments);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(wait);
    let ended = child.try_wait().unwrap().is_some();
    let _ = child.kill();
    child.wait().unwrap();
    ended
}

/// The files of the last checkpoints, newest last.
fn checkpoints(place: &Workplace, run: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(place.path(run).join("checkpoints")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("step-"));
    paths.sort();
    paths
}

/// Stops a training in its middle, with checkpoints of its last two steps.
fn cut_off(place: &Workplace, run: &str) {
    let mut command = place.command(&train(run));
    let mut child = command
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let epochs = place.path(run).join("epochs.jsonl");
    let has_an_epoch = || std::fs::read_to_string(&epochs).is_ok_and(|text| text.lines().count() >= 1);
    // Its checkpoint is written beside the training, and may come a moment later.
    while !has_an_epoch() || checkpoints(place, run).is_empty() {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        !place.path(run).join("summary.json").exists(),
        "it ended too soon"
    );
}

#[test]
fn killed_again_and_again_it_leaves_the_same_bytes() {
    let place = Workplace::new();
    place.json(&train("whole"));
    // Moments from a fixed sequence, spread over the way from the start of the program to the middle of an epoch.
    let mut seed = 1_u64;
    for _ in 0..8 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let wait = Duration::from_millis(20 + (seed >> 33) % 400);
        if killed_after(&place, &train("killed"), wait) {
            break;
        }
    }
    place.json(&train("killed"));
    assert_same(&place, "whole", "killed");
    // A finished run is shown again, and nothing is trained.
    let again = place.json(&train("killed"));
    assert_eq!(again["outcome"], "finished");
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so() {
    let place = Workplace::new();
    place.json(&train("whole"));
    for damage in ["flip", "cut", "all"] {
        cut_off(&place, damage);
        let found = checkpoints(&place, damage);
        assert!(!found.is_empty());
        let damaged = if damage == "all" {
            &found[..]
        } else {
            &found[found.len() - 1..]
        };
        for path in damaged {
            let mut bytes = std::fs::read(path).unwrap();
            if damage == "flip" {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            } else {
                bytes.truncate(bytes.len() / 2);
            }
            std::fs::write(path, bytes).unwrap();
        }
        let output = place.run(&["resume", damage]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(
            said.contains("cannot be used") && said.contains("step-"),
            "{said}"
        );
        assert_same(&place, "whole", damage);
    }
}

#[test]
fn other_settings_and_changed_photos_are_refused() {
    let place = Workplace::new();
    for class in ["ash", "birch"] {
        std::fs::create_dir_all(place.path("trees").join(class)).unwrap();
        for n in 0..12_u8 {
            let photo = image::RgbImage::from_pixel(16, 16, image::Rgb([n * 9, class.len() as u8 * 30, 7]));
            photo
                .save(place.path("trees").join(class).join(format!("{n}.png")))
                .unwrap();
        }
    }
    let rung = "name = \"small\"\nparent = \"baseline\"\nchange = \"One layer\"\nlayers = [{ layer = \"Flatten\" }, { layer = \"Dense\", units = \"classes\", activation = \"softmax\" }]\n[early_stopping]\npatience = 100000\n";
    std::fs::write(place.path("small.toml"), rung).unwrap();
    let train = [
        "train",
        "trees",
        "--model",
        "small.toml",
        "--size",
        "16",
        "--epochs",
        "100000",
        "--out",
        "run",
    ];
    let mut command = place.command(&train);
    let mut child = command
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !place.path("run/epochs.jsonl").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let busy = place.error(&["resume", "run"]);
    assert!(busy.contains("another process"), "{busy}");
    child.kill().unwrap();
    child.wait().unwrap();

    let other = place.error(&[&train[..], &["--seed", "3"]].concat());
    assert!(other.contains("seed 0 instead of 3"), "{other}");
    std::fs::copy(place.path("trees/ash/1.png"), place.path("trees/ash/99.png")).unwrap();
    std::fs::remove_file(place.path("trees/birch/2.png")).unwrap();
    let changed = place.error(&["resume", "run"]);
    assert!(
        changed.contains("99.png is new") && changed.contains("2.png is gone"),
        "{changed}"
    );
    let nothing = place.error(&["resume", "trees"]);
    assert!(nothing.contains("config.json"), "{nothing}");
}

#[test]
fn a_closed_terminal_does_not_end_a_run_and_the_same_command_goes_on() {
    let place = Workplace::new();
    let arguments = [
        "train",
        "--model",
        "baseline",
        "--size",
        "32",
        "--epochs",
        "3",
        "--checkpoint-every",
        "0",
    ];
    let mut command = place.command(&arguments);
    let child = command
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let run = "runs/small_flowers5-baseline-1";
    while !place.path(run).join("steps.jsonl").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let send = |signal: &str, id: u32| {
        let status = std::process::Command::new("kill")
            .args([signal, &id.to_string()])
            .status();
        assert!(status.unwrap().success());
    };
    send("-HUP", child.id());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(place.path(run).join("summary.json").exists());

    let long = ["train", "--model", "baseline", "--size", "32", "--epochs", "400"];
    let child = place
        .command(&long)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let second = "runs/small_flowers5-baseline-2";
    while !std::fs::read_to_string(place.path(second).join("epochs.jsonl")).is_ok_and(|text| !text.is_empty())
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    send("-TERM", child.id());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    let output = place.run(&long);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("going on in epoch") && said.contains(second),
        "{said}"
    );
    assert!(!place.path("runs/small_flowers5-baseline-3").exists());
}
