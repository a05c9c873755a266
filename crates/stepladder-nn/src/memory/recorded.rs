//! The way back's side of an operation, noted as it is done.

use super::ledger::Held;

/// What an operation does on the way back.
#[derive(Debug)]
pub(super) struct Recorded {
    /// Kept for it.
    pub kept: Vec<Held>,
    /// The gradient that it takes, and those that it gives, with their bytes.
    pub of_output: usize,
    pub of_inputs: Vec<(usize, usize)>,
    /// Whether the gradients that it gives are the one that it takes, seen differently.
    pub is_view: bool,
    /// The same of the last input's alone.
    pub last_is_view: bool,
    /// That of the output.
    pub depth: usize,
    /// Buffers that come and go before the last gradient of an input is there, and after.
    pub before: Vec<usize>,
    pub after: Vec<usize>,
    /// Gradients of parameters.
    pub of_parameters: Vec<usize>,
}

impl Recorded {
    /// An operation that keeps `kept`, and nothing else that is known yet.
    pub fn keeping(kept: Vec<Held>) -> Recorded {
        Recorded {
            kept,
            of_output: 0,
            of_inputs: Vec::new(),
            is_view: false,
            last_is_view: false,
            depth: 0,
            before: Vec::new(),
            after: Vec::new(),
            of_parameters: Vec::new(),
        }
    }

    /// An operation whose output is its input, seen differently.
    pub fn view() -> Recorded {
        Recorded {
            is_view: true,
            ..Recorded::keeping(Vec::new())
        }
    }
}
