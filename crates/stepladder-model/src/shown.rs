//! Names from a file as a message shows them. A file is hostile until it is read: a name in it may be as long as the
//! file, or hold characters that move a terminal's cursor.

/// Characters that a message shows of a name.
const LONGEST: usize = 64;

/// The name, cut where it is long, with control characters escaped.
pub(crate) fn shown(name: &str) -> String {
    let mut text = String::new();
    for (index, character) in name.chars().enumerate() {
        if index == LONGEST {
            text.push_str("..");
            break;
        }
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_shown_as_they_are() {
        assert_eq!(shown("kernel_size"), "kernel_size");
        assert_eq!(shown("größe"), "größe");
    }

    #[test]
    fn long_names_are_cut_and_control_characters_escaped() {
        assert_eq!(shown(&"k".repeat(100)), format!("{}..", "k".repeat(64)));
        assert_eq!(shown("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
    }
}
