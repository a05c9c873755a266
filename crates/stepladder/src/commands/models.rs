//! `stepladder models`: the rungs as a ladder, and one rung in detail.

use crate::Ending;
use crate::arguments::ModelsArguments;
use crate::terminal::{Alignment, Output, Table, count, percent};
use serde_json::json;
use stepladder_model::{Network, Rung, RungCatalog, diff, shipped};

pub(crate) fn models(arguments: ModelsArguments, output: &Output) -> anyhow::Result<Ending> {
    let catalog = RungCatalog::shipped();
    match &arguments.model {
        None => list(&catalog, &arguments, output)?,
        Some(name) => {
            let rung = catalog.open(name)?;
            if arguments.diff {
                show_diff(&rung, &catalog, output)?;
            } else if arguments.toml {
                output.line(rung.to_toml().trim_end());
                output.json(&json!({ "model": rung.name, "toml": rung.to_toml() }))?;
            } else {
                show(&rung, &arguments, output)?;
            }
        }
    }
    Ok(Ending::Done)
}

/// Every shipped rung, one line each.
fn list(catalog: &RungCatalog, arguments: &ModelsArguments, output: &Output) -> anyhow::Result<()> {
    use Alignment::{Left, Right};
    let mut table = Table::new([
        ("rung", Left),
        ("parent", Left),
        ("parameters", Right),
        ("multiply-adds", Right),
        ("deck", Right),
        ("change", Left),
    ]);
    let mut rungs = Vec::new();
    for name in shipped().iter().map(|rung| rung.name) {
        let rung = catalog.get(name)?;
        let network = rung.network(arguments.size.unwrap_or(rung.input.size), arguments.classes)?;
        // By way of its decimal digits: 0.56 as f64 is 0.56, where the f32 behind it is 0.5600000023841858.
        let deck = rung
            .deck
            .as_ref()
            .and_then(|deck| deck.test_accuracy?.to_string().parse::<f64>().ok());
        table.row([
            rung.name.clone(),
            rung.parent.clone().unwrap_or_default(),
            count(network.trainable_parameter_count()),
            count(network.multiply_adds()),
            deck.map(percent).unwrap_or_default(),
            rung.change.clone(),
        ]);
        rungs.push(json!({
            "name": rung.name,
            "parent": rung.parent,
            "change": rung.change,
            "size": network.input[0],
            "parameters": network.trainable_parameter_count(),
            "multiply_adds": network.multiply_adds(),
            "deck_test_accuracy": deck,
        }));
    }
    output.table(&table);
    output.line("");
    output.line(
        "deck: the test accuracy that the origin of the ladder reports, on photos of its own at 512 px",
    );
    output.hint("stepladder models m5          layers, shapes and costs of one rung");
    output.hint("stepladder models m5 --diff   what it changes of its parent");
    output.json(&json!({ "models": rungs }))
}

/// One rung: what it is and every layer.
fn show(rung: &Rung, arguments: &ModelsArguments, output: &Output) -> anyhow::Result<()> {
    let network = rung.network(arguments.size.unwrap_or(rung.input.size), arguments.classes)?;
    let parent = rung
        .parent
        .as_ref()
        .map(|parent| format!(" (from {parent})"))
        .unwrap_or_default();
    output.line(&format!("{}{parent}: {}", rung.name, rung.change));
    if let Some(about) = &rung.about {
        output.paragraph(about);
    }
    output.line("");
    output.line(network.summary().trim_end());
    output.json(&description(rung, &network))
}

/// The rung and its layers as data.
fn description(rung: &Rung, network: &Network) -> serde_json::Value {
    let layers = network.nodes.iter().map(|node| {
        json!({
            "name": node.name,
            "layer": node.layer.kind(),
            "output": node.output.to_string(),
            "parameters": node.parameter_count(),
            "multiply_adds": node.multiply_adds,
        })
    });
    json!({
        "model": rung.name,
        "parent": rung.parent,
        "change": rung.change,
        "about": rung.about,
        "input": network.input,
        "classes": network.classes,
        "layers": layers.collect::<Vec<_>>(),
        "parameters": network.parameter_count(),
        "trainable_parameters": network.trainable_parameter_count(),
        "multiply_adds": network.multiply_adds(),
    })
}

/// What the rung changes of its parent, computed from both.
fn show_diff(rung: &Rung, catalog: &RungCatalog, output: &Output) -> anyhow::Result<()> {
    let Some(parent) = rung.parent_rung(catalog)? else {
        output.line(&format!(
            "{} has no parent: it is where the ladder starts",
            rung.name
        ));
        return output.json(&json!({ "model": rung.name, "parent": null, "differences": [] }));
    };
    let differences: Vec<String> = diff(&parent, rung).iter().map(ToString::to_string).collect();
    output.line(&format!("{} against {}: {}", rung.name, parent.name, rung.change));
    output.line("");
    for difference in &differences {
        output.line(difference);
    }
    output.json(&json!({ "model": rung.name, "parent": parent.name, "differences": differences }))
}
