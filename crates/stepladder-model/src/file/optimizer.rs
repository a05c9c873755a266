//! The `[optimizer]` table in the file.

use super::reader::{Field, Range, Reader};
use super::value::{Entry, Table, Value};
use crate::error::RungError;
use crate::optimizer::{Clipping, OptimizerConfig, ParameterGroups};

const WITHIN: &str = "[optimizer]";

/// Keras' default.
const EMA_MOMENTUM: f32 = 0.99;

const TYPES: &[(&str, Method)] = &[
    ("adam", Method::Adam),
    ("adamw", Method::AdamW),
    ("lion", Method::Lion),
    ("nadam", Method::Nadam),
    ("sgd", Method::Sgd),
];
/// Keys of every optimizer; those of one method come between.
const FIRST_KEYS: &[&str] = &["type", "learning_rate"];
const LAST_KEYS: &[&str] = &[
    "weight_decay",
    "clipnorm",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "exclude_from_weight_decay",
    "learning_rate_multipliers",
];

#[derive(Clone, Copy)]
enum Method {
    Adam,
    AdamW,
    Lion,
    Nadam,
    Sgd,
}

pub(super) fn read(table: &Table) -> Result<OptimizerConfig, RungError> {
    let method = method(table)?;
    let own: &[&str] = match method {
        Method::Sgd => &["momentum", "nesterov"],
        Method::Lion => &["beta_1", "beta_2"],
        Method::Adam | Method::AdamW | Method::Nadam => &["beta_1", "beta_2", "epsilon"],
    };
    let reader = Reader::new(table, WITHIN, &[FIRST_KEYS, own, LAST_KEYS].concat())?;
    let number =
        |key: &'static str, default: f32, range: Range| reader.or(key, default, |field| field.number(range));
    let clipping = clipping(&reader)?;
    let weight_decay = reader.optional("weight_decay", |field| field.number(Range::NOT_NEGATIVE))?;
    if let Method::Sgd = method {
        return Ok(OptimizerConfig::Sgd {
            learning_rate: number("learning_rate", 0.01, Range::POSITIVE)?,
            momentum: number("momentum", 0.0, Range::BELOW_ONE)?,
            nesterov: reader.or("nesterov", false, |field| field.flag())?,
            weight_decay,
            clipping,
        });
    }
    let learning_rate = number("learning_rate", 1e-3, Range::POSITIVE)?;
    let beta_1 = number("beta_1", 0.9, Range::BELOW_ONE)?;
    if let Method::Lion = method {
        return Ok(OptimizerConfig::Lion {
            learning_rate,
            beta_1,
            beta_2: number("beta_2", 0.99, Range::BELOW_ONE)?,
            weight_decay,
            clipping,
        });
    }
    let beta_2 = number("beta_2", 0.999, Range::BELOW_ONE)?;
    let epsilon = number("epsilon", 1e-7, Range::POSITIVE)?;
    Ok(match method {
        Method::AdamW => OptimizerConfig::AdamW {
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            weight_decay: weight_decay.unwrap_or(0.004),
            clipping,
        },
        Method::Nadam => OptimizerConfig::Nadam {
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            weight_decay,
            clipping,
        },
        Method::Adam | Method::Lion | Method::Sgd => OptimizerConfig::Adam {
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            weight_decay,
            clipping,
        },
    })
}

/// The momentum of the weights' moving average; `None` without one. The keys belong to every type, as in Keras.
pub(super) fn read_ema(table: &Table) -> Result<Option<f32>, RungError> {
    let field = |key| field(table, key);
    let momentum = field("ema_momentum").map(|field| field.number(Range::BELOW_ONE));
    let momentum = momentum.transpose()?.unwrap_or(EMA_MOMENTUM);
    match field("use_ema").map(|field| field.flag()).transpose()? {
        Some(true) => Ok(Some(momentum)),
        Some(false) => Ok(None),
        // A momentum by itself would do nothing in Keras, and is never meant so.
        None => Ok(table.get("ema_momentum").map(|_| momentum)),
    }
}

/// What some parameters have differently. The keys belong to every type.
pub(super) fn read_groups(table: &Table) -> Result<ParameterGroups, RungError> {
    let excluded = field(table, "exclude_from_weight_decay").map(|field| field.texts());
    let multipliers = field(table, "learning_rate_multipliers").map(|field| read_multipliers(&field));
    Ok(ParameterGroups {
        exclude_from_weight_decay: excluded.transpose()?.unwrap_or_default(),
        learning_rate_multipliers: multipliers.transpose()?.unwrap_or_default(),
    })
}

fn read_multipliers(field: &Field<'_>) -> Result<Vec<(String, f32)>, RungError> {
    let table = field.table("a table of numbers by parts of parameters' names, { beta = 64.0 }")?;
    let multiplier = |entry: &Entry| {
        if entry.key.chars().any(char::is_control) {
            return Err(field.wrong("parts of parameters' names without control characters"));
        }
        let item = &entry.item;
        let number = Field { item, ..*field }.number(Range::NOT_NEGATIVE)?;
        Ok((entry.key.clone(), number))
    };
    table.entries.iter().map(multiplier).collect()
}

fn field<'a>(table: &'a Table, key: &'static str) -> Option<Field<'a>> {
    table.get(key).map(|item| Field {
        key,
        within: WITHIN,
        item,
    })
}

/// The keys that may follow depend on the type, so it is read first.
fn method(table: &Table) -> Result<Method, RungError> {
    let only_type = Table {
        entries: table
            .entries
            .iter()
            .filter(|entry| entry.key == "type")
            .cloned()
            .collect(),
        place: table.place.clone(),
    };
    Reader::new(&only_type, WITHIN, &["type"])?.required(
        "type",
        "type = \"adam\" as well, because [optimizer] replaces the parent's as a whole",
        |field| field.choice("optimizer", TYPES),
    )
}

fn clipping(reader: &Reader<'_>) -> Result<Option<Clipping>, RungError> {
    reader.at_most_one("clipnorm", "global_clipnorm")?;
    let norm = reader.optional("clipnorm", |field| field.number(Range::POSITIVE))?;
    let global = reader.optional("global_clipnorm", |field| field.number(Range::POSITIVE))?;
    Ok(norm.map(Clipping::Norm).or(global.map(Clipping::GlobalNorm)))
}

pub(super) fn write(
    optimizer: &OptimizerConfig,
    ema_momentum: Option<f32>,
    groups: &ParameterGroups,
) -> Table {
    let mut table = Table::default();
    table.put("type", optimizer.name());
    table.put("learning_rate", optimizer.learning_rate());
    match *optimizer {
        OptimizerConfig::Adam {
            beta_1,
            beta_2,
            epsilon,
            ..
        }
        | OptimizerConfig::AdamW {
            beta_1,
            beta_2,
            epsilon,
            ..
        }
        | OptimizerConfig::Nadam {
            beta_1,
            beta_2,
            epsilon,
            ..
        } => {
            table.put("beta_1", beta_1);
            table.put("beta_2", beta_2);
            table.put("epsilon", epsilon);
        }
        OptimizerConfig::Lion { beta_1, beta_2, .. } => {
            table.put("beta_1", beta_1);
            table.put("beta_2", beta_2);
        }
        OptimizerConfig::Sgd {
            momentum, nesterov, ..
        } => {
            table.put("momentum", momentum);
            table.put("nesterov", nesterov);
        }
    }
    if let Some(decay) = optimizer.weight_decay() {
        table.put("weight_decay", decay);
    }
    match optimizer.clipping() {
        Some(Clipping::Norm(norm)) => table.put("clipnorm", norm),
        Some(Clipping::GlobalNorm(norm)) => table.put("global_clipnorm", norm),
        None => {}
    }
    if let Some(momentum) = ema_momentum {
        table.put("use_ema", true);
        table.put("ema_momentum", momentum);
    }
    write_groups(groups, &mut table);
    table
}

/// What no parameter has differently is left out.
fn write_groups(groups: &ParameterGroups, table: &mut Table) {
    let excluded = &groups.exclude_from_weight_decay;
    table.put_unless("exclude_from_weight_decay", excluded.clone(), Vec::new());
    if !groups.learning_rate_multipliers.is_empty() {
        let mut multipliers = Table::default();
        for (part, multiplier) in &groups.learning_rate_multipliers {
            multipliers.put(part, *multiplier);
        }
        table.put("learning_rate_multipliers", Value::Table(multipliers));
    }
}
