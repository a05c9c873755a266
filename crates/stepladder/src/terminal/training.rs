//! What `train` shows: the data and the model before the first step, a line for each epoch, and the result with what to
//! type next.

use super::events::Events;
use super::length::Length;
use super::{
    Dashboard, Output, ProgressBar, bytes, count, duration, interval, listed, percent, profile_table,
    remark_line,
};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stepladder_comparison::wilson_interval;
use stepladder_data::{Progress, Remark};
use stepladder_model::{Finding, lint};
use stepladder_nn::profile::ProfileRow;
use stepladder_train::{
    AUTO, Checkpoint, Diagnosis, EpochRecord, Observer, Outcome, Prepared, RunDirectory, SMALLEST_PHOTOS,
    StepRecord, Summary, TrainingRequest,
};

/// The share of the time spent waiting for photos from which on it is said, if it was more than a second.
const WAITING: f64 = 0.02;

/// The most classes that are named.
const CLASSES: usize = 8;

/// A training on the terminal.
pub(crate) struct TrainingView<'a> {
    output: &'a Output,
    request: &'a TrainingRequest,
    bar: ProgressBar,
    /// When this sitting's first step was, and how many epochs were done by then.
    started: Mutex<Option<(Instant, f64)>>,
    /// Whether the head of the table is out.
    begun: AtomicBool,
    /// What the lints said of the rung.
    findings: Mutex<Vec<Finding>>,
    /// What was found in the data.
    concerns: Mutex<Vec<String>>,
    dashboard: Option<Arc<Dashboard>>,
    /// How the data was read.
    data_notes: Mutex<Vec<String>>,
    /// TensorBoard's files.
    events: Mutex<Events>,
    /// How long it will take.
    length: Length,
    ended_before: AtomicBool,
}

impl<'a> TrainingView<'a> {
    pub fn new(
        output: &'a Output,
        request: &'a TrainingRequest,
        interrupt: &Arc<AtomicBool>,
    ) -> TrainingView<'a> {
        let bar = ProgressBar::new(output).stopped_by(Arc::clone(interrupt));
        TrainingView {
            output,
            request,
            bar,
            started: Mutex::new(None),
            findings: Mutex::default(),
            concerns: Mutex::default(),
            data_notes: Mutex::default(),
            begun: AtomicBool::new(false),
            dashboard: None,
            events: Mutex::default(),
            length: Length::default(),
            ended_before: AtomicBool::new(false),
        }
    }

    /// Whether a network was chosen to begin from random weights only because of options that say something about gradient steps.
    fn is_unasked_scratch(&self, prepared: &Prepared) -> bool {
        let asked = &self.request.controls.asked;
        let is_large = prepared
            .dataset
            .typical_short_side()
            .is_some_and(|side| side >= SMALLEST_PHOTOS);
        cfg!(feature = "shipped") && is_large && asked.iter().all(|word| !word.starts_with("start="))
    }

    /// The same on the whole terminal, until it is closed.
    pub fn on_dashboard(self, dashboard: Dashboard) -> TrainingView<'a> {
        let dashboard = Arc::new(dashboard);
        TrainingView {
            bar: self.bar.on_dashboard(Arc::clone(&dashboard)),
            dashboard: Some(dashboard),
            ..self
        }
    }

    /// The same, with TensorBoard's files.
    pub fn with_events(self) -> anyhow::Result<TrainingView<'a>> {
        Ok(TrainingView {
            events: Mutex::new(Events::wanted()?),
            ..self
        })
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the terminal back, where a dashboard has it.
    fn close(&self) {
        self.bar.clear();
        if let Some(dashboard) = &self.dashboard {
            dashboard.close();
        }
    }

    /// What the lints say of the rung on this data, and keeps it for the result.
    fn lint(&self, prepared: &Prepared) -> Vec<Finding> {
        let findings = lint(&self.request.rung, &prepared.graph, &prepared.dataset.classes);
        if let Ok(mut kept) = self.findings.lock() {
            kept.clone_from(&findings);
        }
        findings
    }

    /// What the lints said; empty before there was data.
    pub fn findings(&self) -> Vec<Finding> {
        self.findings
            .lock()
            .map(|findings| findings.clone())
            .unwrap_or_default()
    }

    /// What was found in the data; empty before there was data.
    pub fn concerns(&self) -> Vec<String> {
        self.concerns
            .lock()
            .map(|concerns| concerns.clone())
            .unwrap_or_default()
    }

    /// How the data was read; empty before there was data, and where it was as usual.
    pub fn data_notes(&self) -> Vec<String> {
        self.data_notes
            .lock()
            .map(|notes| notes.clone())
            .unwrap_or_default()
    }

    /// Time since the first step, and the time that the epochs left will take at the same pace.
    fn left(&self, done: f64, epochs: f64) -> Duration {
        let started = self.started.lock().ok().and_then(|started| *started);
        let (so_far, before) = started.map_or((0.0, 0.0), |(started, before)| {
            (started.elapsed().as_secs_f64(), before)
        });
        let pace = so_far / (done - before).max(1e-9);
        Duration::from_secs_f64((pace * (epochs - done).max(0.0)).clamp(0.0, 1e9))
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        self.bar.clear();
    }

    /// Whether there was nothing to do, as the run had ended before.
    pub fn has_ended_before(&self) -> bool {
        self.ended_before.load(Ordering::Relaxed)
    }

    /// Shows the result. `longer` is a command that trains longer.
    pub fn finish(&self, summary: &Summary, longer: Option<&str>) {
        self.close();
        let line = |line: String| self.output.line(&line);
        line(String::new());
        match summary.outcome {
            Outcome::Finished => {}
            Outcome::StoppedEarly => line(format!(
                "Stopped after {} epochs: no better since epoch {}",
                summary.epochs,
                summary.best_epoch.unwrap_or(summary.epochs)
            )),
            Outcome::Stuck => line(format!(
                "Stopped in epoch {}, because it was stuck at chance",
                summary.epochs + 1
            )),
            Outcome::Interrupted => {
                line(format!(
                    "Stopped by you in epoch {}; it can go on from there",
                    summary.epochs + 1
                ));
            }
        }
        let parts = [
            ("test", summary.test_accuracy, summary.test_images),
            ("validation", summary.val_accuracy, summary.val_images),
            ("training", summary.train_accuracy, summary.train_images),
        ];
        for (part, accuracy, images) in parts {
            if let Some(accuracy) = accuracy {
                let right = (accuracy * images as f64).round() as usize;
                let [low, high] = wilson_interval(right, images);
                line(format!(
                    "{:<10}  {:>6} of {images} photos right ({})",
                    part,
                    percent(accuracy),
                    interval(low, high)
                ));
            }
        }
        let memory = summary
            .peak_memory_bytes
            .map_or(String::new(), |n| format!(", {} of memory", bytes(n)));
        line(format!(
            "{:<10}  {} for {} epochs at {:.0} photos/s{memory}",
            "time",
            duration(Duration::from_secs_f64(summary.seconds.clamp(0.0, 1e9))),
            summary.epochs,
            summary.images_per_second
        ));
        if summary.input_wait_fraction > WAITING && summary.input_wait_fraction * summary.seconds > 1.0 {
            line(format!(
                "{:<10}  {} of the time was spent waiting for photos: reading and augmenting them is slower than the network; more \
                 --threads, a faster disk under the cache (--cache), or less augmentation would help",
                "waiting",
                percent(summary.input_wait_fraction)
            ));
        }
        line(format!("{:<10}  {}", "run", summary.run));
        line(String::new());
        line("Next:".to_string());
        if summary.outcome == Outcome::Interrupted {
            self.output
                .hint(&format!("stepladder resume {}", quoted(&summary.run)));
        }
        let run = quoted(&summary.run);
        let commands = NEXT.map(|(command, does)| (command.replace("RUN", &run), does));
        let widest = |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| text.chars().count()).max();
        let width = widest(&mut commands.iter().map(|(command, _)| command.as_str())).unwrap_or(0);
        let words = widest(&mut commands.iter().map(|(_, does)| *does)).unwrap_or(0);
        for (command, does) in &commands {
            self.output.hint(&match width + words + AROUND_WORDS <= COLUMNS {
                true => format!("{command:<width$}  # {does}"),
                false => command.clone(),
            });
        }
        if let Some(longer) = longer {
            self.output
                .line("To train longer, in a new run that starts from this one:");
            self.output.hint(longer);
        }
    }
}

/// Columns of a terminal that nobody has widened, and those around what a command does.
const COLUMNS: usize = 80;
const AROUND_WORDS: usize = 6;

/// What to do with a run.
const NEXT: [(&str, &str); 6] = [
    ("stepladder evaluate RUN", "each class"),
    ("stepladder predict RUN PHOTO ...", "new photos"),
    ("stepladder explain RUN PHOTO", "why"),
    ("stepladder report RUN", "as a page"),
    ("stepladder serve RUN", "over HTTP"),
    ("stepladder export RUN", "for other programs"),
];

impl Observer for TrainingView<'_> {
    fn progress(&self) -> &dyn Progress {
        &self.bar
    }

    fn ended_before(&self, _: &Summary) {
        self.ended_before.store(true, Ordering::Relaxed);
    }

    fn profiled(&self, rows: &[ProfileRow]) {
        self.bar.line("");
        for line in profile_table(rows, None).lines() {
            self.bar.line(line);
        }
    }

    fn prepared(&self, prepared: &Prepared, run: &RunDirectory) {
        let rung = &self.request.rung;
        let split = &prepared.split;
        let photos = split.train.len() + split.validation.len() + split.test.len();
        let line = |head: &str, text: String| self.bar.line(&format!("{head:<10}  {text}"));
        line(
            "data",
            format!(
                "{}: {photos} photos of {} classes ({})",
                prepared.dataset.name,
                prepared.dataset.classes.len(),
                listed(&prepared.dataset.classes, CLASSES)
            ),
        );
        line(
            "split",
            format!(
                "{} training, {} validation, {} test",
                split.train.len(),
                split.validation.len(),
                split.test.len()
            ),
        );
        let (warnings, notes): (Vec<&Remark>, Vec<&Remark>) = prepared
            .dataset
            .remarks
            .iter()
            .partition(|remark| remark.is_warning());
        for remark in notes {
            line("note", remark_line(remark));
        }
        let groups: BTreeSet<_> = prepared
            .dataset
            .photos
            .iter()
            .filter_map(|photo| photo.group.as_deref())
            .collect();
        if !groups.is_empty() && !prepared.dataset.declares_parts() {
            line("groups", format!("{}, each in one part", groups.len()));
        }
        if !prepared.skipped.is_empty() {
            let list = run.path().join("skipped.tsv");
            line(
                "skipped",
                format!(
                    "{} files, listed with reasons in {}",
                    prepared.skipped.len(),
                    list.display()
                ),
            );
        }
        if !prepared.dropped_classes.is_empty() {
            line(
                "left out",
                format!(
                    "classes without a readable photo: {}",
                    listed(&prepared.dropped_classes, CLASSES)
                ),
            );
        }
        if rung.name == AUTO {
            // Each sentence says one thing that was chosen.
            for reason in rung.about.iter().flat_map(|about| about.split(". ")) {
                line("auto", reason.to_string());
            }
            if rung.start.is_some() {
                line(
                    "auto",
                    "to begin from random weights instead: --start scratch".to_string(),
                );
            } else if self.is_unasked_scratch(prepared) {
                line(
                    "auto",
                    "from random weights, as options steer gradient steps; ImageNet's weights are usually better: --start shipped".to_string(),
                );
            }
        }
        line(
            "model",
            format!(
                "{}: {} parameters, {} multiply-adds a photo at {} px",
                rung.name,
                count(prepared.graph.trainable_parameter_count()),
                count(prepared.graph.multiply_adds()),
                prepared.size
            ),
        );
        let controls = &self.request.controls;
        let steps = match (controls.budget, controls.steps) {
            (Some(budget), _) => format!("{} of time", duration(budget)),
            (None, Some(steps)) => format!("{steps} steps"),
            (None, None) => format!("up to {} epochs", rung.training.epochs),
        };
        let is_exact = rung.start.as_ref().is_some_and(|start| start.is_exact());
        let how = match is_exact {
            true => String::from("features once, then a head that fits them exactly"),
            false => format!(
                "{} {}, batch {}, {steps}",
                rung.optimizer.name(),
                rung.optimizer.learning_rate(),
                rung.training.batch_size
            ),
        };
        line(
            "training",
            format!(
                "{how}, seed {}, {} with {} threads, {}",
                self.request.seed, self.request.device, self.request.threads, self.request.precision
            ),
        );
        if split.validation.is_empty() {
            line(
                "note",
                "no validation part: the last epoch's weights are kept, and nothing stops early".into(),
            );
        }
        if let Some(said) = self.length.prepared(self.request, prepared) {
            line("time", said);
        }
        line("run", run.path().display().to_string());
        let of_names = warnings.into_iter().map(remark_line);
        let concerns: Vec<String> = of_names.chain(prepared.concerns.iter().cloned()).collect();
        for concern in &concerns {
            self.bar.line(&format!("warning: {concern}"));
        }
        if let Ok(mut kept) = self.data_notes.lock() {
            let notes = prepared
                .dataset
                .remarks
                .iter()
                .filter(|remark| !remark.is_warning());
            *kept = notes.map(remark_line).collect();
        }
        if let Ok(mut kept) = self.concerns.lock() {
            *kept = concerns;
        }
        for finding in self.lint(prepared).iter().filter(|finding| !finding.silenced) {
            self.bar.line(&format!("warning: {finding}"));
        }
        if let Ok(mut started) = self.started.lock() {
            *started = Some((Instant::now(), 0.0));
        }
        if let Some(dashboard) = &self.dashboard {
            dashboard.prepared(
                &rung.name,
                &prepared.dataset.name,
                run.path(),
                rung.training.epochs,
            );
        }
        self.events().prepared(run);
    }

    fn resumed(&self, place: &Checkpoint) {
        self.length.resumed();
        if let Ok(mut started) = self.started.lock() {
            *started = Some((Instant::now(), place.epoch as f64));
        }
        self.events().resumed(place);
        self.note(&match place.ended {
            Some(_) => "training was done; the figures are next".to_string(),
            None => format!(
                "going on in epoch {} after step {}, as if never stopped",
                place.epoch + 1,
                place.step
            ),
        });
    }

    fn diagnosed(&self, found: &Diagnosis) {
        let word = if found.cause.is_note() { "note" } else { "warning" };
        self.bar.line(&format!("{word}: {found}"));
    }

    fn note(&self, message: &str) {
        self.bar.line(&format!("{:<10}  {message}", "note"));
    }

    fn step(&self, record: &StepRecord, batch: usize, batches: usize) {
        if !self.begun.swap(true, Ordering::Relaxed) {
            self.bar.line("");
            self.bar
                .line("epoch     loss   train     val loss    val   photos/s    left");
            self.bar.begin(batches as u64, format!("epoch {}", record.epoch));
        }
        if batch == 1 {
            self.bar.begin(batches as u64, format!("epoch {}", record.epoch));
        }
        if let Some(said) = self.length.step() {
            self.bar.line(&said);
        }
        self.bar.set(batch as u64);
        if let Some(dashboard) = &self.dashboard {
            dashboard.step(record, batch, batches);
        }
        let said = self.events().step(record);
        said.iter().for_each(|message| self.note(message));
    }

    fn epoch(&self, record: &EpochRecord, epochs: usize) {
        self.bar.clear();
        let val_loss = record
            .val_loss
            .map_or("-".to_string(), |loss| format!("{loss:.4}"));
        let val = record
            .val_accuracy
            .map_or("-".to_string(), |accuracy| percent(f64::from(accuracy)));
        self.bar.line(&format!(
            "{:>2}/{epochs:<4} {:>7.4}  {:>6}      {val_loss:>7} {val:>6}   {:>8.0} {:>7}{}",
            record.epoch,
            record.loss,
            percent(f64::from(record.accuracy)),
            record.images_per_second,
            duration(self.left(record.epoch as f64, epochs as f64)),
            if record.best { "  best" } else { "" }
        ));
        if let Some(dashboard) = &self.dashboard {
            dashboard.epoch(record, self.left(record.epoch as f64, epochs as f64));
        }
        let said = self.events().epoch(record);
        said.iter().for_each(|message| self.note(message));
    }
}

/// A path as a shell takes it, and as no program takes it for an option.
pub(crate) fn quoted(path: &str) -> String {
    let plain = !path.is_empty()
        && path
            .chars()
            .all(|c| c.is_alphanumeric() || "/._-:=+,@%".contains(c));
    let path = match path.starts_with('-') {
        true => format!("./{path}"),
        false => path.to_string(),
    };
    match plain {
        true => path,
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}
