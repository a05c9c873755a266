//! Which directories are runs: those that were named, and those in folders that were named, such as `runs`, a climb, or a folder of climbs.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A run has it from before its first step.
const MARK: &str = "config.json";

/// The most entries that are looked at in one folder, and the most runs that are found.
const MOST_ENTRIES: usize = 20_000;
pub(crate) const MOST_RUNS: usize = 2_000;

/// A run's directory, and its name below the folder that was named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub path: PathBuf,
    pub name: String,
    /// When it was begun: a directory that was made anew is another run.
    pub made: Option<SystemTime>,
}

/// The runs in `roots`, at most [`MOST_RUNS`], in the order of their names.
pub(crate) fn runs(roots: &[PathBuf]) -> Vec<Found> {
    let mut found = Vec::new();
    for root in roots {
        if let Some(mark) = mark(root) {
            let name = root.file_name().unwrap_or(root.as_os_str()).to_string_lossy();
            add(&mut found, root.clone(), name.into_owned(), &mark);
        } else {
            below(root, "", 2, &mut found);
        }
    }
    found.sort();
    found.dedup_by(|one, other| one.path == other.path);
    found
}

/// Looks for runs in `folder` and, `depth` - 1 times, in the folders of it that are none.
fn below(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<Found>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.take(MOST_ENTRIES) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // What is hidden is unfinished, such as the trials of a climb.
        if name.starts_with('.') || !entry.path().is_dir() {
            continue;
        }
        let name = format!("{prefix}{name}");
        if let Some(mark) = mark(&entry.path()) {
            add(found, entry.path(), name, &mark);
        } else if depth > 1 {
            below(&entry.path(), &format!("{name}/"), depth - 1, found);
        }
    }
}

fn add(found: &mut Vec<Found>, path: PathBuf, name: String, mark: &Metadata) {
    if found.len() < MOST_RUNS {
        let made = mark.modified().ok();
        found.push(Found { path, name, made });
    }
}

/// What makes `folder` a run, if it is one.
fn mark(folder: &Path) -> Option<Metadata> {
    let mark = folder.join(MARK).metadata().ok()?;
    mark.is_file().then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_by_name_in_folders_and_in_climbs() {
        let folder = tempfile::tempdir().unwrap();
        for run in [
            "runs/a-1",
            "runs/a-2",
            "climbs/flowers-1/m5-seed0",
            "climbs/flowers-1/.trial-x",
            "deep/1/2/3",
        ] {
            let run = folder.path().join(run);
            std::fs::create_dir_all(&run).unwrap();
            std::fs::write(run.join(MARK), "{}").unwrap();
        }
        std::fs::create_dir_all(folder.path().join("runs/begun")).unwrap();
        let names = |roots: &[&str]| -> Vec<String> {
            let roots: Vec<PathBuf> = roots.iter().map(|root| folder.path().join(root)).collect();
            let mut names: Vec<String> = runs(&roots).into_iter().map(|run| run.name).collect();
            names.sort();
            names
        };
        assert_eq!(names(&["runs"]), ["a-1", "a-2"]);
        assert_eq!(names(&["runs/a-1", "climbs"]), ["a-1", "flowers-1/m5-seed0"]);
        assert_eq!(names(&["climbs/flowers-1"]), ["m5-seed0"]);
        assert_eq!(names(&["runs", "runs/a-1", "absent"]).len(), 2, "each run once");
        assert_eq!(names(&["deep"]).len(), 0);
    }
}
