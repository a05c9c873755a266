//! Names of files as they come from archives, tables and file systems: made safe to print, normalized to one form, and
//! sorted into photos, junk that programs leave behind, and names that point outside.

mod alike;
mod elsewhere;
mod path;

pub use alike::nfc;
pub(crate) use alike::{alike, nfd};
pub use elsewhere::names_elsewhere;
pub use path::{path_of, shown_path};

use std::borrow::Cow;

/// Escapes what a terminal would act upon (control characters, and the marks that reorder text) as `\u{1b}`, and
/// leaves all other text as it is. Distinct names stay distinct.
///
/// Every name in this crate's public types has been through here, so that it can be printed as it is.
pub fn printable(name: &str) -> Cow<'_, str> {
    if !name.contains(acts) {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        if acts(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether a terminal would act upon a character.
fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A name from an archive or a table, '/'-separated, without empty and "." components, printable.
/// `None` for names that point outside: absolute, with a drive letter, or with "..".
pub(crate) fn normalize(raw: &str) -> Option<String> {
    let name = raw.replace('\\', "/");
    let drive = name.as_bytes().get(1) == Some(&b':') && name.as_bytes()[0].is_ascii_alphabetic();
    if name.starts_with('/') || drive {
        return None;
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part => parts.push(printable(part)),
        }
    }
    Some(parts.join("/"))
}

/// Whether a component of a path is something that operating systems and tools leave behind, or is hidden.
pub(crate) fn is_junk(component: &str) -> bool {
    const JUNK: [&str; 7] = [
        "__MACOSX",
        "Thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$RECYCLE.BIN",
        "System Volume Information",
        "@eaDir",
    ];
    component.starts_with('.') || JUNK.iter().any(|junk| component.eq_ignore_ascii_case(junk))
}

/// Why a file cannot be a photo, judged by its name alone: extensions of well-known other kinds. Everything else is
/// tried, as many photos carry a wrong extension or none.
pub(crate) fn not_a_photo(name: &str) -> Option<String> {
    const OTHER: [&str; 44] = [
        "txt", "csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "toml", "md", "rst", "htm", "html",
        "css", "js", "py", "ipynb", "sh", "bat", "ini", "cfg", "log", "pdf", "doc", "docx", "xls", "xlsx",
        "ppt", "pptx", "zip", "tar", "gz", "tgz", "bz2", "xz", "7z", "rar", "mat", "npy", "npz", "pkl", "h5",
        "mp4", "mov",
    ];
    let extension = name.rsplit('/').next()?.rsplit_once('.')?.1.to_ascii_lowercase();
    match extension.as_str() {
        "zip" | "tar" | "gz" | "tgz" | "bz2" | "xz" | "7z" | "rar" => {
            Some(format!("an archive inside (.{extension}), which is not opened"))
        }
        other if OTHER.contains(&other) => Some(format!("not a photo (.{other})")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[31m\nb\u{202e}c"),
            "a\\u{1b}[31m\\u{a}b\\u{202e}c"
        );
        assert_eq!(printable("🌼 Blüte.jpg"), "🌼 Blüte.jpg");
    }

    #[test]
    fn names_that_point_outside_are_refused() {
        assert_eq!(normalize("a\\b/./c.jpg").as_deref(), Some("a/b/c.jpg"));
        for bad in [
            "/etc/passwd",
            "../x.jpg",
            "a/../../x.jpg",
            "C:\\x.jpg",
            "\\\\server\\x.jpg",
        ] {
            assert_eq!(normalize(bad), None, "{bad}");
        }
    }

    #[test]
    fn other_kinds_of_files_are_known_by_extension() {
        assert!(not_a_photo("roses/notes.TXT").is_some());
        assert!(not_a_photo("roses/noext").is_none());
        assert!(not_a_photo("a.csv/photo").is_none());
    }
}
