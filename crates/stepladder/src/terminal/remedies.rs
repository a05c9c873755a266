//! Which options help where data is refused. The crates that refuse it do not know of options.

use super::quoted;
use stepladder_climb::ClimbError;
use stepladder_data::DataError;
use stepladder_inspection::UNLABELLED;
use stepladder_train::TrainError;

/// What may be typed to get on, a line each.
pub(crate) fn remedies(failure: &anyhow::Error) -> Vec<String> {
    data_error(failure).map(of_data).unwrap_or_default()
}

/// The error of the data behind a failure. A training's or a climb's error shows it as its own, and so it is no link of their chain.
pub(crate) fn data_error(failure: &anyhow::Error) -> Option<&DataError> {
    failure.chain().find_map(|cause| {
        let training = cause.downcast_ref::<TrainError>().and_then(|error| match error {
            TrainError::Data(error) => Some(error),
            _ => None,
        });
        let climb = cause.downcast_ref::<ClimbError>().and_then(|error| match error {
            ClimbError::Data(error) | ClimbError::Train(TrainError::Data(error)) => Some(error),
            _ => None,
        });
        cause.downcast_ref::<DataError>().or(training).or(climb)
    })
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
        DataError::UnlabelledPart { .. } => vec![String::from(UNLABELLED)],
        DataError::BehindLinks { .. } => vec![String::from("to follow symbolic links: --follow-links")],
        _ => Vec::new(),
    }
}
