//! A training, a resume, a climb and an export on a file system that lets one operation go wrong, each of them in turn: whatever fails, the
//! end is an error in words or the same bytes, no whole checkpoint is lost, and the next call does what this one could not.
//!
//! By default a part of the operations fails, so that it takes seconds; with `STEPLADDER_ALL_FAULTS=1`, every one of them in every way.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod command;

use command::{Workplace, ended, said};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Without `STEPLADDER_ALL_FAULTS`, one of so many operations fails.
const SOME: usize = 13;

/// No command takes so long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

struct Place {
    work: Workplace,
    shim: PathBuf,
}

impl Place {
    /// None, said aloud, where there is no compiler for the shim.
    fn new() -> Option<Place> {
        let work = Workplace::of_two_colors(2);
        let shim = work.path("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fault/shim.rs");
        let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let built = Command::new(compiler)
            .args([
                "--edition=2024",
                "--crate-type=cdylib",
                "-Copt-level=1",
                "-Cpanic=abort",
                "-o",
            ])
            .args([&shim, &source])
            .status();
        if built.is_ok_and(|status| status.success()) {
            return Some(Place { work, shim });
        }
        eprintln!("skipped: there is no rustc to build the library that makes operations fail");
        None
    }

    /// Runs a command of which operation `at` on files below `under` goes wrong in this `way`; and the operations.
    fn run(&self, arguments: &[&str], under: &str, at: usize, way: &str) -> (Output, Vec<String>) {
        let log = self.work.path("operations");
        let _ = std::fs::remove_file(&log);
        let folder = self.work.path("").canonicalize().unwrap().join(under);
        let child = self
            .work
            .command(arguments)
            .env("LD_PRELOAD", &self.shim)
            .env("FAULT_UNDER", folder)
            .env("FAULT_AT", at.to_string())
            .env("FAULT_KIND", way)
            .env("FAULT_LOG", &log)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let output = ended(child.unwrap(), PATIENCE);
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        (output, log.lines().map(String::from).collect())
    }

    fn forget(&self, name: &str) {
        let path = self.work.path(name);
        let _ = std::fs::remove_dir_all(&path);
        let _ = std::fs::remove_file(path);
    }

    /// Lets operations of a command go wrong, one each time. `before` makes the place ready, and `after` looks at what it has come to.
    fn each(&self, arguments: &[&str], under: &str, before: impl Fn(), after: impl Fn(&Output, &str)) {
        before();
        let (output, operations) = self.run(arguments, under, 0, "error");
        assert!(output.status.success(), "{}", said(&output));
        assert!(operations.len() > 10, "the shim sees them: {operations:?}");
        let all = std::env::var_os("STEPLADDER_ALL_FAULTS").is_some();
        for (way, from) in [("error", 0), ("full", 5), ("short", 9), ("delay", 11)] {
            let from = if all { 0 } else { from };
            for at in (from..operations.len()).step_by(if all { 1 } else { SOME }) {
                before();
                let (output, operations) = self.run(arguments, under, at + 1, way);
                let which = operations.get(at).map_or("", String::as_str);
                let what = format!("{way} of operation {} ({which})", at + 1);
                let said = said(&output);
                let is_error = output.status.code() == Some(1) && said.contains("error:");
                assert!(
                    output.status.success() || is_error,
                    "{what}: {:?}: {said}",
                    output.status
                );
                assert!(!said.contains("panicked"), "{what}: {said}");
                after(&output, &what);
            }
        }
    }
}

fn train(out: &str) -> Vec<&str> {
    let options = ["--threads", "1", "--checkpoint-every", "0", "--out"];
    [&["train", "data", "--model", "tiny.toml"][..], &options, &[out]].concat()
}

/// The files of a run that must not depend on what went wrong.
fn result(place: &Place, run: &str) -> Vec<Option<Vec<u8>>> {
    let files = [
        "model.safetensors",
        "last.safetensors",
        "steps.jsonl",
        "test_predictions.tsv",
    ];
    files
        .iter()
        .map(|file| std::fs::read(place.work.path(run).join(file)).ok())
        .collect()
}

/// The checkpoints of a run.
fn checkpoints(place: &Place, run: &str) -> Vec<String> {
    let entries = std::fs::read_dir(place.work.path(run).join("checkpoints"));
    let names = entries.into_iter().flatten().flatten();
    names
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.starts_with("step-"))
        .collect()
}

/// Asserts that the run, taken up once more with nothing going wrong, comes to `expected`.
fn assert_goes_on(place: &Place, expected: &[Option<Vec<u8>>], what: &str) {
    let output = place.work.run(&train("run"));
    let said = said(&output);
    assert!(output.status.success(), "after {what}: {said}");
    assert!(
        !said.contains("starts from its first step"),
        "after {what}: {said}"
    );
    assert!(result(place, "run") == expected, "after {what}: other bytes");
}

#[test]
fn a_training() {
    let Some(place) = Place::new() else { return };
    place.work.json(&train("whole"));
    let expected = result(&place, "whole");
    place.each(
        &train("run"),
        "run",
        || place.forget("run"),
        |output, what| {
            if output.status.success() {
                assert!(result(&place, "run") == expected, "{what}: other bytes");
            }
            assert_goes_on(&place, &expected, what);
        },
    );
}

#[test]
fn a_resume() {
    let Some(place) = Place::new() else { return };
    place.work.json(&train("whole"));
    let expected = result(&place, "whole");
    // A run that was killed between two checkpoints.
    loop {
        place.forget("killed");
        let mut child = place
            .work
            .command(&train("killed"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while checkpoints(&place, "killed").len() < 2 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if checkpoints(&place, "killed").len() >= 2 {
            break;
        }
    }
    let before = || {
        place.forget("run");
        copy(&place.work.path("killed"), &place.work.path("run"));
    };
    place.each(
        &["resume", "run", "--threads", "1"],
        "run",
        before,
        |output, what| {
            if output.status.success() {
                assert!(result(&place, "run") == expected, "{what}: other bytes");
            } else if !place.work.path("run/summary.json").exists() {
                assert!(
                    !checkpoints(&place, "run").is_empty(),
                    "{what}: no checkpoint is left"
                );
            }
            assert_goes_on(&place, &expected, what);
        },
    );
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn a_climb() {
    let Some(place) = Place::new() else { return };
    let options = [
        "--rungs",
        "tiny.toml",
        "--epochs",
        "1",
        "--threads",
        "1",
        "--into",
    ];
    let climb = |into| [&["climb", "data"][..], &options, &[into]].concat();
    place.work.json(&climb("whole"));
    let run = "tiny-seed0/model.safetensors";
    let expected = place.work.bytes(Path::new("whole").join(run));
    place.each(
        &climb("climb"),
        "climb",
        || place.forget("climb"),
        |_, what| {
            let output = place.work.run(&climb("climb"));
            assert!(output.status.success(), "after {what}: {}", said(&output));
            let record: serde_json::Value =
                serde_json::from_str(&place.work.read("climb/climb.json")).unwrap();
            assert_eq!(record["complete"], true, "after {what}");
            let run = record["rungs"][0]["runs"][0]["run"].as_str().unwrap().to_string();
            let model = Path::new("climb").join(run).join("model.safetensors");
            assert!(place.work.bytes(model) == expected, "after {what}: other bytes");
        },
    );
}

#[test]
fn an_export() {
    let Some(place) = Place::new() else { return };
    place.work.json(&train("whole"));
    let export = [
        "export",
        "whole",
        "--format",
        "safetensors",
        "--out",
        "out/weights.safetensors",
    ];
    std::fs::create_dir(place.work.path("out")).unwrap();
    place.work.json(&export);
    let expected = place.work.bytes("out/weights.safetensors");
    let before = || place.forget("out/weights.safetensors");
    place.each(&export, "", before, |output, what| {
        let written = std::fs::read(place.work.path("out/weights.safetensors"));
        match output.status.success() {
            true => assert!(written.unwrap() == expected, "{what}: other bytes"),
            // None, or all of it: the folder's own entry may be what could not be put on the disk.
            false => assert!(
                written.is_err() || written.unwrap() == expected,
                "{what}: a part of a file"
            ),
        }
        let left = std::fs::read_dir(place.work.path("out")).unwrap().flatten();
        assert!(
            left.count() <= 1 || what.contains("unlink"),
            "{what}: something unfinished is left"
        );
    });
}
