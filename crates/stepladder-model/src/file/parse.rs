//! Text to located values. The grammar is the `toml` crate's, which also bounds the depth; this file adds lines.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::value::{Entry, Item, Table, Value};
use crate::error::RungError;
use crate::place::{Origin, Place};

/// Bytes of the longest text that is read. The largest shipped rung has a few thousand.
pub(crate) const TEXT_LIMIT: usize = 256 * 1024;

/// Reads a whole file's text.
pub(crate) fn parse_document(text: &str, origin: &Arc<Origin>) -> Result<Table, RungError> {
    if text.len() > TEXT_LIMIT {
        let reason = format!("longer than {} KiB", TEXT_LIMIT / 1024);
        return Err(RungError::NotText {
            name: origin.name.clone(),
            reason,
        });
    }
    let lines = Lines::new(text, origin);
    let document = DeTable::parse(text).map_err(|error| RungError::Syntax {
        place: error
            .span()
            .map_or(Place::new(origin.clone(), 0), |span| lines.place(span.start)),
        message: error.message().replace('\n', ", "),
    })?;
    lines.table(document.into_inner(), Place::new(origin.clone(), 1))
}

/// Reads a value as the command line gives it: TOML, or a bare word or number that TOML would want differently.
pub(crate) fn parse_option(text: &str, place: &Place) -> Result<Item, RungError> {
    if text.len() > TEXT_LIMIT {
        let message = format!("longer than {} KiB", TEXT_LIMIT / 1024);
        return Err(RungError::Override {
            place: place.clone(),
            message,
        });
    }
    let parsed = DeValue::parse(text.trim()).ok().map(Spanned::into_inner);
    let value = match parsed {
        Some(value) => {
            let lines = Lines {
                starts: Vec::new(),
                fixed: Some(place.clone()),
                origin: None,
            };
            lines.value(value, place.clone())?
        }
        // `.001` and `5.` are numbers everywhere but in TOML.
        None => match text.trim().parse::<f64>() {
            Ok(number) => Value::Float(number),
            Err(_) => Value::Text(text.trim().to_owned()),
        },
    };
    Ok(Item {
        value,
        place: place.clone(),
    })
}

/// Turns byte offsets into places.
struct Lines {
    /// Offset of the first byte of each line.
    starts: Vec<usize>,
    origin: Option<Arc<Origin>>,
    /// For text without lines: the place of everything in it.
    fixed: Option<Place>,
}

impl Lines {
    fn new(text: &str, origin: &Arc<Origin>) -> Lines {
        let breaks = text
            .bytes()
            .enumerate()
            .filter(|&(_, byte)| byte == b'\n')
            .map(|(at, _)| at + 1);
        Lines {
            starts: std::iter::once(0).chain(breaks).collect(),
            origin: Some(origin.clone()),
            fixed: None,
        }
    }

    fn place(&self, offset: usize) -> Place {
        match (&self.fixed, &self.origin) {
            (Some(place), _) => place.clone(),
            (None, Some(origin)) => Place::new(
                origin.clone(),
                self.starts.partition_point(|&start| start <= offset),
            ),
            (None, None) => Place::default(),
        }
    }

    fn table(&self, table: DeTable<'_>, place: Place) -> Result<Table, RungError> {
        // The parser sorts by key; the file's order is the order of the spans.
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entries = entries.into_iter().map(|(key, value)| {
            let place = self.place(key.span().start);
            let item = Item {
                value: self.value(value.into_inner(), place.clone())?,
                place,
            };
            Ok(Entry {
                key: key.into_inner().into_owned(),
                item,
            })
        });
        Ok(Table {
            entries: entries.collect::<Result<_, RungError>>()?,
            place,
        })
    }

    fn value(&self, value: DeValue<'_>, place: Place) -> Result<Value, RungError> {
        Ok(match value {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => Value::Integer(integer(&number, &place)?),
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Value::Boolean(flag),
            DeValue::Datetime(date) => Value::Date(date.to_string()),
            DeValue::Array(items) => {
                let items = items.into_iter().map(|item| {
                    let place = self.place(item.span().start);
                    Ok(Item {
                        value: self.value(item.into_inner(), place.clone())?,
                        place,
                    })
                });
                Value::List(items.collect::<Result<_, RungError>>()?)
            }
            DeValue::Table(table) => Value::Table(self.table(table, place)?),
        })
    }
}

fn integer(number: &DeInteger<'_>, place: &Place) -> Result<i64, RungError> {
    i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| RungError::Syntax {
        place: place.clone(),
        message: "a whole number that does not fit 64 bits".to_owned(),
    })
}
