//! Features of photos as a file: NumPy's array, a table, or a tensor.

use anyhow::Context;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use stepladder_classifier::write_arrays;
use stepladder_nn::Array;
use stepladder_run::write_atomically_by;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Npy,
    Csv,
    Safetensors,
}

impl Form {
    /// By the name of the file.
    pub fn of(path: &Path) -> anyhow::Result<Form> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("npy") => Ok(Form::Npy),
            Some("csv") => Ok(Form::Csv),
            Some("safetensors") => Ok(Form::Safetensors),
            _ => anyhow::bail!(
                "--out {}: a name must end in .npy, .csv or .safetensors, which says what is written",
                path.display()
            ),
        }
    }
}

/// A row of features for each photo.
#[derive(Debug, Default)]
pub(super) struct Table {
    names: Vec<String>,
    values: Vec<f32>,
}

/// What a safetensors file says of its rows.
#[derive(Serialize)]
struct Names<'a> {
    photos: &'a [String],
}

impl Table {
    pub fn push(&mut self, name: &str, features: &[f32]) {
        self.names.push(name.to_string());
        self.values.extend_from_slice(features);
    }

    pub fn rows(&self) -> usize {
        self.names.len()
    }

    pub fn width(&self) -> usize {
        self.values.len() / self.rows().max(1)
    }

    /// Writes the file, atomically, and the names beside a form that has no place for them.
    pub fn write(&self, path: &Path, form: Form) -> anyhow::Result<()> {
        let failed = || format!("cannot write {}", path.display());
        match form {
            Form::Npy => {
                write_atomically_by(path, |file| self.write_npy(file)).with_context(failed)?;
                let names = path.with_extension("txt");
                let text = self.names.join("\n") + "\n";
                write_atomically_by(&names, |file| file.write_all(text.as_bytes()))
                    .with_context(|| format!("cannot write {}", names.display()))
            }
            Form::Csv => write_atomically_by(path, |file| self.write_csv(file)).with_context(failed),
            Form::Safetensors => {
                let shape = vec![self.rows(), self.width()];
                let array = Array::new("features", shape, self.values.clone());
                Ok(write_arrays(path, &Names { photos: &self.names }, &[array])?)
            }
        }
    }

    /// Version 1.0 of NumPy's format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
    fn write_npy(&self, out: &mut impl Write) -> std::io::Result<()> {
        /// Magic, version and the length of the header.
        const BEFORE: usize = 10;
        let mut header = format!(
            "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}",
            self.rows(),
            self.width()
        );
        // The values begin on a multiple of 64 bytes, behind a line's end.
        let length = (BEFORE + header.len() + 1).next_multiple_of(64) - BEFORE;
        header.extend(std::iter::repeat_n(' ', length - header.len() - 1));
        header.push('\n');
        out.write_all(b"\x93NUMPY\x01\x00")?;
        out.write_all(&(length as u16).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        let bytes: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        out.write_all(&bytes)
    }

    fn write_csv(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut table = csv::Writer::from_writer(out);
        let columns = (0..self.width()).map(|column| format!("f{column}"));
        table.write_record(std::iter::once("file".to_string()).chain(columns))?;
        for (name, row) in self
            .names
            .iter()
            .zip(self.values.chunks_exact(self.width().max(1)))
        {
            let values = row.iter().map(f32::to_string);
            table.write_record(std::iter::once(name.clone()).chain(values))?;
        }
        table.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::default();
        table.push("a, b.jpg", &[1.0, -0.5, 0.25]);
        table.push("c.jpg", &[2.0, 3.0, 1e-9]);
        table
    }

    #[test]
    fn numpy_reads_what_is_written() {
        let mut bytes = Vec::new();
        table().write_npy(&mut bytes).unwrap();
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + length) % 64, 0);
        let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
        assert!(
            header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }")
                && header.ends_with('\n')
        );
        let values = &bytes[10 + length..];
        assert_eq!(values.len(), 24);
        assert_eq!(values[4..8], (-0.5_f32).to_le_bytes());
    }

    #[test]
    fn names_with_commas_stay_one_column() {
        let mut bytes = Vec::new();
        table().write_csv(&mut bytes).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "file,f0,f1,f2\n\"a, b.jpg\",1,-0.5,0.25\nc.jpg,2,3,0.000000001\n"
        );
    }

    #[test]
    fn the_name_says_the_form() {
        assert_eq!(Form::of(Path::new("a.NPY")).unwrap(), Form::Npy);
        assert!(Form::of(Path::new("a.txt")).is_err());
    }
}
