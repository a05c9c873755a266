//! Tables of a name and a number in each row ([`numbers_by_name`]), such as weights of classes, encoded and separated as tables of photos are.

use std::path::Path;

use super::form::TableForm;
use super::rows::{Row, Rows, table_error};
use crate::error::DataError;
use crate::names::printable;

/// The longest such table, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberRow {
    /// Its line in the file, from 1.
    pub line: u64,
    /// The name.
    pub name: String,
    /// The number, 0 or more.
    pub number: f32,
}

/// The rows of a table of a name and a number each. A first row that holds no number is its header. Decimals may have a comma where
/// columns have another separator.
pub fn numbers_by_name(path: &Path) -> Result<Vec<NumberRow>, DataError> {
    let mut rows = open(path)?;
    let mut found = Vec::new();
    let mut is_first = true;
    while let Some(row) = rows.next()? {
        let (name, number) = cells(&rows, &row)?;
        if !(std::mem::take(&mut is_first) && is_header(&name, &number)) {
            found.push(NumberRow {
                line: row.line,
                number: parse(&rows, &row, &number)?,
                name,
            });
        }
    }
    match found.is_empty() {
        true => Err(table_error(
            &rows.name,
            1,
            String::from("no row has a name and a number; write rows like daisy,2"),
        )),
        false => Ok(found),
    }
}

fn open(path: &Path) -> Result<Rows, DataError> {
    let rows = Rows::separated(path, &TableForm::default(), delimiter)?;
    let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    match length > MAX_BYTES {
        true => Err(table_error(
            &rows.name,
            1,
            format!("more than {} MiB are not read as such a table", MAX_BYTES >> 20),
        )),
        false => Ok(rows),
    }
}

/// The separator by the first line. A comma comes last of all: it may be in names and in decimals.
fn delimiter(first: &[u8]) -> u8 {
    let mut is_quoted = false;
    let outside = first.iter().filter(|&&byte| {
        is_quoted ^= byte == b'"';
        !is_quoted
    });
    let outside: Vec<u8> = outside.copied().collect();
    let candidates = [b'\t', b';', b'|', b','];
    let found = candidates.into_iter().find(|byte| outside.contains(byte));
    found.unwrap_or(b' ')
}

/// The name and the number's text. Commas in a name need no quotation marks: the number is what stands last.
fn cells(rows: &Rows, row: &Row) -> Result<(String, String), DataError> {
    let mut cells = row.cells(&rows.name)?;
    while cells.last().is_some_and(String::is_empty) {
        cells.pop();
    }
    let number = cells.pop().unwrap_or_default();
    if cells.is_empty() {
        let message = format!(
            "\"{}\" is no name and a number; write rows like daisy,2",
            printable(&number)
        );
        return Err(table_error(&rows.name, row.line, message));
    }
    let separator = char::from(rows.delimiter).to_string();
    let name = match separator.as_str() {
        "," => cells.join(", "),
        other => cells.join(other),
    };
    Ok((name, number))
}

fn is_header(name: &str, number: &str) -> bool {
    let words = ["class", "classes", "label", "labels", "name", "category"];
    let is_number = number.chars().any(|c| c.is_ascii_digit());
    !is_number && (words.contains(&name.to_lowercase().as_str()) || number.to_lowercase().contains("weight"))
}

fn parse(rows: &Rows, row: &Row, text: &str) -> Result<f32, DataError> {
    let point = match rows.delimiter {
        b',' => String::from(text),
        _ => text.replacen(',', ".", 1),
    };
    let number = point.parse::<f32>().ok();
    number
        .filter(|number| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| {
            let message = format!("\"{}\" is no number of 0 or more", printable(text));
            table_error(&rows.name, row.line, message)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(String, f32)>, String> {
        let folder = tempfile::tempdir().expect("ours");
        let path = folder.path().join("weights.csv");
        std::fs::write(&path, bytes).expect("ours");
        let rows = numbers_by_name(&path).map_err(|error| error.to_string())?;
        Ok(rows.into_iter().map(|row| (row.name, row.number)).collect())
    }

    #[test]
    fn spreadsheets_save_them_in_many_ways() {
        let expected = Ok(vec![
            (String::from("daisy"), 2.5),
            (String::from("wild rose"), 1.0),
        ]);
        let utf16: Vec<u8> = "\u{feff}class\tweight\ndaisy\t2,5\nwild rose\t1\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for table in [
            &b"class,weight\ndaisy,2.5\nwild rose,1\n"[..],
            b"\xef\xbb\xbfclass,weight\r\ndaisy,2.5\r\nwild rose,1\r\n",
            b"Class,Weight\ndaisy,2.5\n\nwild rose,1",
            b"CLASS;WEIGHT\ndaisy;2,5\n\"wild rose\";1\n;\n",
            b"daisy;2,5\nwild rose;1\n",
            b"sep=;\nlabel;class weight\ndaisy;2,5\nwild rose;1,0\n",
            b"daisy , 2.5,\nwild rose , 1,\n",
            &utf16,
        ] {
            assert_eq!(read(table), expected, "{}", String::from_utf8_lossy(table));
        }
        let commas = Ok(vec![(String::from("lily, white"), 1.5)]);
        assert_eq!(read(b"class,weight\nlily, white,1.5\n"), commas);
        assert_eq!(read(b"\"lily, white\",1.5\n"), commas);
        assert_eq!(read(b"lily, white\t1.5\n"), commas);
    }

    #[test]
    fn mistakes_name_the_file_and_the_line() {
        for (table, line) in [
            (&b"class,weight\ndaisy,2\nrose,x\n"[..], "line 3: \"x\""),
            (b"daisy,-1\n", "line 1: \"-1\""),
            (b"daisy,2\nrose\n", "line 2: \"rose\""),
            (b"daisy;1,2,3\n", "line 1: \"1,2,3\""),
            (b"class,weight\n", "line 1: no row"),
        ] {
            let error = read(table).expect_err("a mistake");
            assert!(error.contains("weights.csv, ") && error.contains(line), "{error}");
        }
    }
}
