//! `train` without `--model`: a rung chosen for the photos, the machine and the time, or that of an unfinished run of the same
//! choice.

use crate::arguments::TrainArguments;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stepladder_data::{DataRequest, Dataset};
use stepladder_model::{Rung, RungCatalog, SplitFractions};
use stepladder_nn::Precision;
use stepladder_train::{AUTO, AutoChoice, AutoRequest, Config, PhotoFacts, RunDirectory, choose};

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
    if !arguments.new
        && let Some(earlier) = unfinished(arguments, &dataset.name)
    {
        return Ok(earlier);
    }
    let request = AutoRequest {
        photos: PhotoFacts::of(&dataset, &SplitFractions::default()),
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

/// What was chosen for a run that was begun with the same words and has not ended.
fn unfinished(arguments: &TrainArguments, data: &str) -> Option<Chosen> {
    let runs = match &arguments.out {
        Some(out) => vec![RunDirectory::open(out)],
        None => RunDirectory::numbered(Path::new("runs"), data, AUTO),
    };
    runs.iter().find_map(|run| of_run(arguments, run))
}

fn of_run(arguments: &TrainArguments, run: &RunDirectory) -> Option<Chosen> {
    let ended = run.summary().exists() && arguments.out.is_none();
    if ended || !run.config().exists() {
        return None;
    }
    let config: Config = run.read_json(&run.config()).ok()?;
    let budget = match config.budget_seconds {
        // What is no span of time is said where the run is taken up.
        Some(seconds) => Some(Duration::try_from_secs_f64(seconds).ok()?),
        None => None,
    };
    let same_time = arguments.controls.budget.is_none() || arguments.controls.budget == budget;
    if config.model != AUTO || config.seed != arguments.seed || !same_time {
        return None;
    }
    let path: PathBuf = run.rung();
    let text = run.read_text(&path).ok()?;
    let rung = Rung::from_toml(&text, &path.display().to_string(), &RungCatalog::shipped()).ok()?;
    Some(Chosen { rung, budget })
}
