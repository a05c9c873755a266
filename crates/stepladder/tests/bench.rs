//! `stepladder bench`: what it measures, how its figures hang together, and what it refuses.

mod command;

use command::Workplace;
use serde_json::Value;

fn figure(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn figures_hang_together() {
    let place = Workplace::new();
    let arguments = [
        "bench",
        "--size",
        "32",
        "--batch",
        "4",
        "--threads",
        "2",
        "--seconds",
        "0.1",
    ];
    let result = place.json(&arguments);
    assert_eq!(result["model"], "baseline");
    let multiply_adds = figure(&result["multiply_adds"]);
    let peak = figure(&result["machine"]["dot_product_flops"]);
    for (part, passes) in [("training", 3.0), ("inference", 1.0)] {
        let speed = &result[part];
        let rate = figure(&speed["images_per_second"]);
        assert!(
            (rate * figure(&speed["step_seconds"]) - 4.0).abs() < 1e-6,
            "{part}"
        );
        let flops = figure(&speed["flops"]);
        assert!(
            (flops / (2.0 * passes * multiply_adds * rate) - 1.0).abs() < 1e-9,
            "{part}"
        );
        assert!(
            (figure(&speed["peak_share"]) * peak / flops - 1.0).abs() < 1e-9,
            "{part}"
        );
        assert!(figure(&speed["steps"]) >= 2.0, "there are two rounds at least");
    }
    assert!(figure(&result["machine"]["copy_bytes_per_second"]) > 1e8);
    #[cfg(target_os = "linux")]
    assert!(figure(&result["peak_memory_bytes"]) > 1e6);
}

#[test]
fn one_part_is_measured_alone_and_rungs_come_from_files() {
    let place = Workplace::new();
    let toml = place.run(&["models", "m3", "--toml"]).stdout;
    std::fs::write(place.path("copy.toml"), toml).unwrap();
    let arguments = [
        "bench",
        "--model",
        "copy.toml",
        "--size",
        "32",
        "--batch",
        "1",
        "--measure",
        "training",
        "--seconds",
        "0.01",
    ];
    let result = place.json(&arguments);
    assert!(figure(&result["training"]["images_per_second"]) > 0.0);
    assert!(result["training"]["peak_share"].is_null());
    assert!(result["inference"].is_null() && result["machine"].is_null());
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_remedy() {
    let place = Workplace::new();
    for (arguments, words) in [
        (["--seconds", "0"], "--seconds 0 is no time"),
        (["--seconds", "nan"], "give 0.001 to 3600"),
        (["--threads", "0"], "give 1 or more"),
        (["--batch", "0"], "batch_size"),
        (["--model", "m33"], "did you mean"),
        (["--size", "2"], "a larger input than 2 pixels"),
    ] {
        let message = place.error(&[&["bench"], &arguments[..]].concat());
        assert!(message.contains(words), "{message}");
    }
}
