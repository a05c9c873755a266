//! `stepladder train`: from what was typed to a training request, and its progress and result on the terminal.

use super::known_runs::is_run;
use super::start::{self, Wanted};
use super::start_worth::{self, StartWorth};
use super::{
    SHIPPED_PHOTOS, auto, cache, controls, data, hub, if_moved, known_run, looks_like_a_photo, moved, newest,
    reading_words, threads,
};
use crate::Ending;
use crate::arguments::{
    CheckpointArguments, ResumeArguments, ShownArguments, ShownTrainArguments, TrainArguments,
};
use crate::signals::stop_on_signals;
use crate::terminal::{Dashboard, Output, TrainingView, quoted};
use anyhow::Context;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use stepladder_data::{DataError, DataRequest};
use stepladder_model::{Finding, Rung, RungError};
use stepladder_train::{
    Controls, Observer, Outcome, RunDirectory, RunPlace, Summary, TrainError, TrainingRequest,
};

pub(crate) fn train(mut arguments: ShownTrainArguments, output: &Output) -> anyhow::Result<Ending> {
    let mut scratch = None;
    if arguments.train.start.compare_scratch {
        let (first, second) = start_worth::both(arguments.train)?;
        arguments.train = first;
        scratch = Some(second);
    }
    let how = match arguments.train.new {
        true => How::Anew,
        false => How::OrGoOn,
    };
    let request = request(arguments.train, output)?;
    run(&request, how, scratch, &arguments.shown, output)
}

/// `stepladder resume`: a run goes on where its newest checkpoint was taken.
pub(crate) fn resume(arguments: ResumeArguments, output: &Output) -> anyhow::Result<Ending> {
    let threads = threads(arguments.threads)?;
    let directory = RunDirectory::open(known_run(&arguments.run)?);
    let cache = cache(&arguments.cache, threads)?;
    let mut request = TrainingRequest::of_run(&directory, SHIPPED_PHOTOS, threads, cache)?;
    request.checkpoint_every = checkpoint_every(&arguments.checkpoints)?;
    let of_run = request.data.clone();
    request.data = moved(request.data, arguments.data, arguments.parts);
    // Photos that have moved are looked at, so that the run knows where they are.
    if let Some(summary) = ended(&directory).filter(|_| request.data == of_run) {
        // Its photos are not asked for: they may have changed since, or be gone.
        let view = TrainingView::new(output, &request, &Arc::default());
        view.ended_before(&summary);
        return show(&request, &summary, &view, How::Resumed, None, output);
    }
    hub::bring_start_of(&request.rung, output)?;
    run(&request, How::Resumed, None, &arguments.shown, output).map_err(if_moved)
}

/// How a training was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// `train --new`.
    Anew,
    /// `train`.
    OrGoOn,
    /// `resume`.
    Resumed,
}

/// Trains, and shows the way and the result.
fn run(
    request: &TrainingRequest,
    how: How,
    scratch: Option<TrainArguments>,
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
    let outcome = match how {
        How::Anew => stepladder_train::train(request, &view, &interrupt),
        How::OrGoOn | How::Resumed => stepladder_train::train_or_resume(request, &view, &interrupt),
    };
    let summary = match outcome {
        // Stopped before the first step: there is nothing to keep.
        Err(TrainError::Data(DataError::Cancelled)) => return Ok(Ending::Interrupted),
        outcome => outcome?,
    };
    show(request, &summary, &view, how, scratch, output)
}

/// The summary of a run that came to its end.
fn ended(directory: &RunDirectory) -> Option<Summary> {
    let summary: Summary = directory.read_json(&directory.summary()).ok()?;
    (summary.outcome != Outcome::Interrupted).then(|| Summary {
        // It may have been moved since.
        run: directory.path().display().to_string(),
        ..summary
    })
}

/// Shows the result, and what there is to know of it for programs; and trains from `scratch` to compare, where that is asked for.
fn show(
    request: &TrainingRequest,
    summary: &Summary,
    view: &TrainingView<'_>,
    how: How,
    scratch: Option<TrainArguments>,
    output: &Output,
) -> anyhow::Result<Ending> {
    if view.has_ended_before() {
        output.line(&match how {
            How::Resumed => format!("{} has ended; there is nothing to go on with", summary.run),
            How::Anew | How::OrGoOn => format!(
                "{} is there already, with the same settings and photos; --new trains once more",
                summary.run
            ),
        });
    }
    let longer = view.has_ended_before().then(|| longer(request, summary));
    view.finish(summary, longer.as_deref());
    let start_worth = match scratch.filter(|_| summary.outcome != Outcome::Interrupted) {
        Some(scratch) => start_worth::measure((request, summary), scratch, output)?,
        None => None,
    };
    if let Some(worth) = &start_worth {
        output.line("");
        output.line(&worth.in_words());
    }
    #[cfg(feature = "pages")]
    if request.data.memory.is_some() && !view.has_ended_before() && !output.is_json() && is_complete(summary)
    {
        super::report::of_first_run(&summary.run, request.threads, &request.cache.dir, output);
    }
    output.json(&Report {
        summary,
        start_worth,
        ended_before: view.has_ended_before(),
        longer,
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

/// Whether a training came to its end with a model worth showing.
#[cfg(feature = "pages")]
fn is_complete(summary: &Summary) -> bool {
    matches!(summary.outcome, Outcome::Finished | Outcome::StoppedEarly)
}

/// The result for programs: `summary.json`, what the lints said, and what was found in the data.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    /// Whether there was nothing to do, as the run had ended before; absent where there was.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ended_before: bool,
    /// Of such a run: the command that trains longer, in a new run that starts from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    longer: Option<String>,
    /// With `--compare-scratch`: the pretrained start against random weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_worth: Option<StartWorth>,
    lints: Vec<Finding>,
    concerns: Vec<String>,
    data_notes: Vec<String>,
}

/// The command that goes on from a run that has ended, in a new run.
fn longer(request: &TrainingRequest, summary: &Summary) -> String {
    let run = quoted(&format!("run:{}", summary.run));
    // All layers are trained from here on, at a rate that does not undo what they know.
    let more = match request.rung.start.as_ref().is_some_and(|start| start.is_exact()) {
        true => String::from(" --frozen none --epochs 4"),
        false => format!(" --epochs {}", summary.epochs.max(1)),
    };
    let data = typed_data(&request.data);
    format!(
        "stepladder train{data} --start {run} --size {}{more}",
        summary.size
    )
}

/// The photos as they would be typed, with a space before; nothing for those that Stepladder ships.
pub(super) fn typed_data(data: &DataRequest) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let options = [
        ("", &data.path),
        ("--table ", &data.table),
        ("--train ", &data.train),
        ("--val ", &data.val),
        ("--test ", &data.test),
    ];
    let typed = options.into_iter().filter_map(|(option, path)| {
        let path = path.as_ref()?;
        let path = path.strip_prefix(&here).unwrap_or(path);
        Some(format!(" {option}{}", quoted(&path.display().to_string())))
    });
    typed.chain([reading_words(&data.reading, false)]).collect()
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

/// An error where what was named is a photo or a run, and no data set.
fn expect_data(arguments: &TrainArguments) -> anyhow::Result<()> {
    let Some(data) = &arguments.data else {
        return Ok(());
    };
    let shown = quoted(&data.display().to_string());
    if looks_like_a_photo(data) && data.is_file() {
        let run = newest().map_or(String::from("RUN"), |run| quoted(&run.display().to_string()));
        anyhow::bail!(
            "{} is a single photo; training takes a folder with one folder of photos per class, a zip of it, or a table. To ask a model \
             about the photo: stepladder predict {run} {shown}",
            data.display()
        );
    }
    anyhow::ensure!(
        !is_run(data),
        "{} is a run, and no photos; stepladder resume {shown} goes on with one that was stopped, and --start run:{shown} after the photos \
         begins a new one from its weights",
        data.display()
    );
    Ok(())
}

/// What the words on the command line mean.
pub(super) fn request(arguments: TrainArguments, output: &Output) -> anyhow::Result<TrainingRequest> {
    let began = Instant::now();
    expect_data(&arguments)?;
    let threads = threads(arguments.computing.threads)?;
    let precision = arguments.computing.precision.on(arguments.computing.device);
    let data = data(arguments.data.clone(), arguments.parts.clone());
    let chosen = match start::pretrained_or_scratch(&arguments) {
        Some(pretrained) => Some(auto::chosen(&arguments, &data, precision, threads, pretrained)?),
        None => None,
    };
    let asked = chosen.as_ref().map(|_| auto::asked(&arguments));
    let controls = controls::controls(&arguments.controls)?;
    // What was chosen was chosen for these photos, which may be enlarged for it.
    let chosen_size = chosen.as_ref().map(|chosen| chosen.rung.input.size);
    let (chosen_rung, budget) = match chosen {
        Some(chosen) => (Some(chosen.rung), chosen.budget),
        None => (None, controls.budget),
    };
    let rung = rung(&arguments, chosen_rung, output)?;
    hub::bring_start_of(&rung, output)?;
    Ok(TrainingRequest {
        rung,
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
            asked: asked.unwrap_or_default(),
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
fn rung(arguments: &TrainArguments, chosen: Option<Rung>, output: &Output) -> anyhow::Result<Rung> {
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
    let (rung, of_start) = start::rung(wanted, chosen, output)?;
    // A value that is given by its key says more than --start does.
    pairs.splice(..0, of_start);
    let by_key = with(&rung, &pairs)?;
    pairs.extend(controls::values(arguments, &by_key)?);
    with(&rung, &pairs).map_err(|error| anyhow::anyhow!(controls::named_as_typed(&error.to_string())))
}

fn with(rung: &Rung, pairs: &[(String, String)]) -> Result<Rung, RungError> {
    rung.with_overrides(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}
