//! `train --compare-scratch`: a second training, from random weights and for as long, and what the pretrained start was worth on the
//! validation part.

use super::evaluate::{answers, own_photos, store_for};
use super::on_threads;
use super::train::{request, run_quietly};
use crate::arguments::{PartName, StartArguments, TrainArguments};
use crate::signals::stop_on_signals;
use crate::terminal::{Output, duration, note, percent, points, points_interval};
use anyhow::Context;
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stepladder_classifier::Classifier;
use stepladder_comparison::{Answers, Comparison, compare};
use stepladder_train::{Outcome, RunDirectory, Summary, TrainingRequest};

/// Where the comparison stands in the run.
const FILE: &str = "start_worth.json";

/// What a pretrained start was worth.
#[derive(Debug, Serialize)]
pub(super) struct StartWorth {
    /// The run from random weights.
    scratch: String,
    scratch_accuracy: Option<f64>,
    scratch_seconds: f64,
    /// The pretrained run against it, photo by photo on the validation part.
    comparison: Comparison,
}

/// The arguments of the first training, which leave half of the time to the second; and those of the second.
pub(super) fn both(mut arguments: TrainArguments) -> anyhow::Result<(TrainArguments, TrainArguments)> {
    anyhow::ensure!(
        arguments.start.start.as_deref() != Some("scratch"),
        "--compare-scratch compares a pretrained start with random weights; leave out --start scratch"
    );
    let budget = &mut arguments.controls.budget;
    *budget = budget.map(|budget| budget / 2);
    let scratch = TrainArguments {
        model: None,
        start: StartArguments {
            start: Some(String::from("scratch")),
            frozen: None,
            compare_scratch: false,
        },
        epochs: None,
        batch: None,
        lr: None,
        overrides: Vec::new(),
        out: arguments.out.as_deref().map(beside),
        ..arguments.clone()
    };
    Ok((arguments, scratch))
}

/// The directory of the second run, where that of the first was named.
fn beside(run: &Path) -> PathBuf {
    let mut name = OsString::from(run);
    name.push("-scratch");
    PathBuf::from(name)
}

/// Trains from random weights for as long as the pretrained run was given, or took; compares, and writes the result into the pretrained
/// run. `None` where it was interrupted.
pub(super) fn measure(
    pretrained: (&TrainingRequest, &Summary),
    mut arguments: TrainArguments,
    output: &Output,
) -> anyhow::Result<Option<StartWorth>> {
    let interrupt = stop_on_signals()?;
    let (first, summary) = pretrained;
    let time = arguments.controls.budget;
    let time = time.unwrap_or_else(|| Duration::from_secs_f64(summary.seconds.max(1.0)));
    arguments.controls.budget = Some(time);
    note(&format!(
        "note        now from random weights, for {}, to compare",
        duration(time)
    ));
    let scratch = run_quietly(&request(arguments, output)?, &interrupt, output)?;
    if scratch.outcome == Outcome::Interrupted {
        return Ok(None);
    }
    let correct = |run: &str| correct_on_validation(Path::new(run), first, output);
    let sides = on_threads(first.threads, || {
        Ok([correct(&scratch.run)?, correct(&summary.run)?])
    })?;
    anyhow::ensure!(
        sides[0].len() == sides[1].len() && !sides[0].is_empty(),
        "--compare-scratch compares on the validation part, and there is none that both runs share"
    );
    let [scratch_answers, answers] = sides.map(Answers::one);
    let worth = StartWorth {
        scratch: scratch.run,
        scratch_accuracy: scratch.val_accuracy,
        scratch_seconds: scratch.seconds,
        comparison: compare(&scratch_answers, &answers, 0),
    };
    let run = RunDirectory::open(&summary.run);
    run.write_json(&run.path().join(FILE), &worth)
        .with_context(|| format!("cannot write {FILE}"))?;
    Ok(Some(worth))
}

/// Whether a run's model is correct about each photo of its validation part.
fn correct_on_validation(
    run: &Path,
    request: &TrainingRequest,
    output: &Output,
) -> anyhow::Result<Vec<bool>> {
    let classifier = Classifier::load(&RunDirectory::open(run).model(), request.device)?;
    let mut photos = own_photos(run, PartName::Val)?;
    let store = store_for(&classifier, &mut photos, request.cache.clone(), output)?;
    let readable = photos.asked.into_iter().filter(|&photo| store.is_readable(photo));
    let asked: Vec<u32> = readable.collect();
    let batch = request.rung.training.batch_size;
    let answers = answers(&classifier, &photos.dataset, &store, &asked, batch)?;
    Ok(answers
        .iter()
        .map(|answer| answer.predicted == answer.label)
        .collect())
}

impl StartWorth {
    /// In a line.
    pub fn in_words(&self) -> String {
        let Comparison {
            difference,
            interval,
            photos,
            ..
        } = self.comparison;
        let scratch = self.scratch_accuracy.map_or(String::from("-"), percent);
        format!(
            "start       worth {} on {photos} validation photos (95% interval {}, for this seed); from random weights {scratch} after {}: {}",
            points(difference),
            points_interval(interval),
            duration(Duration::from_secs_f64(self.scratch_seconds.max(0.0))),
            self.scratch
        )
    }
}
