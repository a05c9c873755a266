//! Where words go: results to stdout, or to stderr where `--json` has stdout for itself. Every text passes through here on its way to a
//! terminal, and loses what a terminal would act upon; and a result that cannot be written is an error ([`finish`]).

use super::Table;
use super::remedies::remedies;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use stepladder_data::printable;

/// Why the first result that was lost could not be written.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

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
        io::stderr().is_terminal()
    }

    /// A line of the result.
    pub fn line(&self, line: &str) {
        match self.json {
            true => say(&safe(line)),
            false => result(&safe(line)),
        }
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
            result(&safe_json(serde_json::to_string(document)?));
        }
        Ok(())
    }

    /// An error if results were lost, so that no more of them are made.
    pub fn expect_reader(&self) -> anyhow::Result<()> {
        match lost().is_some() {
            true => Err(anyhow::Error::new(Unread)),
            false => Ok(()),
        }
    }
}

/// Nobody reads the results, or they cannot be written: what that was is in [`LOST`].
#[derive(Debug, thiserror::Error)]
#[error("results cannot be written")]
struct Unread;

fn lost() -> std::sync::MutexGuard<'static, Option<io::Error>> {
    LOST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a line to stdout, unless one before it was lost.
fn result(line: &str) {
    let mut lost = lost();
    if lost.is_none() {
        let mut out = anstream::stdout();
        *lost = writeln!(out, "{line}").and_then(|()| out.flush()).err();
    }
}

/// What a command has come to, given that its results may not have reached whom they were for: a full disk is an error, and a reader that
/// went away (`| head`) is an end.
pub(crate) fn finish<T>(outcome: anyhow::Result<T>, done: T) -> anyhow::Result<T> {
    let flushed = io::stdout().flush().err();
    let Some(error) = lost().take().or(flushed) else {
        return outcome;
    };
    let outcome = match outcome {
        Err(failure) if failure.is::<Unread>() => Ok(done),
        outcome => outcome,
    };
    match error.kind() {
        ErrorKind::BrokenPipe => outcome,
        _ => outcome.and_then(|_| {
            Err(anyhow::anyhow!(
                "cannot write the results: {error}; they are lost"
            ))
        }),
    }
}

/// A text as a terminal may have it: control characters, and marks that reorder text, are escaped; ends of lines and tabs stay.
pub(super) fn safe(text: &str) -> Cow<'_, str> {
    if let Cow::Borrowed(_) = printable(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for piece in text.split_inclusive(['\n', '\t']) {
        let end = piece.ends_with(['\n', '\t']);
        let (words, end) = piece.split_at(piece.len() - usize::from(end));
        out += &printable(words);
        out += end;
    }
    Cow::Owned(out)
}

/// JSON with the same characters escaped as JSON has it: they stand in texts only.
fn safe_json(json: String) -> String {
    if let Cow::Borrowed(_) = printable(&json) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        match printable(c.encode_utf8(&mut [0; 4])) {
            Cow::Borrowed(_) => out.push(c),
            // All of them are in the first plane, and take four digits.
            Cow::Owned(_) => out += &format!("\\u{:04x}", u32::from(c)),
        }
    }
    out
}

/// Why something failed, with every cause that the message does not already hold.
pub(crate) fn told(failure: &anyhow::Error) -> String {
    let mut message = failure.to_string();
    for cause in failure.chain().skip(1).map(ToString::to_string) {
        if !message.contains(&cause) {
            message += &format!(": {cause}");
        }
    }
    message
}

/// Says on stderr why the command failed, and what may help.
pub(crate) fn error(failure: &anyhow::Error) {
    say(&format!("\x1b[1;31merror:\x1b[0m {}", safe(&told(failure))));
    for remedy in remedies(failure) {
        say(&format!("\x1b[1;36mhint:\x1b[0m {}", safe(&remedy)));
    }
}

/// Says on stderr what went wrong on the side.
pub(crate) fn warn(message: &str) {
    say(&format!("\x1b[1;33mwarning:\x1b[0m {}", safe(message)));
}

/// Says on stderr how far the work is.
pub(crate) fn progress_line(line: &str) {
    say(&safe(line));
}

/// A text for a bar.
pub(super) fn progress_text(text: &str) -> String {
    safe(text).into_owned()
}

pub(super) fn say(line: &str) {
    // There is no other place to say it.
    let _ = writeln!(anstream::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_told_what_to_do() {
        let title = "a\x1b]0;PWN\x07\tb\u{9b}31m\nc\r\u{202e}d";
        assert_eq!(
            safe(title),
            "a\\u{1b}]0;PWN\\u{7}\tb\\u{9b}31m\nc\\u{d}\\u{202e}d"
        );
        assert_eq!(safe("größe, 写真\tx\n"), "größe, 写真\tx\n");
        let json = safe_json(serde_json::to_string(&title).unwrap());
        assert!(
            !json.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), title);
    }
}
