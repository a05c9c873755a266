//! What was meant where a run is missing, or stands behind its photos.

use crate::commands::known_runs::{is_run, newest};
use crate::commands::{has_extension, looks_like_a_photo};
use crate::terminal::quoted;
use std::path::{Path, PathBuf};

/// An error unless a run stands first and photos behind it, with the command that was probably meant.
pub(in crate::commands) fn expect_run_and_photos(
    command: &str,
    run: &Path,
    photos: &[PathBuf],
) -> anyhow::Result<()> {
    let shown = |path: &Path| quoted(&path.display().to_string());
    if is_model(run) {
        anyhow::ensure!(
            !photos.is_empty(),
            "which photos? Name them after the run: stepladder {command} {} PHOTO ...",
            shown(run)
        );
        return Ok(());
    }
    if let Some(behind) = photos.iter().find(|photo| is_model(photo)) {
        anyhow::bail!(
            "the run comes first, then the photos: stepladder {command} {} {}",
            shown(behind),
            shown(run)
        );
    }
    // A file of another kind is refused for what it is.
    if looks_like_a_photo(run) || (run.is_dir() && !is_run(run)) {
        let which = newest().map_or(String::from("RUN"), |newest| shown(&newest));
        anyhow::bail!(
            "{} is no run; name the run before the photos: stepladder {command} {which} {}",
            run.display(),
            shown(run)
        );
    }
    Ok(())
}

/// Whether a path is a run with a model, or the file of one.
fn is_model(path: &Path) -> bool {
    path.join("model.safetensors").is_file() || (path.is_file() && has_extension(path, &["safetensors"]))
}
