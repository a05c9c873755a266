//! Which options help where data is refused. The crates that refuse it do not know of options.

use super::quoted;
use stepladder_climb::ClimbError;
use stepladder_data::DataError;
use stepladder_train::TrainError;

/// What may be typed to get on, a line each.
pub(crate) fn remedies(failure: &anyhow::Error) -> Vec<String> {
    let errors = failure.chain().filter_map(data_error);
    let mut remedies: Vec<String> = errors.flat_map(of_data).collect();
    remedies.dedup();
    remedies
}

/// What was wrong with the data, wherever it was read: errors that pass it on as it is are not among its causes.
fn data_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a DataError> {
    if let Some(TrainError::Data(error)) = cause.downcast_ref() {
        return Some(error);
    }
    if let Some(ClimbError::Data(error)) = cause.downcast_ref() {
        return Some(error);
    }
    cause.downcast_ref()
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
        DataError::TableColumns { file, class, .. } => {
            let column =
                |column: &Option<String>, example: &str| quoted(column.as_deref().unwrap_or(example));
            vec![format!(
                "to say which columns are read: --columns file={},class={}",
                column(file, "id"),
                column(class, "breed")
            )]
        }
        DataError::TableEncoding { likely, .. } => vec![format!(
            "to say the table's encoding: --encoding {}; or save the table as UTF-8",
            likely.unwrap_or("NAME")
        )],
        DataError::BehindLinks { .. } => vec![String::from("to follow symbolic links: --follow-links")],
        _ => Vec::new(),
    }
}
