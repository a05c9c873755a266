//! The logs of a run (`steps.jsonl`, `epochs.jsonl`): JSON lines that are added while training runs, and cut back to a checkpoint's
//! place when training goes on from it.

use crate::error::TrainError;
use serde::Serialize;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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

impl Log {
    /// Opens a log and cuts it to `length` bytes; one that has fewer is an error.
    pub fn open(path: &Path, length: u64) -> Result<Log, TrainError> {
        let failed = |source| TrainError::write(path, source);
        let file = File::options().create(true).append(true).open(path);
        let file = file.map_err(failed)?;
        if file.metadata().map_err(failed)?.len() < length {
            return Err(TrainError::DamagedCheckpoint {
                path: path.to_path_buf(),
            });
        }
        file.set_len(length).map_err(failed)?;
        Ok(Log {
            file,
            path: path.to_path_buf(),
            waiting: Vec::new(),
            written: length,
            flushed: Instant::now(),
        })
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
