//! The whole job: prepare, fit, measure, write down.

use crate::environment::{describe, peak_memory_bytes};
use crate::error::TrainError;
use crate::fit::{Fit, Fitted};
use crate::preparation::{Prepared, TrainingRequest};
use crate::records::{EpochRecord, Outcome, StepRecord, Summary};
use crate::run_directory::RunDirectory;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use stepladder_classifier::{Classifier, Evaluation, Predictions};
use stepladder_data::Progress;

/// Told what happens while it happens; the command line draws it.
pub trait Observer: Sync {
    /// How far the decoding is.
    fn progress(&self) -> &dyn Progress;
    /// The data is ready and the first step is next.
    fn prepared(&self, prepared: &Prepared, run: &RunDirectory);
    /// A step is done: `batch` of `batches` in its epoch.
    fn step(&self, record: &StepRecord, batch: usize, batches: usize);
    /// An epoch is done, of `epochs` at most.
    fn epoch(&self, record: &EpochRecord, epochs: usize);
}

/// Trains as requested and leaves a complete run directory.
///
/// Setting `interrupt` ends the training after the current step, with a checkpoint and an honest summary. The same request
/// gives the same weights, bit for bit, whatever its `threads`.
pub fn train(
    request: &TrainingRequest,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Summary, TrainError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(request.threads)
        .build();
    let pool = pool.map_err(|error| TrainError::Threads {
        threads: request.threads,
        reason: error.to_string(),
    })?;
    pool.install(|| train_here(request, observer, interrupt))
}

/// [`train`] on the threads of the current pool.
fn train_here(
    request: &TrainingRequest,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Summary, TrainError> {
    let prepared = request.prepare(observer.progress())?;
    let run = RunDirectory::create(&request.place, &prepared.dataset.name, &request.rung.name)?;
    run.write_json(&run.config(), &request.config(&prepared))?;
    run.write_rung(&request.rung.to_toml())?;
    run.write_environment(&describe(request.device, request.precision, request.threads))?;
    run.write_split(&prepared.split, &prepared.dataset)?;
    run.write_skipped(&prepared.skipped)?;
    observer.prepared(&prepared, &run);

    let started = Instant::now();
    let fitted = Fit::new(request, &prepared, &run, observer, interrupt)?.run()?;
    let classifier = Classifier::new(
        fitted.model.clone(),
        request.rung.clone(),
        prepared.dataset.classes.clone(),
    );
    classifier.save(&run.model())?;

    let figures = match fitted.outcome {
        // Someone who stops a run does not want to wait for its figures; `evaluate` gives them at any time.
        Outcome::Interrupted => Figures::default(),
        Outcome::Finished | Outcome::StoppedEarly => measure(request, &prepared, &run, &classifier)?,
    };
    let summary = summarize(request, &prepared, &run, &fitted, figures, started);
    run.write_json(&run.summary(), &summary)?;
    Ok(summary)
}

/// The exported model's figures on each part.
#[derive(Default)]
struct Figures {
    train: Option<Evaluation>,
    validation: Option<Evaluation>,
    test: Option<Evaluation>,
}

/// Asks the exported model about every part, and writes what it made of each test photo.
fn measure(
    request: &TrainingRequest,
    prepared: &Prepared,
    run: &RunDirectory,
    classifier: &Classifier,
) -> Result<Figures, TrainError> {
    let Prepared {
        store,
        labels,
        split,
        dataset,
        ..
    } = prepared;
    let batch_size = request.rung.training.batch_size;
    let on = |photos: &[u32]| classifier.classify(store, labels, photos, batch_size);
    let figures = |predictions: &Predictions| predictions.evaluate(&dataset.classes);
    let test = on(&split.test)?;
    if !split.test.is_empty() {
        run.write_predictions(&test, dataset)?;
    }
    Ok(Figures {
        train: figures(&on(&split.train)?),
        validation: figures(&on(&split.validation)?),
        test: figures(&test),
    })
}

fn summarize(
    request: &TrainingRequest,
    prepared: &Prepared,
    run: &RunDirectory,
    fitted: &Fitted,
    figures: Figures,
    started: Instant,
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
        seconds: started.elapsed().as_secs_f64(),
        images_per_second: fitted.clock.images_per_second(),
        input_wait_fraction: fitted.clock.input_wait_fraction(),
        peak_memory_bytes: peak_memory_bytes(),
        seed: request.seed,
        precision: request.precision.to_string(),
        threads: request.threads,
        parameters: prepared.network.trainable_parameter_count(),
        skipped_images: prepared.skipped.len(),
    }
}
