//! `stepladder train`: from what was typed to a training request, and its progress and result on the terminal.

use super::{SHIPPED_NAME, SHIPPED_PHOTOS, cache, threads};
use crate::Ending;
use crate::arguments::TrainArguments;
use crate::terminal::{Output, TrainingView};
use anyhow::Context;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepladder_data::{DataError, DataRequest};
use stepladder_model::{Finding, Rung, RungCatalog};
use stepladder_train::{Outcome, RunPlace, Summary, TrainError, TrainingRequest};

pub(crate) fn train(arguments: TrainArguments, output: &Output) -> anyhow::Result<Ending> {
    let request = request(arguments)?;
    let interrupt = stop_on_ctrl_c()?;
    let view = TrainingView::new(output, &request, &interrupt);
    let summary = match stepladder_train::train(&request, &view, &interrupt) {
        // Stopped before the first step: there is nothing to keep.
        Err(TrainError::Data(DataError::Cancelled)) => return Ok(Ending::Interrupted),
        outcome => outcome?,
    };
    view.finish(&summary);
    output.json(&Report {
        summary: &summary,
        lints: view.findings(),
    })?;
    Ok(match summary.outcome {
        Outcome::Interrupted => Ending::Interrupted,
        Outcome::Finished | Outcome::StoppedEarly => Ending::Done,
    })
}

/// The result for programs: `summary.json`, and what the lints said.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    lints: Vec<Finding>,
}

/// What the words on the command line mean.
fn request(arguments: TrainArguments) -> anyhow::Result<TrainingRequest> {
    let threads = threads(arguments.threads)?;
    Ok(TrainingRequest {
        rung: rung(&arguments)?,
        cache: cache(&arguments.cache, threads)?,
        size: arguments.size,
        seed: arguments.seed,
        device: arguments.device,
        precision: arguments.precision.on(arguments.device),
        threads,
        place: match &arguments.out {
            Some(out) => RunPlace::Exactly(out.clone()),
            None => RunPlace::Below(PathBuf::from("runs")),
        },
        data: data(arguments),
    })
}

/// The photos that were named, or the shipped ones.
fn data(arguments: TrainArguments) -> DataRequest {
    let parts = arguments.parts;
    if arguments.data.is_none() && parts.table.is_none() && parts.train.is_none() {
        return DataRequest::memory(SHIPPED_NAME, SHIPPED_PHOTOS);
    }
    DataRequest {
        path: arguments.data,
        table: parts.table,
        train: parts.train,
        val: parts.val,
        test: parts.test,
        memory: None,
    }
}

/// The rung with everything that was overridden. The named options come after `--set`, which may replace the table that they
/// are in: `--lr 0.1 --set optimizer.type=sgd` trains with gradient descent at 0.1.
fn rung(arguments: &TrainArguments) -> anyhow::Result<Rung> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in &arguments.overrides {
        let (key, value) = pair
            .split_once('=')
            .with_context(|| format!("--set {pair} has no value; write --set key=value"))?;
        pairs.push((key.trim().to_string(), value.trim().to_string()));
    }
    let named = [
        (
            "training.epochs",
            arguments.epochs.map(|epochs| epochs.to_string()),
        ),
        (
            "training.batch_size",
            arguments.batch.map(|batch| batch.to_string()),
        ),
        (
            "optimizer.learning_rate",
            arguments.lr.map(|rate| rate.to_string()),
        ),
    ];
    pairs.extend(
        named
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_string(), value?))),
    );
    let rung = RungCatalog::shipped().open(&arguments.model)?;
    Ok(rung.with_overrides(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())))?)
}

/// A flag that the first Ctrl-C sets; the second ends the program at once.
fn stop_on_ctrl_c() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(crate::INTERRUPTED));
        }
        eprintln!("\nstopping at the next safe place; press Ctrl-C again to stop at once");
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(flag)
}
