//! The figures as CSV: `epochs.csv` and `steps.csv`, with the columns of the logs that they come from.

use crate::MetricsError;
use serde::Serialize;
use std::path::Path;
use stepladder_run::{EpochRecord, StepRecord, write_atomically};

/// Writes both tables into `folder`, which is made if need be; older ones are replaced.
///
/// # Errors
///
/// The folder cannot be written to.
pub fn write_tables(epochs: &[EpochRecord], steps: &[StepRecord], folder: &Path) -> Result<(), MetricsError> {
    std::fs::create_dir_all(folder).map_err(MetricsError::io(folder))?;
    write(&folder.join("epochs.csv"), epochs)?;
    write(&folder.join("steps.csv"), steps)
}

fn write<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), MetricsError> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let written = rows.iter().try_for_each(|row| table.serialize(row));
    written.map_err(|error| MetricsError::io(path)(error.into()))?;
    let bytes = table
        .into_inner()
        .map_err(|error| MetricsError::io(path)(error.into_error()))?;
    write_atomically(path, &bytes).map_err(MetricsError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_keys_of_the_logs() {
        let folder = tempfile::tempdir().unwrap();
        let steps = [StepRecord {
            step: 0,
            epoch: 1,
            loss: 1.5,
            accuracy: 0.25,
            learning_rate: 0.001,
        }];
        write_tables(&[], &steps, &folder.path().join("metrics")).unwrap();
        let text = std::fs::read_to_string(folder.path().join("metrics/steps.csv")).unwrap();
        assert_eq!(
            text,
            "step,epoch,loss,accuracy,learning_rate\n0,1,1.5,0.25,0.001\n"
        );
    }
}
