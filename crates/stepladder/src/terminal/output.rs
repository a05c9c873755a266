//! Where words go: results to stdout, or to stderr where `--json` has stdout for itself.

use super::Table;
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// The two streams, as `--json` divides them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Output {
        Output { json }
    }

    /// Whether stdout is for the JSON object alone.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a bar may be drawn: on a terminal only.
    pub fn draws_progress(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// A line of the result.
    pub fn line(&self, line: &str) {
        // A reader that went away (`| head`) is no error of ours.
        let _ = match self.json {
            true => writeln!(anstream::stderr(), "{line}"),
            false => writeln!(anstream::stdout(), "{line}"),
        };
    }

    /// A text of several lines, broken at 100 columns.
    pub fn paragraph(&self, text: &str) {
        for paragraph in text.split("\n\n") {
            let mut line = String::new();
            for word in paragraph.split_whitespace() {
                if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > 100 {
                    self.line(&line);
                    line.clear();
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            self.line(&line);
        }
    }

    /// A table of the result.
    pub fn table(&self, table: &Table) {
        self.line(table.to_string().trim_end());
    }

    /// What to type next.
    pub fn hint(&self, command: &str) {
        self.line(&format!("  {command}"));
    }

    /// The result as data: one line, the last, of stdout, with `--json` only.
    pub fn json<T: Serialize>(&self, document: &T) -> anyhow::Result<()> {
        if self.json {
            let line = serde_json::to_string(document)?;
            writeln!(anstream::stdout(), "{line}")?;
        }
        Ok(())
    }
}

/// Says on stderr why the command failed, with every cause that the message does not already hold.
pub(crate) fn error(failure: &anyhow::Error) {
    let mut message = failure.to_string();
    for cause in failure.chain().skip(1).map(ToString::to_string) {
        if !message.contains(&cause) {
            message += &format!(": {cause}");
        }
    }
    let _ = writeln!(anstream::stderr(), "\x1b[1;31merror:\x1b[0m {message}");
}

/// Says on stderr what went wrong on the side.
pub(crate) fn warn(message: &str) {
    let _ = writeln!(anstream::stderr(), "\x1b[1;33mwarning:\x1b[0m {message}");
}

/// Says on stderr how far the work is.
pub(crate) fn progress_line(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}
