//! When two names are one: written with composed or with separate accents (Unicode's NFC and NFD), and when they are so nearly equal
//! that they may have been meant to be.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The name with composed characters, as most systems write it; macOS separates them.
pub fn nfc(name: &str) -> Cow<'_, str> {
    match is_nfc_quick(name.chars()) {
        IsNormalized::Yes => Cow::Borrowed(name),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(name.nfc().collect()),
    }
}

/// The name with separate accents.
pub(crate) fn nfd(name: &str) -> String {
    name.nfd().collect()
}

/// What names share that differ in case, in spaces, hyphens and underscores, or in the width of letters alone.
pub(crate) fn alike(name: &str) -> String {
    let letters = name.nfkc().flat_map(char::to_lowercase);
    let mut key: String = letters
        .map(|c| {
            if c.is_whitespace() || matches!(c, '-' | '_') {
                ' '
            } else {
                c
            }
        })
        .collect();
    while key.contains("  ") {
        key = key.replace("  ", " ");
    }
    key.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_are_one_way_or_the_other_and_the_same() {
        assert_eq!(nfc("Ga\u{308}nse"), "Gänse");
        assert_eq!(nfc(&nfd("장미 Gänse")), "장미 Gänse");
        assert!(matches!(nfc("daisy"), Cow::Borrowed(_)));
    }

    #[test]
    fn names_are_alike_by_case_spaces_and_hyphens() {
        for name in ["Wild Rose", "wild_rose ", "wild-rose", "WILD  ROSE", "ｗild rose"] {
            assert_eq!(alike(name), "wild rose", "{name}");
        }
        assert_ne!(alike("rose1"), alike("rose2"));
    }
}
