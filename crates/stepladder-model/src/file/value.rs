//! TOML values that know where they were written. Tables keep the order of the file.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::image_size::ImageSize;
use crate::place::Place;
use crate::shown::shown;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// TOML has dates, and no rung has use for one.
    Date(String),
    List(Vec<Item>),
    Table(Table),
}

/// Keys in the order of the file, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    pub(crate) place: Place,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) item: Item,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Item> {
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.item)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Item> {
        self.entries
            .iter_mut()
            .find(|entry| entry.key == key)
            .map(|entry| &mut entry.item)
    }

    /// Replaces the value of `key`, or adds it at the end.
    pub(crate) fn set(&mut self, key: &str, item: Item) {
        match self.get_mut(key) {
            Some(old) => *old = item,
            None => self.entries.push(Entry {
                key: key.to_owned(),
                item,
            }),
        }
    }

    /// Adds a value that was written nowhere.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.set(
            key,
            Item {
                value: value.into(),
                place: self.place.clone(),
            },
        );
    }

    /// Adds a value unless it is what a reader would assume without it.
    pub(crate) fn put_unless<T: Into<Value> + PartialEq>(&mut self, key: &str, value: T, default: T) {
        if value != default {
            self.put(key, value);
        }
    }
}

impl Value {
    /// For "must be .., and is ..".
    pub(crate) fn describe(&self) -> String {
        match self {
            Value::Text(text) => format!("the text \"{}\"", shown(text)),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => format!("{number:?}"),
            Value::Boolean(flag) => flag.to_string(),
            Value::Date(date) => format!("the date {date}"),
            Value::List(items) if items.is_empty() => "an empty list".to_owned(),
            Value::List(items) if items.len() > 4 => format!("a list of {}", items.len()),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.value.describe_in_list()).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Table(_) => "a table".to_owned(),
        }
    }
}

impl Value {
    /// Lists within lists are not followed.
    fn describe_in_list(&self) -> String {
        if let Value::List(_) = self {
            return "[..]".to_owned();
        }
        self.describe()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Boolean(flag)
    }
}

impl From<usize> for Value {
    /// Counts come from files, where they are `i64`.
    fn from(count: usize) -> Value {
        Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Float(number)
    }
}

impl From<f32> for Value {
    /// By way of the shortest decimal, so that 0.001 is written as such and not as 0.0010000000474974513.
    fn from(number: f32) -> Value {
        Value::Float(format!("{number:?}").parse().unwrap_or(f64::from(number)))
    }
}

impl From<Table> for Value {
    fn from(table: Table) -> Value {
        Value::Table(table)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Value {
        let item = |value: T| Item {
            value: value.into(),
            place: Place::default(),
        };
        Value::List(values.into_iter().map(item).collect())
    }
}

impl From<&[f32]> for Value {
    /// A list of one is written as a number.
    fn from(numbers: &[f32]) -> Value {
        match numbers {
            &[number] => number.into(),
            numbers => numbers.to_vec().into(),
        }
    }
}

impl From<[f32; 2]> for Value {
    fn from(interval: [f32; 2]) -> Value {
        interval.to_vec().into()
    }
}

impl From<ImageSize> for Value {
    fn from(size: ImageSize) -> Value {
        <[usize; 2]>::from(size).into()
    }
}

impl From<[usize; 2]> for Value {
    /// A square is written as one number.
    fn from(sides: [usize; 2]) -> Value {
        if sides[0] == sides[1] {
            sides[0].into()
        } else {
            sides.to_vec().into()
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Text(text) | Value::Date(text) => serializer.serialize_str(text),
            Value::Integer(number) => serializer.serialize_i64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Boolean(flag) => serializer.serialize_bool(*flag),
            Value::List(items) => serializer.collect_seq(items.iter().map(|item| &item.value)),
            Value::Table(table) => table.serialize(serializer),
        }
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len()))?;
        for entry in &self.entries {
            map.serialize_entry(&entry.key, &entry.item.value)?;
        }
        map.end()
    }
}
