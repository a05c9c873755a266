//! What differs between two rungs, worked out and not told. Layers are aligned first, so that one layer more is one
//! difference and not a shift of all that follow.

use std::fmt;

use serde::Serialize;

use crate::file::{self, Item, Table, Value};
use crate::rung::{Defaults, Rung};

/// Keys in which rungs differ by being different rungs, or by what they say of themselves.
const OWN: &[&str] = &["name", "parent", "complete", "change", "about", "deck", "allow"];

/// Kernel initializers, which a layer has from the rung's defaults where it does not say so itself.
const KERNEL_INITIALIZERS: &[&str] = &[
    "kernel_initializer",
    "depthwise_initializer",
    "pointwise_initializer",
];

/// What a depthwise initializer scales with, which a layer has from the rung's defaults likewise.
const FAN_IN: &str = "depthwise_fan_in";

/// One value that differs, as the rung file would have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The value's path, as `--set` has it: `optimizer.type`, `layers.conv2d_1.filters`.
    pub key: String,
    /// The parent's value; `None` for what the child adds.
    pub before: Option<String>,
    /// The child's value; `None` for what the child takes out.
    pub after: Option<String>,
}

/// `- optimizer.type = "nadam"` and `+ optimizer.type = "adam"`, each on a line.
impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(before) = &self.before {
            write!(formatter, "- {} = {before}", self.key)?;
        }
        if self.before.is_some() && self.after.is_some() {
            formatter.write_str("\n")?;
        }
        if let Some(after) = &self.after {
            write!(formatter, "+ {} = {after}", self.key)?;
        }
        Ok(())
    }
}

/// What `child` does differently from `parent`, in the order of a rung file. Names and descriptions are left out; an
/// initializer that all layers have from `[defaults]` is one difference.
pub fn diff(parent: &Rung, child: &Rung) -> Vec<Difference> {
    let (before, after) = (file::table(parent), file::table(child));
    let mut differences = Vec::new();
    let removed = before
        .entries
        .iter()
        .map(|entry| &entry.key)
        .filter(|key| after.get(key).is_none());
    let keys = after.entries.iter().map(|entry| &entry.key).chain(removed);
    for key in keys.filter(|key| !OWN.contains(&key.as_str())) {
        if key == "layers" {
            diff_layers(parent, child, &mut differences);
        } else {
            diff_values(key, value(&before, key), value(&after, key), &mut differences);
        }
    }
    differences
}

fn value<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    table.get(key).map(|item| &item.value)
}

fn diff_values(key: &str, before: Option<&Value>, after: Option<&Value>, out: &mut Vec<Difference>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Table(before)), Some(Value::Table(after))) => {
            let removed = before
                .entries
                .iter()
                .filter(|entry| after.get(&entry.key).is_none());
            for entry in after.entries.iter().chain(removed) {
                let path = format!("{key}.{}", entry.key);
                diff_values(&path, value(before, &entry.key), value(after, &entry.key), out);
            }
        }
        (before, after) => out.push(Difference {
            key: key.to_owned(),
            before: before.map(file::value_text),
            after: after.map(file::value_text),
        }),
    }
}

fn diff_layers(parent: &Rung, child: &Rung, out: &mut Vec<Difference>) {
    let before = Layers::new(parent);
    let after = Layers::new(child);
    let steps = align(&before, &after);
    for (index, step) in steps.iter().enumerate() {
        let next = steps.get(index + 1);
        match *step {
            Step::Removed(index) => out.push(Difference {
                key: before.key(index),
                before: Some(before.text(index)),
                after: None,
            }),
            Step::Added(index) => out.push(Difference {
                key: after.key(index),
                before: None,
                after: Some(after.text(index)),
            }),
            Step::Paired(from, to) => {
                let key = after.key(to);
                let passed_on = match next {
                    Some(&Step::Added(new)) => after.takes_name_over(new, to, &before, from),
                    Some(&Step::Removed(old)) => before.takes_name_over(old, from, &after, to),
                    _ => false,
                };
                let (mut from, mut to) = before.pair(from, &after, to);
                if passed_on {
                    from.entries.retain(|entry| entry.key != "name");
                    to.entries.retain(|entry| entry.key != "name");
                }
                let (from, to) = (from.into(), to.into());
                diff_values(&key, Some(&from), Some(&to), out);
            }
        }
    }
}

/// A rung's layers in the form of the file.
struct Layers {
    names: Vec<String>,
    tables: Vec<Table>,
    defaults: Defaults,
}

impl Layers {
    fn new(rung: &Rung) -> Layers {
        let tables = file::layer_tables(&rung.layers, &rung.defaults).into_iter();
        let table = |item: Item| {
            let Value::Table(table) = item.value else {
                return None;
            };
            Some(table)
        };
        Layers {
            names: rung.layer_names(),
            tables: tables.filter_map(table).collect(),
            defaults: rung.defaults.clone(),
        }
    }

    fn key(&self, index: usize) -> String {
        format!("layers.{}", self.names[index])
    }

    fn text(&self, index: usize) -> String {
        file::value_text(&self.tables[index].clone().into())
    }

    /// Whether the layer at `index`, which only these layers have, stands behind a nameless layer that is in both lists
    /// (`behind`, and `same` in the other), and has the name that the other list gives to that one. Then whoever names
    /// it as an input means "what comes out here" in both: the name has moved to the layer that was put in, and that
    /// layer is all of the difference.
    fn takes_name_over(&self, index: usize, behind: usize, other: &Layers, same: usize) -> bool {
        let table = &self.tables[index];
        let name = value(table, "name");
        let follows = table.get("input").is_none() && table.get("inputs").is_none();
        let moved = name.is_some() && name == value(&other.tables[same], "name");
        follows && moved && value(&self.tables[behind], "name").is_none()
    }

    /// Two layers to compare: where only one says what the other has from its rung's defaults, both say it.
    fn pair(&self, from: usize, other: &Layers, to: usize) -> (Table, Table) {
        let (mut before, mut after) = (self.tables[from].clone(), other.tables[to].clone());
        for key in KERNEL_INITIALIZERS.iter().chain([&FAN_IN]) {
            match (before.get(key), after.get(key)) {
                (Some(_), None) => after.put(key, other.default(key)),
                (None, Some(_)) => before.put(key, self.default(key)),
                _ => {}
            }
        }
        (before, after)
    }

    fn default(&self, key: &str) -> Value {
        if key == FAN_IN {
            self.defaults.depthwise_fan_in.into()
        } else {
            self.defaults.kernel_initializer.into()
        }
    }
}

enum Step {
    Removed(usize),
    Added(usize),
    Paired(usize, usize),
}

/// Pairs layers in order so that as many as possible are paired with one of their kind, and of these as many as
/// possible with an equal one (dynamic programming over both lists, as for the longest common subsequence). Kind before
/// equality, so that blocks stay in step where every layer of a network is made wider.
fn align(before: &Layers, after: &Layers) -> Vec<Step> {
    let (rows, columns) = (before.tables.len(), after.tables.len());
    // One pair more must outweigh any number of equal ones.
    let pair = u32::try_from(rows.min(columns)).unwrap_or(u32::MAX >> 16) + 1;
    let score = |from: usize, to: usize| {
        let (from, to) = (&before.tables[from], &after.tables[to]);
        match (
            from.entries == to.entries,
            value(from, "layer") == value(to, "layer"),
        ) {
            (true, _) => pair + 1,
            (false, true) => pair,
            (false, false) => 0,
        }
    };
    let width = columns + 1;
    let mut best = vec![0u32; (rows + 1) * width];
    for from in (0..rows).rev() {
        for to in (0..columns).rev() {
            let paired = match score(from, to) {
                0 => 0,
                score => score + best[(from + 1) * width + to + 1],
            };
            best[from * width + to] = paired
                .max(best[(from + 1) * width + to])
                .max(best[from * width + to + 1]);
        }
    }
    let mut steps = Vec::new();
    let (mut from, mut to) = (0, 0);
    while from < rows || to < columns {
        let here = best[from * width + to];
        if from < rows && to < columns {
            let score = score(from, to);
            if score > 0 && here == score + best[(from + 1) * width + to + 1] {
                steps.push(Step::Paired(from, to));
                (from, to) = (from + 1, to + 1);
                continue;
            }
        }
        if from < rows && (to == columns || here == best[(from + 1) * width + to]) {
            steps.push(Step::Removed(from));
            from += 1;
        } else {
            steps.push(Step::Added(to));
            to += 1;
        }
    }
    steps
}
