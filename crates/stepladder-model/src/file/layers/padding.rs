//! The padding of a window in the file: a word, or pixels in the shortest form that says them.

use super::read::SIDE_LIMIT;
use crate::error::RungError;
use crate::file::reader::{Field, Reader, as_count};
use crate::file::value::{Item, Value};
use crate::layer::Padding;

impl From<Padding> for Value {
    /// Pixels that are the same on all sides are one number, the same on opposite sides a list of rows and columns.
    fn from(padding: Padding) -> Value {
        let number = |count: usize| Value::from(count);
        match padding {
            Padding::Valid => "valid".into(),
            Padding::Same => "same".into(),
            Padding::Explicit([[top, bottom], [left, right]]) if top == bottom && left == right => {
                [top, left].into()
            }
            Padding::Explicit(sides) => {
                let pair = |[before, after]: [usize; 2]| Value::from(vec![number(before), number(after)]);
                sides.map(pair).to_vec().into()
            }
        }
    }
}

/// The layer's padding; none where it says nothing, as in Keras.
pub(super) fn padding(reader: &Reader<'_>) -> Result<Padding, RungError> {
    reader.or("padding", Padding::Valid, read)
}

fn read(field: &Field<'_>) -> Result<Padding, RungError> {
    if let Value::Text(_) = field.item.value {
        return field.choice("padding", Padding::NAMES);
    }
    let padding = pixels(&field.item.value);
    let within = |padding: &[[usize; 2]; 2]| padding.as_flattened().iter().all(|&side| side <= SIDE_LIMIT);
    match padding.filter(within) {
        Some(padding) => Ok(Padding::Explicit(padding)),
        None => Err(field.wrong(format!(
            "\"valid\", \"same\", a whole number from 0 to {SIDE_LIMIT}, [rows, columns], or [[top, bottom], [left, right]]"
        ))),
    }
}

/// One number for all sides, two for rows and columns, or a pair for each axis.
fn pixels(value: &Value) -> Option<[[usize; 2]; 2]> {
    let Value::List(items) = value else {
        return as_count(value).map(|side| [[side; 2]; 2]);
    };
    let [rows, columns] = items.as_slice() else {
        return None;
    };
    match (&rows.value, &columns.value) {
        (Value::List(rows), Value::List(columns)) => {
            let pair = |axis: &[Item]| match axis {
                [before, after] => Some([as_count(&before.value)?, as_count(&after.value)?]),
                _ => None,
            };
            Some([pair(rows)?, pair(columns)?])
        }
        (rows, columns) => Some([[as_count(rows)?; 2], [as_count(columns)?; 2]]),
    }
}
