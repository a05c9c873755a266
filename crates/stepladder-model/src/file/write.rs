//! Located values back to text, as a person would lay it out: plain keys first, one layer to a line, then the tables.

use std::fmt::Write;

use super::value::{Table, Value};

/// The text of a whole file.
pub(crate) fn document_text(document: &Table) -> String {
    let mut text = String::new();
    let (tables, plain): (Vec<_>, Vec<_>) = document
        .entries
        .iter()
        .partition(|entry| matches!(entry.item.value, Value::Table(_)));
    for entry in plain {
        let value = &entry.item.value;
        let value = if let Value::List(items) = value
            && items.iter().any(|item| matches!(item.value, Value::Table(_)))
        {
            let lines = items
                .iter()
                .map(|item| format!("  {},\n", value_text(&item.value)));
            format!("[\n{}]", lines.collect::<String>())
        } else {
            value_text(value)
        };
        line(&mut text, &entry.key, &value);
    }
    for entry in tables {
        let Value::Table(table) = &entry.item.value else {
            continue;
        };
        text.push_str(&format!("\n[{}]\n", entry.key));
        for entry in &table.entries {
            line(&mut text, &entry.key, &value_text(&entry.item.value));
        }
    }
    text
}

fn line(text: &mut String, key: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{key} = {value}");
}

/// A key, in quotes where TOML wants them: the names of classes may be anything.
fn key_text(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        // A text may be written over several lines, and a key may not.
        format!("\"{}\"", key.replace('\\', r"\\").replace('"', r#"\""#))
    }
}

/// A value on one line.
pub(crate) fn value_text(value: &Value) -> String {
    match value {
        Value::Text(text) => toml::Value::String(text.clone()).to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(flag) => flag.to_string(),
        Value::Date(date) => date.clone(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| value_text(&item.value)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) => {
            let entries = table.entries.iter();
            let entries: Vec<String> = entries
                .map(|entry| format!("{} = {}", key_text(&entry.key), value_text(&entry.item.value)))
                .collect();
            if entries.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }
}
