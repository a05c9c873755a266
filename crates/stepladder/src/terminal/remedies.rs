//! Which options help where data is refused. The crates that refuse it do not know of options.

use super::quoted;
use stepladder_data::DataError;

/// What may be typed to get on, a line each.
pub(crate) fn remedies(failure: &anyhow::Error) -> Vec<String> {
    let errors = failure
        .chain()
        .filter_map(|cause| cause.downcast_ref::<DataError>());
    let mut remedies: Vec<String> = errors.flat_map(of_data).collect();
    remedies.dedup();
    remedies
}

fn of_data(error: &DataError) -> Vec<String> {
    let by_name = |pattern: &Option<String>| {
        let pattern = pattern.as_deref()?;
        Some(format!(
            "to take classes from the files' names: --class-from {}",
            quoted(pattern)
        ))
    };
    match error {
        DataError::LooksLikeParts { folders, pattern, .. } => {
            let layout = match folders.iter().any(|folder| folder.contains('/')) {
                true => "class/part",
                false => "part/class",
            };
            let mut remedies: Vec<String> = by_name(pattern).into_iter().collect();
            if remedies.is_empty() {
                remedies.push(format!("to take them as parts: --layout {layout}"));
            }
            remedies.push(String::from("to take them as classes: --layout class"));
            remedies
        }
        DataError::NoClassFolders { pattern, .. } => by_name(pattern).into_iter().collect(),
        DataError::BehindLinks { .. } => vec![String::from("to follow symbolic links: --follow-links")],
        _ => Vec::new(),
    }
}
