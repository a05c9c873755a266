//! What is said of how the names of folders and files were read.

use super::{note, warn};
use stepladder_data::Remark;
use stepladder_inspection::advice;

/// A remark with what to do about it.
pub(crate) fn remark_line(remark: &Remark) -> String {
    match advice(remark) {
        Some(advice) => format!("{remark}; {advice}"),
        None => remark.to_string(),
    }
}

/// Says all of them on stderr.
pub(crate) fn warn_of_remarks(remarks: &[Remark]) {
    for remark in remarks {
        match remark.is_warning() {
            true => warn(&remark_line(remark)),
            false => note(&format!("note: {}", remark_line(remark))),
        }
    }
}
