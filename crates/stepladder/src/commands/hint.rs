//! What to type where data cannot be read as it is: errors of the libraries say what is wrong, and know no options.

use crate::terminal::quoted;
use stepladder_climb::ClimbError;
use stepladder_data::DataError;
use stepladder_train::TrainError;

/// The option that answers a failure, in a sentence.
pub(crate) fn hint(failure: &anyhow::Error) -> Option<String> {
    match failure.chain().find_map(data_error)? {
        DataError::TableColumns { file, class, .. } => {
            let column =
                |column: &Option<String>, example: &str| quoted(column.as_deref().unwrap_or(example));
            Some(format!(
                "say which columns are read, e.g. --columns file={},class={}",
                column(file, "id"),
                column(class, "breed")
            ))
        }
        DataError::TableEncoding { likely, .. } => Some(format!(
            "say the table's encoding with --encoding {}, or save the table as UTF-8",
            likely.unwrap_or("NAME")
        )),
        _ => None,
    }
}

/// What was wrong with the data, wherever it was read.
fn data_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a DataError> {
    if let Some(TrainError::Data(error)) = cause.downcast_ref() {
        return Some(error);
    }
    if let Some(ClimbError::Data(error)) = cause.downcast_ref() {
        return Some(error);
    }
    cause.downcast_ref()
}
