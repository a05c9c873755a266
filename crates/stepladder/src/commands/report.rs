//! `stepladder report`: a run or a climb as one page.

use super::evaluate::labels_of;
use super::{SHIPPED_PHOTOS, cache, known_run, model_file, moved, on_threads, threads};
use crate::Ending;
use crate::arguments::{CacheArguments, DataArguments, ReportArguments};
use crate::terminal::{Output, ProgressBar, told, warn};
use anyhow::Context;
use serde_json::json;
use std::path::{Component, Path, PathBuf};
use stepladder_classifier::Classifier;
use stepladder_climb::{ClimbRecord, RungRecord};
use stepladder_data::{Augmentation, DataRequest, Dataset, PhotoStore, Split};
use stepladder_inspection::Inspection;
use stepladder_model::{Rung, RungCatalog, diff};
use stepladder_nn::Device;
use stepladder_report::{MeasuredSteps, OwnPhotos, RunReport, climb_page, gather, run_page};
use stepladder_run::write_atomically;
use stepladder_train::{FeatureChecks, RecordedRun, TrainingRequest, data_request};

pub(crate) fn report(mut arguments: ReportArguments, output: &Output) -> anyhow::Result<Ending> {
    arguments.directory = known_run(&arguments.directory)?;
    let out = arguments.out.clone();
    let out = out.unwrap_or_else(|| arguments.directory.join("report.html"));
    if let Some(climb) = ClimbRecord::read(&arguments.directory)? {
        write(
            &out,
            &climb_page(&climb, &differences(&arguments.directory, &climb)),
            output,
        )?;
        output.json(&json!({ "report": out, "climb": climb }))?;
        return Ok(Ending::Done);
    }
    let run = RecordedRun::read(&arguments.directory)?;
    let threads = threads(arguments.threads)?;
    on_threads(threads, || {
        let report = of_run(run, &arguments, threads, output)?;
        write(&out, &run_page(&report), output)?;
        write_labels_to_check(&out, &report)?;
        output.json(&json!({ "report": out, "run": report }))?;
        Ok(Ending::Done)
    })
}

/// The report of a first run, on the photos that Stepladder ships: a picture of the result, and where it is. A run is not worth less for
/// a report that cannot be made.
pub(super) fn of_first_run(run: &str, threads: usize, cache: &Path, output: &Output) {
    let arguments = ReportArguments {
        directory: PathBuf::from(run),
        out: None,
        data: None,
        parts: DataArguments::default(),
        threads: Some(threads),
        cache: CacheArguments {
            cache: Some(cache.to_path_buf()),
            cache_limit: None,
        },
    };
    output.line("");
    if let Err(error) = report(arguments, output) {
        warn(&format!("no report was made: {}", told(&error)));
    }
}

fn write(out: &Path, page: &str, output: &Output) -> anyhow::Result<()> {
    write_atomically(out, page.as_bytes()).with_context(|| {
        format!(
            "{} cannot be written; choose another file with --out",
            out.display()
        )
    })?;
    output.line(&format!(
        "wrote {}, {} KiB",
        out.display(),
        page.len().div_ceil(1024)
    ));
    Ok(())
}

/// Photos whose labels are likely wrong, in a table beside the page; none where there are none.
fn write_labels_to_check(page: &Path, report: &RunReport) -> anyhow::Result<()> {
    if report.doubtful.is_empty() {
        return Ok(());
    }
    let path = page.with_file_name("labels_to_check.tsv");
    let mut table = csv::WriterBuilder::new().delimiter(b'\t').from_writer(Vec::new());
    table.write_record([
        "file",
        "class",
        "predicted",
        "probability",
        "probability_of_class",
    ])?;
    for answer in &report.doubtful {
        let [probability, of_class] =
            [answer.probability, answer.of_class].map(|share| format!("{share:.4}"));
        table.write_record([
            &answer.file,
            &answer.class,
            &answer.predicted,
            &probability,
            &of_class,
        ])?;
    }
    write_atomically(&path, &table.into_inner()?)
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// What each rung's file changes of its parent's, by what they were trained with, else by Stepladder's own files; nothing where
/// neither is at hand.
fn differences(directory: &Path, climb: &ClimbRecord) -> Vec<Vec<String>> {
    let catalog = RungCatalog::shipped();
    let lines = |rung: &RungRecord| -> Option<Vec<String>> {
        let parent = rung.ancestors.first()?;
        let trained = climb.rungs.iter().find(|other| other.rung == *parent);
        let trained = trained
            .and_then(|parent| Some((trained_rung(directory, parent)?, trained_rung(directory, rung)?)));
        let (parent, rung) = match trained {
            Some(both) => both,
            None => (catalog.get(parent).ok()?, catalog.get(&rung.rung).ok()?),
        };
        Some(diff(&parent, &rung).iter().map(ToString::to_string).collect())
    };
    climb
        .rungs
        .iter()
        .map(|rung| lines(rung).unwrap_or_default())
        .collect()
}

/// The rung in the first of its runs that has ended. The record names runs within the climb's directory; other names are passed over.
fn trained_rung(directory: &Path, rung: &RungRecord) -> Option<Rung> {
    let names = rung.runs.iter().filter_map(|run| run.run.as_deref());
    let mut names = names.filter(|name| {
        Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
    });
    names.find_map(|name| Some(RecordedRun::read(&directory.join(name)).ok()?.rung))
}

/// The run's facts. Photos that are not where they were are a reason to leave out pictures, not an error.
fn of_run(
    run: RecordedRun,
    arguments: &ReportArguments,
    threads: usize,
    output: &Output,
) -> anyhow::Result<RunReport> {
    let bar = ProgressBar::new(output);
    bar.begin(1, String::from("timing a training step"));
    let steps = MeasuredSteps::take(&run, threads);
    bar.clear();
    let photos = Opened::open(&run, arguments, threads, output);
    if let Err(reason) = &photos {
        warn(&format!(
            "the report has no pictures: {}; --data says where the photos are now",
            told(reason)
        ));
    }
    let own = photos.as_ref().map(Opened::own).map_err(told);
    Ok(gather(run, own, steps)?)
}

/// A run's photos and model.
struct Opened {
    dataset: Dataset,
    split: Split,
    store: PhotoStore,
    labels: Vec<u32>,
    classifier: Classifier,
    inspection: Inspection,
    features: Option<FeatureChecks>,
}

impl Opened {
    fn open(
        run: &RecordedRun,
        arguments: &ReportArguments,
        threads: usize,
        output: &Output,
    ) -> anyhow::Result<Opened> {
        let of_run = data_request(&run.config.data, SHIPPED_PHOTOS);
        let request: DataRequest = moved(of_run, arguments.data.clone(), arguments.parts.clone());
        let dataset = Dataset::open(&request)?;
        let table: PathBuf = run.directory.split();
        let rows = run.directory.read(&table)?;
        let split = Split::read_tsv(&dataset, &table.display().to_string(), rows.as_slice())?;
        let classifier = Classifier::load(&model_file(run.directory.path())?, Device::Cpu)?;
        let layers = &classifier.model().graph().augmentation;
        let augmentation = Augmentation::new(classifier.rung().augmentation.as_ref(), layers);
        let cache = cache(&arguments.cache, threads)?
            .with_scaling(classifier.scaling())
            .with_whole_photos(augmentation.cuts_whole_photos());
        let bar = ProgressBar::new(output);
        let store = PhotoStore::open_or_build(&dataset, classifier.size(), &cache, &bar)?;
        let inspection = Inspection::new(&dataset, threads, &bar)?;
        let asked: Vec<u32> = [&split.train, &split.validation, &split.test]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        let labels = labels_of(&dataset, &asked, &classifier)?;
        let unscaled = super::cache(&arguments.cache, threads)?;
        let mut training = TrainingRequest::of_run(&run.directory, SHIPPED_PHOTOS, threads, unscaled)?;
        training.data = request;
        let features = FeatureChecks::of_run(&training, &run.directory, &bar)?;
        Ok(Opened {
            dataset,
            split,
            store,
            labels,
            classifier,
            inspection,
            features,
        })
    }

    fn own(&self) -> OwnPhotos<'_> {
        OwnPhotos {
            dataset: &self.dataset,
            split: &self.split,
            store: &self.store,
            labels: &self.labels,
            classifier: &self.classifier,
            inspection: &self.inspection,
            features: self.features.as_ref(),
        }
    }
}
