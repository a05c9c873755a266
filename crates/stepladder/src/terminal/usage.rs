//! What is said of a command line that cannot be understood, and of the program itself.

use super::output::{safe, say};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::borrow::Cow;
use std::io::{self, Write};

/// Says why what was typed cannot be understood, or what was asked about the program itself; gives the exit code.
pub(crate) fn show_usage(usage: &clap::Error) -> u8 {
    let code = u8::try_from(usage.exit_code()).unwrap_or(1);
    let text = usage.render().to_string();
    if usage.use_stderr() {
        // Names of files may have been typed by a shell. Colors go, where something else would have to.
        match safe(&text) {
            Cow::Borrowed(_) => drop(usage.print()),
            Cow::Owned(text) => say(text.trim_end()),
        }
        if let Some(tip) = tip(usage) {
            say(&format!("\n  tip: {tip}"));
        }
        return code;
    }
    match usage.print().and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say(&format!("error: cannot write this: {error}"));
            1
        }
        _ => code,
    }
}

/// What was probably meant by an argument that there is not: options of other programs, and photos without their command.
fn tip(usage: &clap::Error) -> Option<&'static str> {
    if usage.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(argument)) = usage.get(ContextKind::InvalidArg) else {
        return None;
    };
    // The usage that goes with the error names the command.
    let text = usage.render().to_string();
    let is_of = |command: &str| text.contains(&format!("stepladder {command}"));
    let name = argument.split(['=', ' ']).next().unwrap_or_default();
    match name {
        "--resume" | "--continue" | "--checkpoint" if is_of("train") => Some(
            "stepladder resume RUN goes on with a run; train goes on by itself with one that was stopped",
        ),
        "--weights" | "--pretrained" | "--init" if is_of("train") => {
            Some("--start takes weights: shipped, a file, or run:RUN for a run of your own")
        }
        "--epochs" | "--budget" | "--steps" if is_of("resume") => Some(
            "a run ends where it was to end; to train longer: stepladder train PHOTOS --start run:RUN --epochs N",
        ),
        "--lr" | "--batch" | "--size" | "--model" | "--seed" if is_of("resume") => Some(
            "a run keeps its settings; for others: stepladder train PHOTOS --start run:RUN, with what is to change",
        ),
        photo if crate::commands::looks_like_a_photo(photo.as_ref()) && is_of("train") => Some(
            "training takes a folder or a zip of photos; stepladder predict RUN PHOTO ... asks about single ones",
        ),
        _ => None,
    }
}
