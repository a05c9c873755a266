//! What can be wrong with a rung's text. Each message names the file and line (or the option) and the remedy.

use std::io;

use crate::graph::GraphError;
use crate::place::Place;

/// A rung could not be found, read, or understood.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what the variants and their fields are"
)]
pub enum RungError {
    #[error("{path}: cannot be read: {source}")]
    Read { path: String, source: io::Error },
    #[error("{name}: not a rung: {reason}")]
    NotText { name: String, reason: String },
    #[error("{place}: not TOML: {message}")]
    Syntax { place: Place, message: String },
    #[error("{place}: unknown key `{key}` in {within}; {remedy}")]
    UnknownKey {
        place: Place,
        key: String,
        within: String,
        remedy: String,
    },
    #[error("{place}: {within} lacks `{key}`; write {example}")]
    MissingKey {
        place: Place,
        within: String,
        key: &'static str,
        example: &'static str,
    },
    #[error("{place}: `{key}` in {within} must be {expected}, and is {found}")]
    WrongValue {
        place: Place,
        key: String,
        within: String,
        expected: String,
        found: String,
    },
    #[error("{place}: unknown {what} `{name}`; {remedy}")]
    UnknownName {
        place: Place,
        what: &'static str,
        name: String,
        remedy: String,
    },
    #[error("{place}: {within} has both `{first}` and `{second}`; keep one")]
    Both {
        place: Place,
        within: String,
        first: &'static str,
        second: &'static str,
    },
    #[error(
        "{place}: `validation` and `test` in [split] leave nothing to train on; make their sum less than 1"
    )]
    NothingToTrainOn { place: Place },
    #[error("no rung is called `{name}`; {remedy}")]
    UnknownRung { name: String, remedy: String },
    #[error("{place}: no rung is called `{name}`; {remedy}")]
    UnknownParent {
        place: Place,
        name: String,
        remedy: String,
    },
    #[error(
        "{place}: the parent `{name}` is a file, which only a rung that is itself a file may name; save this rung as a file, or name a shipped one"
    )]
    ParentIsFile { place: Place, name: String },
    #[error("{place}: the parent `{name}` cannot be read: {source}")]
    ParentRead {
        place: Place,
        name: String,
        source: io::Error,
    },
    #[error("{place}: `{name}` is its own ancestor; name another `parent`")]
    Cycle { place: Place, name: String },
    #[error("{place}: more than {limit} generations of parents; name a nearer `parent`")]
    TooDeep { place: Place, limit: usize },
    #[error("{place}: {message}")]
    Override { place: Place, message: String },
    #[error(transparent)]
    Network(#[from] GraphError),
}
