//! Runs by their names: `flowers5-auto-1` for `runs/flowers5-auto-1`, and the beginning of a name where no other run's begins so.

use crate::terminal::{listed, note};
use std::path::{Path, PathBuf};

/// Where `train` and `climb` leave their runs.
pub(super) const USUAL: [&str; 2] = ["runs", "climbs"];

/// The files of which a directory with a run or a climb has at least one.
const MARKS: [&str; 3] = ["config.json", "summary.json", "climb.json"];

/// The most names that an error lists.
const LISTED: usize = 5;

/// The run or climb that a user means by `named`: what is there under that name, else the only one whose name begins so. A name
/// that no run has is given back as it is, for whoever opens it to refuse.
///
/// # Errors
///
/// Several runs begin so.
pub(super) fn known_run(named: &Path) -> anyhow::Result<PathBuf> {
    if named.exists() {
        return Ok(named.to_path_buf());
    }
    let found = beginning_with(named);
    match found.as_slice() {
        [] => Ok(named.to_path_buf()),
        [run] => {
            note(&format!("run         {}", run.display()));
            Ok(run.clone())
        }
        several => {
            let names: Vec<String> = several.iter().map(|run| run.display().to_string()).collect();
            anyhow::bail!(
                "{} could be {}; give more of the name",
                named.display(),
                listed(&names, LISTED)
            )
        }
    }
}

/// Runs and climbs whose names begin as `named` does, or the one that has exactly this name, sorted by name.
pub(super) fn beginning_with(named: &Path) -> Vec<PathBuf> {
    let Some(prefix) = named.file_name().and_then(|name| name.to_str()) else {
        return Vec::new();
    };
    let folders = match named.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => vec![parent.to_path_buf()],
        None => USUAL.map(PathBuf::from).into(),
    };
    let runs: Vec<PathBuf> = folders.iter().flat_map(|folder| runs_in(folder)).collect();
    let name = |run: &PathBuf| run.file_name().map(|name| name.to_string_lossy().into_owned());
    if let Some(exact) = runs.iter().find(|run| name(run).as_deref() == Some(prefix)) {
        return vec![exact.clone()];
    }
    runs.into_iter()
        .filter(|run| name(run).is_some_and(|name| name.starts_with(prefix)))
        .collect()
}

/// The runs and climbs that lie in a folder, sorted by name; numbers at their ends by value.
pub(super) fn runs_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut runs: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| is_run(path))
        .collect();
    runs.sort_by_key(|run| by_number(run));
    runs
}

/// The run that was begun last; `None` before there is one.
pub(super) fn newest() -> Option<PathBuf> {
    let began = |run: &PathBuf| {
        run.join("config.json")
            .metadata()
            .and_then(|file| file.modified())
            .ok()
    };
    let runs = runs_in(Path::new(USUAL[0])).into_iter();
    runs.filter_map(|run| Some((began(&run)?, run)))
        .max()
        .map(|(_, run)| run)
}

/// Whether a directory holds a run or a climb.
pub(super) fn is_run(path: &Path) -> bool {
    MARKS.iter().any(|mark| path.join(mark).is_file())
}

/// A run's name and number, in which order runs are listed.
fn by_number(run: &Path) -> (String, u64) {
    let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let numbered = name.rsplit_once('-');
    let numbered = numbered.and_then(|(name, number)| Some((name.to_string(), number.parse().ok()?)));
    numbered.unwrap_or((name, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("config.json"), "{}").unwrap();
        }
        std::fs::create_dir(folder.path().join("cats-photos")).unwrap();
        folder
    }

    #[test]
    fn a_beginning_that_one_run_has_is_enough() {
        let folder = folder(&["cats-auto-1", "cats-auto-10", "cats-auto-2", "dogs-m5-1"]);
        let known = |name: &str| known_run(&folder.path().join(name));
        assert_eq!(known("dogs").unwrap(), folder.path().join("dogs-m5-1"));
        // A whole name is not the beginning of another.
        assert_eq!(known("cats-auto-1").unwrap(), folder.path().join("cats-auto-1"));
        let several = known("cats").unwrap_err().to_string();
        let order = ["cats-auto-1", "cats-auto-2", "cats-auto-10"].map(|name| several.find(name).unwrap());
        assert!(order.is_sorted() && !several.contains("photos"), "{several}");
        assert_eq!(known("birds").unwrap(), folder.path().join("birds"));
        assert!(beginning_with(&folder.path().join("cats-p")).is_empty());
    }
}
