//! `stepladder train`: from what was typed to a training request, and its progress and result on the terminal.

use super::start::{self, Wanted};
use super::{SHIPPED_PHOTOS, auto, cache, controls, data, threads};
use crate::Ending;
use crate::arguments::{
    CheckpointArguments, ResumeArguments, ShownArguments, ShownTrainArguments, TrainArguments,
};
use crate::signals::stop_on_signals;
use crate::terminal::{Dashboard, Output, TrainingView};
use anyhow::Context;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use stepladder_data::DataError;
use stepladder_model::{Finding, Rung, RungError};
use stepladder_train::{Controls, Outcome, RunDirectory, RunPlace, Summary, TrainError, TrainingRequest};

pub(crate) fn train(arguments: ShownTrainArguments, output: &Output) -> anyhow::Result<Ending> {
    let new = arguments.train.new;
    let request = request(arguments.train)?;
    run(&request, new, &arguments.shown, output)
}

/// `stepladder resume`: a run goes on where its newest checkpoint was taken.
pub(crate) fn resume(arguments: ResumeArguments, output: &Output) -> anyhow::Result<Ending> {
    let threads = threads(arguments.threads)?;
    let directory = RunDirectory::open(&arguments.run);
    let cache = cache(&arguments.cache, threads)?;
    let mut request = TrainingRequest::of_run(&directory, SHIPPED_PHOTOS, threads, cache)?;
    request.checkpoint_every = checkpoint_every(&arguments.checkpoints)?;
    run(&request, false, &arguments.shown, output)
}

/// Trains, shows the way and the result.
fn run(
    request: &TrainingRequest,
    new: bool,
    shown: &ShownArguments,
    output: &Output,
) -> anyhow::Result<Ending> {
    let interrupt = stop_on_signals()?;
    let mut view = TrainingView::new(output, request, &interrupt);
    if shown.tui {
        view = view.on_dashboard(Dashboard::open(&interrupt)?);
    }
    if shown.tensorboard {
        view = view.with_events()?;
    }
    let outcome = if new {
        stepladder_train::train(request, &view, &interrupt)
    } else {
        stepladder_train::train_or_resume(request, &view, &interrupt)
    };
    let summary = match outcome {
        // Stopped before the first step: there is nothing to keep.
        Err(TrainError::Data(DataError::Cancelled)) => return Ok(Ending::Interrupted),
        outcome => outcome?,
    };
    view.finish(&summary);
    output.json(&Report {
        summary: &summary,
        lints: view.findings(),
        concerns: view.concerns(),
        data_notes: view.data_notes(),
    })?;
    Ok(match summary.outcome {
        Outcome::Interrupted => Ending::Interrupted,
        Outcome::Finished | Outcome::StoppedEarly => Ending::Done,
        Outcome::Stuck => Ending::Incomplete,
    })
}

/// The result for programs: `summary.json`, what the lints said, and what was found in the data.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    lints: Vec<Finding>,
    concerns: Vec<String>,
    data_notes: Vec<String>,
}

/// Trains and shows the way, but no result.
pub(super) fn run_quietly(
    request: &TrainingRequest,
    interrupt: &Arc<AtomicBool>,
    output: &Output,
) -> Result<Summary, TrainError> {
    let view = TrainingView::new(output, request, interrupt);
    let summary = stepladder_train::train_or_resume(request, &view, interrupt);
    view.clear();
    summary
}

fn checkpoint_every(arguments: &CheckpointArguments) -> anyhow::Result<Duration> {
    let seconds = arguments.checkpoint_every;
    Duration::try_from_secs_f64(seconds)
        .with_context(|| format!("--checkpoint-every {seconds} is no span of time; give seconds, 0 or more"))
}

/// What the words on the command line mean.
pub(super) fn request(arguments: TrainArguments) -> anyhow::Result<TrainingRequest> {
    let began = Instant::now();
    let threads = threads(arguments.computing.threads)?;
    let precision = arguments.computing.precision.on(arguments.computing.device);
    let data = data(arguments.data.clone(), arguments.parts.clone());
    let chosen = match start::pretrained_or_scratch(&arguments) {
        Some(pretrained) => Some(auto::chosen(&arguments, &data, precision, threads, pretrained)?),
        None => None,
    };
    let controls = controls::controls(&arguments.controls)?;
    // What was chosen was chosen for these photos, which may be enlarged for it.
    let chosen_size = chosen.as_ref().map(|chosen| chosen.rung.input.size);
    let (chosen_rung, budget) = match chosen {
        Some(chosen) => (Some(chosen.rung), chosen.budget),
        None => (None, controls.budget),
    };
    Ok(TrainingRequest {
        rung: rung(&arguments, chosen_rung)?,
        checkpoint_every: checkpoint_every(&arguments.checkpoints)?,
        cache: cache(&arguments.cache, threads)?,
        size: arguments.size.or(chosen_size),
        seed: arguments.seed,
        split_seed: arguments.split_seed,
        group_duplicates: arguments.group_duplicates,
        device: arguments.computing.device,
        precision,
        controls: Controls {
            budget,
            began: Some(began),
            ..controls
        },
        threads,
        place: match &arguments.out {
            Some(out) => RunPlace::Exactly(out.clone()),
            None => RunPlace::Below(PathBuf::from("runs")),
        },
        data,
    })
}

/// The rung with everything that was overridden. The named options come after `--set`, which may replace the table that they
/// are in: `--lr 0.1 --set optimizer.type=sgd` trains with gradient descent at 0.1.
fn rung(arguments: &TrainArguments, chosen: Option<Rung>) -> anyhow::Result<Rung> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in &arguments.overrides {
        let (key, value) = pair
            .split_once('=')
            .with_context(|| format!("--set {pair} has no value; write --set key=value"))?;
        pairs.push((key.trim().to_string(), value.trim().to_string()));
    }
    let wanted = Wanted {
        model: arguments.model.as_deref(),
        start: arguments.start.start.as_deref(),
        frozen: arguments.start.frozen.as_deref(),
    };
    let (rung, of_start) = start::rung(wanted, chosen)?;
    // A value that is given by its key says more than --start does.
    pairs.splice(..0, of_start);
    let by_key = with(&rung, &pairs)?;
    pairs.extend(controls::values(arguments, &by_key)?);
    with(&rung, &pairs).map_err(|error| anyhow::anyhow!(controls::named_as_typed(&error.to_string())))
}

fn with(rung: &Rung, pairs: &[(String, String)]) -> Result<Rung, RungError> {
    rung.with_overrides(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}
