//! `docs/reference/cli.md` holds the program's own help texts: this test fails when they differ, and with
//! `STEPLADDER_UPDATE_DOCS=1` writes them anew. What stands above the marker in that file is written by hand and kept.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Everything below this line of the page is generated.
const MARKER: &str =
    "<!-- Written by crates/stepladder/tests/cli_reference.rs; do not edit below this line. -->\n";

/// Columns of the help texts. The program never writes wider ones, so that a terminal's width cannot matter.
const WIDTH: &str = "100";

#[test]
fn the_command_line_reference_is_the_help_of_the_program() {
    let page = page();
    let found = std::fs::read_to_string(&page).expect("the page exists and can be read");
    // A checkout on Windows may have changed the line ends.
    let found = found.replace("\r\n", "\n");
    let (by_hand, _) = found.split_once(MARKER).expect("the page has the marker line");
    let expected = format!("{by_hand}{MARKER}{}", generated());
    if std::env::var_os("STEPLADDER_UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&page, &expected).expect("the page can be written");
        return;
    }
    assert!(
        found == expected,
        "{} is out of date; run STEPLADDER_UPDATE_DOCS=1 cargo test --release -p stepladder --test cli_reference",
        page.display()
    );
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md")
}

/// A section for the program, and one for each of its commands, and of theirs.
fn generated() -> String {
    let program = help(&[]);
    let mut text = section("stepladder", &program);
    for command in commands(&program) {
        let command_help = help(&[command]);
        text += &section(&format!("stepladder {command}"), &command_help);
        for inner in commands(&command_help) {
            text += &section(&format!("stepladder {command} {inner}"), &help(&[command, inner]));
        }
    }
    text
}

fn section(title: &str, help: &str) -> String {
    format!("\n## `{title}`\n\n```text\n{help}```\n")
}

/// The names in the list of commands, in its order; `help` explains the others and needs no section.
fn commands(program: &str) -> Vec<&str> {
    let list = program.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = list
        .take_while(|line| !line.is_empty())
        // What a command does may go on in the next line, further in.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").collect()
}

/// What `stepladder COMMAND --help` prints, without spaces at line ends.
fn help(command: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stepladder"))
        .args(command)
        .arg("--help")
        .env("COLUMNS", WIDTH)
        .env("NO_COLOR", "1")
        // Without any terminal among the three streams, COLUMNS decides.
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{command:?} --help failed");
    let text = String::from_utf8(output.stdout).expect("help is UTF-8");
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}
