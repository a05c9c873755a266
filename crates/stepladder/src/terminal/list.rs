//! Names in a sentence.

/// Names with commas between them, the first `most` of many: `a, b, c and 3 more`.
pub(crate) fn listed<S: AsRef<str>>(names: &[S], most: usize) -> String {
    // One that is left out takes no more room than its count.
    let shown = match names.len() > most + 1 {
        true => most,
        false => names.len(),
    };
    let text: Vec<&str> = names[..shown].iter().map(AsRef::as_ref).collect();
    match names.len() - shown {
        0 => text.join(", "),
        more => format!("{} and {more} more", text.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_end_in_their_number() {
        assert_eq!(listed(&["a", "b", "c"], 2), "a, b, c");
        assert_eq!(listed(&["a", "b", "c", "d"], 2), "a, b and 2 more");
        assert_eq!(listed::<&str>(&[], 2), "");
    }
}
