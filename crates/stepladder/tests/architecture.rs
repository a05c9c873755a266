//! ARCHITECTURE.md says where to add what: every path in its table is there.

use std::path::{Path, PathBuf};

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn is_path(word: &str) -> bool {
    const ENDINGS: [&str; 7] = [".rs", ".toml", ".py", ".md", ".json", ".css", ".js"];
    word.ends_with('/') || ENDINGS.iter().any(|ending| word.ends_with(ending))
}

/// Where a path of a row may be: under the repository, or in one of the crates that the row names, or the command line.
fn places(root: &Path, crates: &[String], path: &str) -> Vec<PathBuf> {
    let beneath = ["src", "", "tests", "tests/rungs"];
    let of_crate = |name: &String| {
        let directory = root.join("crates").join(name);
        beneath.map(|beneath| directory.join(beneath).join(path))
    };
    let mut places: Vec<PathBuf> = crates.iter().flat_map(of_crate).collect();
    places.push(root.join(path));
    places
}

#[test]
fn every_path_of_the_table_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let table = text.split("## Where to add").nth(1).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(2);
    let (mut seen, mut missing) = (0, Vec::new());
    for row in rows {
        let (what, places_named) = row[2..].split_once(" | ").unwrap();
        let named = quoted(places_named).filter_map(|word| match word.strip_prefix('-') {
            Some(crate_name) => Some(format!("stepladder-{crate_name}")),
            None if word.starts_with("stepladder-") => Some(word.to_string()),
            None => None,
        });
        let crates: Vec<String> = named.chain([String::from("stepladder")]).collect();
        for path in quoted(places_named).filter(|word| is_path(word)) {
            seen += 1;
            if !places(&root, &crates, path).iter().any(|place| place.exists()) {
                missing.push(format!("{what}: {path}"));
            }
        }
    }
    assert!(seen > 60, "{seen} paths in the table");
    assert!(missing.is_empty(), "not there: {}", missing.join("; "));
}
