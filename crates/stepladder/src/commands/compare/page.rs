//! A comparison as a page: the figures of the runs, whether the first is beaten, the curves over each other, and what differs in
//! their configuration.

use super::{AgainstFirst, Curves, RunComparison};
use crate::terminal::comparison::{against, differences, figures, known, numbers, remarks};
use crate::terminal::{percent, points, points_interval};
use anyhow::Context;
use std::path::Path;
use stepladder_page::lines::{self, Line, lines};
use stepladder_page::{Kind, Markup, Page, html};
use stepladder_run::write_atomically;

/// Writes the page; an older one is replaced.
pub(super) fn write(compared: &RunComparison, file: &Path) -> anyhow::Result<()> {
    write_atomically(file, page(compared).as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))
}

fn page(compared: &RunComparison) -> String {
    let names: Vec<&str> = compared.runs.iter().map(|run| run.run.as_str()).collect();
    let title = match names.as_slice() {
        [first, second] => format!("{second} against {first}"),
        _ => format!("{} runs compared", names.len()),
    };
    let others = names.len() - 1;
    let lead = match compared.against_first.as_slice() {
        [only] => verdict(only),
        _ => format!("{others} runs against {}.", names[0]),
    };
    Page::new(Kind::File, title)
        .lead(lead)
        .style(lines::STYLE)
        .section(
            "figures",
            "Figures",
            figures(&compared.runs).to_markup("What each run reached, with 95% intervals"),
        )
        .section("significance", "Is the difference real?", significance(compared))
        .section("curves", "Curves", curves(compared))
        .section(
            "configuration",
            "Differences in configuration",
            configuration(compared),
        )
        .render()
}

/// What is to be said of a run against the first, in a sentence.
fn verdict(against: &AgainstFirst) -> String {
    let (difference, interval, word) = match (&against.paired, &against.unpaired) {
        (Some(found), _) => (found.difference, found.interval, found.words()),
        (None, Some(found)) => (found.difference, found.interval, found.verdict.words(1)),
        (None, None) => return String::from("There are no test figures of both to compare."),
    };
    format!(
        "{} points of test accuracy (95% interval {}): {word}.",
        points(difference),
        points_interval(interval)
    )
}

fn significance(compared: &RunComparison) -> Markup {
    let paired = compared.against_first.iter().any(|run| run.paired.is_some());
    html! {
        (against(&compared.against_first).to_markup("Test accuracy against the first run, in points"))
        @if paired {
            p class="soft" {
                "Paired: both runs were asked about the same test photos, and those that only one of them gets right decide. "
                "An interval that holds 0 is within noise."
            }
        }
        @for reason in compared.against_first.iter().flat_map(remarks) { p class="soft" { (reason) "." } }
    }
}

fn curves(compared: &RunComparison) -> Markup {
    let of = |values: fn(&Curves) -> Vec<f64>| -> Vec<Line> {
        let lines = compared.runs.iter().map(|run| Line {
            name: run.run.clone(),
            values: values(&run.curves),
        });
        lines
            .filter(|line| line.values.iter().any(|value| value.is_finite()))
            .collect()
    };

    type Drawing = (&'static str, Vec<Line>, fn(f64) -> String);
    let kinds: [Drawing; 4] = [
        (
            "Validation accuracy",
            of(|curves| known(&curves.val_accuracy)),
            percent,
        ),
        ("Validation loss", of(|curves| known(&curves.val_loss)), loss),
        (
            "Training accuracy",
            of(|curves| numbers(&curves.accuracy)),
            percent,
        ),
        ("Training loss", of(|curves| numbers(&curves.loss)), loss),
    ];
    html! {
        @if kinds.iter().all(|(_, drawn, _)| drawn.is_empty()) { p class="soft" { "No run recorded an epoch." } }
        div class="overlaid" {
            @for (title, drawn, write) in kinds.into_iter().filter(|(_, drawn, _)| !drawn.is_empty()) {
                (lines(title, "epoch", &drawn, write))
            }
        }
    }
}

fn loss(value: f64) -> String {
    format!("{value:.2}")
}

fn configuration(compared: &RunComparison) -> Markup {
    html! {
        @if compared.differences.is_empty() { p { "Their configurations do not differ." } }
        @else { (differences(compared, None).to_markup("What the others do otherwise than the first run")) }
    }
}
