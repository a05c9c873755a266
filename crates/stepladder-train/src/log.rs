//! The logs of a run (`steps.jsonl`, `epochs.jsonl`): JSON lines that are added while training runs, and cut back to a checkpoint's
//! place when training goes on from it.

use crate::error::TrainError;
use serde::Serialize;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stepladder_run::{Folder, RunDirectory};

/// A file of JSON lines, never more than [`FLUSH_INTERVAL`] of work behind.
pub(crate) struct Log {
    file: File,
    path: PathBuf,
    /// Lines that the file does not have yet.
    waiting: Vec<u8>,
    /// Bytes that it has.
    written: u64,
    flushed: Instant,
}

/// How long a line may wait in memory: fast steps do not each cost a system call.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// A log as it was found, opened and not touched yet.
#[derive(Debug)]
pub(crate) struct FoundLog {
    file: File,
    path: PathBuf,
    /// Bytes from which it goes on: all lines that the checkpoint knows of, or as many of them as are there.
    kept: u64,
    is_whole: bool,
}

impl FoundLog {
    /// Finds a log of a run that goes on from a checkpoint, at which it had `length` bytes. It is judged and not believed: where lines of it
    /// are missing, the checkpoint is none the worse, and the log goes on with a gap.
    pub fn find(run: &RunDirectory, path: &Path, length: u64) -> Result<FoundLog, TrainError> {
        let failed = |source| TrainError::write(path, source);
        let folder = run.folder()?;
        let name = path.file_name().unwrap_or_default();
        let file = folder.append(name).map_err(failed)?;
        let there = file.metadata().map_err(failed)?.len().min(length);
        let kept = whole_lines(&folder, name, there).map_err(failed)?;
        Ok(FoundLog {
            file,
            path: path.to_path_buf(),
            kept,
            is_whole: kept == length,
        })
    }

    /// Whether all is there that the checkpoint knows of.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Cuts it back to what is kept.
    pub fn go_on(self) -> Result<Log, TrainError> {
        let cut = self.file.set_len(self.kept);
        cut.map_err(|source| TrainError::write(&self.path, source))?;
        Ok(Log {
            file: self.file,
            path: self.path,
            waiting: Vec::new(),
            written: self.kept,
            flushed: Instant::now(),
        })
    }
}

/// How many of the first `length` bytes of a log are whole lines.
fn whole_lines(folder: &Folder, name: &OsStr, length: u64) -> io::Result<u64> {
    let mut file = folder.read(name)?;
    // The usual case, without reading all of it.
    if length == 0 || ends_a_line(&mut file, length)? {
        return Ok(length);
    }
    file.seek(SeekFrom::Start(0))?;
    let mut file = BufReader::new(file.take(length));
    let (mut read, mut whole) = (0, 0);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        read += line.len() as u64;
        if line.ends_with(b"\n") {
            whole = read;
        }
        line.clear();
    }
    Ok(whole)
}

/// Whether the byte before `length` ends a line.
fn ends_a_line(file: &mut File, length: u64) -> io::Result<bool> {
    let mut byte = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut byte)?;
    Ok(byte == *b"\n")
}

impl Log {
    /// Begins a log; what an earlier one left is gone.
    pub fn begin(run: &RunDirectory, path: &Path) -> Result<Log, TrainError> {
        FoundLog::find(run, path, 0)?.go_on()
    }

    /// Adds a line, in memory.
    pub fn push<T: Serialize>(&mut self, record: &T) -> Result<(), TrainError> {
        let line = serde_json::to_writer(&mut self.waiting, record);
        line.map_err(|error| TrainError::write(&self.path, error.into()))?;
        self.waiting.push(b'\n');
        Ok(())
    }

    /// Whether lines have waited long enough.
    pub fn is_due(&self) -> bool {
        self.flushed.elapsed() >= FLUSH_INTERVAL
    }

    /// Hands everything to the operating system. After an error, nothing is lost, and it may be called again.
    pub fn flush(&mut self) -> Result<(), TrainError> {
        self.flushed = Instant::now();
        while !self.waiting.is_empty() {
            let written = match self.file.write(&self.waiting) {
                Ok(0) => Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome,
            };
            let written = written.map_err(|source| TrainError::write(&self.path, source))?;
            self.waiting.drain(..written);
            self.written += written as u64;
        }
        Ok(())
    }

    /// Bytes in the file.
    pub fn length(&self) -> u64 {
        self.written
    }

    /// A second handle, to put the content on the disk from another thread.
    pub fn handle(&self) -> Result<File, TrainError> {
        self.file
            .try_clone()
            .map_err(|source| TrainError::write(&self.path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content: &str, length: u64) -> (tempfile::TempDir, FoundLog) {
        let place = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(place.path());
        std::fs::write(run.steps(), content).unwrap();
        let log = FoundLog::find(&run, &run.steps(), length).unwrap();
        (place, log)
    }

    #[test]
    fn a_log_is_cut_back_to_its_checkpoint_once_it_goes_on() {
        let (place, log) = found("1\n2\n3\n", 4);
        let path = place.path().join("steps.jsonl");
        assert!(log.is_whole());
        assert_eq!(std::fs::read(&path).unwrap().len(), 6, "not touched yet");
        let mut log = log.go_on().unwrap();
        log.push(&7).unwrap();
        log.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n7\n");
        assert_eq!(log.length(), 6);
    }

    #[test]
    fn a_log_that_lacks_lines_goes_on_after_its_last_whole_one() {
        for (content, length, kept) in [
            ("", 4, 0),
            ("1\n2", 6, 2),
            ("1\n2\n", 6, 4),
            ("my diary", 6, 0),
            ("10\n20\n30\n", 4, 3),
        ] {
            let (_place, log) = found(content, length);
            assert!(!log.is_whole(), "{content:?}");
            assert_eq!(log.go_on().unwrap().length(), kept, "{content:?}");
        }
    }
}
