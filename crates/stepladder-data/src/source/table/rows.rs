//! The lines of a table as cells of text: encoding, separator, and the first line, whatever it holds. Cells are UTF-8 or an error.

use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

use super::columns::{self, Beginning, Columns};
use super::form::TableForm;
use super::text::{self, Decoded, NotInEncoding, UnixLines};
use crate::error::DataError;
use crate::names::{printable, shown_path};
use crate::reading::Rules;

/// A line may be as long as the file, and is held in memory. Ten million photos fit.
const MAX_TABLE_BYTES: u64 = 1 << 30;
/// Bytes of the beginning by which encoding and separator are known; its length is bounded, as the file may be anything.
const HEAD_BYTES: u64 = 64 << 10;
/// Rows by which columns are told from each other.
const SAMPLE: usize = 200;

/// A table that is being read.
pub(super) struct Rows {
    pub(super) name: String,
    reader: csv::Reader<Box<dyn Read>>,
    /// Rows that were read to find the columns, and not handed out.
    waiting: std::vec::IntoIter<csv::ByteRecord>,
    /// Lines before the first that the reader has seen.
    skipped_lines: u64,
    pub(super) delimiter: u8,
}

/// One line of it.
pub(super) struct Row {
    record: csv::ByteRecord,
    pub(super) line: u64,
}

impl Rows {
    pub(super) fn open(path: &Path, form: &TableForm) -> Result<Self, DataError> {
        Self::separated(path, form, delimiter)
    }

    /// The same with another way to tell the separator by the first line.
    pub(super) fn separated(
        path: &Path,
        form: &TableForm,
        delimiter: impl Fn(&[u8]) -> u8,
    ) -> Result<Self, DataError> {
        let name = shown_path(path);
        let mut input = decoded(path, &name, form)?;
        let io = |source| DataError::Io {
            path: path.to_owned(),
            source,
        };
        let mut first = Vec::new();
        let read = (&mut input).take(HEAD_BYTES).read_until(b'\n', &mut first);
        read.map_err(|e| undecodable(&name, &e).unwrap_or_else(|| io(e)))?;
        if let Some(kind) = no_table(&first) {
            return Err(table_error(
                &name,
                1,
                format!("this is {kind}; a table is CSV or TSV"),
            ));
        }
        // Excel's own line that names the separator.
        let stated = separator_line(&first);
        let mut skipped_lines = 0;
        if stated.is_some() {
            first.clear();
            skipped_lines = 1;
        }
        let delimiter = stated.unwrap_or_else(|| delimiter(&first));
        let whole: Box<dyn Read> = Box::new(Cursor::new(first).chain(input));
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .from_reader(whole);
        Ok(Self {
            name,
            reader,
            waiting: Vec::new().into_iter(),
            skipped_lines,
            delimiter,
        })
    }

    /// Finds the columns by the first line and those behind it. Rows begin behind the header, if there is one.
    pub(super) fn columns(
        &mut self,
        rules: &Rules,
        is_photo: impl FnMut(&str) -> bool,
    ) -> Result<Columns, DataError> {
        let first = self.next()?;
        let first = first.ok_or_else(|| table_error(&self.name, 1, String::from("the table is empty")))?;
        let cells = first.cells(&self.name)?;
        let mut sample = Vec::new();
        while sample.len() < SAMPLE {
            let Some(row) = self.next()? else { break };
            sample.push(row.record);
        }
        let text = |record: &csv::ByteRecord| -> Vec<String> {
            record
                .iter()
                .map(|cell| String::from_utf8_lossy(cell).trim().to_owned())
                .collect()
        };
        let rows: Vec<Vec<String>> = sample.iter().map(text).collect();
        let beginning = Beginning {
            first: &cells,
            rows: &rows,
        };
        let found = columns::find(&beginning, &rules.table_form, rules.group_column(), is_photo).map_err(
            |unclear| DataError::TableColumns {
                name: self.name.clone(),
                line: first.line,
                message: unclear.message,
                file: unclear.file,
                class: unclear.class,
            },
        )?;
        if !found.has_header {
            sample.insert(0, first.record);
        }
        self.waiting = sample.into_iter();
        Ok(found)
    }

    /// The next line that has anything in it.
    pub(super) fn next(&mut self) -> Result<Option<Row>, DataError> {
        loop {
            let Some(record) = self.next_record()? else {
                return Ok(None);
            };
            // Excel leaves rows of separators behind.
            if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            let line = record.position().map_or(0, csv::Position::line) + self.skipped_lines;
            return Ok(Some(Row { record, line }));
        }
    }

    fn next_record(&mut self) -> Result<Option<csv::ByteRecord>, DataError> {
        if let Some(record) = self.waiting.next() {
            return Ok(Some(record));
        }
        let mut record = csv::ByteRecord::new();
        let read = self.reader.read_byte_record(&mut record);
        let more = read.map_err(|error| broken(&self.name, &error, self.skipped_lines))?;
        Ok(more.then_some(record))
    }
}

impl Row {
    /// The text of every cell.
    pub(super) fn cells(&self, table: &str) -> Result<Vec<String>, DataError> {
        let columns = 0..self.record.len();
        columns.map(|column| self.cell(table, column)).collect()
    }

    /// A cell's text, without spaces around it; empty where the line is shorter.
    pub(super) fn cell(&self, table: &str, column: usize) -> Result<String, DataError> {
        let bytes = self.record.get(column).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(_) => Err(DataError::TableEncoding {
                name: String::from(table),
                line: self.line,
                message: unknown_encoding(bytes),
                likely: match text::readings(bytes).as_slice() {
                    [(name, _)] => Some(name),
                    _ => None,
                },
            }),
        }
    }
}

/// The bytes of the table as UTF-8, or what is taken for it.
fn decoded(path: &Path, name: &str, form: &TableForm) -> Result<BufReader<Box<dyn Read>>, DataError> {
    let io = |source| DataError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = stepladder_files::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.len() > MAX_TABLE_BYTES {
        let message = format!("more than {} MiB are not read as a table", MAX_TABLE_BYTES >> 20);
        return Err(table_error(name, 1, message));
    }
    let mut head = Vec::new();
    (&mut file).take(512).read_to_end(&mut head).map_err(io)?;
    let stated = match &form.encoding {
        None => None,
        Some(stated) => Some(text::encoding(stated).ok_or_else(|| {
            DataError::Setting(format!(
                "there is no encoding \"{}\" for tables; known are utf-8, utf-16le, windows-1251, windows-1252, gbk, big5, shift_jis, euc-kr and the others of the web",
                printable(stated)
            ))
        })?),
    };
    let (encoding, mark) = match text::byte_order_mark(&head) {
        Some((encoding, length)) => (Some(encoding), length),
        None => (stated, 0),
    };
    if let (None, Some(likely)) = (encoding, text::unmarked_utf16(&head)) {
        return Err(DataError::TableEncoding {
            name: String::from(name),
            line: 1,
            message: format!("this is UTF-16 without a mark that says so ({likely})"),
            likely: Some(likely),
        });
    }
    let whole = Cursor::new(head.split_off(mark)).chain(file);
    let text: Box<dyn Read> = match encoding.filter(|encoding| !text::is_utf8(encoding)) {
        Some(encoding) => Box::new(Decoded::new(whole, encoding)),
        None => Box::new(whole),
    };
    Ok(BufReader::new(Box::new(UnixLines::new(text))))
}

fn unknown_encoding(bytes: &[u8]) -> String {
    let readings: Vec<String> = text::readings(bytes)
        .into_iter()
        .take(5)
        .map(|(name, text)| format!("\"{text}\" in {name}"))
        .collect();
    match readings.is_empty() {
        true => String::from("text that is not UTF-8"),
        false => format!("text that is not UTF-8; it reads {}", readings.join(", ")),
    }
}

/// The separator that a first line of Excel's states, as in `sep=;`.
fn separator_line(first: &[u8]) -> Option<u8> {
    match first.trim_ascii_end() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] => Some(*separator),
        // A tab at the end of the line.
        b"sep=" if first.starts_with(b"sep=\t") => Some(b'\t'),
        _ => None,
    }
}

/// The separator that the first line has most of; spaces only where there is no other.
fn delimiter(first: &[u8]) -> u8 {
    let count = |d: &u8| first.iter().filter(|b| *b == d).count();
    let most = [b'\t', b'|', b',', b';']
        .into_iter()
        .max_by_key(|d| (count(d), *d == b','))
        .unwrap_or(b',');
    match count(&most) {
        0 if first.trim_ascii().contains(&b' ') => b' ',
        _ => most,
    }
}

/// Other kinds of lists.
fn no_table(first: &[u8]) -> Option<&'static str> {
    let start = first.trim_ascii_start();
    if start.starts_with(b"{") || start.starts_with(b"[{") || start == b"[" {
        return Some("JSON");
    }
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"\xd0\xcf\x11\xe0") {
        return Some("a file of Excel or another archive; save its sheet as CSV");
    }
    start.starts_with(b"PAR1").then_some("Parquet")
}

pub(super) fn table_error(name: &str, line: u64, message: String) -> DataError {
    DataError::Table {
        name: String::from(name),
        line,
        message,
    }
}

fn broken(name: &str, error: &csv::Error, skipped: u64) -> DataError {
    if let csv::ErrorKind::Io(error) = error.kind()
        && let Some(error) = undecodable(name, error)
    {
        return error;
    }
    let line = error.position().map_or(1, csv::Position::line) + skipped;
    table_error(name, line, printable(&error.to_string()).into_owned())
}

fn undecodable(name: &str, error: &std::io::Error) -> Option<DataError> {
    let inner = error.get_ref()?.downcast_ref::<NotInEncoding>()?;
    Some(DataError::TableEncoding {
        name: String::from(name),
        line: inner.line,
        message: inner.to_string(),
        likely: None,
    })
}
