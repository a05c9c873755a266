//! `multipart/form-data` (RFC 7578) of a body that lies in memory: each part is its name and a slice of the body.

use axum::body::Bytes;
use memchr::memmem::Finder;

/// The longest headers of a part, in bytes.
const LONGEST_HEADERS: usize = 8 << 10;

/// The longest boundary (RFC 2046, 5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// One part of a form.
#[derive(Debug, PartialEq)]
pub(crate) struct Part {
    /// The file's name, or else the field's.
    pub name: Option<String>,
    pub content: Bytes,
}

/// The parts of a form, one after another; after an error there are no more.
pub(crate) struct Parts {
    /// What is left of the body: behind a boundary, or at the form's beginning.
    rest: Bytes,
    /// `\r\n--boundary`.
    delimiter: Finder<'static>,
    is_done: bool,
}

impl Parts {
    /// Reads the boundary in the request's content type, and what stands before the first part.
    pub fn new(content_type: &str, body: Bytes) -> Result<Parts, &'static str> {
        let (_, parameters) = content_type.split_once(';').unwrap_or_default();
        let boundary = parameter(parameters, "boundary").ok_or("its content type names no boundary")?;
        if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
            return Err("its boundary is empty or too long");
        }
        let delimiter = format!("\r\n--{boundary}");
        let first = &delimiter.as_bytes()[2..];
        // What comes before the first boundary is for programs that do not know forms.
        let begin = match body.starts_with(first) {
            true => first.len(),
            false => {
                let at = memchr::memmem::find(&body, delimiter.as_bytes()).ok_or("it has no part")?;
                at + delimiter.len()
            }
        };
        Ok(Parts {
            rest: body.slice(begin..),
            delimiter: Finder::new(delimiter.as_bytes()).into_owned(),
            is_done: false,
        })
    }

    /// The part behind the boundary where `rest` begins; `None` behind the last.
    fn part(&mut self) -> Result<Option<Part>, &'static str> {
        if self.rest.starts_with(b"--") {
            return Ok(None);
        }
        let line = memchr::memmem::find(&self.rest, b"\r\n").ok_or("it ends before it is whole")?;
        if !self.rest[..line].iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            return Err("a boundary is followed by something else");
        }
        // The line's end stays, so that a part without headers ends them as others do.
        let rest = self.rest.slice(line..);
        let within = &rest[..rest.len().min(LONGEST_HEADERS)];
        let headers = memchr::memmem::find(within, b"\r\n\r\n").ok_or("a part's headers do not end")?;
        let content = rest.slice(headers + 4..);
        let end = self
            .delimiter
            .find(&content)
            .ok_or("it ends before it is whole")?;
        let name = name(&String::from_utf8_lossy(&rest[..headers]));
        self.rest = content.slice(end + self.delimiter.needle().len()..);
        Ok(Some(Part {
            name,
            content: content.slice(..end),
        }))
    }
}

impl Iterator for Parts {
    type Item = Result<Part, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let part = self.part();
        self.is_done = !matches!(part, Ok(Some(_)));
        part.transpose()
    }
}

/// What the header `Content-Disposition` calls the part.
fn name(headers: &str) -> Option<String> {
    let disposition = headers.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    })?;
    let (_, parameters) = disposition.split_once(';')?;
    parameter(parameters, "filename").or_else(|| parameter(parameters, "name"))
}

/// The value of `key` in `key=value; other="quoted; value"`.
fn parameter(parameters: &str, key: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        let (found, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim_end().to_string(), &after[end..])
            }
        };
        if found.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case(key) {
            return Some(value);
        }
        rest = next;
    }
}

/// The text up to the closing quotation mark, and what follows that. A backslash stands before such a mark within the text, and before
/// another backslash; before anything else it is one, as in the paths of Windows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => {
                let escaped = characters.next_if(|(_, next)| matches!(next, '"' | '\\'));
                value.push(escaped.map_or('\\', |(_, next)| next));
            }
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(kind: &str, body: &[u8]) -> Result<Vec<Part>, &'static str> {
        Parts::new(kind, Bytes::copy_from_slice(body))?.collect()
    }

    fn part(name: Option<&str>, content: &'static [u8]) -> Part {
        Part {
            name: name.map(String::from),
            content: Bytes::from_static(content),
        }
    }

    #[test]
    fn parts_are_names_and_bytes() {
        let body = b"for others\r\n--edge\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a; \\\"b\\\".png\"\r\n\
            Content-Type: image/png\r\n\r\n\r\n--edgy\r\nx\r\n--edge \r\ncontent-disposition: form-data; name=c\r\n\r\n\r\n--edge\r\n\r\n\
            no name\r\n--edge--\r\nfor others";
        let read = parts("multipart/form-data; charset=utf-8; Boundary=\"edge\"", body).unwrap();
        let expected = [
            part(Some("a; \"b\".png"), b"\r\n--edgy\r\nx"),
            part(Some("c"), b""),
            part(None, b"no name"),
        ];
        assert_eq!(read, expected);
        assert_eq!(parts("multipart/form-data; boundary=e", b"--e--"), Ok(Vec::new()));
    }

    #[test]
    fn a_form_that_is_cut_anywhere_is_damaged() {
        let body = b"--e\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nbytes\r\n--e--";
        for length in 0..body.len() {
            assert!(
                parts("multipart/form-data; boundary=e", &body[..length]).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn nonsense_is_damaged() {
        for kind in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"e",
        ] {
            assert!(parts(kind, b"--e--").is_err(), "{kind}");
        }
        for body in [b"--ex\r\n\r\n\r\n--e--".as_slice(), b"--e\r\nx", b""] {
            assert!(parts("multipart/form-data; boundary=e", body).is_err());
        }
    }

    #[test]
    fn paths_of_windows_keep_their_backslashes() {
        let headers = "content-disposition: form-data; filename=\"C:\\photos\\a.png\"";
        assert_eq!(name(headers).as_deref(), Some("C:\\photos\\a.png"));
    }
}
