//! What `--start` means: the rung that is trained, and where its weights come from.

use super::known_runs::is_run;
use super::{has_extension, hub, known_run};
use crate::arguments::TrainArguments;
use crate::terminal::Output;
use anyhow::Context;
use std::path::{Path, PathBuf};
use stepladder_classifier::Classifier;
use stepladder_model::{Rung, RungCatalog};
use stepladder_nn::Device;
use stepladder_train::{AUTO, FINE_TUNING, RunDirectory, SHIPPED_NETWORK};
use stepladder_weights::{Config, rung_of};

/// What starts a training from no weights at all.
pub(super) const SCRATCH: &str = "scratch";

/// The prefix of a run of one's own.
const RUN: &str = "run:";

/// What was said of the start on the command line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub model: Option<&'a str>,
    pub start: Option<&'a str>,
    pub frozen: Option<&'a str>,
}

/// Whether a rung is to be chosen, and if so, whether it may start from the weights inside the program.
pub(super) fn pretrained_or_scratch(arguments: &TrainArguments) -> Option<bool> {
    match (arguments.model.as_deref(), arguments.start.start.as_deref()) {
        // Whoever steers gradient steps wants some: a head that is fitted exactly takes none.
        (None | Some(AUTO), None) => Some(cfg!(feature = "shipped") && !steers_steps(arguments)),
        (None | Some(AUTO), Some(SCRATCH)) => Some(false),
        _ => None,
    }
}

/// Whether an option was given that says something about gradient steps.
fn steers_steps(arguments: &TrainArguments) -> bool {
    let controls = &arguments.controls;
    let numbers = [
        controls.warmup,
        controls.weight_decay,
        controls.clip_norm,
        controls.label_smoothing,
        controls.ema,
        controls.mixup,
        controls.cutmix,
        arguments.lr,
    ];
    arguments.epochs.is_some()
        || arguments.batch.is_some()
        || controls.steps.is_some()
        || controls.patience.is_some()
        || controls.schedule.is_some()
        || numbers.iter().any(Option::is_some)
        || !arguments.overrides.is_empty()
}

/// The rung that was chosen or named, or that of the weights, and the values of it that are set.
pub(super) fn rung(
    wanted: Wanted<'_>,
    chosen: Option<Rung>,
    output: &Output,
) -> anyhow::Result<(Rung, Vec<(String, String)>)> {
    if let Some(model) = wanted.model.map(Path::new).filter(|model| is_trained(model)) {
        anyhow::bail!(
            "--model takes a rung, and {} is a trained model; --start run:{} goes on from it",
            model.display(),
            run_of(model).display()
        );
    }
    let catalog = RungCatalog::shipped();
    let own = wanted.start.map(own_model).transpose()?.flatten();
    let config = match (wanted.start, &own) {
        (Some(weights), None) => config_of(weights, output)?,
        _ => None,
    };
    let mut rung = match (chosen, wanted.model, &own) {
        (Some(chosen), _, _) => chosen,
        (None, Some(name), _) => catalog.open(name)?,
        (None, None, Some(path)) => Classifier::load(path, Device::Cpu)?.rung().clone(),
        // Of another program, where no rung is named.
        (None, None, None) => {
            let known = config.as_ref().and_then(|config| rung_of(&config.architecture));
            catalog.open(known.unwrap_or(SHIPPED_NETWORK))?
        }
    };
    if let Some(config) = &config {
        config.preprocessing.normalize_in(&mut rung);
        if wanted.model.is_none() {
            rung.input.size = config.preprocessing.size.into();
        }
    }
    let mut values: Vec<(String, String)> = Vec::new();
    let mut set = |key: &str, value: String| values.push((key.to_string(), value));
    match wanted.start {
        None => {}
        Some(SCRATCH) => set("start", "false".to_string()),
        Some(weights) => {
            if own.is_some() {
                // What the model itself once started from is another matter.
                set("start", "false".to_string());
            }
            set("start.weights", quoted(&absolute(weights)?));
            if own.is_some() {
                set("start.head", "by_class_name".to_string());
                set("start.frozen", "none".to_string());
            }
        }
    }
    if let Some(frozen) = wanted.frozen {
        let has_start = rung.start.is_some() || !matches!(wanted.start, None | Some(SCRATCH));
        anyhow::ensure!(
            has_start,
            "--frozen {frozen} freezes pretrained weights, and there are none; add --start shipped, or another start"
        );
        if frozen == "backbone" {
            // The head alone is left to train, and that is done exactly.
            set("start.exact_head", "true".to_string());
        } else {
            // The rung's own rate is for random weights, and would undo these.
            for (key, value) in FINE_TUNING {
                set(key, value.to_string());
            }
        }
        set("start.frozen", quoted(frozen));
    }
    Ok((rung, values))
}

/// What is said beside the weights of another program, which are brought from the hub first.
fn config_of(weights: &str, output: &Output) -> anyhow::Result<Option<Config>> {
    if ["shipped", SCRATCH].contains(&weights) {
        return Ok(None);
    }
    hub::bring(weights, output)?;
    Ok(stepladder_weights::config(weights)?)
}

/// Whether a path is a run, or the file of a trained model.
fn is_trained(path: &Path) -> bool {
    is_run(path) || (path.is_file() && has_extension(path, &["safetensors"]))
}

/// The run in which a model's file lies.
fn run_of(model: &Path) -> &Path {
    match model.parent() {
        Some(run) if model.is_file() && is_run(run) => run,
        _ => model,
    }
}

/// The file of a model that was trained here, where that is what the weights are.
fn own_model(weights: &str) -> anyhow::Result<Option<PathBuf>> {
    if let Some(run) = weights.strip_prefix(RUN) {
        let file = RunDirectory::open(known_run(Path::new(run))?).model();
        anyhow::ensure!(
            file.exists(),
            "--start {weights}: {run} holds no model.safetensors; give the directory of a run that has trained"
        );
        return Ok(Some(file));
    }
    let path = Path::new(weights);
    let file = if path.is_dir() {
        RunDirectory::open(path).model()
    } else {
        path.to_path_buf()
    };
    Ok((file.is_file() && Classifier::load(&file, Device::Cpu).is_ok()).then_some(file))
}

/// The weights with their path from the root, so that a run finds them again from any folder.
fn absolute(weights: &str) -> anyhow::Result<String> {
    let (prefix, path) = match weights.strip_prefix(RUN) {
        Some(run) => (RUN, known_run(Path::new(run))?),
        None if weights == "shipped" || weights.starts_with("hf:") => return Ok(weights.to_string()),
        None => ("", PathBuf::from(weights)),
    };
    anyhow::ensure!(
        path.exists(),
        "--start {weights}: there is no such file; give `shipped`, a file of weights, `run:` and the directory of a run, or `scratch`"
    );
    let path = std::path::absolute(&path).with_context(|| format!("--start {weights}"))?;
    let path = path
        .to_str()
        .with_context(|| format!("--start {weights}: the path is no text; move the file to another"))?;
    Ok(format!("{prefix}{path}"))
}

/// Text as a rung file has it.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
