//! What the model says, as a table, as CSV and as JSON; and what could not be used.

use super::sorted::Sorted;
use crate::Ending;
use crate::terminal::{Alignment, Output, Table, name_cell, note, path_cell, percent, warn};
use anyhow::Context;
use serde_json::{Value, json};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use stepladder_classifier::{Classifier, ranked};

/// How answers are shown.
pub(super) struct Form {
    /// Classes to show for each photo.
    pub top: usize,
    /// The least probability that is an answer.
    pub unsure: Option<f32>,
    /// CSV, a line as soon as there is one, instead of a table at the end.
    pub csv: bool,
}

/// The heads of the CSV's columns.
fn csv_head(classifier: &Classifier) -> impl Iterator<Item = String> {
    let classes = classifier.classes().iter().map(|class| format!("p({class})"));
    ["file", "class", "probability"]
        .map(String::from)
        .into_iter()
        .chain(classes)
}

/// The answers so far.
pub(super) struct Answers<'a> {
    classifier: &'a Classifier,
    form: Form,
    output: &'a Output,
    table: Table,
    photos: Vec<Value>,
    answered: usize,
    failed: Vec<Value>,
    /// The CSV that goes to a file.
    file: Option<(PathBuf, csv::Writer<File>)>,
}

impl<'a> Answers<'a> {
    pub fn new(classifier: &'a Classifier, form: Form, output: &'a Output) -> anyhow::Result<Answers<'a>> {
        let top = form.top.clamp(1, classifier.classes().len());
        let heads = std::iter::once(("photo", Alignment::Left));
        let ranks = (0..top).flat_map(|rank| {
            [
                (if rank == 0 { "class" } else { "then" }, Alignment::Left),
                ("", Alignment::Right),
            ]
        });
        let table = Table::new(heads.chain(ranks));
        let answers = Answers {
            classifier,
            form: Form { top, ..form },
            output,
            table,
            photos: Vec::new(),
            answered: 0,
            failed: Vec::new(),
            file: None,
        };
        if answers.form.csv {
            answers.csv_line(csv_head(classifier))?;
        }
        Ok(answers)
    }

    /// The same, with the CSV in a new file, too.
    pub fn with_file(mut self, path: &Path) -> anyhow::Result<Answers<'a>> {
        let file = File::create_new(path).map_err(|error| {
            let remedy = match error.kind() {
                ErrorKind::AlreadyExists => {
                    "there is such a file, and nothing is overwritten; name another with --out"
                }
                ErrorKind::NotFound => "its folder does not exist; make it first",
                _ => "name another file with --out",
            };
            anyhow::Error::new(error).context(format!("cannot write {}: {remedy}", path.display()))
        })?;
        let mut file = csv::Writer::from_writer(file);
        file.write_record(csv_head(self.classifier))?;
        self.file = Some((path.to_path_buf(), file));
        Ok(self)
    }

    /// Adds one photo's answer. Gives the class; `None` where the model is unsure.
    pub fn answered(&mut self, name: &str, probabilities: &[f32]) -> anyhow::Result<Option<usize>> {
        let ranked = ranked(probabilities);
        let classes = self.classifier.classes();
        let best = probabilities[ranked[0]];
        let sure = self.form.unsure.is_none_or(|least| best >= least);
        let class = if sure {
            classes[ranked[0]].as_str()
        } else {
            "unsure"
        };
        self.answered += 1;
        let answer = sure.then_some(ranked[0]);
        let row = || {
            let figures = std::iter::once(&best).chain(probabilities).map(f32::to_string);
            [path_cell(name), name_cell(class)].into_iter().chain(figures)
        };
        if let Some((path, file)) = &mut self.file {
            let written = file.write_record(row());
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
        if self.form.csv {
            self.csv_line(row())?;
            return Ok(answer);
        }
        if self.output.is_json() {
            let top = ranked
                .iter()
                .take(self.form.top)
                .map(|&class| json!({ "class": classes[class], "probability": probabilities[class] }));
            self.photos.push(json!({
                "file": name,
                "class": sure.then_some(class),
                "probability": best,
                "top": top.collect::<Vec<_>>(),
                "probabilities": probabilities,
            }));
        }
        let shown = ranked
            .iter()
            .take(self.form.top)
            .enumerate()
            .flat_map(|(rank, &class)| {
                let name = &classes[class];
                let cell = if rank == 0 && !sure {
                    format!("unsure ({name}?)")
                } else {
                    name.clone()
                };
                [cell, percent(f64::from(probabilities[class]))]
            });
        self.table.row(std::iter::once(name.to_string()).chain(shown));
        Ok(answer)
    }

    /// Prints one line of CSV.
    fn csv_line(&self, cells: impl Iterator<Item = String>) -> anyhow::Result<()> {
        let mut line = csv::Writer::from_writer(Vec::new());
        line.write_record(cells)?;
        let line = line.into_inner().map_err(|error| error.into_error())?;
        let line = String::from_utf8(line)?;
        self.output.raw(line.trim_end_matches('\n'));
        self.output.expect_reader()
    }

    /// Says that a file could not be used.
    pub fn failed(&mut self, name: String, reason: String) -> anyhow::Result<()> {
        warn(&format!("{name}: {reason}"));
        self.failed.push(json!({ "file": name, "reason": reason }));
        Ok(())
    }

    /// Shows what is left to show.
    pub fn finish(mut self, sorted: Option<&Sorted>) -> anyhow::Result<Ending> {
        if let Some((path, file)) = &mut self.file {
            file.flush()
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        if self.answered > 0 && !self.form.csv {
            self.output.table(&self.table);
        }
        if !self.form.csv
            && let Some((path, _)) = &self.file
        {
            self.output.line("");
            self.output.line(&format!("table       {}", path.display()));
        }
        if let Some(sorted) = sorted {
            note(&format!("sorted      {}", sorted.told()));
        }
        self.output.json(&json!({
            "model": self.classifier.rung().name,
            "classes": self.classifier.classes(),
            "temperature": self.classifier.temperature().map(|temperature| temperature.value()),
            "photos": self.photos,
            "failed": self.failed,
            "table": self.file.as_ref().map(|(path, _)| path),
            "sorted_into": sorted.map(Sorted::folder),
            "copied": sorted.map(Sorted::copied),
        }))?;
        if self.answered + self.failed.len() > 1 && !self.failed.is_empty() {
            warn(&format!(
                "{} of {} files could not be used",
                self.failed.len(),
                self.answered + self.failed.len()
            ));
        }
        Ok(if self.failed.is_empty() {
            Ending::Done
        } else {
            Ending::Incomplete
        })
    }
}
