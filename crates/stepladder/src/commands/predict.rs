//! `stepladder predict`: what is on photos that the model has never seen.

use super::{model_file, on_threads, threads};
use crate::Ending;
use crate::arguments::PredictArguments;
use crate::terminal::{Alignment, Output, Table, percent, warn};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use stepladder_classifier::Classifier;
use stepladder_data::{PhotoError, RgbPhoto, Skipped, find_photos, printable, read_photo};

pub(crate) fn predict(arguments: PredictArguments, output: &Output) -> anyhow::Result<Ending> {
    let threads = threads(arguments.threads)?;
    on_threads(threads, || {
        let classifier = Classifier::load(&model_file(&arguments.run)?, arguments.device)?;
        let files = files(&arguments.photos);
        anyhow::ensure!(!files.is_empty(), "there are no files in the folders given");
        let mut answers = Answers::new(&classifier, arguments.top);
        for files in files.chunks(arguments.batch.max(1)) {
            answers.ask(files);
        }
        if !answers.photos.is_empty() {
            output.table(&answers.table);
        }
        output.json(&json!({
            "model": classifier.rung().name,
            "classes": classifier.classes(),
            "photos": answers.photos,
            "failed": answers.failed,
        }))?;
        Ok(if answers.failed.is_empty() {
            Ending::Done
        } else {
            Ending::Incomplete
        })
    })
}

/// What the model said so far.
struct Answers<'a> {
    classifier: &'a Classifier,
    top: usize,
    table: Table,
    photos: Vec<Value>,
    failed: Vec<Value>,
}

impl Answers<'_> {
    fn new(classifier: &Classifier, top: usize) -> Answers<'_> {
        let top = top.clamp(1, classifier.classes().len());
        let heads = std::iter::once(("photo", Alignment::Left));
        let ranks = (0..top).flat_map(|rank| {
            [
                (if rank == 0 { "class" } else { "then" }, Alignment::Left),
                ("", Alignment::Right),
            ]
        });
        Answers {
            classifier,
            top,
            table: Table::new(heads.chain(ranks)),
            photos: vec![],
            failed: vec![],
        }
    }

    /// Reads, decodes and classifies some files; one that cannot be used is named on stderr and left out.
    fn ask(&mut self, files: &[PathBuf]) {
        let read: Vec<Result<RgbPhoto, PhotoError>> = files.par_iter().map(|file| read_photo(file)).collect();
        let (mut names, mut photos) = (Vec::new(), Vec::new());
        for (file, read) in files.iter().zip(read) {
            let name = printable(&file.to_string_lossy()).into_owned();
            match read {
                Ok(photo) => {
                    names.push(name);
                    photos.push(photo);
                }
                Err(reason) => {
                    warn(&format!("{name}: {reason}"));
                    self.failed
                        .push(json!({ "file": name, "reason": reason.to_string() }));
                }
            }
        }
        for (name, probabilities) in names.iter().zip(self.classifier.predict(&photos)) {
            self.note(name, &probabilities);
        }
    }

    /// Adds one photo's answer.
    fn note(&mut self, name: &str, probabilities: &[f32]) {
        let mut ranked: Vec<(&String, f32)> = self
            .classifier
            .classes()
            .iter()
            .zip(probabilities.iter().copied())
            .collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let shown = ranked.iter().take(self.top);
        let cells =
            shown.flat_map(|(class, probability)| [class.to_string(), percent(f64::from(*probability))]);
        self.table.row(std::iter::once(name.to_string()).chain(cells));
        self.photos.push(json!({
            "file": name,
            "class": ranked[0].0,
            "probability": ranked[0].1,
            "probabilities": probabilities,
        }));
    }
}

/// The files named, and those in the folders named, sorted. What cannot be listed is kept: reading it will say why.
fn files(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        match find_photos(path) {
            Ok((mut found, set_aside)) => {
                files.append(&mut found);
                for Skipped { name, reason } in set_aside {
                    warn(&format!(
                        "{}/{name}: {reason}",
                        printable(&path.to_string_lossy())
                    ));
                }
            }
            Err(_) => files.push(path.clone()),
        }
    }
    files
}
