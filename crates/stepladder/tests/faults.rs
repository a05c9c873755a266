//! A disk that fills up and checkpoints with bits turned: a training pauses or falls back, and leaves the bytes that it would have left.
#![cfg(target_os = "linux")]

mod command;

use command::Workplace;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TRAIN: [&str; 11] = [
    "train",
    "--model",
    "baseline",
    "--epochs",
    "3",
    "--size",
    "32",
    "--batch",
    "16",
    "--checkpoint-every",
    "0",
];

fn assert_same(place: &Workplace, a: &Path, b: &Path) {
    for file in [
        "model.safetensors",
        "last.safetensors",
        "steps.jsonl",
        "test_predictions.tsv",
    ] {
        let bytes = |run: &Path| std::fs::read(place.path(run).join(file)).unwrap();
        assert!(bytes(a) == bytes(b), "{file} differs");
    }
}

/// A disk of its own, in memory.
struct Disk(PathBuf);

impl Disk {
    /// `None` where mounting is not permitted.
    fn new(at: PathBuf, kibibytes: u64) -> Option<Disk> {
        std::fs::create_dir(&at).unwrap();
        let size = format!("size={kibibytes}k");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "none"])
            .arg(&at)
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Disk(at))
    }

    fn grow(&self, kibibytes: u64) {
        let size = format!("remount,size={kibibytes}k");
        let status = Command::new("mount").args(["-o", &size]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_pauses_a_training_and_room_lets_it_go_on() {
    let place = Workplace::new();
    place.json(&[&TRAIN[..], &["--out", "whole"]].concat());
    // Room for the set-up and the logs, and not for a checkpoint.
    let Some(disk) = Disk::new(place.path("disk"), 256) else {
        eprintln!("skipped: mounting a small disk is not permitted here; bench/faults does it as root");
        return;
    };
    let mut child = place
        .command(&[&TRAIN[..], &["--out", "disk/run"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(4));
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    disk.grow(64 << 10);
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(120), "it goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(
        said.contains("the disk is full") && said.contains("there is room again"),
        "{said}"
    );
    assert_same(&place, Path::new("whole"), Path::new("disk/run"));
}

#[test]
fn checkpoints_with_a_bit_turned_or_an_end_missing_are_never_gone_on_from() {
    let place = Workplace::new();
    place.json(&[&TRAIN[..], &["--out", "whole"]].concat());
    let mut seed = 3_u64;
    for round in 0..4 {
        let run = format!("run-{round}");
        let mut child = place
            .command(&[&TRAIN[..], &["--out", &run]].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let epochs = place.path(&run).join("epochs.jsonl");
        while !std::fs::read_to_string(&epochs).is_ok_and(|text| !text.is_empty()) {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // Every file in the folder, checkpoints and best weights, in one place each.
        for entry in std::fs::read_dir(place.path(&run).join("checkpoints")).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (seed >> 33) as usize % bytes.len().max(1);
            if round % 2 == 0 {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (seed % 8);
                }
            } else {
                bytes.truncate(at);
            }
            std::fs::write(&path, bytes).unwrap();
        }
        let output = place.run(&["resume", &run]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert_same(&place, Path::new("whole"), Path::new(&run));
    }
}
