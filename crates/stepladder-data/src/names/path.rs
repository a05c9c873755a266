//! Paths as text and back: safe to print, another text for each path, and the path again from the text, whatever bytes a file
//! system allows in names.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::acts;

/// A path as it is shown in lists and tables, '/'-separated. A byte that is not UTF-8 stands as `\xE4`, a character that a terminal acts
/// upon as `\u{1b}`, and a backslash that would begin one of these as `\\`. [`path_of`] is the inverse.
pub fn shown_path(path: &Path) -> String {
    let mut shown = String::new();
    for (place, component) in path.iter().enumerate() {
        if place > 0 && !shown.ends_with('/') {
            shown.push('/');
        }
        // The root of an absolute path is a component of its own.
        if component == std::path::MAIN_SEPARATOR_STR {
            shown.push('/');
        } else {
            show(component.as_encoded_bytes(), &mut shown);
        }
    }
    shown
}

/// The path that [`shown_path`] shows so.
pub fn path_of(shown: &str) -> PathBuf {
    if !shown.contains('\\') {
        return PathBuf::from(shown);
    }
    let mut bytes = Vec::with_capacity(shown.len());
    let mut rest = shown;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        let taken = escape(rest, &mut bytes);
        rest = &rest[taken..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    of_bytes(bytes)
}

/// Appends one component.
pub(super) fn show(name: &[u8], shown: &mut String) {
    for chunk in name.utf8_chunks() {
        let text = chunk.valid();
        for (at, c) in text.char_indices() {
            let follows = &text[at + c.len_utf8()..];
            let bytes_follow = follows.is_empty() && !chunk.invalid().is_empty();
            if acts(c) {
                shown.extend(c.escape_unicode());
            } else if c == '\\' && (bytes_follow || would_escape(follows)) {
                shown.push_str("\\\\");
            } else {
                shown.push(c);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\x{byte:02X}");
        }
    }
}

/// Whether a backslash before this text would be read as the beginning of an escape.
fn would_escape(follows: &str) -> bool {
    follows.starts_with(['\\', 'x']) || follows.starts_with("u{") || follows.starts_with(acts)
}

/// Reads one escape, or a backslash that is none, and gives its length in the text.
fn escape(text: &str, bytes: &mut Vec<u8>) -> usize {
    let follows = &text[1..];
    if follows.starts_with('\\') {
        bytes.push(b'\\');
        return 2;
    }
    let byte = follows.strip_prefix('x').and_then(|hex| hex.get(..2));
    if let Some(byte) = byte
        .and_then(|hex| u8::from_str_radix(hex, 16).ok())
        .filter(|byte| *byte >= 0x80)
    {
        bytes.push(byte);
        return 4;
    }
    let code = follows.strip_prefix("u{").and_then(|rest| rest.split_once('}'));
    let c = code.and_then(|(hex, _)| Some((hex, char::from_u32(u32::from_str_radix(hex, 16).ok()?)?)));
    if let Some((hex, c)) = c.filter(|(_, c)| acts(*c)) {
        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        return "\\u{}".len() + hex.len();
    }
    bytes.push(b'\\');
    1
}

#[cfg(unix)]
fn of_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// Elsewhere names are Unicode, but for unpaired surrogates, which are not found again.
#[cfg(not(unix))]
fn of_bytes(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    fn shown(bytes: &[u8]) -> String {
        shown_path(Path::new(OsStr::from_bytes(bytes)))
    }

    #[test]
    fn usual_names_stay_as_they_are() {
        for name in ["daisy/1.jpg", "/a b/Blüte 🌼.png", "back\\slash", "a/b\\c"] {
            assert_eq!(shown(name.as_bytes()), name);
        }
    }

    #[test]
    fn bytes_controls_and_what_looks_like_them_differ() {
        assert_eq!(shown(b"ros\xe9/1.jpg"), "ros\\xE9/1.jpg");
        assert_eq!(shown(b"ros\\xE9/1.jpg"), "ros\\\\xE9/1.jpg");
        assert_eq!(shown(b"a\x1b[1m"), "a\\u{1b}[1m");
        assert_eq!(shown(b"a\\u{1b}[1m"), "a\\\\u{1b}[1m");
    }

    proptest! {
        #[test]
        fn every_path_is_found_again_by_its_text(
            parts in prop::collection::vec(prop::collection::vec(prop_oneof![
                Just(b'\\'), Just(b'x'), Just(b'u'), Just(b'{'), Just(b'}'), Just(b'E'), Just(b'9'), Just(0x1b), 0x80..=0xff_u8, 1..=0x2e_u8
            ], 1..9), 1..4)
        ) {
            prop_assume!(parts.iter().all(|part| part != b"." && part != b".."));
            let path = PathBuf::from(OsStr::from_bytes(&parts.join(&b'/')));
            prop_assert_eq!(path_of(&shown_path(&path)), path);
        }
    }
}
