//! Counting in words.

/// "1 photo", "2 photos".
pub(crate) fn count(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        _ => format!("{n} {}", plural(what)),
    }
}

/// "class" becomes "classes", "copy" "copies", "photo" "photos".
fn plural(what: &str) -> String {
    if let Some(stem) = what.strip_suffix('y') {
        format!("{stem}ies")
    } else if what.ends_with('s') {
        format!("{what}es")
    } else {
        format!("{what}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_their_words() {
        assert_eq!(count(1, "class"), "1 class");
        assert_eq!(
            ["class", "copy", "photo"].map(plural),
            ["classes", "copies", "photos"]
        );
    }
}
