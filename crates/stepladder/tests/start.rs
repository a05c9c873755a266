//! Trainings that start from pretrained weights, as a user begins them.

mod command;
#[cfg(feature = "hub")]
#[path = "../../stepladder-weights/tests/loopback_hub/mod.rs"]
mod loopback_hub;

use command::{Workplace, said};

#[cfg(all(feature = "hub", feature = "shipped"))]
#[test]
fn a_model_of_the_hub_is_downloaded_once_and_names_its_network() {
    use loopback_hub::{Fault, LoopbackHub};
    let place = Workplace::of_two_colors(1);
    let config: &[u8] =
        br#"{"architecture": "tf_efficientnet_lite0", "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "input_size": [3, 48, 48]}}"#;
    let weights = stepladder_weights::shipped_file();
    let files: [(&str, &[u8], &str); 2] = [
        (
            "model.safetensors",
            &weights,
            &stepladder_weights::sha256(&weights),
        ),
        ("config.json", config, ""),
    ];
    let hub = LoopbackHub::start("timm/lite0.in1k", &files, Fault::None);
    let train = |out: &str, offline: &str| {
        let mut command = place.command(&["train", "data", "--start", "hf:timm/lite0.in1k", "--size", "32"]);
        command.args(["--out", out]).env("HF_ENDPOINT", &hub.endpoint);
        command
            .env("HF_HUB_CACHE", place.path("hub"))
            .env("HF_HUB_OFFLINE", offline);
        command.output().unwrap()
    };
    let message = said(&train("run", "1"));
    assert!(message.contains("HF_HUB_OFFLINE is set"), "{message}");
    let first = train("run", "");
    assert!(first.status.success(), "{}", said(&first));
    assert!(
        said(&first).contains("downloaded timm/lite0.in1k"),
        "{}",
        said(&first)
    );
    // The network, its input and how photos are made ready are those of the weights.
    let rung = place.read("run/rung.toml");
    for part in [
        "name = \"efficientnet-lite0\"",
        "size = 48",
        "mean = [0.5, 0.5, 0.5], variance = [0.25, 0.25, 0.25]",
    ] {
        assert!(rung.contains(part), "{part} in {rung}");
    }
    // From now on it is there, network or not.
    let second = train("again", "1");
    assert!(second.status.success(), "{}", said(&second));
    assert!(place.bytes("run/model.safetensors") == place.bytes("again/model.safetensors"));
}

/// A directory with a run from random weights is another run's.
#[cfg(feature = "shipped")]
#[test]
fn a_run_from_random_weights_is_no_place_for_a_pretrained_one() {
    let place = Workplace::of_two_colors(1);
    place.json(&["train", "data", "--model", "tiny.toml", "--out", "run"]);
    let message = place.error(&[
        "train", "data", "--start", "shipped", "--size", "32", "--out", "run",
    ]);
    assert!(message.contains("random weights instead of shipped"), "{message}");
}

/// The pretrained run is judged against one from random weights, which is a run of its own.
#[cfg(feature = "shipped")]
#[test]
fn what_a_start_was_worth_is_said_with_its_interval() {
    let place = Workplace::of_two_colors(1);
    let options = [
        "--start", "shipped", "--size", "32", "--out", "run", "--budget", "4s",
    ];
    let told = place.json(&[&["train", "data", "--compare-scratch"], &options[..]].concat());
    let comparison = &told["start_worth"]["comparison"];
    assert!(comparison["photos"].as_u64().unwrap() > 0, "{told}");
    let [low, high] = [0, 1].map(|side| comparison["interval"][side].as_f64().unwrap());
    let difference = comparison["difference"].as_f64().unwrap();
    assert!(low <= difference && difference <= high, "{comparison}");
    assert!(place.path("run-scratch/model.safetensors").exists());
    assert!(!place.read("run-scratch/rung.toml").contains("[start]"));
    let kept: serde_json::Value = serde_json::from_slice(&place.bytes("run/start_worth.json")).unwrap();
    assert_eq!(kept, told["start_worth"]);
    let message = place.error(&["train", "data", "--start", "scratch", "--compare-scratch"]);
    assert!(message.contains("leave out --start scratch"), "{message}");
}

/// Heads that have not learned a photo find its label wrong, and photos of one color look alike.
#[cfg(all(feature = "pages", feature = "shipped"))]
#[test]
fn a_report_finds_a_wrong_label_and_look_alikes_by_pretrained_features() {
    let place = Workplace::of_two_colors(1);
    std::fs::copy(place.path("data/red/5.png"), place.path("data/green/wrong.png")).unwrap();
    place.json(&[
        "train", "data", "--start", "shipped", "--size", "32", "--out", "run",
    ]);
    let told = place.json(&["report", "run"]);
    let table = place.read("run/labels_to_check.tsv");
    let row = table.lines().find(|line| line.contains("wrong.png")).unwrap();
    assert!(row.contains("\tgreen\tred\t"), "{row}");
    let look_alikes = told["run"]["look_alikes"].as_array().unwrap();
    assert!(!look_alikes.is_empty());
    for pair in look_alikes {
        assert!(pair["similarity"].as_f64().unwrap() > 0.9, "{pair}");
    }
    assert!(place.read("run/report.html").contains("Alike in two parts"));
}

/// Killed at any moment of features, head and fine-tuning, it goes on to the same bytes.
#[cfg(all(unix, feature = "shipped"))]
#[test]
fn a_pretrained_start_survives_kills() {
    use std::process::Stdio;
    use std::time::Duration;
    let place = Workplace::of_two_colors(1);
    for (name, frozen) in [("head", "backbone"), ("tuned", "none")] {
        let run = |out: &str| {
            let options = [
                "--start", "shipped", "--frozen", frozen, "--size", "32", "--epochs", "2",
            ];
            let mut command = place.command(&["train", "data", "--batch", "4", "--checkpoint-every", "0"]);
            command
                .args(options)
                .args(["--out", out])
                .stderr(Stdio::null())
                .stdout(Stdio::null());
            command.spawn().unwrap()
        };
        let whole = format!("{name}-whole");
        assert!(run(&whole).wait().unwrap().success());
        let killed = format!("{name}-killed");
        let mut kills = 0;
        for wait in (1..).map(|number| Duration::from_millis(150 * number)) {
            let mut child = run(&killed);
            std::thread::sleep(wait);
            if child.try_wait().unwrap().is_some() {
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        assert!(kills > 1, "{kills} kills");
        assert!(run(&killed).wait().unwrap().success());
        for file in ["model.safetensors", "test_predictions.tsv"] {
            let bytes = |run: &str| place.bytes(format!("{run}/{file}"));
            assert!(bytes(&whole) == bytes(&killed), "{frozen}: {file} differs");
        }
    }
}
