//! A build with `--no-default-features` says of each command and option that it lacks how to have it.

#![cfg(not(any(
    feature = "export",
    feature = "metrics",
    feature = "pages",
    feature = "serve",
    feature = "tui",
    feature = "watch"
)))]

use std::process::Command;

#[test]
fn what_is_left_out_names_its_feature() {
    let cases: [(&[&str], &str, &str); 8] = [
        (&["serve", "model.safetensors"], "serve", "serve"),
        (&["watch"], "watch", "watch"),
        (&["report", "runs/x"], "report", "pages"),
        (
            &["compare", "runs/x", "runs/y", "--html", "x.html"],
            "--html",
            "pages",
        ),
        (&["inspect", "--html", "x.html"], "--html", "pages"),
        (
            &["export", "runs/x", "--format", "onnx"],
            "export --format onnx",
            "export",
        ),
        (
            &["export", "runs/x", "--format", "mlflow"],
            "export --format mlflow",
            "metrics",
        ),
        (&["train", "--tui"], "--tui", "tui"),
    ];
    for (arguments, what, feature) in cases {
        let output = Command::new(env!("CARGO_BIN_EXE_stepladder"))
            .args(arguments)
            .output()
            .expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(
            said.contains(&format!("{what} is not in this build of Stepladder"))
                && said.contains(&format!("--features {feature},")),
            "{arguments:?}: {said}"
        );
    }
}
