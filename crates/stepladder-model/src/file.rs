//! The rung's file format, both ways: text to located values, values to a rung, and back. Inheritance and overrides
//! work on the located values, so that every error, whatever way a value came, names where it was written.

mod augmentation;
mod layers;
mod optimizer;
mod parse;
mod phases;
mod reader;
mod rung;
mod start;
mod training;
mod value;
mod write;

pub(crate) use layers::layer_tables;
pub(crate) use parse::{TEXT_LIMIT, parse_document, parse_option};
pub(crate) use rung::{inherit, read, table};
pub(crate) use value::{Item, Table, Value};
pub(crate) use write::{document_text, value_text};
