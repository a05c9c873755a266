//! The network: its diagram, and what each layer holds.

use super::accuracy::grouped;
use crate::facts::{LayerRow, RunReport};
use maud::{Markup, html};
use stepladder_model::ImageSize;
use stepladder_page::element::table;
use stepladder_page::svg::bar;

pub(super) fn network(report: &RunReport) -> Markup {
    let ImageSize { height, width } = report.summary.size;
    html! {
        p { "From top to bottom; blocks are as wide as their maps. Lines at the side lead around: skip connections." }
        (stepladder_chart::network(&format!("{height} x {width} x 3"), &report.blocks))
        details {
            summary { "All " (report.layers.len()) " layers in numbers" }
            (layers(&report.layers))
        }
    }
}

fn layers(layers: &[LayerRow]) -> Markup {
    let sum = |of: fn(&LayerRow) -> u64| layers.iter().map(of).sum::<u64>().max(1);
    let parameters = sum(|layer| layer.parameters);
    let multiply_adds = sum(|layer| layer.multiply_adds);
    let share = |part: u64, of: u64| html! { @if part > 0 { (bar(part as f64 / of as f64)) } };
    let rows: Vec<Vec<Markup>> = layers
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
    let heads = ["layer", "kind", "output", "parameters", "", "multiply-adds", ""];
    html! {
        p { "Parameters are what is learned; multiply-adds, the work for one photo." }
        (table("Layers", &heads, &[false, false, true, true, false, true, false], &rows))
    }
}
