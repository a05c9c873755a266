//! Names of a zip's entries as text. Names that are marked as UTF-8 are; others are in the encoding of the machine that packed them, which
//! the archive does not tell.

use std::borrow::Cow;
use std::io::{Read, Seek, SeekFrom};

use encoding_rs::Encoding;
use zip::read::ZipFileEntry;

use super::ZipSource;
use crate::names::printable;
use crate::positional::Cursor;
use crate::remark::Remark;

/// How the names of one archive are read.
pub(super) struct EntryNames<'a> {
    archive: &'a ZipSource,
    /// The encoding that was asked for.
    encoding: Option<&'static Encoding>,
    /// Whether some names are neither marked as UTF-8 nor are UTF-8. Then none that is not marked is taken for it.
    is_legacy: bool,
    /// Whether folders are parted by backslashes alone, as some programs for Windows did.
    backslashes: bool,
}

impl<'a> EntryNames<'a> {
    pub(super) fn new(archive: &'a ZipSource) -> Self {
        let mut names = Self {
            archive,
            encoding: archive.encoding,
            is_legacy: false,
            backslashes: true,
        };
        for entry in names.entries() {
            let raw = entry.name_raw();
            names.is_legacy |= std::str::from_utf8(raw).is_err() && !names.is_marked(&entry);
            names.backslashes &= !raw.contains(&b'/');
        }
        names
    }

    fn entries(&self) -> impl Iterator<Item = ZipFileEntry<'a>> + use<'a> {
        let directory = &self.archive.directory;
        (0..directory.len()).filter_map(|number| directory.entry(number).ok())
    }

    /// The name, with slashes or backslashes between its folders.
    pub(super) fn of(&self, entry: &ZipFileEntry<'_>) -> String {
        let raw = entry.name_raw();
        if raw.is_ascii() || !(self.is_legacy || self.encoding.is_some()) || self.is_marked(entry) {
            // What is not UTF-8 is read as code page 437 there, as the format says.
            return match entry.name() {
                Ok(name) => name.into_owned(),
                Err(_) => String::from_utf8_lossy(raw).into_owned(),
            };
        }
        match self.encoding {
            // A second byte may look like a backslash in Shift-JIS, GBK and Big5; as text it no longer does.
            Some(encoding) => encoding
                .decode_without_bom_handling_and_without_replacement(raw)
                .map_or_else(|| self.code_page_437(raw), Cow::into_owned),
            None => self.code_page_437(raw),
        }
    }

    /// Each byte is a character there, so that distinct names stay distinct. A backslash behind another byte than ASCII may be the second half
    /// of a character; where slashes part the folders, it stays in the name.
    fn code_page_437(&self, raw: &[u8]) -> String {
        let mut before = 0;
        let mut name = String::with_capacity(2 * raw.len());
        for &byte in raw {
            let half = byte == b'\\' && before >= 0x80 && !self.backslashes;
            match byte {
                // Not the separator, and still safe in names.
                b'\\' if half => name.push('\u{2216}'),
                byte if byte.is_ascii() => name.push(char::from(byte)),
                byte => name.push(CODE_PAGE_437[usize::from(byte - 0x80)]),
            }
            before = if half { 0 } else { byte };
        }
        name
    }

    /// Whether the entry's header says that its name is UTF-8: bit 11 of the flags.
    fn is_marked(&self, entry: &ZipFileEntry<'_>) -> bool {
        let mut flags = [0; 2];
        let mut cursor = Cursor::new(self.archive.bytes.clone());
        let at = SeekFrom::Start(entry.central_header_start() + 8);
        let read = cursor.seek(at).and_then(|_| cursor.read_exact(&mut flags));
        read.is_ok() && flags[1] & 0x08 != 0
    }

    /// What to say where names may be read wrongly.
    pub(super) fn remark(&self) -> Option<Remark> {
        if !self.is_legacy || self.encoding.is_some() {
            return None;
        }
        let unmarked = |entry: &ZipFileEntry<'_>| {
            !entry.is_dir() && !entry.name_raw().is_ascii() && !self.is_marked(entry)
        };
        let names: Vec<String> = self
            .entries()
            .filter(unmarked)
            .map(|entry| self.of(&entry))
            .collect();
        Some(Remark::ZipNames {
            names: names.len(),
            example: printable(names.first()?).into_owned(),
        })
    }
}

/// The characters of the bytes from 0x80 on.
const CODE_PAGE_437: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å', 'É', 'æ', 'Æ', 'ô', 'ö',
    'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ', 'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐',
    '¬', '½', '¼', '¡', '«', '»', '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛',
    '┐', '└', '┴', '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧', '╨', '╤', '╥', '╙',
    '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█', '▄', '▌', '▐', '▀', 'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ',
    'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩', '≡', '±', '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²',
    '■', '\u{a0}',
];
