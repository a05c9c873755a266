//! `stepladder train`: from what was typed to a training request, and its progress and result on the terminal.

use super::{cache, data, stop_on_ctrl_c, threads};
use crate::Ending;
use crate::arguments::{Precision, TrainArguments};
use crate::terminal::{Output, TrainingView};
use anyhow::Context;
use std::path::PathBuf;
use stepladder_data::DataError;
use stepladder_model::{Rung, RungCatalog};
use stepladder_train::{Outcome, RunPlace, TrainError, TrainingRequest};

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
    output.json(&summary)?;
    Ok(match summary.outcome {
        Outcome::Interrupted => Ending::Interrupted,
        Outcome::Finished | Outcome::StoppedEarly => Ending::Done,
    })
}

/// What the words on the command line mean.
fn request(arguments: TrainArguments) -> anyhow::Result<TrainingRequest> {
    let threads = threads(arguments.threads)?;
    Ok(TrainingRequest {
        rung: rung(&arguments)?,
        cache: cache(&arguments.cache, threads)?,
        size: arguments.size,
        seed: arguments.seed,
        split_seed: arguments.split_seed,
        device: arguments.device,
        threads,
        place: match &arguments.out {
            Some(out) => RunPlace::Exactly(out.clone()),
            None => RunPlace::Below(PathBuf::from("runs")),
        },
        data: data(arguments.data, arguments.parts),
    })
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
    match arguments.precision {
        Precision::Auto | Precision::F32 => {
            Ok(rung.with_overrides(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())))?)
        }
    }
}
