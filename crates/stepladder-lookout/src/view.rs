//! What a page shows: the list of runs, and of those that it shows the figures, the curves and the epochs, as markup.

use crate::board::Runs;
use crate::charts::charts;
use crate::numbers::{duration, percent};
use crate::run::RunView;
use crate::state::State;
use maud::{Markup, html};
use serde_json::{Value, json};
use std::sync::Arc;
use stepladder_page::element;
use stepladder_run::EpochRecord;

/// The epochs of a table; of more, the last ones.
const EPOCHS: usize = 100;

/// All runs, for the list.
pub(crate) fn list(runs: &Runs) -> Value {
    let rows: Vec<Value> = runs.views.iter().map(|run| row(run)).collect();
    json!({ "runs": rows })
}

fn row(run: &RunView) -> Value {
    json!({
        "id": run.id,
        "name": run.name,
        "state": run.state,
        "words": run.state.words(),
        "model": run.asked.model,
        "data": run.asked.data.name(),
        "epoch": run.epochs.last().map_or(0, |epoch| epoch.epoch),
        "epochs": run.asked.epochs,
        "val": run.best(|epoch| epoch.val_accuracy),
        "test": run.reached.as_ref().and_then(|reached| reached.test_accuracy),
        "started": run.started,
    })
}

/// The runs that a page shows, the first of them with its figures; `chosen` if its user chose them.
pub(crate) fn shown(runs: &[Arc<RunView>], chosen: bool) -> Value {
    let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    let Some(run) = runs.first() else {
        return json!({
            "ids": [], "chosen": false, "name": "No run yet", "title": "Trainings", "training": false, "request": null,
            "checkpoint": null, "figures": "", "charts": "", "epochs": "", "spoken": "",
        });
    };
    json!({
        "ids": ids,
        "chosen": chosen,
        "name": run.name,
        "title": title(run),
        "training": run.state == State::Training,
        "request": run.request,
        "checkpoint": run.checkpoint,
        "figures": figures(run).into_string(),
        "charts": charts(runs).into_string(),
        "epochs": epochs(run).into_string(),
        "spoken": spoken(run),
    })
}

/// The title of the browser's tab.
fn title(run: &RunView) -> String {
    let best = run.best(|epoch| epoch.val_accuracy);
    let figure = best.map_or(String::new(), |best| format!("{} ", percent(best)));
    match run.state {
        State::Training => format!("{} {figure}{}", epoch_of(run), run.name),
        state => format!("{figure}{} {}", run.name, state.words()),
    }
}

/// `3 of 8`: the epoch at work, or the last one.
fn epoch_of(run: &RunView) -> String {
    let done = run.epochs.last().map_or(0, |epoch| epoch.epoch as u64);
    let at = match (run.state, run.at) {
        (State::Training, Some((_, epoch))) => epoch.max(done),
        _ => done,
    };
    match run.asked.epochs {
        0 => at.to_string(),
        epochs => format!("{at} of {epochs}"),
    }
}

/// What is said aloud after each epoch.
fn spoken(run: &RunView) -> String {
    let Some(epoch) = run.epochs.last() else {
        return String::new();
    };
    let validation = epoch.val_accuracy.map_or(String::new(), |share| {
        format!(", validation accuracy {}", percent(share.into()))
    });
    let ended = if run.state == State::Training {
        ""
    } else {
        run.state.words()
    };
    format!(
        "Epoch {} of {}: loss {:.3}{validation}. {ended}",
        epoch.epoch, run.asked.epochs, epoch.loss
    )
}

fn figures(run: &RunView) -> Markup {
    let asked = &run.asked;
    let last = run.epochs.last();
    let mut figures = vec![("Epoch", epoch_of(run))];
    if let Some((steps, _)) = run.at {
        let of = run
            .steps_per_epoch
            .map(|of| of.saturating_mul(asked.epochs))
            .filter(|&of| of >= steps);
        figures.push((
            "Step",
            of.map_or(steps.to_string(), |of| format!("{steps} of {of}")),
        ));
    }
    let share = |share: Option<f64>| share.map(percent);
    let known = [
        ("Loss", last.map(|epoch| format!("{:.4}", epoch.loss))),
        (
            "Validation loss",
            last.and_then(|epoch| Some(format!("{:.4}", epoch.val_loss?))),
        ),
        ("Training", share(last.map(|epoch| epoch.accuracy.into()))),
        (
            "Validation",
            share(last.and_then(|epoch| epoch.val_accuracy).map(f64::from)),
        ),
        ("Best validation", share(run.best(|epoch| epoch.val_accuracy))),
        (
            "Test",
            share(run.reached.as_ref().and_then(|reached| reached.test_accuracy)),
        ),
        (
            "Learning rate",
            run.steps.rate().last().map(|(_, rate)| format!("{rate:.2e}")),
        ),
        (
            "Photos/s",
            run.photos_per_second().map(|photos| format!("{photos:.0}")),
        ),
        ("Time left, at most", run.seconds_left().map(duration)),
        (
            "Time",
            run.reached
                .as_ref()
                .and_then(|reached| reached.seconds)
                .map(duration),
        ),
        (
            "Checkpoint",
            run.checkpoint
                .filter(|_| !run.state.is_done())
                .map(|steps| format!("step {steps}")),
        ),
    ];
    figures.extend(known.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let epochs = asked.epochs as f64;
    html! {
        p class="about" {
            span class=(format!("state {}", state_class(run.state))) { (run.state.words()) }
            @if !asked.model.is_empty() {
                " · " (asked.model) " on " (asked.data.name()) ", "
                @if let Some(size) = asked.size { (size) " px, " }
                "batch " (asked.batch_size)
                ", seed " (asked.seed)
            }
        }
        @if run.state == State::Training && epochs > 0.0 {
            progress class="done" max=(epochs) value=(format!("{:.3}", run.progress().min(epochs))) aria-label="Epochs done" {}
        }
        (element::figures(figures))
        @if matches!(run.state, State::Stopped | State::BrokenOff) {
            p { "To go on:" }
            (element::command(&format!("stepladder resume {}", quoted(&run.path.to_string_lossy()))))
        }
    }
}

/// The state as the style sheet knows it.
fn state_class(state: State) -> &'static str {
    match state {
        State::Training => "training",
        State::Finished => "finished",
        State::StoppedEarly => "stopped_early",
        State::Stuck => "stuck",
        State::Stopped => "stopped",
        State::BrokenOff => "broken_off",
    }
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    match path.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c)) {
        true => path.to_string(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// The epochs of a run as a table, which says the same as the curves to those who do not see them.
fn epochs(run: &RunView) -> Markup {
    let last = &run.epochs[run.epochs.len().saturating_sub(EPOCHS)..];
    if last.is_empty() {
        return html! {};
    }
    let heads = [
        "Epoch",
        "Loss",
        "Training",
        "Validation loss",
        "Validation",
        "Learning rate",
        "Photos/s",
        "Time",
    ];
    let rows: Vec<Vec<Markup>> = last.iter().rev().map(epoch_row).collect();
    html! {
        details {
            summary { "Epochs of " (run.name) " as a table" }
            (element::table(
                if last.len() < run.epochs.len() { "The last 100 epochs, the newest first" } else { "The newest first" },
                &heads, &[true; 8], &rows,
            ))
        }
    }
}

fn epoch_row(epoch: &EpochRecord) -> Vec<Markup> {
    let share = |share: Option<f32>| share.map_or("-".to_string(), |share| percent(share.into()));
    let loss = |loss: Option<f32>| loss.map_or("-".to_string(), |loss| format!("{loss:.4}"));
    [
        format!("{}{}", epoch.epoch, if epoch.best { " best" } else { "" }),
        loss(Some(epoch.loss)),
        share(Some(epoch.accuracy)),
        loss(epoch.val_loss),
        share(epoch.val_accuracy),
        format!("{:.2e}", epoch.learning_rate),
        format!("{:.0}", epoch.images_per_second),
        duration(epoch.seconds),
    ]
    .into_iter()
    .map(|text| html! { (text) })
    .collect()
}
