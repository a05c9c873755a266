//! `stepladder find-lr`: a learning-rate range test, or with `--study` a training at each of some rates.

use super::train::{request, run_quietly};
use super::{on_threads, threads};
use crate::Ending;
use crate::arguments::FindLrArguments;
use crate::plot::Plot;
use crate::signals::stop_on_signals;
use crate::terminal::{Alignment, Output, ProgressBar, Table, interval, percent, warn_of_remarks};
use anyhow::Context;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepladder_comparison::wilson_interval;
use stepladder_data::Progress;
use stepladder_run::write_atomically;
use stepladder_train::{Outcome, Prepared, RateCurve, RateRange, RunPlace, TrainingRequest, test_rates};

pub(crate) fn find_lr(arguments: FindLrArguments, output: &Output) -> anyhow::Result<Ending> {
    let range = RateRange {
        lowest: arguments.from,
        highest: arguments.to,
        steps: arguments.steps,
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
    let request = request(arguments.train, output)?;
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
    output.line(&format!("The rung has {now}. The curve is in {}", plot.display()));
    if let Some(found) = suggestions {
        output.line("");
        output.line("Next:");
        output.hint(&format!(
            "stepladder train ... --set optimizer.learning_rate={}",
            rate(found.valley)
        ));
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
        "recommended": suggestions.map(|found| found.valley),
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

/// A learning rate in two digits, as `--set` takes it.
fn rate(value: f64) -> String {
    format!("{value:.1e}")
}
