//! The network, layer by layer.

use super::accuracy::grouped;
use crate::facts::RunReport;
use maud::{Markup, html};
use stepladder_page::element::table;
use stepladder_page::svg::bar;

pub(super) fn network(report: &RunReport) -> Markup {
    let parameters = report
        .layers
        .iter()
        .map(|layer| layer.parameters)
        .sum::<u64>()
        .max(1);
    let multiply_adds = report
        .layers
        .iter()
        .map(|layer| layer.multiply_adds)
        .sum::<u64>()
        .max(1);
    let share = |part: u64, of: u64| html! { @if part > 0 { (bar(part as f64 / of as f64)) } };
    let rows: Vec<Vec<Markup>> = report
        .layers
        .iter()
        .map(|layer| {
            vec![
                html! { (layer.name) },
                html! { (layer.kind) },
                html! { (layer.output) },
                html! { (grouped(layer.parameters)) },
                share(layer.parameters, parameters),
                html! { (grouped(layer.multiply_adds)) },
                share(layer.multiply_adds, multiply_adds),
            ]
        })
        .collect();
    html! {
        p { "Photos of " (report.summary.size) " x " (report.summary.size) " pixels go in at the top. Parameters are what is learned; multiply-adds, the work for one photo." }
        (table("Layers", &["layer", "kind", "output", "parameters", "", "multiply-adds", ""], &[false, false, true, true, false, true, false], &rows))
    }
}
