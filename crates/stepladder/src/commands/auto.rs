//! `train` without `--model`: a rung chosen for the photos, the machine and the time, or that of an earlier run for which the same was
//! asked on the same photos: measured again, the machine might choose another.

use crate::arguments::{Epochs, TrainArguments};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stepladder_data::{DataRequest, Dataset};
use stepladder_model::{Rung, RungCatalog, SplitFractions};
use stepladder_nn::Precision;
use stepladder_train::{
    AUTO, AutoChoice, AutoRequest, Config, Outcome, PhotoFacts, RunDirectory, Summary, choose, chosen_for,
};

/// The rung and the time to keep to, if any.
pub(super) struct Chosen {
    pub rung: Rung,
    pub budget: Option<Duration>,
}

/// Chooses a rung for `data`. `pretrained` says whether it may start from the weights inside the program.
pub(super) fn chosen(
    arguments: &TrainArguments,
    data: &DataRequest,
    precision: Precision,
    threads: usize,
    pretrained: bool,
) -> anyhow::Result<Chosen> {
    let dataset = Dataset::open(data)?;
    let photos = PhotoFacts::of(&dataset, &SplitFractions::default());
    if !arguments.new
        && let Some(earlier) = earlier(arguments, &dataset.name, photos.in_all)
    {
        return Ok(earlier);
    }
    let request = AutoRequest {
        photos,
        budget: arguments.controls.budget,
        steps: arguments.controls.steps.map(NonZeroU64::get),
        pretrained,
        size: arguments.size,
        threads,
        device: arguments.computing.device,
        precision,
    };
    let AutoChoice { rung, budget, .. } = choose(&request)?;
    Ok(Chosen {
        rung,
        // Epochs that were asked for are another bound.
        budget: budget.filter(|_| arguments.epochs.is_none()),
    })
}

/// What was asked for of the choice and of the rung, in words that are the same only where the same was asked.
pub(super) fn asked(arguments: &TrainArguments) -> Vec<String> {
    let TrainArguments {
        model: _,
        start,
        epochs,
        batch,
        size,
        lr,
        controls,
        overrides,
        ..
    } = arguments;
    let epochs = epochs.map(|epochs| match epochs {
        Epochs::Auto => String::from("auto"),
        Epochs::AtMost(epochs) => epochs.to_string(),
    });
    let options = [
        ("start", start.start.clone()),
        ("frozen", start.frozen.clone()),
        ("epochs", epochs),
        ("batch", batch.map(|batch| batch.to_string())),
        ("size", size.map(|size| size.to_string())),
        ("lr", lr.map(|lr| lr.to_string())),
        ("controls", Some(format!("{controls:?}"))),
    ];
    let options = options
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    options
        .chain(overrides.iter().map(|pair| format!("set {pair}")))
        .collect()
}

/// What was chosen for a run for which the same was asked, an unfinished one before others.
fn earlier(arguments: &TrainArguments, data: &str, photos: usize) -> Option<Chosen> {
    let runs = match &arguments.out {
        Some(out) => vec![RunDirectory::open(out)],
        None => RunDirectory::numbered(Path::new("runs"), data, AUTO),
    };
    let of_runs = |unfinished: bool| {
        let runs = runs.iter().filter(move |run| has_ended(run) != unfinished);
        runs.map(|run| of_run(arguments, run, photos))
            .find_map(|chosen| chosen)
    };
    of_runs(true).or_else(|| of_runs(false))
}

fn has_ended(run: &RunDirectory) -> bool {
    let summary = run.read_json::<Summary>(&run.summary());
    summary.is_ok_and(|summary| summary.outcome != Outcome::Interrupted)
}

fn of_run(arguments: &TrainArguments, run: &RunDirectory, photos: usize) -> Option<Chosen> {
    let config: Config = run.read_json(&run.config()).ok()?;
    let budget = match config.budget_seconds {
        // What is no span of time is said where the run is taken up.
        Some(seconds) => Some(Duration::try_from_secs_f64(seconds).ok()?),
        None => None,
    };
    let same_time = arguments.controls.budget.is_none() || arguments.controls.budget == budget;
    // Runs of earlier versions did not write down what was asked for.
    let same_words = match &config.asked {
        Some(words) => *words == asked(arguments),
        None => same_time && !has_ended(run),
    };
    if config.model != AUTO || config.seed != arguments.seed || !same_words {
        return None;
    }
    let path: PathBuf = run.rung();
    let text = run.read_text(&path).ok()?;
    let rung = Rung::from_toml(&text, &path.display().to_string(), &RungCatalog::shipped()).ok()?;
    // Other photos have a choice of their own, unless the run is to go on, which then says that they changed.
    let same_photos = rung.change.starts_with(&chosen_for(photos));
    (same_photos || !has_ended(run)).then_some(Chosen { rung, budget })
}
