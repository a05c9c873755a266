//! `stepladder find-lr`: a learning-rate range test, or with `--study` a training at each of some rates.

use super::start::SCRATCH;
use super::train::{request, run_quietly};
use super::{on_threads, threads};
use crate::Ending;
use crate::arguments::FindLrArguments;
use crate::plot::Plot;
use crate::signals::stop_on_signals;
use crate::terminal::{Alignment, Output, ProgressBar, Table, interval, percent, quoted, warn_of_remarks};
use anyhow::Context;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepladder_comparison::wilson_interval;
use stepladder_data::Progress;
use stepladder_run::write_atomically;
use stepladder_train::{Outcome, Prepared, RateCurve, RateRange, RunPlace, TrainingRequest, test_rates};

/// Steps of the test where none were asked for.
const STEPS: usize = 200;

pub(crate) fn find_lr(mut arguments: FindLrArguments, output: &Output) -> anyhow::Result<Ending> {
    // Of a test of rates, --steps are its own.
    let steps = arguments.train.controls.steps.take();
    let range = RateRange {
        lowest: arguments.from,
        highest: arguments.to,
        steps: steps.map_or(STEPS, |steps| usize::try_from(steps.get()).unwrap_or(usize::MAX)),
    };
    anyhow::ensure!(
        range.lowest > 0.0 && range.highest > range.lowest && range.highest.is_finite(),
        "--from {} and --to {} are no rising range; give two learning rates above 0, the lower one first",
        range.lowest,
        range.highest
    );
    anyhow::ensure!(
        (20..=100_000).contains(&range.steps),
        "--steps {} is too few or too many to see a curve; give 20 to 100000",
        range.steps
    );
    let (study, plot) = (arguments.study.clone(), arguments.plot.clone());
    let threads = threads(arguments.train.computing.threads)?;
    let mut train = arguments.train;
    if train.model.is_none() && train.start.start.is_none() {
        // A rate is looked for to train with it: what needs none is not chosen.
        train.start.start = Some(String::from(SCRATCH));
    }
    let request = request(train, output)?;
    let interrupt = stop_on_signals()?;
    if !study.is_empty() {
        return self::study(&request, &study, &plot, &interrupt, output);
    }
    on_threads(threads, || {
        let bar = ProgressBar::new(output).stopped_by(Arc::clone(&interrupt));
        let prepared = request.prepare(&bar)?;
        warn_of_remarks(&prepared.dataset.remarks);
        bar.begin(range.steps as u64, "trying rates".into());
        let curve = test_rates(
            &request,
            &prepared,
            &range,
            &|done| bar.set(done as u64),
            &interrupt,
        )?;
        bar.finish();
        if interrupt.load(Ordering::Relaxed) {
            return Ok(Ending::Interrupted);
        }
        show(&request, &prepared, &range, &curve, &plot, output)?;
        Ok(Ending::Done)
    })
}

/// The suggestions of a range test, its plot, and what to type next.
fn show(
    request: &TrainingRequest,
    prepared: &Prepared,
    range: &RateRange,
    curve: &RateCurve,
    plot: &Path,
    output: &Output,
) -> anyhow::Result<()> {
    use Alignment::{Left, Right};
    let suggestions = curve.suggestions(range.steps);
    let diverged = curve.points().len() < range.steps;
    let title = format!(
        "{} on {}, {} px",
        request.rung.name, prepared.dataset.name, prepared.size
    );
    write(plot, &loss_plot(&title, curve, suggestions.map(|s| s.valley)))?;

    let ended = curve
        .points()
        .last()
        .map_or(range.lowest, |point| point.learning_rate);
    output.line(&format!(
        "{title}: {} steps from {} to {}{}",
        curve.points().len(),
        rate(range.lowest),
        rate(ended),
        if diverged { ", where the loss diverged" } else { "" }
    ));
    output.line("");
    match suggestions {
        Some(found) => {
            let mut table = Table::new([("suggestion", Left), ("learning rate", Right), ("", Left)]);
            for (name, value, remark) in [
                ("valley", found.valley, "in the middle of the longest fall of the loss: take this one"),
                ("steepest slope", found.steepest, "where the loss falls fastest"),
                ("minimum / 10", found.minimum_tenth, "a tenth of where the loss is least"),
            ] {
                table.row([name.to_string(), rate(value), remark.to_string()]);
            }
            output.table(&table);
        }
        None => output.line(
            "The loss does not fall at any rate, so that none can be suggested; try more --steps, or look at the rung",
        ),
    }
    output.line("");
    let now = request.rung.optimizer.learning_rate();
    output.line(&format!(
        "The rung has {}. The curve is in {}",
        rate(now.into()),
        plot.display()
    ));
    if let Some(found) = suggestions {
        output.line("");
        output.line("Next:");
        output.hint(&train_with(&rate(found.valley)));
    }
    output.json(&json!({
        "data": prepared.dataset.name,
        "model": request.rung.name,
        "size": prepared.size,
        "batch_size": request.rung.training.batch_size,
        "seed": request.seed,
        "learning_rate": now,
        "diverged": diverged,
        "suggestions": suggestions,
        "recommended": suggestions.and_then(|found| rate(found.valley).parse::<f64>().ok()),
        "command": suggestions.map(|found| train_with(&rate(found.valley))),
        "plot": plot,
        "points": curve.points(),
    }))
}

fn loss_plot(title: &str, curve: &RateCurve, mark: Option<f64>) -> String {
    let points = curve.points();
    let smoothed = points.iter().map(|point| point.smoothed);
    let (low, first) = (
        smoothed.fold(f64::INFINITY, f64::min),
        points.first().map_or(1.0, |point| point.smoothed),
    );
    // What diverged would press the rest flat.
    let span = (first - low).max(0.1 * first);
    Plot {
        title,
        figure: "training loss: each batch, and smoothed",
        points: points.iter().map(|p| (p.learning_rate, p.loss)).collect(),
        line: points.iter().map(|p| (p.learning_rate, p.smoothed)).collect(),
        intervals: Vec::new(),
        marks: mark
            .into_iter()
            .map(|at| (at, format!("valley {}", rate(at))))
            .collect(),
        range: [(low - 0.2 * span).max(0.0), first + span],
    }
    .to_svg()
}

/// Trains at each rate, in a run of its own that goes on where it was stopped, and compares the validation accuracies.
fn study(
    request: &TrainingRequest,
    rates: &[f32],
    plot: &Path,
    interrupt: &Arc<AtomicBool>,
    output: &Output,
) -> anyhow::Result<Ending> {
    use Alignment::{Left, Right};
    let folder = match &request.place {
        RunPlace::Exactly(folder) => folder.clone(),
        RunPlace::Below(parent) => parent.join(format!("lr-study-{}", request.rung.name)),
    };
    let mut table = Table::new([
        ("learning rate", Right),
        ("validation", Right),
        ("", Left),
        ("test", Right),
        ("epochs", Right),
    ]);
    let (mut line, mut intervals, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    for &value in rates {
        let shown = value.to_string();
        let rung = request
            .rung
            .with_overrides([("optimizer.learning_rate", shown.as_str())])?;
        let one = TrainingRequest {
            rung,
            place: RunPlace::Exactly(folder.join(format!("lr-{shown}"))),
            ..request.clone()
        };
        let summary = match run_quietly(&one, interrupt, output) {
            Ok(summary) => summary,
            // A rate that is too high is a result of the study, and no failure.
            Err(stepladder_train::TrainError::Diverged { .. }) => {
                table.row([
                    shown.clone(),
                    "-".into(),
                    "the loss diverged".into(),
                    "-".into(),
                    "-".into(),
                ]);
                runs.push(json!({ "learning_rate": value, "diverged": true }));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if summary.outcome == Outcome::Interrupted {
            return Ok(Ending::Interrupted);
        }
        let accuracy = summary
            .val_accuracy
            .context("a study compares validation accuracies; this data has no validation part")?;
        let right = (accuracy * summary.val_images as f64).round() as usize;
        let [low, high] = wilson_interval(right, summary.val_images);
        line.push((f64::from(value), accuracy));
        intervals.push((f64::from(value), low, high));
        table.row([
            shown,
            percent(accuracy),
            interval(low, high),
            summary.test_accuracy.map_or("-".into(), percent),
            summary.epochs.to_string(),
        ]);
        runs.push(json!({ "learning_rate": value, "diverged": false, "val_interval": [low, high], "summary": summary }));
    }
    output.table(&table);
    let best = line
        .iter()
        .copied()
        .reduce(|best, next| if next.1 > best.1 { next } else { best });
    let title = format!("{}: accuracy at each learning rate", request.rung.name);
    let svg = Plot {
        title: &title,
        figure: "validation accuracy with its 95% interval",
        points: Vec::new(),
        line,
        intervals,
        marks: Vec::new(),
        range: [0.0, 1.0],
    };
    write(plot, &svg.to_svg())?;
    output.line("");
    if let Some((best, _)) = best {
        output.line(&format!(
            "Best validation accuracy at {best}; rates whose intervals overlap with its own may be as good"
        ));
    }
    output.line(&format!(
        "The curve is in {}, the runs in {}",
        plot.display(),
        folder.display()
    ));
    output.json(&json!({ "model": request.rung.name, "best": best.map(|(rate, _)| rate), "plot": plot, "runs": runs }))?;
    Ok(Ending::Done)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    write_atomically(path, text.as_bytes())
        .with_context(|| format!("cannot write {}; name another file with --plot", path.display()))
}

/// A learning rate in two digits, as people write it and as `--lr` takes it: `0.0012`, `3.5e-6`.
fn rate(value: f64) -> String {
    let short = format!("{value:.1e}");
    let rounded: f64 = short.parse().unwrap_or(value);
    match (1e-4..1e4).contains(&rounded) {
        true => rounded.to_string(),
        false => short.replace(".0e", "e"),
    }
}

/// The training that was asked about, at a rate: the words that were typed, but for those that only this command has.
fn train_with(rate: &str) -> String {
    let typed = std::env::args().skip(1);
    let mut words: Vec<String> = of_training(typed).iter().map(|word| quoted(word)).collect();
    if !words
        .iter()
        .any(|word| word.starts_with("--model") || word.starts_with("--start"))
    {
        words.push(format!("--start {SCRATCH}"));
    }
    format!("stepladder train {} --lr {rate}", words.join(" ")).replace("  ", " ")
}

/// What `train` takes of the words of a command line.
fn of_training(typed: impl Iterator<Item = String>) -> Vec<String> {
    /// Options of this command alone, and the rate that is replaced.
    const WITH_VALUE: [&str; 6] = ["--from", "--to", "--steps", "--study", "--plot", "--lr"];
    const ALONE: [&str; 2] = ["--json", "find-lr"];
    let mut words = Vec::new();
    let mut typed = typed;
    while let Some(word) = typed.next() {
        match word.split_once('=') {
            Some((option, _)) if WITH_VALUE.contains(&option) => {}
            None if WITH_VALUE.contains(&word.as_str()) => drop(typed.next()),
            None if ALONE.contains(&word.as_str()) => {}
            _ => words.push(word),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        let rates = [0.001_000_000_047, 0.0123, 3.456e-6, 1.0, 1e-7, 0.035].map(rate);
        assert_eq!(rates, ["0.001", "0.012", "3.5e-6", "1", "1e-7", "0.035"]);
    }

    #[test]
    fn the_command_has_the_words_of_training_alone() {
        let typed =
            "find-lr my.zip --steps 50 --size 64 --to=1 --json --lr 0.1 --set a.b=--from --plot x.svg";
        let words = of_training(typed.split(' ').map(String::from));
        assert_eq!(words.join(" "), "my.zip --size 64 --set a.b=--from");
    }
}
