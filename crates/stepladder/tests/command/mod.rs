//! Runs the built program in a folder of its own and reads what it says.
#![allow(dead_code, reason = "each test file uses a part of it")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

/// The rung of [`Workplace::of_two_colors`].
const TINY: &str = r#"
name = "tiny"
[input]
size = 8
[optimizer]
type = "adam"
[training]
epochs = EPOCHS
batch_size = 8
[[layers]]
layer = "Conv2D"
filters = 4
kernel_size = 3
activation = "relu"
[[layers]]
layer = "Flatten"
[[layers]]
layer = "Dense"
units = "classes"
activation = "softmax"
"#;

/// A folder to work in, with a cache of its own, that goes when the test ends.
pub struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    pub fn new() -> Workplace {
        Workplace {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A place with photos of two colors in `data`, and `tiny.toml`, a rung that is trained on them for so many epochs.
    pub fn of_two_colors(epochs: usize) -> Workplace {
        let place = Workplace::new();
        for (class, color) in [("red", [200, 30, 30]), ("green", [30, 200, 30])] {
            std::fs::create_dir_all(place.path("data").join(class)).unwrap();
            for number in 0..12_u8 {
                let photo = image::RgbImage::from_fn(8, 8, |x, y| {
                    image::Rgb(color.map(|value: u8| value + (x as u8 * 3 + y as u8 + number) % 19))
                });
                photo
                    .save(place.path(format!("data/{class}/{number}.png")))
                    .unwrap();
            }
        }
        std::fs::write(
            place.path("tiny.toml"),
            TINY.replace("EPOCHS", &epochs.to_string()),
        )
        .unwrap();
        place
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments, not yet run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepladder"));
        command.current_dir(self.folder.path()).args(arguments);
        command
            .env("STEPLADDER_CACHE", self.path("cache"))
            .env("NO_COLOR", "1");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs with `--json` and reads the last line of stdout. The command must succeed.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        last_line(&output)
    }

    /// Runs a command that must fail, and gives what it says on stderr.
    pub fn error(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!message.contains("panicked"), "{message}");
        message
    }

    pub fn read(&self, name: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn bytes(&self, name: impl AsRef<Path>) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }
}

/// What a command says on stderr.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits for a command that must end within `patience`, and not hang.
pub fn ended(mut child: Child, patience: Duration) -> Output {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > patience {
            child.kill().unwrap();
            panic!("it hangs: {}", said(&child.wait_with_output().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().unwrap()
}

/// The JSON object on the last line of stdout, which has no other line.
pub fn last_line(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        text.lines().count(),
        1,
        "stdout has the JSON object alone: {text}"
    );
    serde_json::from_str(text.trim()).unwrap()
}

/// A file of the large test data, or `None` (said aloud) where it is not there.
pub fn test_data(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("STEPLADDER_TEST_DATA").map_or_else(beside, PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path.canonicalize().unwrap());
    }
    eprintln!(
        "skipped: no {}; set STEPLADDER_TEST_DATA to the folder that holds it",
        path.display()
    );
    None
}
