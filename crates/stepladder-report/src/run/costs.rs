//! Time and memory of a training step, layer by layer.

use crate::facts::{LayerRow, RunReport, StepCost};
use maud::{Markup, html};
use stepladder_page::element::table;
use stepladder_page::svg::bar;

pub(super) fn costs(report: &RunReport) -> Markup {
    let batch = report.config.batch_size;
    html! {
        @match &report.step {
            Some(step) => { (time(step, batch)) }
            None => { p { "The time of a step was not measured: " (report.no_step.as_deref().unwrap_or("the report did not try")) "." } }
        }
        (table_of_costs(&report.layers, report.step.as_ref()))
    }
}

fn time(step: &StepCost, batch: usize) -> Markup {
    html! {
        p { "A training step of " (batch) " photos takes " (milliseconds(step.seconds)) " ms on the processor of the machine that made this report, by some steps on "
            (step.threads) (if step.threads == 1 { " thread" } else { " threads" }) ". Of that, " (milliseconds(step.other_seconds))
            " ms belong to no layer: the loss, the optimizer, sums of gradients." }
    }
}

/// The layers that take time or memory. A layer that is computed with the one before it has its time there.
fn table_of_costs(layers: &[LayerRow], step: Option<&StepCost>) -> Markup {
    let of = |layer: &LayerRow| layer.forward_seconds.unwrap_or(0.0) + layer.backward_seconds.unwrap_or(0.0);
    // The costliest fills its bar.
    let slowest = layers.iter().map(of).fold(f64::MIN_POSITIVE, f64::max);
    let largest = layers
        .iter()
        .map(|layer| layer.kept_bytes)
        .max()
        .unwrap_or(0)
        .max(1);
    let rows: Vec<Vec<Markup>> = layers
        .iter()
        .filter(|layer| of(layer) > 0.0 || layer.kept_bytes > 0)
        .map(|layer| {
            let mut row = vec![html! { (layer.name) }];
            if step.is_some() {
                row.extend([layer.forward_seconds, layer.backward_seconds].map(|seconds| html! { @if let Some(seconds) = seconds { (milliseconds(seconds)) } }));
                row.push(html! { @if of(layer) > 0.0 { (bar(of(layer) / slowest)) } });
            }
            row.push(html! { @if layer.kept_bytes > 0 { (format!("{:.1}", layer.kept_bytes as f64 / f64::from(1 << 20))) } });
            row.push(html! { @if layer.kept_bytes > 0 { (bar(layer.kept_bytes as f64 / largest as f64)) } });
            row
        })
        .collect();
    let (heads, numeric): (&[&str], &[bool]) = match step {
        Some(_) => (
            &[
                "layer",
                "forward, ms",
                "backward, ms",
                "",
                "kept for the way back, MiB",
                "",
            ],
            &[false, true, true, false, true, false],
        ),
        None => (
            &["layer", "kept for the way back, MiB", ""],
            &[false, true, false],
        ),
    };
    table(
        "Time and memory of a training step, by layer",
        heads,
        numeric,
        &rows,
    )
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.1}", 1e3 * seconds)
}
