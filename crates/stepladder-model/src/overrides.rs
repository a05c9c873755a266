//! `--set key=value`: a rung with one value changed, by the dotted path that the value has in the file.

use crate::error::RungError;
use crate::file::{self, Item, Table, Value};
use crate::place::Place;
use crate::rung::Rung;

/// What inheritance has already used, so that a new value would change nothing.
const SETTLED: &[&str] = &["parent", "complete"];

impl Rung {
    /// The rung with one value changed. `key` is the value's path in the file: `optimizer.learning_rate`,
    /// `training.epochs`, `layers[3].filters`, `layers.conv2d_1.filters` (a layer by its name, given or as
    /// [`Graph`](crate::Graph) numbers it). `value` is written as in the file; text needs no quotes.
    ///
    /// Setting a `type` starts its table afresh, since the other keys belong to the type; `false` does without
    /// `early_stopping`, `reduce_lr_on_plateau` or `augmentation`.
    ///
    /// # Errors
    ///
    /// As reading a file with that value; the place is `--set key`.
    pub fn with_override(&self, key: &str, value: &str) -> Result<Rung, RungError> {
        self.with_overrides([(key, value)])
    }

    /// As [`with_override`](Self::with_override) with several values, in order; only the result need make sense.
    ///
    /// # Errors
    ///
    /// As [`with_override`](Self::with_override).
    pub fn with_overrides<'a>(
        &self,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Rung, RungError> {
        let mut table = file::table(self);
        for (key, value) in overrides {
            let place = Place::option(format!("--set {}", key.chars().take(80).collect::<String>()));
            let item = file::parse_option(value, &place)?;
            set(
                &mut table,
                &Target {
                    rung: self,
                    key,
                    place: &place,
                },
                item,
            )?;
        }
        let mut rung = file::read(&table)?;
        rung.place = self.place.clone();
        Ok(rung)
    }
}

/// The value that an option means.
struct Target<'a> {
    rung: &'a Rung,
    key: &'a str,
    place: &'a Place,
}

impl Target<'_> {
    fn wrong(&self, message: impl Into<String>) -> RungError {
        RungError::Override {
            place: self.place.clone(),
            message: message.into(),
        }
    }
}

fn set(table: &mut Table, target: &Target<'_>, item: Item) -> Result<(), RungError> {
    let mut segments = target.key.split('.').map(str::trim);
    let first = segments.next().unwrap_or_default();
    let rest: Vec<&str> = segments.collect();
    if first.is_empty() || rest.iter().any(|segment| segment.is_empty()) {
        return Err(target.wrong("an empty key; write it as in the file, optimizer.learning_rate"));
    }
    if SETTLED.contains(&first) {
        return Err(target.wrong(format!(
            "`{first}` cannot be set; write a rung file that names its `parent`"
        )));
    }
    if first == "layers" || first.starts_with("layers[") {
        return set_in_layer(table, first, &rest, target, item);
    }
    match rest.as_slice() {
        [] => table.set(first, item),
        [key] => match table.get_mut(first) {
            Some(Item {
                value: Value::Table(inner),
                ..
            }) => set_in_table(inner, key, item),
            // Absent, or `false`.
            _ => {
                let mut inner = Table {
                    entries: Vec::new(),
                    place: target.place.clone(),
                };
                inner.set(key, item);
                table.set(
                    first,
                    Item {
                        value: inner.into(),
                        place: target.place.clone(),
                    },
                );
            }
        },
        _ => return Err(target.wrong("too many dots; a key is TABLE.KEY or layers.NAME.KEY")),
    }
    Ok(())
}

fn set_in_table(table: &mut Table, key: &str, item: Item) {
    if key == "type" && table.get("type").is_some_and(|old| old.value != item.value) {
        table.entries.clear();
    }
    // What the table's values do not allow together now is due to the option.
    table.place = item.place.clone();
    table.set(key, item);
}

fn set_in_layer(
    table: &mut Table,
    first: &str,
    rest: &[&str],
    target: &Target<'_>,
    item: Item,
) -> Result<(), RungError> {
    let (index, keys) = match (first.strip_prefix("layers["), rest) {
        (Some(index), keys) => (layer_at(index, target)?, keys),
        (None, [name, keys @ ..]) => (layer_named(name, target)?, keys),
        (None, []) => {
            table.set("layers", item);
            return Ok(());
        }
    };
    let layer = match table.get_mut("layers") {
        Some(Item {
            value: Value::List(layers),
            ..
        }) => layers.get_mut(index),
        _ => None,
    };
    let Some(layer) = layer else {
        return Err(target.wrong("the list of layers was itself replaced; change it there"));
    };
    match (keys, &mut layer.value) {
        ([], _) => *layer = item,
        ([key], Value::Table(layer)) => {
            layer.set(key, item);
            // What does not fit now is due to the option, not to the line of the file.
            layer.place = target.place.clone();
        }
        _ => return Err(target.wrong("too many dots; a layer's key is layers.NAME.KEY")),
    }
    Ok(())
}

fn layer_at(index: &str, target: &Target<'_>) -> Result<usize, RungError> {
    let count = target.rung.layers.len();
    let index = index
        .strip_suffix(']')
        .and_then(|index| index.trim().parse::<usize>().ok());
    index.filter(|&index| index < count).ok_or_else(|| {
        target.wrong(format!(
            "the rung has {count} layers; write layers[0] to layers[{}]",
            count.saturating_sub(1)
        ))
    })
}

fn layer_named(name: &str, target: &Target<'_>) -> Result<usize, RungError> {
    let names = target.rung.layer_names();
    if let Some(index) = names.iter().position(|known| known == name) {
        return Ok(index);
    }
    Err(target.wrong(
        match crate::suggest::nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("no layer is called `{name}`; did you mean `{near}`?"),
            None => format!("no layer is called `{name}`; there are {}", names.join(", ")),
        },
    ))
}
