//! `stepladder models`: the rungs as a ladder, and one rung in detail.

use super::new_rung;
use crate::Ending;
use crate::arguments::{ModelsArguments, ModelsCommand};
use crate::terminal::{Alignment, Output, Table, count, percent};
use serde_json::json;
use stepladder_model::{
    Finding, Graph, Rung, RungCatalog, ShippedRung, beyond, diff, family, lint, networks, pretrained,
    shipped, variants,
};

pub(crate) fn models(arguments: ModelsArguments, output: &Output) -> anyhow::Result<Ending> {
    if let Some(ModelsCommand::New(arguments)) = &arguments.command {
        return new_rung(arguments, output);
    }
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

/// The ladder, below it the variants, the family, the second ladder and the networks, one line each.
fn list(catalog: &RungCatalog, arguments: &ModelsArguments, output: &Output) -> anyhow::Result<()> {
    let (table, rungs) = ladder_rows(shipped(), catalog, arguments)?;
    output.table(&table);
    output.line("");
    output.line("Variants, which take apart what a rung changed at once or mend a mistake:");
    output.line("");
    let (table, beside) = ladder_rows(variants(), catalog, arguments)?;
    output.table(&table);
    output.line("");
    output.line("The family that auto chooses from:");
    output.line("");
    let (table, of_family) = rows(family(), catalog, arguments)?;
    output.table(&table);
    output.line("");
    output.line("The second ladder, climb --ladder beyond: small with an ingredient less or more:");
    output.line("");
    let (table, ingredients) = rows(beyond(), catalog, arguments)?;
    output.table(&table);
    output.line("");
    output.line("Its last rungs, which start from ImageNet's weights:");
    output.line("");
    let (table, of_weights) = rows(pretrained(), catalog, arguments)?;
    output.table(&table);
    output.line("");
    output.line("Networks that pretrained weights fit:");
    output.line("");
    let (table, known) = rows(networks(), catalog, arguments)?;
    output.table(&table);
    output.line("");
    output.line(
        "deck: the test accuracy that the origin of the ladder reports, on photos of its own at 512 px",
    );
    output.hint("stepladder models m5                    layers, shapes and costs of one rung");
    output.hint("stepladder models m5 --diff             what it changes of its parent");
    output.hint("stepladder models new my.toml --from m5 start one of your own");
    output.json(&json!({
        "models": rungs,
        "variants": beside,
        "family": of_family,
        "beyond": ingredients,
        "pretrained": of_weights,
        "networks": known,
    }))
}

/// As [`ladder_rows`], of rungs beside the ladder, which have no figures of its origin.
fn rows(
    shipped: &[ShippedRung],
    catalog: &RungCatalog,
    arguments: &ModelsArguments,
) -> anyhow::Result<(Table, Vec<serde_json::Value>)> {
    use Alignment::{Left, Right};
    let mut table = Table::new([
        ("rung", Left),
        ("parameters", Right),
        ("multiply-adds", Right),
        ("what it is", Left),
    ]);
    let mut listed = Vec::new();
    for shipped in shipped {
        let (rung, [parameters, multiply_adds], document) = costs(shipped, catalog, arguments)?;
        table.row([
            rung.name.clone(),
            count(parameters),
            count(multiply_adds),
            rung.change.clone(),
        ]);
        listed.push(document);
    }
    Ok((table, listed))
}

/// A rung with its parameters and multiply-adds, and what programs are told of it.
fn costs(
    shipped: &ShippedRung,
    catalog: &RungCatalog,
    arguments: &ModelsArguments,
) -> anyhow::Result<(Rung, [u64; 2], serde_json::Value)> {
    let rung = catalog.get(shipped.name)?;
    let graph = rung.graph(arguments.size.unwrap_or(rung.input.size), arguments.classes)?;
    let costs = [graph.trainable_parameter_count(), graph.multiply_adds()];
    let document = json!({
        "name": rung.name,
        "change": rung.change,
        "size": graph.image_size(),
        "parameters": costs[0],
        "multiply_adds": costs[1],
    });
    Ok((rung, costs, document))
}

/// A table of rungs for people, and the same for programs.
fn ladder_rows(
    shipped: &[ShippedRung],
    catalog: &RungCatalog,
    arguments: &ModelsArguments,
) -> anyhow::Result<(Table, Vec<serde_json::Value>)> {
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
    for shipped in shipped {
        let (rung, [parameters, multiply_adds], mut document) = costs(shipped, catalog, arguments)?;
        // By way of its decimal digits: 0.56 as f64 is 0.56, where the f32 behind it is 0.5600000023841858.
        let deck = rung
            .deck
            .as_ref()
            .and_then(|deck| deck.test_accuracy?.to_string().parse::<f64>().ok());
        table.row([
            rung.name.clone(),
            rung.parent.clone().unwrap_or_default(),
            count(parameters),
            count(multiply_adds),
            deck.map(percent).unwrap_or_default(),
            rung.change.clone(),
        ]);
        document["parent"] = json!(rung.parent);
        document["deck_test_accuracy"] = json!(deck);
        rungs.push(document);
    }
    Ok((table, rungs))
}

/// One rung: what it is and every layer.
fn show(rung: &Rung, arguments: &ModelsArguments, output: &Output) -> anyhow::Result<()> {
    let graph = rung.graph(arguments.size.unwrap_or(rung.input.size), arguments.classes)?;
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
    output.line(graph.summary().trim_end());
    let findings = lint(rung, &graph, &[]);
    if !findings.is_empty() {
        output.line("");
    }
    for finding in &findings {
        let word = if finding.silenced { "allowed" } else { "warning" };
        output.line(&format!("{word}: {finding}"));
    }
    output.json(&description(rung, &graph, &findings))
}

/// The rung and its layers as data.
fn description(rung: &Rung, graph: &Graph, findings: &[Finding]) -> serde_json::Value {
    let layers = graph.layers.iter().enumerate().map(|(index, layer)| {
        json!({
            "name": layer.name,
            "layer": layer.kind,
            "output": graph.layer_output(index).to_string(),
            "parameters": graph.layer_parameter_count(index),
            "multiply_adds": graph.layer_multiply_adds(index),
        })
    });
    json!({
        "model": rung.name,
        "parent": rung.parent,
        "change": rung.change,
        "about": rung.about,
        "input": graph.input,
        "classes": graph.classes,
        "layers": layers.collect::<Vec<_>>(),
        "parameters": graph.parameter_count(),
        "trainable_parameters": graph.trainable_parameter_count(),
        "multiply_adds": graph.multiply_adds(),
        "lints": findings,
    })
}

/// What the rung changes of its parent, computed from both.
fn show_diff(rung: &Rung, catalog: &RungCatalog, output: &Output) -> anyhow::Result<()> {
    let Some(parent) = rung.parent_rung(catalog)? else {
        output.line(&format!("{} has no parent: it changes no other rung", rung.name));
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
