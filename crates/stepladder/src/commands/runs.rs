//! `stepladder runs`: the runs and climbs that there are, with how they ended and what they reached; or one of them in full.

use super::known_runs::{USUAL, beginning_with, is_run, runs_in};
use crate::Ending;
use crate::arguments::RunsArguments;
use crate::terminal::{Alignment, Output, Table, file_size, interval, percent, quoted};
use serde::Serialize;
use std::path::{Path, PathBuf};
use stepladder_climb::{ClimbRecord, RunOutcome};
use stepladder_comparison::wilson_interval;
use stepladder_model::ImageSize;
use stepladder_train::{Config, Outcome, RunDirectory, Summary};

pub(crate) fn runs(arguments: RunsArguments, output: &Output) -> anyhow::Result<Ending> {
    let found = match &arguments.name {
        None => USUAL
            .iter()
            .flat_map(|folder| runs_in(Path::new(folder)))
            .collect(),
        Some(name) => named(name)?,
    };
    let runs: Vec<ListedRun> = found.iter().map(|run| ListedRun::read(run)).collect();
    match runs.as_slice() {
        [] => {
            output.line(
                "There are no runs here yet; runs and climbs leave theirs in the folders runs and climbs",
            );
            output.line("");
            output.line("Next:");
            output.hint("stepladder train PHOTOS");
        }
        [one] if arguments.name.is_some() => one.show(output),
        several => output.table(&table(several)),
    }
    output.json(&serde_json::json!({ "runs": runs }))?;
    Ok(Ending::Done)
}

/// What a user named: a run, a folder of runs, or the beginning of names.
fn named(name: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let found = match (is_run(name), name.is_dir()) {
        (true, _) => vec![name.to_path_buf()],
        (false, true) => runs_in(name),
        (false, false) => beginning_with(name),
    };
    anyhow::ensure!(
        !found.is_empty(),
        "no run begins with {}; stepladder runs lists those that there are",
        name.display()
    );
    Ok(found)
}

/// A run or a climb in a list.
#[derive(Debug, Serialize)]
struct ListedRun {
    run: String,
    /// In words, the same for programs and people.
    state: String,
    /// The rung; null of a climb.
    model: Option<String>,
    /// Photos of each class's name; empty where the run never measured any.
    classes: Vec<String>,
    test_accuracy: Option<f64>,
    test_images: usize,
    val_accuracy: Option<f64>,
    val_images: usize,
    epochs: Option<usize>,
    /// The network's input in pixels.
    size: Option<ImageSize>,
    /// On the disk.
    bytes: u64,
    /// Whether `resume` would go on with it.
    resumable: bool,
}

impl ListedRun {
    /// What its files say; one that cannot be read is in the list all the same.
    fn read(path: &Path) -> ListedRun {
        let empty = ListedRun {
            run: path.display().to_string(),
            state: String::from("cannot be read"),
            model: None,
            classes: Vec::new(),
            test_accuracy: None,
            test_images: 0,
            val_accuracy: None,
            val_images: 0,
            epochs: None,
            size: None,
            bytes: bytes_in(path),
            resumable: false,
        };
        match ClimbRecord::read(path) {
            Ok(Some(climb)) => ListedRun {
                state: climb_state(&climb),
                test_accuracy: climb.best.as_ref().map(|best| best.test.accuracy),
                test_images: climb.best.as_ref().map_or(0, |best| best.test.photos),
                ..empty
            },
            Ok(None) => of_run(path, empty),
            Err(_) => empty,
        }
    }

    fn show(&self, output: &Output) {
        let line = |head: &str, text: String| output.line(&format!("{head:<10}  {text}"));
        line("run", self.run.clone());
        line("state", self.state.clone());
        if let (Some(model), Some(size)) = (&self.model, self.size) {
            let epochs = self
                .epochs
                .map_or(String::new(), |epochs| format!(", {epochs} epochs"));
            line("model", format!("{model} at {size} px{epochs}"));
        }
        let parts = [
            ("test", self.test_accuracy, self.test_images),
            ("validation", self.val_accuracy, self.val_images),
        ];
        for (part, accuracy, photos) in parts {
            if let Some(accuracy) = accuracy {
                let right = (accuracy * photos as f64).round() as usize;
                let [low, high] = wilson_interval(right, photos);
                line(
                    part,
                    format!(
                        "{:>6} of {photos} photos right ({})",
                        percent(accuracy),
                        interval(low, high)
                    ),
                );
            }
        }
        line("disk", file_size(self.bytes));
        output.line("");
        output.line("Next:");
        let run = quoted(&self.run);
        if self.resumable {
            output.hint(&format!("stepladder resume {run}"));
        }
        if self.model.is_some() {
            output.hint(&format!("stepladder evaluate {run}"));
            output.hint(&format!("stepladder predict {run} PHOTO ..."));
        }
        output.hint(&format!("stepladder report {run}"));
    }
}

fn table(runs: &[ListedRun]) -> Table {
    use Alignment::{Left, Right};
    let heads = [
        ("run", Left),
        ("state", Left),
        ("test", Right),
        ("validation", Right),
        ("epochs", Right),
        ("px", Right),
        ("disk", Right),
    ];
    let mut table = Table::new(heads);
    let share = |share: Option<f64>| share.map_or(String::from("-"), percent);
    let number = |number: Option<usize>| number.map_or(String::from("-"), |number| number.to_string());
    for run in runs {
        table.row([
            run.run.clone(),
            run.state.clone(),
            share(run.test_accuracy),
            share(run.val_accuracy),
            number(run.epochs),
            run.size.map_or(String::from("-"), |size| size.to_string()),
            file_size(run.bytes),
        ]);
    }
    table
}

fn climb_state(climb: &ClimbRecord) -> String {
    let runs = || climb.rungs.iter().flat_map(|rung| &rung.runs);
    let done = runs().filter(|run| run.outcome == RunOutcome::Done).count();
    match climb.complete {
        true => format!("climb, {done} trainings"),
        false => format!("climb, {done} of {} trainings", runs().count()),
    }
}

fn of_run(path: &Path, listed: ListedRun) -> ListedRun {
    let run = RunDirectory::open(path);
    let training = run.is_training() == Some(true);
    let config: Option<Config> = run.read_json(&run.config()).ok();
    let summary: Option<Summary> = run.read_json(&run.summary()).ok();
    let state = match (training, summary.as_ref().map(|summary| summary.outcome)) {
        (true, _) => "training",
        (false, Some(Outcome::Finished)) => "finished",
        (false, Some(Outcome::StoppedEarly)) => "stopped early",
        (false, Some(Outcome::Stuck)) => "stuck at chance",
        (false, Some(Outcome::Interrupted) | None) if config.is_some() => "unfinished",
        (false, Some(Outcome::Interrupted) | None) => return listed,
    };
    let resumable = state == "unfinished";
    let model = config.as_ref().map(|config| config.model.clone());
    let size = config.as_ref().map(|config| config.size);
    let listed = ListedRun {
        state: state.to_string(),
        model,
        size,
        resumable,
        ..listed
    };
    match summary {
        None => listed,
        Some(summary) => ListedRun {
            classes: summary.classes,
            test_accuracy: summary.test_accuracy,
            test_images: summary.test_images,
            val_accuracy: summary.val_accuracy,
            val_images: summary.val_images,
            epochs: Some(summary.epochs),
            ..listed
        },
    }
}

/// Bytes of the files in a directory and the folders in it, two deep: a climb holds runs, which hold checkpoints. Links count nothing.
fn bytes_in(folder: &Path) -> u64 {
    const DEEPEST: usize = 3;
    let mut open = vec![(folder.to_path_buf(), 0)];
    let mut bytes = 0;
    while let Some((folder, depth)) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEEPEST => open.push((entry.path(), depth + 1)),
                Ok(kind) if kind.is_file() => bytes += entry.metadata().map_or(0, |metadata| metadata.len()),
                _ => {}
            }
        }
    }
    bytes
}
