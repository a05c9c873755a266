//! The whole job: prepare, fit, measure, write down; in a new run, or in one that was begun before.

use crate::budget::steps_within;
use crate::checkpoint::{BeganWith, Checkpoint};
use crate::checkpoints::{newest, remove_checkpoints};
use crate::content::{changes, content_table};
use crate::course::steps_per_epoch;
use crate::data_record::data_record;
use crate::environment::describe;
use crate::error::TrainError;
use crate::figures::{Figures, measure, record, summarize};
use crate::fit::{Timing, fit};
use crate::memory::{MemoryPlan, free_bytes};
use crate::model_card::{CardFigures, model_card};
use crate::preparation::{Prepared, TrainingRequest};
use crate::room::when_there_is_room;
use crate::start::solve;
use crate::tables::{write_skipped, write_split};
use crate::watch::Diagnosis;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use stepladder_classifier::{Classifier, ClassifyError, Predictions, Temperature};
use stepladder_data::Progress;
use stepladder_model::{Op, Operation};
use stepladder_nn::profile::ProfileRow;
use stepladder_run::{
    Config, Decided, Environment, EpochRecord, OnStuck, Outcome, RunDirectory, RunPlace, StartRecord,
    StepRecord, Summary,
};

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
    /// An earlier training is taken up at `place`; after [`Observer::prepared`], before the first step.
    fn resumed(&self, _place: &Checkpoint) {}
    /// The watch found something.
    fn diagnosed(&self, _found: &Diagnosis) {}
    /// Something that the user should know.
    fn note(&self, _message: &str) {}
    /// There was nothing to do: this run of the same settings and photos has ended before.
    fn ended_before(&self, _summary: &Summary) {}
    /// Training is over, and the environment asked for its time by layer and pass.
    fn profiled(&self, _rows: &[ProfileRow]) {}
}

/// Trains as requested and leaves a complete run directory, which must be new.
///
/// Setting `interrupt` ends the training after the current step, with a checkpoint and an honest summary. The same request
/// gives the same weights, bit for bit, whatever its `threads`.
pub fn train(
    request: &TrainingRequest,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Summary, TrainError> {
    on_threads(request, || {
        let prepared = request.prepare(observer.progress())?;
        begin(request, &prepared, observer, interrupt)
    })
}

/// Sees to it that the training of `request` is done, however often it is called, and returns its summary.
///
/// - The request's directory ([`RunPlace::Exactly`]) is absent, empty, or was left while it was being set up: trains.
/// - It holds an unfinished run of the same settings and photos: goes on from its newest whole checkpoint.
/// - It holds a finished one: returns its summary as it is on the disk.
/// - It holds a run with other settings, photos that changed, or foreign files: an error, and nothing is touched.
///
/// Below a folder ([`RunPlace::Below`]), the latest unfinished run of the same settings and photos that no other process trains goes on;
/// without one, the summary of the latest that has ended is returned; without either, a new run begins.
///
/// Killed at any moment and called again, it leaves the same bytes in `model.safetensors`, the predictions and the logs (times aside) as
/// without interruption, on the same machine and version.
pub fn train_or_resume(
    request: &TrainingRequest,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Summary, TrainError> {
    on_threads(request, || {
        let prepared = request.prepare(observer.progress())?;
        match &request.place {
            RunPlace::Exactly(path) => {
                let run = RunDirectory::open(path);
                if run.has_begun()? {
                    return go_on(request, &prepared, run, observer, interrupt);
                }
            }
            RunPlace::Below(parent) => {
                let runs = RunDirectory::numbered(parent, &prepared.dataset.name, &request.rung.name);
                let has_ended = |run: &RunDirectory| matches!(finished(run), Ok(Some(_)));
                let alike: Vec<RunDirectory> = runs
                    .into_iter()
                    .filter(|run| run.config().exists() && same(request, &prepared, run).is_ok())
                    .collect();
                let unfinished = alike.iter().find(|run| !has_ended(run) && run.lock().is_ok());
                if let Some(run) = unfinished.or_else(|| alike.iter().find(|run| has_ended(run))) {
                    return go_on(request, &prepared, run.clone(), observer, interrupt);
                }
            }
        }
        begin(request, &prepared, observer, interrupt)
    })
}

/// Runs `work` on as many threads as the request says.
fn on_threads(
    request: &TrainingRequest,
    work: impl FnOnce() -> Result<Summary, TrainError> + Send,
) -> Result<Summary, TrainError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(request.threads)
        .build();
    let pool = pool.map_err(|error| TrainError::Threads {
        threads: request.threads,
        reason: error.to_string(),
    })?;
    pool.install(work)
}

/// A new run.
fn begin(
    request: &TrainingRequest,
    prepared: &Prepared,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Summary, TrainError> {
    let run = RunDirectory::create(&request.place, &prepared.dataset.name, &request.rung.name)?;
    let _lock = run.lock()?;
    // Another process may have made a run of it, between finding it empty and locking it.
    run.expect_unbegun()?;
    observer.prepared(prepared, &run);
    if let Some(pretrained) = &prepared.pretrained {
        observer.note(&format!("starting from {}", pretrained.told()));
    }
    let (decided, timing) = decide(request, prepared, observer, interrupt)?;
    when_there_is_room(observer, interrupt, || {
        run.write(&run.rung(), request.rung.to_toml())?;
        let environment = describe(request.device, request.precision, request.threads);
        run.write_json(&run.environment(), &environment)?;
        write_split(&run, &prepared.split, &prepared.dataset)?;
        run.write(&run.content(), content_table(prepared))?;
        write_skipped(&run, &prepared.skipped)?;
        if let Some(pretrained) = &prepared.pretrained {
            run.write_json(&run.start(), pretrained.record())?;
        }
        if let Some(timing) = &timing {
            timing.write(&run)?;
        }
        // The last: a run that has it has all of the above.
        Ok(run.write_json(&run.config(), &request.config(prepared, decided))?)
    })?;
    complete(request, prepared, &run, decided, observer, interrupt)
}

/// What depends on this machine, decided before the first step.
fn decide(
    request: &TrainingRequest,
    prepared: &Prepared,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<(Decided, Option<Timing>), TrainError> {
    let began = request.controls.began.unwrap_or_else(Instant::now);
    let mut decided = Decided {
        steps: request.controls.steps.filter(|_| !request.is_exact()),
        photos_at_once: photos_at_once(request, prepared, observer),
    };
    if let Some(budget) = request.controls.budget.filter(|_| !request.is_exact()) {
        let at_once = decided.photos_at_once;
        let (steps, speeds) = steps_within(budget, began, request, prepared, at_once, interrupt)?;
        let epochs = steps as f64 / steps_per_epoch(&prepared.phases, prepared.split.train.len());
        observer.note(&format!(
            "the time is enough for about {steps} steps, {epochs:.1} epochs; how many exactly is corrected on the way"
        ));
        decided.steps = Some(steps);
        return Ok((decided, Some(Timing::new(began, speeds))));
    }
    Ok((decided, None))
}

/// The most photos that fit through the network together, where a batch does not.
fn photos_at_once(request: &TrainingRequest, prepared: &Prepared, observer: &dyn Observer) -> Option<usize> {
    // Only the CPU's memory is planned.
    request.device.instruction_set()?;
    let free = request.controls.memory.or_else(free_bytes)?;
    let photos = prepared.split.train.len();
    let batches = prepared.phases.iter().map(|phase| phase.batch_size);
    let batch = batches.max().unwrap_or(1).min(photos);
    let whole = MemoryPlan::new(request, &prepared.phases, photos, batch);
    if whole.takes() <= free {
        return None;
    }
    let plan = MemoryPlan::fitting(request, &prepared.phases, photos, free);
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let normalizes = |operation: &Operation| matches!(operation.op, Op::BatchNormalization { .. });
    let meaning = match prepared.graph.operations.iter().any(normalizes) {
        true => "each piece is normalized by itself, as with a smaller batch",
        false => "the result is the same but for rounding",
    };
    observer.note(&format!(
        "a batch of {batch} would take {:.1} GiB, and {:.1} are free: it goes through in pieces of {}, {:.1} GiB; {meaning}",
        gib(whole.takes()),
        gib(free),
        plan.photos_at_once,
        gib(plan.takes())
    ));
    if plan.takes() > free {
        observer.note("even one photo at a time may not fit; take a smaller --size or another rung");
    }
    Some(plan.photos_at_once)
}

/// A run that was begun before.
fn go_on(
    request: &TrainingRequest,
    prepared: &Prepared,
    run: RunDirectory,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Summary, TrainError> {
    same(request, prepared, &run)?;
    note_where_data_is(request, &run)?;
    if let Some(summary) = finished(&run)? {
        observer.ended_before(&summary);
        return Ok(summary);
    }
    let _lock = run.lock()?;
    // Another process may have come to its end meanwhile.
    if let Some(summary) = finished(&run)? {
        return Ok(summary);
    }
    observer.prepared(prepared, &run);
    if let Some(pretrained) = &prepared.pretrained {
        observer.note(&format!("starting from {}", pretrained.told()));
    }
    note_another_machine(request, &run, observer)?;
    let config: Config = run.read_json(&run.config())?;
    complete(request, prepared, &run, config.decided, observer, interrupt)
}

/// Where the photos are the same and lie elsewhere now, the run is told, so that they are found again.
fn note_where_data_is(request: &TrainingRequest, run: &RunDirectory) -> Result<(), TrainError> {
    let config: Config = run.read_json(&run.config())?;
    let data = data_record(&request.data);
    if config.data == data {
        return Ok(());
    }
    // Another process that trains it has found them itself.
    let Ok(_lock) = run.lock() else { return Ok(()) };
    Ok(run.write_json(&run.config(), &Config { data, ..config })?)
}

/// The summary of a run that came to its end.
fn finished(run: &RunDirectory) -> Result<Option<Summary>, TrainError> {
    if !run.summary().exists() {
        return Ok(None);
    }
    let summary: Summary = run.read_json(&run.summary())?;
    // The directory may have been moved since.
    let summary = Summary {
        run: run.path().display().to_string(),
        ..summary
    };
    Ok((summary.outcome != Outcome::Interrupted).then_some(summary))
}

/// An error unless `run` is of this request and these photos.
fn same(request: &TrainingRequest, prepared: &Prepared, run: &RunDirectory) -> Result<(), TrainError> {
    let read = |path: &Path| run.read_text(path);
    let then: Config = run.read_json(&run.config())?;
    let now = request.config(prepared, then.decided);
    let mut differences = Vec::new();
    let mut compare = |what: &str, then: String, now: String| {
        if then != now {
            differences.push(format!("{what} {then} instead of {now}"));
        }
    };
    compare("model", then.model, now.model);
    compare("size", then.size.to_string(), now.size.to_string());
    compare("epochs", then.epochs.to_string(), now.epochs.to_string());
    compare("batch", then.batch_size.to_string(), now.batch_size.to_string());
    compare(
        "learning rate",
        then.learning_rate.to_string(),
        now.learning_rate.to_string(),
    );
    compare("seed", then.seed.to_string(), now.seed.to_string());
    compare(
        "split seed",
        then.split_seed.to_string(),
        now.split_seed.to_string(),
    );
    compare(
        "group duplicates",
        then.group_duplicates.to_string(),
        now.group_duplicates.to_string(),
    );
    compare("device", then.device, now.device);
    compare("precision", then.precision, now.precision);
    let budget = |seconds: Option<f64>| seconds.map_or("none".to_string(), |s| format!("of {s} s"));
    compare("budget", budget(then.budget_seconds), budget(now.budget_seconds));
    if now.budget_seconds.is_none() && !request.is_exact() {
        let steps = |steps: Option<u64>| steps.map_or("of all epochs".to_string(), |n| n.to_string());
        compare("steps", steps(then.decided.steps), steps(request.controls.steps));
    }
    let on_stuck = |on_stuck: OnStuck| format!("{on_stuck:?}").to_lowercase();
    compare("on-stuck", on_stuck(then.on_stuck), on_stuck(now.on_stuck));
    let statistics = |moving: bool| if moving { "as in Keras" } else { "as they are best" }.to_string();
    compare(
        "moving statistics",
        statistics(then.moving_statistics),
        statistics(now.moving_statistics),
    );
    if let Some(pretrained) = &prepared.pretrained {
        let now = pretrained.record();
        match run.start().exists() {
            true => {
                let then: StartRecord = run.read_json(&run.start())?;
                let (then, now) = (then.sha256, now.sha256.clone());
                if then != now {
                    differences.push(format!("weights with sha256 {then} instead of {now}"));
                }
            }
            false => differences.push(format!("random weights instead of {}", now.weights)),
        }
    }
    if differences.is_empty() && read(&run.rung())? != request.rung.to_toml() {
        differences.push("another rung.toml".to_string());
    }
    if !differences.is_empty() {
        return Err(TrainError::OtherRun {
            path: run.path().to_path_buf(),
            difference: differences.join(", "),
        });
    }
    match changes(&read(&run.content())?, &content_table(prepared)) {
        None => Ok(()),
        Some(changes) => Err(TrainError::ChangedData {
            path: run.path().to_path_buf(),
            changes,
        }),
    }
}

/// Equal bytes are claimed for one version and instruction set; where a run goes on with another, that is said.
fn note_another_machine(
    request: &TrainingRequest,
    run: &RunDirectory,
    observer: &dyn Observer,
) -> Result<(), TrainError> {
    let then: Environment = run.read_json(&run.environment())?;
    let now = describe(request.device, request.precision, request.threads);
    if (&then.stepladder, &then.platform, &then.instruction_set)
        != (&now.stepladder, &now.platform, &now.instruction_set)
    {
        let shown = |e: &Environment| {
            let instructions = e
                .instruction_set
                .as_deref()
                .unwrap_or("no vector instructions named");
            format!("{} on {} with {instructions}", e.stepladder, e.platform)
        };
        observer.note(&format!(
            "the run began with version {} and goes on with {}; its weights will not be bit for bit those of an uninterrupted run",
            shown(&then),
            shown(&now)
        ));
    }
    Ok(())
}

/// Trains what is left of a run, and writes its result.
fn complete(
    request: &TrainingRequest,
    prepared: &Prepared,
    run: &RunDirectory,
    decided: Decided,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Summary, TrainError> {
    let restored = newest(run, observer)?;
    if let Some(began_with) = restored
        .as_ref()
        .and_then(|restored| restored.snapshot.place.began_with.as_ref())
        && let Some(difference) = began_with.difference(&BeganWith::new(request, decided))
    {
        return Err(TrainError::DamagedConfig {
            path: run.config(),
            reason: difference,
        });
    }
    // A training that has taken steps has the head in its checkpoint.
    let exact = match restored.is_none() && request.has_exact_head() {
        true => Some(solve(request, prepared, run, observer, interrupt)?),
        false => None,
    };
    let features = exact.as_ref().filter(|_| request.is_exact());
    let fitted = match features {
        Some(exact) => exact.finish(request, prepared, run, observer, interrupt)?,
        None => fit(request, prepared, run, decided, restored, observer, interrupt)?,
    };
    if let Some(rows) = &fitted.profile {
        observer.profiled(rows);
    }
    let measuring = Instant::now();
    let classifier = Classifier::new(
        fitted.model.clone(),
        request.rung.without_paths(),
        prepared.dataset.classes.clone(),
    );
    // Someone who stops a run does not want to wait for its figures; `evaluate` gives them at any time.
    let measured = fitted.outcome != Outcome::Interrupted;
    let at_once = request.answers_at_once(decided.photos_at_once);
    let ask = |photos: &[u32]| -> Result<Predictions, TrainError> {
        // What averages over mirror images is asked itself.
        if let Some(exact) = features.filter(|_| !request.rung.evaluation.flips) {
            return Ok(exact.predictions(prepared, photos));
        }
        let Prepared { store, labels, .. } = prepared;
        match classifier.classify(store, labels, photos, at_once) {
            // Hours of training are not thrown away for it, but such an answer is no figure either.
            Err(error @ ClassifyError::NotFinite { .. }) => {
                observer.note(&format!("{error}. There are no figures of these photos"));
                Ok(Predictions::new(prepared.dataset.classes.len()))
            }
            predictions => Ok(predictions?),
        }
    };
    let validation = match measured {
        true => ask(&prepared.split.validation)?,
        false => Predictions::new(prepared.dataset.classes.len()),
    };
    let temperature = Temperature::fit(&validation);
    let figures = match measured {
        true => when_there_is_room(observer, interrupt, || measure(prepared, run, &ask, &validation))?,
        false => Figures::default(),
    };
    let whole = classifier
        .clone()
        .with_temperature(temperature)
        .with_levels(prepared.dataset.decoding.levels)
        .with_training(record(request, prepared, &fitted, &figures));
    when_there_is_room(observer, interrupt, || Ok(whole.save(&run.model())?))?;
    if measured {
        let card = model_card(&CardFigures {
            request,
            prepared,
            fitted: &fitted,
            train: figures.train.as_ref(),
            validation: figures.validation.as_ref(),
            test: figures.test.as_ref(),
            temperature,
        });
        when_there_is_room(observer, interrupt, || Ok(run.write(&run.model_card(), &card)?))?;
    }
    let seconds = fitted.seconds + measuring.elapsed().as_secs_f64();
    let summary = summarize(request, prepared, run, &fitted, figures, seconds);
    when_there_is_room(observer, interrupt, || {
        Ok(run.write_json(&run.summary(), &summary)?)
    })?;
    if summary.outcome != Outcome::Interrupted {
        // Nothing goes on from a finished run, and its weights are in files of their own.
        remove_checkpoints(run);
    }
    Ok(summary)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Mutex;
    use stepladder_data::NoProgress;

    /// An observer that only remembers the notes.
    #[derive(Default)]
    pub(crate) struct Quiet {
        pub notes: Mutex<Vec<String>>,
    }

    impl Observer for Quiet {
        fn progress(&self) -> &dyn Progress {
            &NoProgress
        }
        fn prepared(&self, _: &Prepared, _: &RunDirectory) {}
        fn step(&self, _: &StepRecord, _: usize, _: usize) {}
        fn epoch(&self, _: &EpochRecord, _: usize) {}
        fn note(&self, message: &str) {
            self.notes.lock().unwrap().push(message.to_string());
        }
    }
}
