//! What people type in their first hour, and what is answered: the same training twice, runs by a part of their names, arguments in the
//! wrong order, predictions that are to be kept.

mod command;

use command::{Workplace, said};
use serde_json::Value;

const TRAIN: [&str; 4] = ["train", "data", "--model", "tiny.toml"];

/// A place with one finished run, `runs/data-tiny-1`.
fn trained() -> (Workplace, Value) {
    let place = Workplace::of_two_colors(3);
    let summary = place.json(&TRAIN);
    (place, summary)
}

#[test]
fn the_same_training_again_shows_the_run_that_is_there() {
    let (place, first) = trained();
    assert!(first["ended_before"].is_null());
    let again = place.json(&TRAIN);
    assert_eq!(again["run"], first["run"]);
    assert_eq!(again["ended_before"], true);
    assert_eq!(again["test_accuracy"], first["test_accuracy"]);
    let output = place.run(&TRAIN);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("runs/data-tiny-1 is there already") && text.contains("--new"),
        "{text}"
    );
    let anew = place.json(&[&TRAIN[..], &["--new"]].concat());
    assert_eq!(anew["run"], "runs/data-tiny-2");
    // Other settings are another training.
    let other = place.json(&[&TRAIN[..], &["--seed", "1"]].concat());
    assert_eq!(
        (&other["run"], &other["ended_before"]),
        (&"runs/data-tiny-3".into(), &Value::Null)
    );
}

#[test]
fn a_choice_is_made_once_for_the_same_words() {
    let place = Workplace::of_two_colors(1);
    let choose = ["train", "data", "--steps", "4"];
    let first = place.json(&choose);
    let again = place.json(&choose);
    assert_eq!(
        (&again["run"], &again["ended_before"]),
        (&first["run"], &true.into())
    );
    // An option that is left out the next time is not remembered.
    let mixed = place.json(&[&choose[..], &["--mixup", "0.2"]].concat());
    assert_ne!(mixed["run"], first["run"]);
    assert_eq!(place.json(&choose)["run"], first["run"]);
    // Other photos have a choice of their own.
    std::fs::copy(place.path("data/red/0.png"), place.path("data/green/new.png")).unwrap();
    assert!(place.json(&choose)["ended_before"].is_null());
}

#[test]
fn a_finished_run_says_how_to_train_longer() {
    let (place, first) = trained();
    let kept = place.path("data-elsewhere");
    std::fs::rename(place.path("data"), &kept).unwrap();
    let resumed = place.json(&["resume", "data-tiny"]);
    assert_eq!(
        (&resumed["run"], &resumed["ended_before"]),
        (&first["run"], &true.into())
    );
    let text = String::from_utf8(place.run(&["resume", "runs/data-tiny-1"]).stdout).unwrap();
    assert!(text.contains("has ended"), "{text}");
    std::fs::rename(&kept, place.path("data")).unwrap();
    let longer = resumed["longer"].as_str().unwrap();
    assert!(
        longer.contains("--start run:runs/data-tiny-1 --size 8 --epochs 3"),
        "{longer}"
    );
    let words: Vec<&str> = longer.split(' ').skip(1).collect();
    let trained = place.json(&words);
    assert_eq!(trained["epochs"], 3);
    let start = place.read(format!("{}/start.json", trained["run"].as_str().unwrap()));
    assert!(start.contains("data-tiny-1"), "{start}");
}

#[test]
fn what_comes_next_is_named() {
    let place = Workplace::of_two_colors(1);
    let text = String::from_utf8(place.run(&TRAIN).stdout).unwrap();
    for command in ["evaluate", "predict", "explain", "report", "serve", "export"] {
        assert!(
            text.contains(&format!("stepladder {command} runs/data-tiny-1")),
            "{command}: {text}"
        );
    }
}

#[test]
fn a_training_says_about_how_long_it_takes() {
    let place = Workplace::of_two_colors(1);
    let output = place.run(&TRAIN);
    assert!(
        said(&output).contains("time        roughly "),
        "{}",
        said(&output)
    );
}

#[test]
fn predictions_are_kept_in_a_table_and_sorted_into_folders() {
    let (place, _) = trained();
    let keep = [
        "predict",
        "data-tiny-1",
        "data",
        "--out",
        "answers.csv",
        "--sort-into",
        "sorted",
    ];
    let answers = place.json(&keep);
    assert_eq!(answers["copied"], 24);
    let table = place.read("answers.csv");
    assert_eq!(table.lines().count(), 25);
    assert!(
        table.starts_with("file,class,probability,p(green),p(red)\n"),
        "{table}"
    );
    let copies = || -> Vec<_> {
        let classes = std::fs::read_dir(place.path("sorted")).unwrap();
        let files = classes.flat_map(|class| std::fs::read_dir(class.unwrap().path()).unwrap());
        files.map(|file| file.unwrap().path()).collect()
    };
    assert_eq!(copies().len(), 24);
    // Both classes have a 0.png: none was written over the other.
    let contents: std::collections::BTreeSet<Vec<u8>> =
        copies().iter().map(|copy| std::fs::read(copy).unwrap()).collect();
    assert_eq!(contents.len(), 24);
    // A table is not overwritten, and a copy that is there is not made again.
    assert!(place.error(&keep).contains("nothing is overwritten"));
    let again = place.json(&["predict", "data-tiny-1", "data", "--sort-into", "sorted"]);
    assert_eq!((&again["copied"], copies().len()), (&0.into(), 24));
    let unsure = place.json(&[
        "predict",
        "data-tiny-1",
        "data/red/0.png",
        "--unsure",
        "1",
        "--sort-into",
        "sorted",
    ]);
    assert_eq!(unsure["copied"], 1);
    assert!(place.path("sorted/unsure/0.png").is_file());
    // Never among the photos themselves, which the next training would take them for.
    for folder in ["data", "data/red", "."] {
        let message = place.error(&["predict", "data-tiny-1", "data/red", "--sort-into", folder]);
        assert!(
            message.contains("holds photos of the data"),
            "{folder}: {message}"
        );
    }
    assert_eq!(std::fs::read_dir(place.path("data/red")).unwrap().count(), 12);
    let message = place.error(&["predict", "data-tiny-1", "data/red", "--out", "nowhere/p.csv"]);
    assert!(message.contains("its folder does not exist"), "{message}");
}

#[test]
fn what_was_meant_is_said() {
    let (place, _) = trained();
    let says = |arguments: &[&str], phrases: &[&str]| {
        let message = place.error(arguments);
        for phrase in phrases {
            assert!(message.contains(phrase), "{arguments:?}: {message}");
        }
    };
    let photo = "data/red/0.png";
    says(
        &["predict", photo],
        &["is no run", "stepladder predict runs/data-tiny-1 data/red/0.png"],
    );
    says(
        &["explain", photo],
        &["is no run", "stepladder explain runs/data-tiny-1"],
    );
    says(
        &["predict", "data"],
        &["is no run", "stepladder predict runs/data-tiny-1 data"],
    );
    says(&["predict", photo, "data-tiny-1"], &["is no run"]);
    says(
        &["predict", photo, "runs/data-tiny-1"],
        &["the run comes first", "predict runs/data-tiny-1 data/red"],
    );
    says(
        &["predict", "data-tiny-1"],
        &["which photos?", "predict runs/data-tiny-1 PHOTO"],
    );
    says(
        &["predict", "nothing", photo],
        &["nothing does not exist", "the newest run is runs/data-tiny-1"],
    );
    says(
        &["train", photo],
        &[
            "is a single photo",
            "stepladder predict runs/data-tiny-1 data/red/0.png",
        ],
    );
    says(&["train", photo, "data/red/1.png"], &["predict RUN PHOTO"]);
    says(
        &["train", "runs/data-tiny-1"],
        &["is a run", "stepladder resume runs/data-tiny-1"],
    );
    says(
        &["train", "data", "--model", "runs/data-tiny-1"],
        &["--start run:runs/data-tiny-1"],
    );
    says(
        &["train", "data", "--model", "runs/data-tiny-1/model.safetensors"],
        &["--start run:runs/data-tiny-1"],
    );
    says(&["train", "data", "--resume", "x"], &["stepladder resume RUN"]);
    says(&["train", "data", "--weights", "x"], &["--start takes weights"]);
    says(
        &["resume", "data-tiny-1", "--epochs", "6"],
        &["--start run:RUN --epochs N"],
    );
}

#[test]
fn runs_are_listed_and_opened_by_the_beginning_of_their_names() {
    let (place, first) = trained();
    place.json(&[&TRAIN[..], &["--new"]].concat());
    let runs = place.json(&["runs"])["runs"].clone();
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(
        (&runs[0]["run"], &runs[0]["state"]),
        (&first["run"], &"finished".into())
    );
    assert_eq!(
        (&runs[0]["test_accuracy"], &runs[0]["size"]),
        (&first["test_accuracy"], &8.into())
    );
    assert!(runs[0]["bytes"].as_u64().unwrap() > 1000);
    let message = place.error(&["evaluate", "data-t"]);
    assert!(
        message.contains("could be runs/data-tiny-1, runs/data-tiny-2"),
        "{message}"
    );
    assert!(
        place
            .error(&["runs", "other"])
            .contains("no run begins with other")
    );
    let one = String::from_utf8(place.run(&["runs", "data-tiny-2"]).stdout).unwrap();
    assert!(
        one.contains("state       finished") && one.contains("disk"),
        "{one}"
    );
    assert_eq!(place.json(&["evaluate", "runs/data-tiny-1"])["model"], "tiny");
    let compared = place.json(&["compare", "data-tiny-1", "data-tiny-2"]);
    assert_eq!(compared["runs"][1]["run"], "runs/data-tiny-2");
    assert!(
        Workplace::new().json(&["runs"])["runs"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_rate_is_found_with_a_command_that_can_be_typed() {
    let place = Workplace::of_two_colors(1);
    let find = [
        "find-lr",
        "data",
        "--model",
        "tiny.toml",
        "--steps",
        "60",
        "--plot",
        "p.svg",
    ];
    let found = place.json(&find);
    let command = found["command"].as_str().unwrap().to_string();
    let rate = found["recommended"].as_f64().unwrap();
    assert_eq!(
        command,
        format!("stepladder train data --model tiny.toml --lr {rate}")
    );
    assert!(
        rate.to_string().trim_start_matches(['0', '.']).len() <= 2,
        "{rate}"
    );
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    place.json(&words);
}

#[test]
fn a_plan_keeps_to_a_budget() {
    let place = Workplace::of_two_colors(100_000);
    let plan = place.json(&[
        "plan",
        "data",
        "--model",
        "tiny.toml",
        "--budget",
        "20s",
        "--seconds",
        "0.1",
    ]);
    assert_eq!(plan["seconds"], 20.0);
    let steps = plan["steps"].as_u64().unwrap();
    assert!(
        steps > 100 && plan["epochs"].as_u64().unwrap() < 100_000,
        "{plan}"
    );
    let steps = place.json(&[
        "plan",
        "data",
        "--model",
        "tiny.toml",
        "--steps",
        "30",
        "--seconds",
        "0",
    ]);
    assert_eq!((&steps["steps"], &steps["epochs"]), (&30.into(), &10.into()));
}

/// A rung whose batch normalization has Keras' momentum.
const NORMALIZED: &str = r#"
name = "normalized"
[input]
size = 8
[optimizer]
type = "adam"
learning_rate = 0.01
[training]
epochs = 2
batch_size = 8
[[layers]]
layer = "Conv2D"
filters = 4
kernel_size = 3
[[layers]]
layer = "BatchNormalization"
[[layers]]
layer = "Activation"
activation = "relu"
[[layers]]
layer = "Flatten"
[[layers]]
layer = "Dense"
units = "classes"
activation = "softmax"
"#;

#[test]
fn statistics_of_few_steps_are_computed_anew_and_weights_are_not() {
    let place = Workplace::of_two_colors(1);
    std::fs::write(place.path("normalized.toml"), NORMALIZED).unwrap();
    let train = ["train", "data", "--model", "normalized.toml"];
    let output = place.run(&[&train[..], &["--out", "anew"]].concat());
    assert!(said(&output).contains("computed anew"), "{}", said(&output));
    let anew: Value = serde_json::from_str(&place.read("anew/summary.json")).unwrap();
    assert_eq!(anew["recomputed_statistics"], anew["train_images"]);
    let keras = place.json(&[&train[..], &["--out", "keras", "--moving-statistics"]].concat());
    assert!(keras["recomputed_statistics"].is_null());
    // The training is the same; the model that answers is not.
    assert_eq!(
        place.bytes("anew/last.safetensors"),
        place.bytes("keras/last.safetensors")
    );
    assert_ne!(
        place.bytes("anew/model.safetensors"),
        place.bytes("keras/model.safetensors")
    );
    // The model answers as its figures say.
    for run in ["anew", "keras"] {
        let summary: Value = serde_json::from_str(&place.read(format!("{run}/summary.json"))).unwrap();
        let evaluated = place.json(&["evaluate", run, "--part", "train"]);
        assert_eq!(
            evaluated["figures"]["accuracy"], summary["train_accuracy"],
            "{run}"
        );
    }
    // A run keeps to what it began with.
    let other = place.error(&[&train[..], &["--out", "keras"]].concat());
    assert!(other.contains("moving statistics"), "{other}");
}

#[test]
fn runs_that_were_cut_short_get_no_verdict() {
    let place = Workplace::of_two_colors(1);
    std::fs::write(place.path("normalized.toml"), NORMALIZED).unwrap();
    let one = place.json(&[&TRAIN[..], &["--split-seed", "0"]].concat());
    assert_eq!(one["unsettled"], "few_epochs");
    let other = place.json(&[&TRAIN[..], &["--seed", "1", "--split-seed", "0"]].concat());
    let (one, other) = (one["run"].as_str().unwrap(), other["run"].as_str().unwrap());
    let compared = place.json(&["compare", one, other]);
    let against = &compared["against_first"][0];
    assert_eq!(against["paired"]["verdict"], "no verdict");
    assert!(against["paired"]["p_value"].is_null());
    assert!(
        against["unsettled"]
            .as_str()
            .unwrap()
            .contains("trained for a moment only"),
        "{against}"
    );
    let text = String::from_utf8(place.run(&["compare", one, other]).stdout).unwrap();
    assert!(text.contains("no verdict") && !text.contains("real"), "{text}");
}
