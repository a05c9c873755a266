//! Where something was written: the file (or the command-line option) and the line. Every part of a rung that can be
//! wrong carries its place, so that an error found late, in shape inference, still names the line to mend.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A line of a rung file, or the option that set a value.
///
/// All places compare equal: where a thing was written is no part of what it says, so two rungs that say the same are
/// equal wherever they were read from.
#[derive(Clone, Debug, Default)]
pub struct Place {
    origin: Option<Arc<Origin>>,
    /// Counted from 1; 0 where there are no lines (a command-line option).
    line: usize,
}

/// The file, shipped rung, or option that a text came from.
#[derive(Debug)]
pub(crate) struct Origin {
    /// As errors show it.
    pub(crate) name: String,
    /// Where relative parents are looked for; `None` for text that may not name other files.
    pub(crate) directory: Option<PathBuf>,
}

impl Place {
    pub(crate) fn new(origin: Arc<Origin>, line: usize) -> Place {
        Place {
            origin: Some(origin),
            line,
        }
    }

    /// The place of a value that was set on the command line.
    pub(crate) fn option(name: String) -> Place {
        Place::new(
            Arc::new(Origin {
                name,
                directory: None,
            }),
            0,
        )
    }

    pub(crate) fn origin(&self) -> Option<&Arc<Origin>> {
        self.origin.as_ref()
    }

    /// The file or option, as errors show it; empty for what was never written anywhere.
    pub fn name(&self) -> &str {
        self.origin.as_ref().map_or("", |origin| origin.name.as_str())
    }

    /// The line, counted from 1, where there is one.
    pub fn line(&self) -> Option<usize> {
        (self.line > 0).then_some(self.line)
    }
}

impl PartialEq for Place {
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

impl Eq for Place {}

/// `m5.toml:12`, or only the name, or `rung` for what was built in code.
impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.line) {
            (None, _) => formatter.write_str("rung"),
            (Some(origin), 0) => formatter.write_str(&origin.name),
            (Some(origin), line) => write!(formatter, "{}:{line}", origin.name),
        }
    }
}
