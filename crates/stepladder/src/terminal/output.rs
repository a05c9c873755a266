//! Where words go: results to stdout, or to stderr where `--json` has stdout for itself. Every text passes through here on its way to a
//! terminal, and loses what a terminal would act upon; and a result that cannot be written is an error ([`finish`]).

use super::Table;
use super::fold::{cell_lines, fold};
use super::remedies::remedies;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use stepladder_data::printable;

/// A terminal of fewer columns than this is not folded for.
const NARROWEST: usize = 20;

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
            false => result(&painted(&on_width(&safe(line), self.width()))),
        }
    }

    /// A text of several paragraphs, broken at 100 columns, or where a terminal has fewer, there.
    pub fn paragraph(&self, text: &str) {
        const WIDTH: usize = 100;
        let width = self.width().map_or(WIDTH, |width| width.min(WIDTH));
        for paragraph in text.split("\n\n") {
            let words: Vec<&str> = paragraph.split_whitespace().collect();
            for line in cell_lines(&words.join(" "), width) {
                self.line(&line);
            }
        }
    }

    /// A line of the result that is no sentence: CSV, Markdown. It is never folded.
    pub fn raw(&self, line: &str) {
        match self.json {
            true => write_to_stderr(&safe(line)),
            false => result(&safe(line)),
        }
    }

    /// Columns for results; `None` where no terminal shows them.
    pub fn width(&self) -> Option<usize> {
        match self.json {
            true => width(&io::stderr()),
            false => width(&io::stdout()),
        }
    }

    /// A table of the result.
    pub fn table(&self, table: &Table) {
        self.raw(table.within(self.width()).trim_end());
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
    say(&format!("error: {}", safe(&told(failure))));
    for remedy in remedies(failure) {
        say(&format!("hint: {}", safe(&remedy)));
    }
}

/// Says on stderr what went wrong on the side.
pub(crate) fn warn(message: &str) {
    say(&format!("warning: {}", safe(message)));
}

/// Says on stderr how far the work is.
pub(crate) fn progress_line(line: &str) {
    say(&safe(line));
}

/// A text for a bar.
pub(super) fn progress_text(text: &str) -> String {
    safe(text).into_owned()
}

/// Says something on stderr, folded where a terminal shows it.
pub(super) fn say(line: &str) {
    write_to_stderr(&painted(&on_width(line, width(&io::stderr()))));
}

fn write_to_stderr(line: &str) {
    // There is no other place to say it.
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// The columns of the terminal that shows a stream; `None` of a pipe or a file, whose lines are not folded: programs read them.
fn width(stream: &impl Shown) -> Option<usize> {
    if !stream.is_terminal() {
        return None;
    }
    let asked = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let columns = asked.or_else(|| stream.columns());
    columns.filter(|columns| *columns >= NARROWEST)
}

/// A stream that a terminal may show.
#[cfg(unix)]
trait Shown: IsTerminal + std::os::fd::AsFd {
    fn columns(&self) -> Option<usize> {
        let (columns, _) = terminal_size::terminal_size_of(self.as_fd())?;
        Some(columns.0.into())
    }
}

#[cfg(not(unix))]
trait Shown: IsTerminal {
    fn columns(&self) -> Option<usize> {
        let (columns, _) = terminal_size::terminal_size()?;
        Some(columns.0.into())
    }
}

impl Shown for io::Stdout {}
impl Shown for io::Stderr {}

fn on_width(text: &str, width: Option<usize>) -> Cow<'_, str> {
    match width {
        Some(width) => Cow::Owned(fold(text, width)),
        None => Cow::Borrowed(text),
    }
}

/// Words that begin or end a line in their color. What they say is in the words.
fn painted(line: &str) -> Cow<'_, str> {
    const BEGINNINGS: [(&str, &str); 5] = [
        ("warning:", "\x1b[1;33m"),
        ("note:", "\x1b[1;36m"),
        ("Next:", "\x1b[1m"),
        ("error:", "\x1b[1;31m"),
        ("hint:", "\x1b[1;36m"),
    ];
    let beginning = BEGINNINGS.iter().find(|(word, _)| line.starts_with(word));
    if let Some((word, color)) = beginning {
        return Cow::Owned(format!("{color}{word}\x1b[0m{}", &line[word.len()..]));
    }
    match line.strip_suffix("  best") {
        Some(epoch) => Cow::Owned(format!("{epoch}  \x1b[32mbest\x1b[0m")),
        None => Cow::Borrowed(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_on_words_that_say_it_without_them() {
        assert_eq!(painted("warning: x"), "\x1b[1;33mwarning:\x1b[0m x");
        assert_eq!(painted("a warning: x"), "a warning: x");
        assert!(painted(" 1/8  0.5  best").ends_with("\x1b[32mbest\x1b[0m"));
    }

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
