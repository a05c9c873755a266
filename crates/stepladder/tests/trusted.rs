//! What others put in place of files, write into them, or ask for: nothing is lost, nothing hangs, nobody is misled.
#![cfg(unix)]

mod command;

use command::{Workplace, ended, said};
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

/// Photos of two colors and a rung that is long in training.
fn place() -> Workplace {
    Workplace::of_two_colors(400)
}

fn train<'a>(out: &'a str, epochs: &'a str) -> Vec<&'a str> {
    let options = [
        "--threads",
        "1",
        "--checkpoint-every",
        "0",
        "--epochs",
        epochs,
        "--out",
        out,
    ];
    [&["train", "data", "--model", "tiny.toml"][..], &options].concat()
}

/// A run that was killed on its way, with the names of its checkpoints.
fn killed(place: &Workplace, run: &str) -> Vec<String> {
    let mut child = place
        .command(&train(run, "4000"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let epochs = place.path(run).join("epochs.jsonl");
    while !std::fs::read_to_string(&epochs).is_ok_and(|text| text.lines().count() >= 3) {
        assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    checkpoints(place, run)
}

fn checkpoints(place: &Workplace, run: &str) -> Vec<String> {
    let entries = std::fs::read_dir(place.path(run).join("checkpoints")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("step-"))
        .collect();
    names.sort();
    names
}

/// Resumes a run until it has gone on, and kills it; what it said.
fn resumed(place: &Workplace, run: &str) -> String {
    let said = place.path("said");
    let mut child = place
        .command(&["resume", run, "--threads", "1", "--checkpoint-every", "0"])
        .stdout(Stdio::null())
        .stderr(File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let before = checkpoints(place, run);
    let until = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() && checkpoints(place, run).last() == before.last() {
        assert!(
            Instant::now() < until,
            "it does not go on: {}",
            place.read("said")
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    place.read("said")
}

/// Runs a command that must not hang.
fn soon(place: &Workplace, arguments: &[&str]) -> Output {
    let mut command = place.command(arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    ended(child.unwrap(), Duration::from_secs(60))
}

fn pipe(path: &Path) {
    let _ = std::fs::remove_file(path);
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

fn edit(place: &Workplace, file: &str, change: impl Fn(&mut Value)) {
    let mut document: Value = serde_json::from_str(&place.read(file)).unwrap();
    change(&mut document);
    std::fs::write(place.path(file), document.to_string()).unwrap();
}

#[test]
fn a_log_that_is_lost_costs_no_training() {
    let place = place();
    killed(&place, "run");
    for log in ["steps.jsonl", "epochs.jsonl"] {
        std::fs::remove_file(place.path("run").join(log)).unwrap();
        let said = resumed(&place, "run");
        assert!(said.contains(&format!("{log} lacks lines")), "{said}");
        assert!(
            said.contains("going on in epoch") && !said.contains("first step"),
            "{said}"
        );
    }
    // Half of a log is kept, to its last whole line.
    let steps = place.bytes("run/steps.jsonl");
    std::fs::write(place.path("run/steps.jsonl"), &steps[..steps.len() / 2]).unwrap();
    let said = resumed(&place, "run");
    assert!(said.contains("steps.jsonl lacks lines"), "{said}");
    for line in place.read("run/steps.jsonl").lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn a_log_that_cannot_be_opened_ends_the_command_and_touches_nothing() {
    let place = place();
    let before = killed(&place, "run");
    let (steps, epochs) = (place.bytes("run/steps.jsonl"), place.path("run/epochs.jsonl"));
    std::fs::rename(&epochs, place.path("kept")).unwrap();
    std::fs::create_dir(&epochs).unwrap();
    let message = place.error(&["resume", "run"]);
    assert!(message.contains("cannot write run/epochs.jsonl"), "{message}");
    assert_eq!(checkpoints(&place, "run"), before);
    assert_eq!(place.bytes("run/steps.jsonl"), steps);
    std::fs::remove_dir(&epochs).unwrap();
    std::fs::rename(place.path("kept"), &epochs).unwrap();
    let said = resumed(&place, "run");
    assert!(
        said.contains("going on in epoch") && !said.contains("lacks"),
        "{said}"
    );
}

#[test]
fn best_weights_that_are_lost_cost_only_themselves() {
    let place = place();
    killed(&place, "run");
    for entry in std::fs::read_dir(place.path("run/checkpoints")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("best-") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let said = resumed(&place, "run");
    // An earlier checkpoint that lacks nothing goes first; without one, the newest goes on without them.
    assert!(
        said.contains("weights of the best epoch so far are lost")
            || said.contains("going back to the one before"),
        "{said}"
    );
    assert!(said.contains("going on in epoch"), "{said}");
}

#[test]
fn a_folder_of_checkpoints_that_was_lost_is_made_again() {
    let place = place();
    place.json(&train("whole", "3"));
    let mut child = place
        .command(&train("run", "3"))
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !place.path("run/steps.jsonl").exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let _ = std::fs::remove_dir_all(place.path("run/checkpoints"));
    place.json(&["resume", "run", "--threads", "1"]);
    assert!(place.bytes("run/model.safetensors") == place.bytes("whole/model.safetensors"));
}

#[test]
fn links_in_a_run_lead_nowhere() {
    let place = place();
    killed(&place, "run");
    std::fs::create_dir(place.path("elsewhere")).unwrap();
    std::fs::write(place.path("elsewhere/step-by-step.txt"), "mine").unwrap();
    std::fs::write(place.path("diary"), "my diary").unwrap();
    for (file, target) in [
        ("steps.jsonl", "../diary"),
        (".lock", "../diary"),
        ("config.json", "../diary"),
        ("rung.toml", "../diary"),
        ("checkpoints", "../elsewhere"),
        ("epochs.jsonl", "../new"),
    ] {
        let path = place.path("run").join(file);
        let aside = place.path("aside");
        std::fs::rename(&path, &aside).unwrap();
        symlink(target, &path).unwrap();
        let message = place.error(&["resume", "run"]);
        assert!(message.contains("symbolic link"), "{file}: {message}");
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(place.read("diary"), "my diary");
    assert_eq!(place.read("elsewhere/step-by-step.txt"), "mine");
    assert!(!place.path("new").exists());
    let said = resumed(&place, "run");
    assert!(said.contains("going on in epoch"), "{said}");
}

#[test]
fn edits_of_what_decides_the_bytes_are_noticed() {
    let place = place();
    killed(&place, "run");
    let original = place.read("run/config.json");
    for (key, value, expected) in [
        ("seed", json!(7), "seed was 0 and is 7"),
        ("precision", json!("f32"), "precision was"),
        ("precision", json!("bf16"), "precision was"),
        ("budget_seconds", json!(-1.0), "budget_seconds is -1.0"),
        ("budget_seconds", json!(1e300), "budget_seconds is 1e300"),
        ("photos_at_once", json!(0), "1 or more"),
    ] {
        if serde_json::from_str::<Value>(&original).unwrap()[key] == value {
            continue;
        }
        edit(&place, "run/config.json", |config| config[key] = value.clone());
        let message = place.error(&["resume", "run"]);
        assert!(message.contains(expected), "{key}: {message}");
        std::fs::write(place.path("run/config.json"), &original).unwrap();
    }
    let said = resumed(&place, "run");
    assert!(said.contains("going on in epoch"), "{said}");
}

#[test]
fn one_run_is_trained_by_one_process() {
    let place = place();
    let commands: Vec<_> = (0..4)
        .map(|_| {
            let mut command = place.command(&train("run", "30"));
            command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut done = 0;
    for child in commands {
        let output = child.wait_with_output().unwrap();
        match output.status.success() {
            true => done += 1,
            false => {
                let said = said(&output);
                let is_said = said.contains("trained by another process") || said.contains("is not empty");
                assert!(is_said, "{said}");
            }
        }
    }
    assert!(done >= 1, "one of them trains");
    place.json(&train("alone", "30"));
    assert!(place.bytes("run/model.safetensors") == place.bytes("alone/model.safetensors"));
}

#[test]
fn pipes_are_files_of_nobody() {
    let place = place();
    place.json(&train("run", "2"));
    pipe(&place.path("pipe"));
    for arguments in [
        &["predict", "pipe", "data/red/0.png"][..],
        &["predict", "run", "pipe"],
        &["train", "data", "--table", "pipe"],
        &["train", "pipe"],
        &["train", "data", "--class-weights", "pipe"],
        &["train", "data", "--model", "pipe"],
        &["evaluate", "run", "--data", "pipe"],
        &["inspect", "pipe"],
    ] {
        let output = soon(&place, arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(
            said(&output).contains("error") || said(&output).contains("warning"),
            "{}",
            said(&output)
        );
    }
    for file in ["rung.toml", "summary.json", "config.json", "epochs.jsonl"] {
        let kept = place.bytes(Path::new("run").join(file));
        pipe(&place.path("run").join(file));
        for command in [
            &["report", "run"][..],
            &["compare", "run", "run"],
            &["resume", "run"],
        ] {
            assert!(
                !soon(&place, command).status.success() || file == "epochs.jsonl",
                "{file}: {command:?}"
            );
        }
        std::fs::remove_file(place.path("run").join(file)).unwrap();
        std::fs::write(place.path("run").join(file), kept).unwrap();
    }
    // In the place of a cache, it is replaced.
    for entry in std::fs::read_dir(place.path("cache")).unwrap() {
        pipe(&entry.unwrap().path());
    }
    assert!(soon(&place, &train("again", "2")).status.success());
}

#[cfg(target_os = "linux")]
#[test]
fn results_that_cannot_be_written_are_an_error() {
    let place = place();
    place.json(&train("run", "2"));
    for arguments in [
        &["predict", "run", "data", "--csv"][..],
        &["predict", "run", "data"],
        &["predict", "run", "data", "--json"],
        &["compare", "run", "run", "--csv"],
        &["compare", "run", "run", "--markdown"],
        &["evaluate", "run"],
        &["models"],
        &["models", "m5", "--toml"],
        &["--help"],
        &["--version"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = place.command(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(
            said(&output).contains("No space left"),
            "{arguments:?}: {}",
            said(&output)
        );
        // A reader that goes away is no trouble.
        let mut child = place
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        assert!(
            !said(&output).contains("error"),
            "{arguments:?}: {}",
            said(&output)
        );
    }
}

#[test]
fn texts_from_elsewhere_do_not_command_the_terminal() {
    const TITLE: &str = "\u{1b}]0;PWN\u{7}\u{9b}31m";
    let place = place();
    place.json(&train("run", "2"));
    for (file, key, command) in [
        ("summary.json", "model", &["compare", "bad", "run"][..]),
        ("summary.json", "outcome", &["report", "bad"]),
        ("summary.json", "classes", &["compare", "bad", "run"]),
        ("config.json", "device", &["compare", "bad", "run"]),
        ("config.json", "precision", &["resume", "bad"]),
        ("config.json", "on_stuck", &["evaluate", "bad"]),
        ("config.json", "model", &["compare", "bad", "run", "--json"]),
        ("config.json", "model", &["compare", "bad", "run", "--csv"]),
    ] {
        let _ = std::fs::remove_dir_all(place.path("bad"));
        std::fs::create_dir(place.path("bad")).unwrap();
        for entry in std::fs::read_dir(place.path("run")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), place.path("bad").join(entry.file_name())).unwrap();
        }
        edit(&place, &format!("bad/{file}"), |document| match &document[key] {
            Value::Array(_) => document[key][0] = json!(format!("red{TITLE}")),
            old => document[key] = json!(format!("{}{TITLE}", old.as_str().unwrap())),
        });
        let output = place.run(command);
        for stream in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(stream);
            let acts = |c: char| c.is_control() && c != '\n' && c != '\t';
            assert!(!text.contains(acts), "{file} {key}: {text:?}");
        }
    }
    // What is typed, too: a shell may have put a file's name there.
    let output = place.run(&["predict", "run", "--\u{1b}]0;PWN\u{7}"]);
    assert!(!said(&output).contains('\u{1b}'), "{}", said(&output));
}

#[cfg(feature = "serve")]
#[test]
fn a_token_that_cannot_be_one_is_an_error_at_the_start() {
    let place = place();
    place.json(&train("run", "2"));
    for token in [
        &b"caf\xe9-secret"[..],
        b"",
        b"two words",
        b"\xff",
        "größe".as_bytes(),
    ] {
        for command in [
            &["serve", "run", "--port", "0"][..],
            &["watch", "run", "--port", "0"],
        ] {
            let token = std::ffi::OsString::from_vec(token.to_vec());
            let child = place
                .command(command)
                .env("STEPLADDER_TOKEN", &token)
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // One that starts would wait for requests.
            let output = ended(child, Duration::from_secs(20));
            assert!(
                !output.status.success() && said(&output).contains("the token must be"),
                "{}",
                said(&output)
            );
        }
    }
}

#[test]
fn numbers_have_ranges_and_messages_name_what_was_typed() {
    let place = place();
    let refused = |option: &str, value: &str| {
        let set = [&["train", "data", "--model", "tiny.toml"][..], &[option, value]].concat();
        let message = place.error(&set);
        assert!(
            message
                .replace('-', " ")
                .contains(&option.trim_start_matches('-').replace('-', " ")),
            "{option} {value}: {message}"
        );
        assert!(!message.contains("TOML"), "{option} {value}: {message}");
        message
    };
    for option in ["--lr", "--clip-norm", "--weight-decay", "--mixup", "--cutmix"] {
        for value in ["1e30", "-1", "inf", "nan", "-1e30"] {
            refused(option, value);
        }
    }
    for (option, value) in [
        ("--label-smoothing", "1"),
        ("--ema", "1"),
        ("--epochs", "0"),
        ("--epochs", "99999999999999999999"),
        ("--epochs", "18446744073709551615"),
        ("--batch", "0"),
        ("--batch", "18446744073709551615"),
        ("--size", "0"),
        ("--size", "18446744073709551615"),
        ("--threads", "0"),
        ("--memory", "-1"),
        ("--memory", "nan"),
        ("--cache-limit", "nan"),
        ("--checkpoint-every", "-1"),
        ("--checkpoint-every", "1e300"),
        ("--budget", "0s"),
        ("--class-weights", "0,0"),
        ("--class-weights", "1,-1"),
        ("--class-weights", "1,inf"),
        ("--class-weights", "red=0,green=0"),
    ] {
        refused(option, value);
    }
    let many = [
        "train",
        "data",
        "--model",
        "tiny.toml",
        "--epochs",
        "1",
        "--threads",
        "100000",
        "--out",
        "many",
    ];
    let output = place.run(&many);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("more than there is a use for"),
        "{}",
        said(&output)
    );
}
