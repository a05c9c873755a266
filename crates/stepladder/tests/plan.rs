//! What a training was to take in memory, by its plan, is what it takes; and a training that has less goes on in pieces.
#![cfg(target_os = "linux")]

mod command;

use command::Workplace;
use serde_json::Value;
use std::process::Command;

/// A short training of `rung` on the shipped photos: in the second of two epochs, photos are made ahead while a checkpoint is written.
fn arguments<'a>(command: &'a str, rung: &'a str, size: &'a str, precision: &'a str) -> Vec<&'a str> {
    vec![
        command,
        "--model",
        rung,
        "--size",
        size,
        "--epochs",
        "2",
        "--threads",
        "2",
        "--precision",
        precision,
    ]
}

/// What a rung takes, by its plan, in the order of `PARTS`.
fn planned(place: &Workplace, rung: &str, size: &str, precision: &str) -> (u64, Vec<u64>) {
    const PARTS: [&str; 8] = [
        "weights",
        "gradients",
        "optimizer",
        "averages",
        "activations",
        "workspace",
        "loader",
        "checkpoints",
    ];
    let plan = place.json(&[&arguments("plan", rung, size, precision)[..], &["--seconds", "0"]].concat());
    assert!(plan["step_seconds"].is_null(), "{plan}");
    let bytes = |part: &str| plan["memory"][part].as_u64().unwrap();
    (bytes("total"), PARTS.map(bytes).to_vec())
}

/// At 64 pixels, where an epoch of the shipped photos is a few seconds even for the deepest, at both precisions. Rungs whose plans are
/// equal in every part are measured once.
#[test]
fn every_rung_takes_what_its_plan_says() {
    let place = Workplace::new();
    let listed = place.json(&["models"]);
    let mut names = Vec::new();
    for list in ["models", "variants"] {
        for rung in listed[list].as_array().into_iter().flatten() {
            names.push(rung["name"].as_str().unwrap().to_string());
        }
    }
    assert!(names.len() >= 14, "{names:?}");
    let (mut wrong, mut known) = (Vec::new(), Vec::new());
    let runs =
        ["f32", "bf16"].map(|precision| names.iter().map(move |name| (name.as_str(), "64", precision)));
    let not_square = [("m13", "48x96", "f32"), ("m10", "96x64", "f32")];
    for (name, size, precision) in runs.into_iter().flatten().chain(not_square) {
        let (total, parts) = planned(&place, name, size, precision);
        if known.contains(&parts) {
            continue;
        }
        known.push(parts);
        let out = format!("run-{name}-{size}-{precision}");
        let run = place.json(&[&arguments("train", name, size, precision)[..], &["--out", &out]].concat());
        let measured = run["peak_memory_bytes"].as_u64().unwrap();
        let ratio = total as f64 / measured as f64;
        eprintln!("{name} {size} {precision}: {total} planned, {measured} measured: {ratio:.3}");
        if !(0.9..=1.1).contains(&ratio) {
            wrong.push(format!("{name} {size} {precision} {ratio:.3}"));
        }
    }
    assert!(known.len() >= 16, "{} measured", known.len());
    assert!(wrong.is_empty(), "planned over measured: {}", wrong.join(", "));
}

#[test]
fn a_training_with_less_memory_than_its_plan_goes_through_in_pieces() {
    let place = Workplace::new();
    // Without batch normalization, so that pieces change nothing but rounding.
    let model = ["--model", "m6-no-bn", "--size", "64", "--threads", "1"];
    let plan = place.json(&[&["plan", "--seconds", "0"][..], &model].concat());
    let memory = &plan["memory"];
    let total = memory["total"].as_u64().unwrap();
    let arguments = [
        &["train", "--epochs", "1", "--json", "--out", "small"][..],
        &model,
    ]
    .concat();
    let limit = total * 6 / 10;
    let quoted: Vec<String> = arguments.iter().map(|a| format!("'{a}'")).collect();
    // The address space is larger than what is held: threads' stacks and the program itself.
    let kibibytes = (limit + (192 << 20)) / 1024;
    let script = format!(
        "ulimit -v {kibibytes}; exec '{}' {}",
        env!("CARGO_BIN_EXE_stepladder"),
        quoted.join(" ")
    );
    let limited = Command::new("sh")
        .args(["-c", &script])
        .current_dir(place.path("."))
        .env("STEPLADDER_CACHE", place.path("cache"))
        .env("MALLOC_ARENA_MAX", "1")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&limited.stderr).into_owned();
    assert!(limited.status.success(), "{said}");
    let small = command::last_line(&limited);
    let gib = (limit as f64 - memory["program"].as_u64().unwrap() as f64) / f64::from(1 << 30);
    let gib = format!("{gib:.4}");
    let within = place.run(
        &[
            &["train", "--epochs", "1", "--out", "asked", "--memory", &gib][..],
            &model,
        ]
        .concat(),
    );
    let said = String::from_utf8_lossy(&within.stderr).into_owned();
    assert!(within.status.success() && said.contains("in pieces of"), "{said}");
    let asked: Value = serde_json::from_str(&place.read("asked/summary.json")).unwrap();
    assert!(
        asked["peak_memory_bytes"].as_u64().unwrap() < total * 7 / 10,
        "{asked}"
    );
    assert_eq!(small["epochs"], 1);
    let whole = place.json(&[&["train", "--epochs", "1", "--out", "whole"][..], &model].concat());
    let loss = |summary: &Value| summary["test_loss"].as_f64().unwrap();
    assert!(
        (loss(&whole) - loss(&asked)).abs() < 0.05 * loss(&whole),
        "{} and {}",
        loss(&whole),
        loss(&asked)
    );
}
