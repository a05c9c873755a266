//! `stepladder models new`: the file with which a rung of the user's own starts.

use crate::Ending;
use crate::arguments::NewArguments;
use crate::terminal::Output;
use anyhow::Context;
use serde_json::json;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;
use stepladder_model::RungCatalog;

/// Characters of a rung's name.
const NAME_LIMIT: usize = 64;

pub(crate) fn new_rung(arguments: &NewArguments, output: &Output) -> anyhow::Result<Ending> {
    let file = &arguments.file;
    anyhow::ensure!(
        file.extension() == Some(OsStr::new("toml")),
        "{} does not end in .toml, by which a rung of your own is told from a shipped one; write {}",
        file.display(),
        file.with_extension("toml").display()
    );
    let shown = file.display().to_string();
    let parent = RungCatalog::shipped().open(&arguments.from)?;
    let name = name_of(file);
    let text = parent.starter(&name, &parent_key(&arguments.from, file)?, &shown);
    write_new(file, &text)?;
    output.line(&format!(
        "{shown} is a rung called {name}, and equal to {} until you change it",
        parent.name
    ));
    output.line("");
    output.line("Next: change it in your editor, then");
    let shown = crate::terminal::quoted(&shown);
    output.hint(&format!("stepladder models {shown} --diff"));
    output.hint(&format!("stepladder train DATA --model {shown}"));
    output.json(&json!({ "file": file, "name": name, "parent": parent.name }))?;
    Ok(Ending::Done)
}

/// The file's name without `.toml`, in the letters that a rung's name may have.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' => character,
        _ => '-',
    };
    let name: String = stem.chars().map(plain).take(NAME_LIMIT).collect();
    let name = name.trim_start_matches(['-', '_', '.']);
    if name.is_empty() { "mine" } else { name }.to_owned()
}

/// How the new file names its parent: a shipped rung by its name, a file by its path as seen from the new one's folder.
fn parent_key(from: &str, file: &Path) -> anyhow::Result<String> {
    if !RungCatalog::is_path(from) {
        return Ok(from.to_owned());
    }
    let absolute = |path: &Path| {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        path.canonicalize()
            .with_context(|| format!("{} does not exist; make the folder first", path.display()))
    };
    let parent = absolute(Path::new(from))?;
    let folder = absolute(file.parent().unwrap_or(Path::new("")))?;
    // Below the new file's folder as a relative path, which both may move with; else where it is.
    let key = parent.strip_prefix(&folder).unwrap_or(&parent);
    let key = key.to_str();
    Ok(key
        .with_context(|| format!("{from} is not named in Unicode, which a rung file is; rename it"))?
        .to_owned())
}

/// Writes a file that must not be there yet; nothing is left of one that could not be written whole.
fn write_new(file: &Path, text: &str) -> anyhow::Result<()> {
    let shown = file.display();
    let mut open = match OpenOptions::new().write(true).create_new(true).open(file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            anyhow::bail!("{shown} is there already, and is not overwritten; choose another name")
        }
        open => open.with_context(|| format!("{shown} cannot be made"))?,
    };
    let written = open.write_all(text.as_bytes()).and_then(|()| open.sync_all());
    if written.is_err() {
        // The first failure is the one to tell; a remainder of the file is this command's own.
        let _ = std::fs::remove_file(file);
    }
    written.with_context(|| format!("{shown} cannot be written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_file_in_plain_letters() {
        let names = ["my.toml", "a b/größer net.toml", "-.toml", ".toml", "v1.2.toml"];
        let names = names.map(|file| name_of(Path::new(file)));
        assert_eq!(names, ["my", "gr--er-net", "mine", "toml", "v1.2"]);
    }
}
