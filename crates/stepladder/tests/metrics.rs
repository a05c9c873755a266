//! The figures of a training for other programs, written while it runs and afterwards.
#![cfg(unix)]

mod command;

use command::Workplace;
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};
use stepladder_metrics::{Scalar, read_scalars};

fn train(out: &str) -> Vec<&str> {
    [
        "train",
        "--model",
        "baseline",
        "--size",
        "32",
        "--epochs",
        "3",
        "--batch",
        "16",
        "--checkpoint-every",
        "0",
        "--tensorboard",
        "--out",
        out,
    ]
    .into()
}

/// The values without their times, which must be in order.
fn values(place: &Workplace, folder: &str) -> Vec<(u64, String, f32)> {
    let scalars: Vec<Scalar> = read_scalars(&place.path(folder)).unwrap();
    assert!(
        scalars
            .windows(2)
            .all(|pair| pair[0].wall_time <= pair[1].wall_time)
    );
    scalars
        .into_iter()
        .map(|scalar| (scalar.step, scalar.tag, scalar.value))
        .collect()
}

#[test]
fn event_files_say_what_the_logs_say_however_often_a_training_goes_on() {
    let place = Workplace::new();
    // Killed within its second epoch or so, and taken up without saying --tensorboard again.
    let mut child = place
        .command(&train("run"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while !place
        .path("run/epochs.jsonl")
        .metadata()
        .is_ok_and(|log| log.len() > 0)
        && Instant::now() < until
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait().unwrap();
    place.json(&["resume", "run"]);
    let steps: Vec<serde_json::Value> = place
        .read("run/steps.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let read = values(&place, "run/tensorboard/train");
    let losses: Vec<(u64, f32)> = read
        .iter()
        .filter(|(_, tag, _)| tag == "batch_loss")
        .map(|(step, _, value)| (*step, *value))
        .collect();
    let logged: Vec<(u64, f32)> = steps
        .iter()
        .map(|step| {
            (
                step["step"].as_u64().unwrap(),
                step["loss"].as_f64().unwrap() as f32,
            )
        })
        .collect();
    assert_eq!(losses, logged);
    let epochs = |part: &str| {
        values(&place, part)
            .into_iter()
            .filter(|(_, tag, _)| tag == "epoch_accuracy")
            .count()
    };
    assert_eq!(epochs("run/tensorboard/train"), 3);
    assert_eq!(epochs("run/tensorboard/validation"), 3);
    // The export of the finished run says the same, and has the same tags.
    let exported = place.json(&["export", "run", "--format", "tensorboard", "--out", "events"]);
    assert_eq!(exported["format"], "tensorboard");
    for part in ["train", "validation"] {
        let sorted = |folder: &str| {
            let mut values = values(&place, &format!("{folder}/{part}"));
            values.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
            values
        };
        assert_eq!(sorted("events"), sorted("run/tensorboard"));
    }
}

#[test]
fn tables_and_an_mlflow_folder_are_made_of_a_run_that_ended() {
    let place = Workplace::new();
    place.json(&[
        "train", "--model", "baseline", "--size", "32", "--epochs", "2", "--out", "run",
    ]);
    place.json(&["export", "run", "--format", "csv"]);
    let table = place.read("run/metrics/epochs.csv");
    assert_eq!(table.lines().count(), 3);
    assert!(
        table.starts_with("epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,"),
        "{table}"
    );
    let steps = place.read("run/metrics/steps.csv").lines().count();
    assert_eq!(steps, place.read("run/steps.jsonl").lines().count() + 1);
    let exported = place.json(&["export", "run", "--format", "mlflow"]);
    let folder = place.path(exported["file"].as_str().unwrap());
    let lines = std::fs::read_to_string(folder.join("metrics/val_accuracy")).unwrap();
    let epochs: BTreeSet<&str> = lines
        .lines()
        .map(|line| line.split(' ').nth(2).unwrap())
        .collect();
    assert_eq!(epochs, BTreeSet::from(["1", "2"]));
    assert_eq!(
        std::fs::read_to_string(folder.join("params/model")).unwrap(),
        "baseline"
    );
    // Exporting again is no second run.
    place.json(&["export", "run", "--format", "mlflow"]);
    assert_eq!(
        folder.parent().unwrap().read_dir().unwrap().count(),
        2,
        "a document and one run"
    );
    let message = place.error(&["export", "absent", "--format", "csv"]);
    assert!(message.contains("absent"), "{message}");
}
