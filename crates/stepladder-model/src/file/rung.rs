//! The file as a whole: what a child inherits, and the way from a complete table to a [`Rung`] and back.

use serde::ser::{Serialize, Serializer};

use super::layers::{layer_tables, read_fan_in, read_initializer, read_layers};
use super::reader::{Field, Range, Reader};
use super::value::{Item, Table, Value};
use super::{augmentation, optimizer, phases, start, training};
use crate::error::RungError;
use crate::graph::{SIZE_LIMIT, names};
use crate::image_size::ImageSize;
use crate::initializer::DepthwiseFanIn;
use crate::lint::lint_names;
use crate::rung::{DeckFigures, Defaults, Fit, Input, Rung};
use crate::training::EvaluationConfig;

/// Every key of the file, in the order in which it is written.
const KEYS: &[&str] = &[
    "name",
    "parent",
    "complete",
    "change",
    "about",
    "allow",
    "layers",
    "phase",
    "deck",
    "input",
    "defaults",
    "optimizer",
    "schedule",
    "training",
    "evaluation",
    "early_stopping",
    "reduce_lr_on_plateau",
    "augmentation",
    "start",
    "split",
];

/// What a file says of itself alone. A silenced lint is among it: whoever writes a child of a rung that makes a mistake on
/// purpose has not decided to make it too.
const NOT_INHERITED: &[&str] = &["name", "parent", "complete", "change", "about", "deck", "allow"];

/// Replaced as a whole: a list of layers has no keys to merge by, and what the other keys of these tables mean depends
/// on their `type`.
const REPLACED_WHOLE: &[&str] = &["layers", "optimizer", "schedule"];

/// What an error shows where the table is missing.
const OPTIMIZER_EXAMPLE: &str = "[optimizer] with type = \"adam\"";

/// Longest name of a rung, which becomes part of a directory's name.
const NAME_LIMIT: usize = 64;

/// Fills in what `child` does not say from `parent`, whose own ancestors are already filled in.
pub(crate) fn inherit(child: &mut Table, parent: Table) {
    for entry in parent.entries {
        if NOT_INHERITED.contains(&entry.key.as_str()) {
            continue;
        }
        let merges = !REPLACED_WHOLE.contains(&entry.key.as_str());
        match (
            child.get_mut(&entry.key).map(|item| &mut item.value),
            entry.item.value,
        ) {
            (None, value) => child.set(
                &entry.key,
                Item {
                    value,
                    place: entry.item.place,
                },
            ),
            (Some(Value::Table(own)), Value::Table(inherited)) if merges => {
                let unsaid = inherited
                    .entries
                    .into_iter()
                    .filter(|entry| own.get(&entry.key).is_none());
                let unsaid: Vec<_> = unsaid.collect();
                own.entries.extend(unsaid);
            }
            (Some(_), _) => {}
        }
    }
}

/// Reads a table in which everything inherited is filled in, and checks that its network can be.
pub(crate) fn read(table: &Table) -> Result<Rung, RungError> {
    let reader = Reader::new(table, "the rung", KEYS)?;
    let parent = reader.optional("parent", |field| field.text().map(str::to_owned))?;
    let change = reader.optional("change", |field| field.text().map(str::to_owned))?;
    let change = match (change, &parent) {
        (Some(change), _) => change,
        (None, None) => String::new(),
        (None, Some(_)) => {
            let example = "change = \"..\", what differs from the parent, in one sentence";
            reader.required("change", example, |field| field.text().map(str::to_owned))?
        }
    };
    let defaults = optional_table(&reader, "defaults", read_defaults)?.unwrap_or_default();
    let name_example = "name = \"..\", by which the command line calls it";
    let layers_example = "layers = [ { layer = \"Conv2D\", .. }, .. ], or name a `parent` that has some";
    let name = reader.required("name", name_example, read_name)?;
    let schedule = optional_table(&reader, "schedule", training::read_schedule)?;
    let split = optional_table(&reader, "split", training::read_split)?;
    let layers = reader.required("layers", layers_example, |field| read_layers(field, &defaults))?;
    let names = names(&layers);
    let input = required_table(&reader, "input", "[input] with size = 512", read_input)?;
    let input_size = input.size;
    let rung = Rung {
        name,
        parent,
        change,
        about: reader.optional("about", |field| field.text().map(str::to_owned))?,
        deck: optional_table(&reader, "deck", read_deck)?,
        layers,
        input,
        defaults,
        optimizer: required_table(&reader, "optimizer", OPTIMIZER_EXAMPLE, optimizer::read)?,
        ema_momentum: required_table(&reader, "optimizer", OPTIMIZER_EXAMPLE, optimizer::read_ema)?,
        parameter_groups: required_table(&reader, "optimizer", OPTIMIZER_EXAMPLE, optimizer::read_groups)?,
        schedule: schedule.unwrap_or_default(),
        early_stopping: table_or_false(&reader, "early_stopping", training::read_early_stopping)?,
        reduce_lr_on_plateau: table_or_false(&reader, "reduce_lr_on_plateau", training::read_plateau)?,
        training: required_table(
            &reader,
            "training",
            "[training] with epochs = 30",
            training::read_training,
        )?,
        phases: reader.or("phase", Vec::new(), |field| {
            phases::read(field, input_size, &names)
        })?,
        evaluation: optional_table(&reader, "evaluation", training::read_evaluation)?.unwrap_or_default(),
        augmentation: table_or_false(&reader, "augmentation", augmentation::read_generator)?,
        start: table_or_false(&reader, "start", |table| start::read(table, &names))?,
        split: split.unwrap_or_default(),
        allow: reader.or("allow", Vec::new(), read_allow)?,
        place: reader
            .field("name")
            .map(|field| field.place().clone())
            .unwrap_or_default(),
    };
    check_phases(&reader, &rung)?;
    rung.check()?;
    Ok(rung)
}

/// Refuses phases of another shape than the input's, as photos are kept in that shape, and those that freeze random weights.
fn check_phases(reader: &Reader<'_>, rung: &Rung) -> Result<(), RungError> {
    if rung.start.is_none() && rung.phases.iter().any(|phase| phase.frozen.is_some()) {
        let expected = "tables without `frozen`, as the rung starts from random weights; write a [start] table for pretrained ones";
        return reader
            .optional("phase", |field| Err::<(), _>(field.wrong(expected)))
            .map(drop);
    }
    let own = rung.input.size;
    let Some(phase) = rung.phases.iter().find(|phase| !phase.size.has_shape_of(own)) else {
        return Ok(());
    };
    let long = phase.size.long_side();
    let like = own.map(|side| (side * long).div_ceil(own.long_side()));
    let expected = format!(
        "tables whose sizes have the shape of the input's, {}, such as size = {}",
        own.to_toml(),
        like.to_toml()
    );
    reader
        .optional("phase", |field| Err::<(), _>(field.wrong(expected.clone())))
        .map(drop)
}

fn required_table<T>(
    reader: &Reader<'_>,
    key: &'static str,
    example: &'static str,
    read: fn(&Table) -> Result<T, RungError>,
) -> Result<T, RungError> {
    reader.required(key, example, |field| read_table(field, read))
}

fn read_table<T>(field: &Field<'_>, read: fn(&Table) -> Result<T, RungError>) -> Result<T, RungError> {
    read(field.table(format!("a table, [{}]", field.key))?)
}

fn optional_table<T>(
    reader: &Reader<'_>,
    key: &'static str,
    read: fn(&Table) -> Result<T, RungError>,
) -> Result<Option<T>, RungError> {
    reader.optional(key, |field| read_table(field, read))
}

/// As [`optional_table`]; a child writes `key = false` to do without what its parent has.
fn table_or_false<T>(
    reader: &Reader<'_>,
    key: &'static str,
    read: impl Fn(&Table) -> Result<T, RungError>,
) -> Result<Option<T>, RungError> {
    let table = reader.optional(key, |field| {
        if field.item.value == Value::Boolean(false) {
            return Ok(None);
        }
        read(field.table(format!("a table, [{key}], or false to do without"))?).map(Some)
    })?;
    Ok(table.flatten())
}

/// A rung's name is typed on the command line and becomes part of a directory's name.
fn read_name(field: &Field<'_>) -> Result<String, RungError> {
    let name = field.text()?;
    let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if !starts_well || name.len() > NAME_LIMIT || !name.chars().all(plain) {
        let expected =
            format!("1 to {NAME_LIMIT} of the characters A-Z a-z 0-9 _ - . and begin with a letter or digit");
        return Err(field.wrong(expected));
    }
    Ok(name.to_owned())
}

/// Names of lints: a misspelt one would silence nothing.
fn read_allow(field: &Field<'_>) -> Result<Vec<String>, RungError> {
    let names = field.texts()?;
    let known: Vec<(&str, ())> = lint_names().map(|name| (name, ())).collect();
    match names
        .iter()
        .find(|&name| known.iter().all(|(lint, ())| lint != name))
    {
        Some(name) => Err(field.unknown("lint", name, &known)),
        None => Ok(names),
    }
}

fn read_input(table: &Table) -> Result<Input, RungError> {
    let reader = Reader::new(table, "[input]", &["size", "fit", "enlarge"])?;
    Ok(Input {
        size: reader.required("size", "size = 512", |field| {
            field.sides(SIZE_LIMIT).map(ImageSize::from)
        })?,
        fit: reader.or("fit", Fit::Crop, |field| field.choice("fit", Fit::NAMES))?,
        enlarge: reader.or("enlarge", false, |field| field.flag())?,
    })
}

fn read_defaults(table: &Table) -> Result<Defaults, RungError> {
    let reader = Reader::new(table, "[defaults]", &["kernel_initializer", "depthwise_fan_in"])?;
    let default = Defaults::default();
    Ok(Defaults {
        kernel_initializer: reader.or("kernel_initializer", default.kernel_initializer, read_initializer)?,
        depthwise_fan_in: reader.or("depthwise_fan_in", default.depthwise_fan_in, read_fan_in)?,
    })
}

fn read_deck(table: &Table) -> Result<DeckFigures, RungError> {
    let keys = &[
        "test_accuracy",
        "val_accuracy",
        "train_accuracy",
        "epochs",
        "hours",
    ];
    let reader = Reader::new(table, "[deck]", keys)?;
    let accuracy = |key: &'static str| reader.optional(key, |field| field.number(Range::SHARE));
    Ok(DeckFigures {
        test_accuracy: accuracy("test_accuracy")?,
        val_accuracy: accuracy("val_accuracy")?,
        train_accuracy: accuracy("train_accuracy")?,
        epochs: reader.optional("epochs", |field| field.count(1, 1_000_000))?,
        hours: reader.optional("hours", |field| field.number(Range::POSITIVE))?,
    })
}

/// The complete file of a rung: read again, it needs no parent.
pub(crate) fn table(rung: &Rung) -> Table {
    let mut table = Table {
        entries: Vec::new(),
        place: rung.place.clone(),
    };
    table.put("name", rung.name.as_str());
    if let Some(parent) = &rung.parent {
        table.put("parent", parent.as_str());
        table.put("complete", true);
    }
    table.put("change", rung.change.as_str());
    if let Some(about) = &rung.about {
        table.put("about", about.as_str());
    }
    table.put("allow", rung.allow.clone());
    table.put("layers", Value::List(layer_tables(&rung.layers, &rung.defaults)));
    if !rung.phases.is_empty() {
        table.put("phase", phases::write(&rung.phases));
    }
    if let Some(deck) = &rung.deck {
        table.put("deck", deck_table(deck));
    }
    let mut input = Table::default();
    input.put("size", rung.input.size);
    input.put_unless("fit", rung.input.fit.name(), Fit::Crop.name());
    input.put_unless("enlarge", rung.input.enlarge, false);
    table.put("input", input);
    let mut defaults = Table::default();
    defaults.put("kernel_initializer", rung.defaults.kernel_initializer);
    let usual = DepthwiseFanIn::default();
    defaults.put_unless("depthwise_fan_in", rung.defaults.depthwise_fan_in, usual);
    table.put("defaults", defaults);
    table.put(
        "optimizer",
        optimizer::write(&rung.optimizer, rung.ema_momentum, &rung.parameter_groups),
    );
    table.put("schedule", training::write_schedule(&rung.schedule));
    table.put("training", training::write_training(&rung.training));
    if rung.evaluation != EvaluationConfig::default() {
        table.put("evaluation", training::write_evaluation(&rung.evaluation));
    }
    if let Some(stopping) = &rung.early_stopping {
        table.put("early_stopping", training::write_early_stopping(stopping));
    }
    if let Some(plateau) = &rung.reduce_lr_on_plateau {
        table.put("reduce_lr_on_plateau", training::write_plateau(plateau));
    }
    if let Some(generator) = &rung.augmentation {
        table.put("augmentation", augmentation::write_generator(generator));
    }
    if let Some(start) = &rung.start {
        table.put("start", start::write(start));
    }
    table.put("split", training::write_split(&rung.split));
    table
}

fn deck_table(deck: &DeckFigures) -> Table {
    let mut table = Table::default();
    let accuracies = [
        ("test_accuracy", deck.test_accuracy),
        ("val_accuracy", deck.val_accuracy),
        ("train_accuracy", deck.train_accuracy),
    ];
    for (key, accuracy) in accuracies {
        if let Some(accuracy) = accuracy {
            table.put(key, accuracy);
        }
    }
    if let Some(epochs) = deck.epochs {
        table.put("epochs", epochs);
    }
    if let Some(hours) = deck.hours {
        table.put("hours", hours);
    }
    table
}

/// The same keys and values as [`Rung::to_toml`].
impl Serialize for Rung {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        table(self).serialize(serializer)
    }
}
