//! Cells of CSV that come from elsewhere. A spreadsheet takes a text that begins with one of a few signs for a formula, and runs it.

/// Whether a spreadsheet would take it for a formula.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A path, which stays the same path.
pub(crate) fn path_cell(path: &str) -> String {
    match is_formula(path) {
        true => format!("./{path}"),
        false => path.to_string(),
    }
}

/// A name, behind the sign by which spreadsheets know a text.
pub(crate) fn name_cell(name: &str) -> String {
    match is_formula(name) {
        true => format!("'{name}"),
        false => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_paths_and_names() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"] {
            assert_eq!(path_cell(formula), format!("./{formula}"));
            assert_eq!(name_cell(formula), format!("'{formula}"));
        }
        assert_eq!(
            (path_cell("a/=b.jpg").as_str(), name_cell("daisy").as_str()),
            ("a/=b.jpg", "daisy")
        );
    }
}
