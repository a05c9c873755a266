//! `stepladder evaluate`: a trained model's figures on the run's own test part, or on other photos.

mod seen;

use super::{SHIPPED_PHOTOS, cache, data, if_moved, known_run, model_file, on_threads, threads};
use crate::Ending;
use crate::arguments::{EvaluateArguments, PartName};
use crate::terminal::{Alignment, Output, ProgressBar, Table, interval, note, percent, warn_of_remarks};
use anyhow::Context;
use seen::Seen;
use serde_json::json;
use std::path::Path;
use stepladder_classifier::{ClassFigures, Classifier, Evaluation, Predictions};
use stepladder_data::{CacheConfig, DataError, Dataset, Part, Photo, PhotoStore, Reading, Split, nfc};
use stepladder_train::{Config, RunDirectory, data_request, is_same_content};

pub(crate) fn evaluate(mut arguments: EvaluateArguments, output: &Output) -> anyhow::Result<Ending> {
    arguments.run = known_run(&arguments.run)?;
    let threads = threads(arguments.answering.threads)?;
    on_threads(threads, || {
        let classifier = Classifier::load(&model_file(&arguments.run)?, arguments.answering.device)?;
        let other =
            arguments.data.is_some() || arguments.parts.table.is_some() || arguments.parts.train.is_some();
        let mut photos = match other {
            true => other_photos(&arguments)?,
            false => {
                own_photos(&arguments.run, arguments.part.unwrap_or(PartName::Test)).map_err(if_moved)?
            }
        };
        let store = store_for(
            &classifier,
            &mut photos,
            cache(&arguments.cache, threads)?,
            output,
        )?;
        let are_own = !other || own_again(&arguments, &mut photos, &store)?;
        if other && are_own {
            note(
                "note: these are the photos of the run, so its own parts are taken; --part all asks about all of them",
            );
        }
        let (asked, unreadable): (Vec<u32>, Vec<u32>) = photos
            .asked
            .into_iter()
            .partition(|&photo| store.is_readable(photo));
        let predictions = answers(
            &classifier,
            &photos.dataset,
            &store,
            &asked,
            arguments.answering.batch,
        )?;
        let evaluation = predictions.evaluate(classifier.classes());
        let evaluation = evaluation.with_context(|| {
            format!(
                "{} has no readable photos to ask about ({}); choose others with --part",
                photos.dataset.name, photos.part
            )
        })?;
        let seen = Seen::new(&arguments.run, &store, &asked);
        say_unreadable(&unreadable, asked.len(), &photos.dataset, &store, output);
        if let Some(warning) = seen.and_then(|seen| seen.warning(asked.len())) {
            output.line(&format!("warning: {warning}"));
        }
        show(&evaluation, &photos.dataset.name, photos.part, output);
        output.json(&json!({
            "run": arguments.run,
            "model": classifier.rung().name,
            "data": photos.dataset.name,
            "part": photos.part,
            "own_photos": are_own,
            "accuracy_interval": evaluation.accuracy_interval(),
            "unreadable_images": unreadable.len(),
            "trained_on_images": seen.map(|seen| seen.trained_on_images),
            "validated_on_images": seen.map(|seen| seen.validated_on_images),
            "largest_confusions": named(&evaluation),
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

/// The photos decoded as the model sees them.
pub(super) fn store_for(
    classifier: &Classifier,
    photos: &mut Photos,
    cache: CacheConfig,
    output: &Output,
) -> anyhow::Result<PhotoStore> {
    // It sees what it was trained to see.
    photos.dataset.decoding.levels = classifier.decoding().levels;
    let cache = cache.with_scaling(classifier.scaling());
    let bar = ProgressBar::new(output);
    Ok(PhotoStore::open_or_build(
        &photos.dataset,
        classifier.size(),
        &cache,
        &bar,
    )?)
}

/// The answers about readable photos, `batch` at a time.
pub(super) fn answers(
    classifier: &Classifier,
    dataset: &Dataset,
    store: &PhotoStore,
    asked: &[u32],
    batch: usize,
) -> anyhow::Result<Predictions> {
    let labels = labels_of(dataset, asked, classifier)?;
    Ok(classifier.classify(store, &labels, asked, batch.max(1))?)
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
    let (asked, part) = part_of_run(&run, &dataset, part)?;
    Ok(Photos { dataset, asked, part })
}

/// The photos of a part as the run split them.
fn part_of_run(
    run: &RunDirectory,
    dataset: &Dataset,
    part: PartName,
) -> anyhow::Result<(Vec<u32>, &'static str)> {
    let table = run
        .read(&run.split())
        .with_context(|| format!("{} is missing from the run", run.split().display()))?;
    let split = Split::read_tsv(dataset, &run.split().display().to_string(), table.as_slice())?;
    Ok(match part {
        PartName::Train => (split.train, "training part"),
        PartName::Val => (split.validation, "validation part"),
        PartName::Test => (split.test, "test part"),
        PartName::All => ([split.train, split.validation, split.test].concat(), "all parts"),
    })
}

/// How the run's own photos were read, which other photos for it are likely to need, too. Groups mean nothing here, and a table says classes itself.
fn reading_of_run(run: &Path, with_table: bool) -> Reading {
    let run = RunDirectory::open(run);
    let config = run.read(&run.config()).ok();
    let config = config.and_then(|config| serde_json::from_slice::<Config>(&config).ok());
    let reading = config.map(|config| data_request(&config.data, SHIPPED_PHOTOS).reading);
    let reading = reading.unwrap_or_default();
    Reading {
        group_by: None,
        layout: reading.layout.filter(|_| !with_table),
        class_from: reading.class_from.filter(|_| !with_table),
        ..reading
    }
}

/// Whether the photos that were given are the run's own, in another place; then the part that is asked about is the run's.
fn own_again(arguments: &EvaluateArguments, photos: &mut Photos, store: &PhotoStore) -> anyhow::Result<bool> {
    let run = RunDirectory::open(&arguments.run);
    // A model file has no photos of its own, and a run of an earlier version has not written their contents down.
    let Some(content) = run
        .read(&run.content())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
    else {
        return Ok(false);
    };
    let dataset = &photos.dataset;
    let readable = dataset.photos.iter().zip(0..).filter_map(|(photo, number)| {
        let class = dataset
            .classes
            .get(photo.class as usize)
            .map_or("", String::as_str);
        Some((photo.name.as_str(), class, store.content_hash(number)?))
    });
    if !is_same_content(&content, readable) {
        return Ok(false);
    }
    let part = arguments.part.unwrap_or(PartName::Test);
    (photos.asked, photos.part) = part_of_run(&run, dataset, part)?;
    Ok(true)
}

/// The photos of `--data`: the part asked for, or the test part where there is one, or all.
fn other_photos(arguments: &EvaluateArguments) -> anyhow::Result<Photos> {
    let mut request = data(arguments.data.clone(), arguments.parts.clone());
    if request.reading == Reading::default() {
        request.reading = reading_of_run(&arguments.run, request.table.is_some());
    }
    let opened = Dataset::open_for_evaluation(&request);
    if let Err(DataError::NoClassFolders { .. }) = opened {
        note(
            "note: photos without classes have no figures; `stepladder predict` says what the model sees on them",
        );
    }
    let dataset = opened?;
    warn_of_remarks(&dataset.remarks);
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
    let output = |class: &String| {
        classifier
            .classes()
            .iter()
            .position(|name| nfc(name) == nfc(class))
    };
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
    let shown = shown_classes(evaluation);
    if shown.len() < evaluation.classes.len() {
        output.line(&format!(
            "the {} classes of {} that are found least often; --json has all",
            shown.len(),
            evaluation.classes.len()
        ));
    }
    output.table(&class_table(&shown));
    output.line("");
    match evaluation.has_readable_matrix() {
        true => {
            output.line("confusion: rows are the truth, columns what the model said");
            output.table(&confusion_table(evaluation));
        }
        false => {
            output.line("largest confusions");
            output.table(&largest_table(evaluation));
        }
    }
}

/// Says how many photos are not in the figures, with one of them.
fn say_unreadable(
    unreadable: &[u32],
    readable: usize,
    dataset: &Dataset,
    store: &PhotoStore,
    output: &Output,
) {
    let Some(&first) = unreadable.first() else { return };
    let name = &dataset.photos[first as usize].name;
    let skipped = store.skipped().iter().find(|skipped| skipped.name == *name);
    let reason = skipped.map_or(String::new(), |skipped| format!(": {}", skipped.reason));
    output.line(&format!(
        "warning: {} of {} photos cannot be read and do not count, such as {name}{reason}",
        unreadable.len(),
        unreadable.len() + readable
    ));
}

/// Confusions that are listed where a matrix would be too large.
const CONFUSIONS: usize = 20;

/// The largest confusions by the classes' names.
fn named(evaluation: &Evaluation) -> Vec<serde_json::Value> {
    let name = |class: usize| &evaluation.classes[class].class;
    let largest = evaluation.largest_confusions(CONFUSIONS).into_iter();
    largest
        .map(|c| json!({ "class": name(c.truth), "predicted": name(c.predicted), "images": c.images }))
        .collect()
}

fn largest_table(evaluation: &Evaluation) -> Table {
    let heads = [
        ("class", Alignment::Left),
        ("called", Alignment::Left),
        ("photos", Alignment::Right),
    ];
    let mut table = Table::new(heads);
    let name = |class: usize| evaluation.classes[class].class.clone();
    for confusion in evaluation.largest_confusions(CONFUSIONS) {
        table.row([
            name(confusion.truth),
            name(confusion.predicted),
            confusion.images.to_string(),
        ]);
    }
    table
}

/// All classes, or the weakest of very many.
fn shown_classes(evaluation: &Evaluation) -> Vec<&ClassFigures> {
    let mut classes: Vec<&ClassFigures> = evaluation.classes.iter().collect();
    if !evaluation.has_readable_matrix() {
        let recall = |class: &ClassFigures| class.recall.unwrap_or(f64::INFINITY);
        classes.sort_by(|a, b| recall(a).total_cmp(&recall(b)));
        classes.truncate(Evaluation::LARGEST_MATRIX);
    }
    classes
}

fn class_table(classes: &[&ClassFigures]) -> Table {
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
    for class in classes {
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
