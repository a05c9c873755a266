//! The text of a table, whatever it is encoded in: UTF-8, what its byte order mark says, or what the user says. Bytes that the
//! encoding does not know are an error with their line; none is replaced, as two classes could become one.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

use crate::names::printable;

/// Bytes that are decoded at a time.
const CHUNK: usize = 16 << 10;

/// Encodings that legacy tables come in, the most frequent first.
const LIKELY: [&str; 6] = [
    "windows-1251",
    "gbk",
    "shift_jis",
    "euc-kr",
    "big5",
    "windows-1252",
];

/// The encoding of this name, by the web's names for them (encoding.spec.whatwg.org) and those of Python and Windows.
pub(crate) fn encoding(name: &str) -> Option<&'static Encoding> {
    let name = name.trim().to_ascii_lowercase().replace(' ', "-");
    let label = match name.as_str() {
        "cp949" | "uhc" | "ms949" => "euc-kr",
        "cp936" | "ms936" => "gbk",
        "cp932" | "ms932" | "sjis" => "shift_jis",
        "cp950" => "big5",
        "latin-1" => "latin1",
        "cp1250" => "windows-1250",
        "utf8" | "utf-8-sig" => "utf-8",
        "utf16" | "utf-16" => "utf-16le",
        other => other,
    };
    // The standard knows `replacement`, which decodes nothing.
    Encoding::for_label(label.as_bytes()).filter(|found| found.name() != "replacement")
}

/// What the byte order mark at the beginning of a file says, and the mark's length.
pub(super) fn byte_order_mark(head: &[u8]) -> Option<(&'static Encoding, usize)> {
    Encoding::for_bom(head)
}

/// Whether text looks like UTF-16 that does not say so: every other byte of ASCII is zero.
pub(super) fn unmarked_utf16(head: &[u8]) -> Option<&'static str> {
    let zeros = |offset: usize| {
        head.iter()
            .skip(offset)
            .step_by(2)
            .filter(|&&byte| byte == 0)
            .count()
    };
    match (zeros(0), zeros(1), head.len() / 4) {
        (0, odd, least) if odd > least => Some("utf-16le"),
        (even, 0, least) if even > least => Some("utf-16be"),
        _ => None,
    }
}

/// The encodings in which these bytes are readable text, each with that text.
pub(super) fn readings(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let read = |name: &'static str| {
        let text = encoding(name)?.decode_without_bom_handling_and_without_replacement(bytes)?;
        let shown = printable(&text);
        // What a terminal would act upon is no class name.
        (shown == text).then(|| (name, shown.chars().take(24).collect()))
    };
    LIKELY.into_iter().filter_map(read).collect()
}

/// A file in another encoding, as UTF-8.
pub(super) struct Decoded<R> {
    input: R,
    decoder: Decoder,
    /// Bytes that were read and not decoded.
    waiting: Vec<u8>,
    ended: bool,
    /// Line that is being decoded, from 1.
    line: u64,
    ready: Vec<u8>,
    taken: usize,
}

/// Bytes that are no text in the encoding.
#[derive(Debug, thiserror::Error)]
#[error("bytes that are not {encoding}")]
pub(super) struct NotInEncoding {
    pub(super) encoding: &'static str,
    pub(super) line: u64,
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(input: R, encoding: &'static Encoding) -> Self {
        Self {
            input,
            decoder: encoding.new_decoder_with_bom_removal(),
            waiting: Vec::new(),
            ended: false,
            line: 1,
            ready: Vec::new(),
            taken: 0,
        }
    }

    /// Decodes the next bytes; at the end of the file, nothing.
    fn fill(&mut self) -> io::Result<()> {
        if !self.ended {
            let mut chunk = vec![0; CHUNK];
            let read = self.input.read(&mut chunk)?;
            self.ended = read == 0;
            self.waiting.extend_from_slice(&chunk[..read]);
        }
        self.ready.resize(4 * CHUNK, 0);
        let (result, read, written) =
            self.decoder
                .decode_to_utf8_without_replacement(&self.waiting, &mut self.ready, self.ended);
        self.waiting.drain(..read);
        self.ready.truncate(written);
        self.taken = 0;
        self.line += self.ready.iter().filter(|&&byte| byte == b'\n').count() as u64;
        match result {
            DecoderResult::Malformed(..) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                NotInEncoding {
                    encoding: self.decoder.encoding().name(),
                    line: self.line,
                },
            )),
            DecoderResult::InputEmpty | DecoderResult::OutputFull => Ok(()),
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            if self.ended && self.waiting.is_empty() {
                return Ok(0);
            }
            self.fill()?;
        }
        let count = buffer.len().min(self.ready.len() - self.taken);
        buffer[..count].copy_from_slice(&self.ready[self.taken..][..count]);
        self.taken += count;
        Ok(count)
    }
}

/// Text whose lines end as on Unix, whichever way they did: the reader of CSV counts no others, and an error names its line.
pub(super) struct UnixLines<R> {
    input: R,
    /// Whether the last byte was a carriage return, which has become the line's end.
    after_return: bool,
}

impl<R: Read> UnixLines<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            after_return: false,
        }
    }
}

impl<R: Read> Read for UnixLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.input.read(buffer)?;
            let mut kept = 0;
            for at in 0..read {
                let byte = buffer[at];
                let is_second = std::mem::replace(&mut self.after_return, byte == b'\r') && byte == b'\n';
                if !is_second {
                    buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
            }
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

/// Whether a file in this encoding can be read as it is, byte for byte: what is not UTF-8 is noticed cell by cell.
pub(super) fn is_utf8(encoding: &'static Encoding) -> bool {
    encoding == UTF_8
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{UTF_16BE, UTF_16LE};

    fn decoded(bytes: &[u8], name: &str) -> io::Result<String> {
        let mut text = String::new();
        // One byte at a time, so that characters are cut everywhere.
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let Some((first, rest)) = self.0.split_first() else {
                    return Ok(0);
                };
                buffer[0] = *first;
                self.0 = rest;
                Ok(1)
            }
        }
        Decoded::new(Slow(bytes), encoding(name).expect("known")).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn text_is_decoded_from_any_cut() {
        assert_eq!(decoded(b"\xd0\xee\xe7\xe0\n", "cp1251").expect("text"), "Роза\n");
        assert_eq!(decoded(b"\xe3\x80\x80"[..0].as_ref(), "gbk").expect("text"), "");
        let utf16: Vec<u8> = "file,class\nа,🌼\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(decoded(&utf16, "utf-16").expect("text"), "file,class\nа,🌼\n");
        let marked = [&b"\xff\xfe"[..], &utf16].concat();
        assert_eq!(byte_order_mark(&marked), Some((UTF_16LE, 2)));
        assert_eq!(byte_order_mark(b"\xfe\xff\0a"), Some((UTF_16BE, 2)));
        assert_eq!(unmarked_utf16(&utf16), Some("utf-16le"));
        assert_eq!(unmarked_utf16(b"file,class\n"), None);
    }

    #[test]
    fn what_the_encoding_does_not_know_is_an_error_with_its_line() {
        let error = decoded(b"a\nb\n\xff\xff", "shift_jis").expect_err("no text");
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<NotInEncoding>());
        assert_eq!(
            inner.map(|inner| (inner.encoding, inner.line)),
            Some(("Shift_JIS", 3))
        );
        // A character that the file's end cuts is an error too.
        assert!(decoded(b"a\n\x83", "shift_jis").is_err());
    }

    #[test]
    fn readings_are_those_that_a_person_could_mean() {
        let read = readings("роза".bytes().collect::<Vec<u8>>().as_slice());
        assert!(read.iter().all(|(_, text)| !text.contains('\u{fffd}')));
        let russian = encoding("cp1251").expect("known").encode("роза").0;
        assert!(readings(&russian).contains(&("windows-1251", String::from("роза"))));
        assert!(encoding("utf-7").is_none() && encoding("nonsense").is_none());
    }
}
