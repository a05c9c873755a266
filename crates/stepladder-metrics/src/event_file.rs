//! TensorBoard's event files: scalars by tag and step. One sitting of a training appends to one file; a later sitting begins
//! another in the same folder, and TensorBoard reads them in the order of their names.

use crate::MetricsError;
use crate::event::{Event, FILE_VERSION, SessionLog, SessionStatus, Summary, Value, What};
use crate::record;
use prost::Message;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// What a file's name begins with; TensorBoard reads those that have `tfevents` in their names.
const PREFIX: &str = "events.out.tfevents.";

/// The longest event file that is read, in bytes.
const LIMIT: u64 = 1 << 30;

/// An event file that is being written.
#[derive(Debug)]
pub struct EventFile {
    file: File,
    path: PathBuf,
    /// Records that the file does not have yet.
    waiting: Vec<u8>,
}

impl EventFile {
    /// Begins a file in `folder`, which is made if need be. It takes the place of everything from `step` on that earlier files
    /// in the folder say. `wall_time` is in seconds since 1970, and decides the file's name.
    ///
    /// # Errors
    ///
    /// The folder cannot be written to.
    pub fn begin(folder: &Path, step: u64, wall_time: f64) -> Result<EventFile, MetricsError> {
        std::fs::create_dir_all(folder).map_err(MetricsError::io(folder))?;
        let (file, path) = numbered(folder, wall_time)?;
        let mut events = EventFile {
            file,
            path,
            waiting: Vec::new(),
        };
        events.push(0, wall_time, What::FileVersion(FILE_VERSION.to_string()));
        let start = SessionLog {
            status: SessionStatus::Start.into(),
        };
        events.push(step, wall_time, What::SessionLog(start));
        events.flush()?;
        Ok(events)
    }

    /// Adds values of one step, in memory.
    pub fn scalars<'a>(
        &mut self,
        step: u64,
        wall_time: f64,
        values: impl IntoIterator<Item = (&'a str, f32)>,
    ) {
        let value = values
            .into_iter()
            .map(|(tag, value)| Value {
                tag: tag.to_string(),
                simple_value: Some(value),
            })
            .collect();
        self.push(step, wall_time, What::Summary(Summary { value }));
    }

    fn push(&mut self, step: u64, wall_time: f64, what: What) {
        let event = Event {
            wall_time,
            step: i64::try_from(step).unwrap_or(i64::MAX),
            what: Some(what),
        };
        record::append(&mut self.waiting, &event.encode_to_vec());
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    ///
    /// The file cannot be written to.
    pub fn flush(&mut self) -> Result<(), MetricsError> {
        self.file
            .write_all(&self.waiting)
            .map_err(MetricsError::io(&self.path))?;
        self.waiting.clear();
        Ok(())
    }
}

/// A new file whose name comes after those of earlier seconds, and of earlier files of this second.
fn numbered(folder: &Path, wall_time: f64) -> Result<(File, PathBuf), MetricsError> {
    for number in 0_u32.. {
        // Ten digits of seconds last until 2286.
        let path = folder.join(format!("{PREFIX}{:010}.stepladder.{number:03}", wall_time as u64));
        match File::create_new(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(MetricsError::io(&path)(error)),
        }
    }
    unreachable!("there is a free number")
}

/// A value of an event file.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// Steps before it.
    pub step: u64,
    /// Seconds since 1970.
    pub wall_time: f64,
    /// What it is.
    pub tag: String,
    /// The value.
    pub value: f32,
}

/// Reads the scalars of the event files in `folder`, oldest first, as TensorBoard understands them: a file that starts at a step takes back
/// what was said of it and later ones.
///
/// # Errors
///
/// A file cannot be read, or one of its checksums is wrong. A record that is cut off at the end is left out.
pub fn read_scalars(folder: &Path) -> Result<Vec<Scalar>, MetricsError> {
    let entries = std::fs::read_dir(folder).map_err(MetricsError::io(folder))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let mut scalars = Vec::new();
    for path in files {
        read_file(&path, &mut scalars)?;
    }
    Ok(scalars)
}

fn read_file(path: &Path, scalars: &mut Vec<Scalar>) -> Result<(), MetricsError> {
    let mut bytes = Vec::new();
    let file = stepladder_files::open(path).map_err(MetricsError::io(path))?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, LIMIT), &mut bytes)
        .map_err(MetricsError::io(path))?;
    let mut rest = &bytes[..];
    loop {
        let damaged = |reason| MetricsError::Damaged {
            path: path.to_path_buf(),
            at: bytes.len() - rest.len(),
            reason,
        };
        let Some((data, after)) = record::first(rest).map_err(damaged)? else {
            return Ok(());
        };
        let event = Event::decode(data).map_err(|_| damaged("the record is no event"))?;
        let step = u64::try_from(event.step).unwrap_or(0);
        match event.what {
            Some(What::SessionLog(log)) if log.status == i32::from(SessionStatus::Start) => {
                scalars.retain(|scalar| scalar.step < step);
            }
            Some(What::Summary(summary)) => scalars.extend(summary.value.into_iter().filter_map(|value| {
                Some(Scalar {
                    step,
                    wall_time: event.wall_time,
                    tag: value.tag,
                    value: value.simple_value?,
                })
            })),
            _ => {}
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_sitting_takes_back_what_comes_after_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = EventFile::begin(folder.path(), 0, 100.0).unwrap();
        for step in 0..5 {
            first.scalars(step, 100.0 + step as f64, [("loss", step as f32)]);
        }
        first.flush().unwrap();
        // Within the same second.
        let mut second = EventFile::begin(folder.path(), 3, 100.5).unwrap();
        second.scalars(3, 101.0, [("loss", 30.0), ("accuracy", 0.0)]);
        second.flush().unwrap();
        let read = read_scalars(folder.path()).unwrap();
        let read: Vec<(u64, &str, f32)> = read
            .iter()
            .map(|scalar| (scalar.step, scalar.tag.as_str(), scalar.value))
            .collect();
        assert_eq!(
            read,
            [
                (0, "loss", 0.0),
                (1, "loss", 1.0),
                (2, "loss", 2.0),
                (3, "loss", 30.0),
                (3, "accuracy", 0.0)
            ]
        );
    }

    #[test]
    fn damage_is_found_and_a_cut_end_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::begin(folder.path(), 0, 7.0).unwrap();
        events.scalars(0, 7.0, [("loss", 1.0)]);
        events.flush().unwrap();
        let path = folder.path().read_dir().unwrap().next().unwrap().unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(read_scalars(folder.path()).unwrap(), []);
        let mut broken = bytes;
        let middle = broken.len() - 10;
        broken[middle] ^= 1;
        std::fs::write(&path, broken).unwrap();
        let message = read_scalars(folder.path()).unwrap_err().to_string();
        assert!(
            message.contains("tfevents") && message.contains("checksum"),
            "{message}"
        );
    }
}
