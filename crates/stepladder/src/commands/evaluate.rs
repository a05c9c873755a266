//! `stepladder evaluate`: a trained model's figures on the run's own test part, or on other photos.

use super::{SHIPPED_PHOTOS, cache, model_file, on_threads, threads};
use crate::Ending;
use crate::arguments::{EvaluateArguments, PartName};
use crate::terminal::{Alignment, Output, ProgressBar, Table, interval, percent};
use anyhow::Context;
use serde_json::json;
use std::path::Path;
use stepladder_classifier::{Classifier, Evaluation};
use stepladder_data::{DataRequest, Dataset, Part, Photo, PhotoStore, Split};
use stepladder_train::{Config, RunDirectory, data_request};

pub(crate) fn evaluate(arguments: EvaluateArguments, output: &Output) -> anyhow::Result<Ending> {
    let threads = threads(arguments.answering.threads)?;
    on_threads(threads, || {
        let classifier = Classifier::load(&model_file(&arguments.run)?, arguments.answering.device)?;
        let photos = match &arguments.data {
            Some(_) => other_photos(&arguments)?,
            None => own_photos(&arguments.run, arguments.part.unwrap_or(PartName::Test))?,
        };
        let cache = cache(&arguments.cache, threads)?.with_scaling(classifier.scaling());
        let store = PhotoStore::open_or_build(
            &photos.dataset,
            classifier.size(),
            &cache,
            &ProgressBar::new(output),
        )?;
        let asked: Vec<u32> = photos
            .asked
            .into_iter()
            .filter(|&photo| store.is_readable(photo))
            .collect();
        let labels = labels_of(&photos.dataset, &asked, &classifier)?;
        let predictions = classifier.classify(&store, &labels, &asked, arguments.answering.batch.max(1))?;
        let evaluation = predictions.evaluate(classifier.classes());
        let evaluation = evaluation.with_context(|| {
            format!(
                "{} has no readable photos to ask about ({}); choose others with --part",
                photos.dataset.name, photos.part
            )
        })?;
        show(&evaluation, &photos.dataset.name, photos.part, output);
        output.json(&json!({
            "run": arguments.run,
            "model": classifier.rung().name,
            "data": photos.dataset.name,
            "part": photos.part,
            "accuracy_interval": evaluation.accuracy_interval(),
            "skipped_images": photos.dataset.skipped.len() + store.skipped().len(),
            "figures": evaluation,
        }))?;
        Ok(Ending::Done)
    })
}

/// Photos to ask about.
pub(super) struct Photos {
    pub dataset: Dataset,
    pub asked: Vec<u32>,
    pub part: &'static str,
}

/// The photos of a part of the run's own data, as the run split it.
pub(super) fn own_photos(run: &Path, part: PartName) -> anyhow::Result<Photos> {
    let run = RunDirectory::open(run);
    let config = run.read(&run.config()).with_context(|| {
        format!(
            "{} is not a run directory; say which photos with --data",
            run.path().display()
        )
    })?;
    let config: Config =
        serde_json::from_slice(&config).with_context(|| format!("{} is damaged", run.config().display()))?;
    let dataset = Dataset::open(&data_request(&config.data, SHIPPED_PHOTOS))?;
    let table = run
        .read(&run.split())
        .with_context(|| format!("{} is missing from the run", run.split().display()))?;
    let split = Split::read_tsv(&dataset, &run.split().display().to_string(), table.as_slice())?;
    let (asked, part) = match part {
        PartName::Train => (split.train, "training part"),
        PartName::Val => (split.validation, "validation part"),
        PartName::Test => (split.test, "test part"),
        PartName::All => ([split.train, split.validation, split.test].concat(), "all parts"),
    };
    Ok(Photos { dataset, asked, part })
}

/// The photos of `--data`: the part asked for, or the test part where there is one, or all.
fn other_photos(arguments: &EvaluateArguments) -> anyhow::Result<Photos> {
    let request = DataRequest {
        path: arguments.data.clone(),
        table: arguments.table.clone(),
        table_form: arguments.table_form.clone().form(),
        ..DataRequest::default()
    };
    let dataset = Dataset::open_for_evaluation(&request)?;
    let has_test = dataset.photos.iter().any(|photo| photo.part == Some(Part::Test));
    let (part, name) = match arguments.part {
        Some(PartName::Train) => (Some(Part::Train), "training part"),
        Some(PartName::Val) => (Some(Part::Validation), "validation part"),
        Some(PartName::Test) => (Some(Part::Test), "test part"),
        None if has_test => (Some(Part::Test), "test part"),
        Some(PartName::All) | None => (None, "all parts"),
    };
    let asked = dataset
        .photos
        .iter()
        .zip(0..)
        .filter(|(photo, _)| part.is_none() || photo.part == part);
    let asked = asked.map(|(_, number)| number).collect();
    Ok(Photos {
        dataset,
        asked,
        part: name,
    })
}

/// The model's output for each photo: classes are matched by name, never by order.
///
/// A class that the model does not know is an error if one of its photos is asked about. Without any, as when training left the class out because
/// none of its photos could be read, it does not matter.
pub(super) fn labels_of(
    dataset: &Dataset,
    asked: &[u32],
    classifier: &Classifier,
) -> anyhow::Result<Vec<u32>> {
    let output = |class: &String| classifier.classes().iter().position(|name| name == class);
    let outputs: Vec<Option<usize>> = dataset.classes.iter().map(output).collect();
    for &photo in asked {
        let class = dataset.photos[photo as usize].class as usize;
        anyhow::ensure!(
            outputs[class].is_some(),
            "{} has a class \"{}\" that the model does not know; it knows {}. Rename the folder, or leave it out with --table",
            dataset.name,
            dataset.classes[class],
            classifier.classes().join(", ")
        );
    }
    let label = |photo: &Photo| outputs[photo.class as usize].map_or(Photo::NO_CLASS, |output| output as u32);
    Ok(dataset.photos.iter().map(label).collect())
}

fn show(evaluation: &Evaluation, data: &str, part: &str, output: &Output) {
    let accuracy = percent(evaluation.accuracy);
    let [low, high] = evaluation.accuracy_interval();
    output.line(&format!(
        "{accuracy} of {} photos right ({}), loss {:.4}: {data}, {part}",
        evaluation.images,
        interval(low, high),
        evaluation.loss
    ));
    output.line("");
    output.table(&class_table(evaluation));
    output.line("");
    output.line("confusion: rows are the truth, columns what the model said");
    output.table(&confusion_table(evaluation));
}

fn class_table(evaluation: &Evaluation) -> Table {
    use Alignment::{Left, Right};
    let heads = [
        ("class", Left),
        ("photos", Right),
        ("precision", Right),
        ("recall", Right),
        ("F1", Right),
    ];
    let mut table = Table::new(heads);
    let figure = |value: Option<f64>| value.map_or("-".to_string(), percent);
    for class in &evaluation.classes {
        table.row([
            class.class.clone(),
            class.images.to_string(),
            figure(class.precision),
            figure(class.recall),
            figure(class.f1),
        ]);
    }
    table
}

/// Counts of photos, truth down and prediction across.
fn confusion_table(evaluation: &Evaluation) -> Table {
    let names = evaluation.classes.iter().map(|class| class.class.as_str());
    let heads = std::iter::once(("", Alignment::Left)).chain(names.map(|name| (name, Alignment::Right)));
    let mut table = Table::new(heads);
    for (class, row) in evaluation.classes.iter().zip(&evaluation.confusion) {
        let counts = row.iter().map(u32::to_string);
        table.row(std::iter::once(class.class.clone()).chain(counts));
    }
    table
}
