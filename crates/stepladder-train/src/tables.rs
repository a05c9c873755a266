//! The tables of a run that name photos: its split, the files that could not be used, and the answers about the test part.

use stepladder_classifier::Predictions;
use stepladder_data::{Dataset, Skipped, Split};
use stepladder_run::{RunDirectory, RunError};

/// Writes the part of each photo, in a form that `--table` accepts.
pub(crate) fn write_split(run: &RunDirectory, split: &Split, dataset: &Dataset) -> Result<(), RunError> {
    let mut table = Vec::new();
    let path = run.split();
    split
        .write_tsv(dataset, &mut table)
        .map_err(|source| RunError::write(&path, source))?;
    run.write(&path, table)
}

/// Writes the files that could not be used, with the reason.
pub(crate) fn write_skipped(run: &RunDirectory, skipped: &[Skipped]) -> Result<(), RunError> {
    let rows = skipped
        .iter()
        .map(|file| vec![file.name.clone(), file.reason.clone()]);
    run.write_table(&run.skipped(), &["file".into(), "reason".into()], rows)
}

/// Writes the test photos with what the model made of each: its class, the predicted one, and every probability.
pub(crate) fn write_predictions(
    run: &RunDirectory,
    predictions: &Predictions,
    dataset: &Dataset,
) -> Result<(), RunError> {
    let mut header: Vec<String> = ["file", "class", "predicted", "probability"]
        .map(String::from)
        .into();
    header.extend(dataset.classes.iter().map(|class| format!("p({class})")));
    let rows = predictions.iter().map(|photo| {
        let mut row = vec![
            dataset.photos[photo.photo as usize].name.clone(),
            dataset.classes[photo.label as usize].clone(),
            dataset.classes[photo.predicted as usize].clone(),
            photo.probabilities[photo.predicted as usize].to_string(),
        ];
        row.extend(photo.probabilities.iter().map(f32::to_string));
        row
    });
    run.write_table(&run.predictions(), &header, rows)
}
