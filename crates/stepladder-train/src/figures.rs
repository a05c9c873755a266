//! What a finished training is worth: the exported model's figures on each part, and where they are written.

use crate::environment::peak_memory_bytes;
use crate::error::TrainError;
use crate::fit::Fitted;
use crate::preparation::{Prepared, TrainingRequest};
use crate::tables::write_predictions;
use stepladder_classifier::{Evaluation, Predictions, Score, TrainingRecord};
use stepladder_run::{Outcome, RunDirectory, Summary, Unsettled};

/// The exported model's figures on each part.
#[derive(Default)]
pub(crate) struct Figures {
    pub train: Option<Evaluation>,
    pub validation: Option<Evaluation>,
    pub test: Option<Evaluation>,
}

/// Asks the exported model about every part but the validation part, whose answers are there, and writes what it made of each
/// test photo.
pub(crate) fn measure(
    prepared: &Prepared,
    run: &RunDirectory,
    ask: &dyn Fn(&[u32]) -> Result<Predictions, TrainError>,
    validation: &Predictions,
) -> Result<Figures, TrainError> {
    let Prepared { split, dataset, .. } = prepared;
    let figures = |predictions: &Predictions| predictions.evaluate(&dataset.classes);
    let test = ask(&split.test)?;
    if !split.test.is_empty() {
        write_predictions(run, &test, dataset)?;
    }
    Ok(Figures {
        train: figures(&ask(&split.train)?),
        validation: figures(validation),
        test: figures(&test),
    })
}

/// What the model file says of its training: nothing that depends on the machine, so that equal trainings give equal files.
pub(crate) fn record(
    request: &TrainingRequest,
    prepared: &Prepared,
    fitted: &Fitted,
    figures: &Figures,
) -> TrainingRecord {
    let score = |evaluation: &Option<Evaluation>| {
        evaluation.as_ref().map(|figures| Score {
            right: figures.right(),
            images: figures.images,
        })
    };
    TrainingRecord {
        data: prepared.dataset.name.clone(),
        train_images: prepared.split.train.len(),
        epochs: fitted.epochs,
        exported_epoch: fitted.exported_epoch,
        seed: request.seed,
        split_seed: request.split_seed.unwrap_or(request.seed),
        validation: score(&figures.validation),
        test: score(&figures.test),
    }
}

/// Epochs and steps up to which a training was too short to say anything of its rung.
const FEW: (usize, u64) = (2, 1000);

/// Why the figures say little of the rung, if they do.
fn unsettled(request: &TrainingRequest, fitted: &Fitted) -> Option<Unsettled> {
    match fitted.outcome {
        Outcome::Interrupted => Some(Unsettled::Stopped),
        Outcome::Finished if request.is_exact() => None,
        Outcome::Finished if fitted.still_improving => Some(Unsettled::StillImproving),
        Outcome::Finished if fitted.epochs <= FEW.0 && fitted.steps <= FEW.1 => Some(Unsettled::FewEpochs),
        Outcome::Finished | Outcome::StoppedEarly | Outcome::Stuck => None,
    }
}

/// The whole of the run in one object.
pub(crate) fn summarize(
    request: &TrainingRequest,
    prepared: &Prepared,
    run: &RunDirectory,
    fitted: &Fitted,
    figures: Figures,
    seconds: f64,
) -> Summary {
    let accuracy = |evaluation: &Option<Evaluation>| evaluation.as_ref().map(|figures| figures.accuracy);
    Summary {
        run: run.path().display().to_string(),
        model: request.rung.name.clone(),
        outcome: fitted.outcome,
        classes: prepared.dataset.classes.clone(),
        size: prepared.size,
        train_images: prepared.split.train.len(),
        val_images: prepared.split.validation.len(),
        test_images: prepared.split.test.len(),
        epochs: fitted.epochs,
        best_epoch: fitted.best_epoch,
        exported_epoch: fitted.exported_epoch,
        train_accuracy: accuracy(&figures.train),
        val_accuracy: accuracy(&figures.validation),
        test_accuracy: accuracy(&figures.test),
        test_loss: figures.test.as_ref().map(|figures| figures.loss),
        seconds,
        images_per_second: fitted.clock.images_per_second(),
        input_wait_fraction: fitted.clock.input_wait_fraction(),
        peak_memory_bytes: peak_memory_bytes(),
        seed: request.seed,
        precision: request.precision.to_string(),
        threads: request.threads,
        parameters: prepared.graph.trainable_parameter_count(),
        skipped_images: prepared.skipped.len(),
        unsettled: unsettled(request, fitted),
        recomputed_statistics: fitted.recomputed_statistics,
    }
}
