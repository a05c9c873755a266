//! The `[start]` table in the file.

use super::reader::{Field, Range, Reader};
use super::value::Table;
use crate::error::RungError;
use crate::start::{Frozen, Head, Start};

const KEYS: &[&str] = &[
    "weights",
    "sha256",
    "head",
    "frozen",
    "exact_head",
    "learning_rate_decay",
    "frozen_statistics",
];

/// What an error shows where the weights are not named.
const WEIGHTS: &str = "weights = \"shipped\", a file of weights, \"hf:timm/NAME\" or \"run:runs/NAME\"";

/// Digits of a sha256.
const DIGITS: usize = 64;

pub(super) fn read(table: &Table, layers: &[String]) -> Result<Start, RungError> {
    let reader = Reader::new(table, "[start]", KEYS)?;
    let head = reader.or("head", Head::New, |field| field.choice("head", Head::NAMES))?;
    let weights = reader.required("weights", WEIGHTS, |field| field.text().map(str::to_owned))?;
    Ok(Start {
        sha256: reader.optional("sha256", read_sha256)?,
        frozen: reader.or("frozen", Frozen::Backbone, |field| read_frozen(field, layers))?,
        exact_head: reader.or("exact_head", head == Head::New, |field| field.flag())?,
        learning_rate_decay: reader.or("learning_rate_decay", 1.0, |field| field.number(Range::PART))?,
        frozen_statistics: reader.or("frozen_statistics", true, |field| field.flag())?,
        weights,
        head,
    })
}

fn read_sha256(field: &Field<'_>) -> Result<String, RungError> {
    let text = field.text()?;
    match text.len() == DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(field.wrong("64 hexadecimal digits")),
    }
}

pub(super) fn read_frozen(field: &Field<'_>, layers: &[String]) -> Result<Frozen, RungError> {
    match field.text()? {
        "none" => Ok(Frozen::None),
        "backbone" => Ok(Frozen::Backbone),
        name if layers.iter().any(|layer| layer == name) => Ok(Frozen::UpTo(name.to_owned())),
        name => {
            let words = ["backbone", "none"].into_iter();
            let names = words.chain(layers.iter().map(String::as_str));
            let known: Vec<(&str, ())> = names.map(|name| (name, ())).collect();
            Err(field.unknown("layer", name, &known))
        }
    }
}

pub(super) fn write(start: &Start) -> Table {
    let mut table = Table::default();
    table.put("weights", start.weights.as_str());
    if let Some(sha256) = &start.sha256 {
        table.put("sha256", sha256.as_str());
    }
    table.put("head", start.head.name());
    table.put("frozen", start.frozen.name());
    table.put("exact_head", start.exact_head);
    table.put("learning_rate_decay", start.learning_rate_decay);
    table.put("frozen_statistics", start.frozen_statistics);
    table
}
