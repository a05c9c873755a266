//! The answers that a run wrote down, for when its photos are gone.

use std::io::Read;
use std::path::Path;
use stepladder_classifier::Predictions;
use stepladder_run::Folder;

/// The longest table that is read, in bytes.
const LIMIT: u64 = 1 << 30;

/// `test_predictions.tsv` in `run`: each photo's name, and its probabilities, photos numbered from 0. None where the table is missing or is
/// not one of these classes.
pub(crate) fn recorded(run: &Path, classes: &[String]) -> Option<(Vec<String>, Predictions)> {
    let file = Folder::open(run)
        .and_then(|run| run.read("test_predictions.tsv"))
        .ok()?;
    let mut table = csv::ReaderBuilder::new()
        .delimiter(b'\t')
        .from_reader(file.take(LIMIT));
    let mut names = Vec::new();
    let mut predictions = Predictions::new(classes.len());
    for (number, row) in table.records().enumerate() {
        let row = row.ok()?;
        let label = classes
            .iter()
            .position(|class| Some(class.as_str()) == row.get(1))?;
        let probabilities: Vec<f32> = row
            .iter()
            .skip(4)
            .map(|cell| cell.parse().ok())
            .collect::<Option<_>>()?;
        if probabilities.len() != classes.len() {
            return None;
        }
        names.push(row.get(0)?.to_string());
        predictions.extend(&[u32::try_from(number).ok()?], &[label as u32], &probabilities);
    }
    (!names.is_empty()).then_some((names, predictions))
}
