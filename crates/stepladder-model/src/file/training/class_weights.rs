//! `class_weights` in `[training]`: `"none"`, `"balanced"`, a list in the order of the classes, or a table by their names.

use super::super::reader::{Field, Range};
use super::super::value::{Table, Value};
use crate::error::RungError;
use crate::training::ClassWeights;

const EXPECTED: &str = "\"none\", \"balanced\", a list of numbers in the order of the classes, or a table of numbers by class, { daisy = 2.0 }; numbers are 0 or more";

pub(super) fn read(field: &Field<'_>) -> Result<ClassWeights, RungError> {
    let number = |item| {
        let field = Field { item, ..*field };
        field.number(Range::NOT_NEGATIVE)
    };
    match &field.item.value {
        Value::Text(name) if name == "none" => Ok(ClassWeights::None),
        Value::Text(name) if name == "balanced" => Ok(ClassWeights::Balanced),
        Value::List(items) if !items.is_empty() => {
            let weights = items.iter().map(number).collect::<Result<Vec<f32>, _>>()?;
            Ok(ClassWeights::Each(weights))
        }
        Value::Table(table) if !table.entries.is_empty() => {
            let named = table.entries.iter().map(|entry| {
                if entry.key.chars().any(char::is_control) {
                    return Err(field.wrong("names of classes without control characters"));
                }
                Ok((entry.key.clone(), number(&entry.item)?))
            });
            Ok(ClassWeights::Named(named.collect::<Result<_, RungError>>()?))
        }
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Date(_)
        | Value::List(_)
        | Value::Table(_) => Err(field.wrong(EXPECTED)),
    }
}

/// `None` where every class counts the same.
pub(super) fn write(weights: &ClassWeights) -> Option<Value> {
    match weights {
        ClassWeights::None => None,
        ClassWeights::Balanced => Some("balanced".into()),
        ClassWeights::Each(weights) => Some(weights.clone().into()),
        ClassWeights::Named(weights) => {
            let mut table = Table::default();
            for (class, weight) in weights {
                table.put(class, *weight);
            }
            Some(table.into())
        }
    }
}
