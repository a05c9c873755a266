//! A log that grows while it is read: JSON lines, as `steps.jsonl` and `epochs.jsonl` are. Each look reads what is new; a log that was
//! cut back, because its training went on from a checkpoint, is read anew.

use serde::de::DeserializeOwned;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// What is read at one look, in bytes.
const PIECE: usize = 4 << 20;

/// The longest line that is read; longer ones are no records.
const LONGEST: usize = 16 << 10;

/// Bytes before the place that must still be there, or the log is another.
const KNOWN: usize = 64;

/// A log and how far it is read.
#[derive(Debug)]
pub(crate) struct Followed {
    path: PathBuf,
    /// Bytes read.
    offset: u64,
    /// The last bytes read, at most [`KNOWN`].
    known: Vec<u8>,
    /// The beginning of a line whose end is not there yet.
    begun: Vec<u8>,
    /// Whether the line at work is too long, and what is left of it is skipped.
    skipping: bool,
}

/// What a look found.
#[derive(Debug)]
pub(crate) struct News<T> {
    /// The log begins anew with these lines, and what was read before is void.
    pub anew: bool,
    pub lines: Vec<T>,
    /// There is more to read at once.
    pub more: bool,
}

impl Followed {
    pub fn new(path: PathBuf) -> Followed {
        Followed {
            path,
            offset: 0,
            known: Vec::new(),
            begun: Vec::new(),
            skipping: false,
        }
    }

    /// Reads what is new. A log that is not there (any more) has nothing; lines that are no `T` are left out.
    pub fn look<T: DeserializeOwned>(&mut self) -> News<T> {
        self.read().unwrap_or(News {
            anew: false,
            lines: Vec::new(),
            more: false,
        })
    }

    fn read<T: DeserializeOwned>(&mut self) -> io::Result<News<T>> {
        let mut file = stepladder_files::open(&self.path)?;
        let mut anew = file.metadata()?.len() < self.offset;
        if !anew {
            let mut there = vec![0; self.known.len()];
            file.seek(SeekFrom::Start(self.offset - self.known.len() as u64))?;
            file.read_exact(&mut there)?;
            anew = there != self.known;
        }
        if anew {
            file.seek(SeekFrom::Start(0))?;
            *self = Followed::new(std::mem::take(&mut self.path));
        }
        let mut piece = Vec::new();
        file.take(PIECE as u64).read_to_end(&mut piece)?;
        self.offset += piece.len() as u64;
        self.known.extend(&piece[piece.len().saturating_sub(KNOWN)..]);
        self.known.drain(..self.known.len().saturating_sub(KNOWN));
        Ok(News {
            anew,
            more: piece.len() == PIECE,
            lines: self.lines(&piece),
        })
    }

    /// The lines that end in `piece`.
    fn lines<T: DeserializeOwned>(&mut self, piece: &[u8]) -> Vec<T> {
        let mut lines = Vec::new();
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            if !self.skipping {
                self.begun.extend(&part[..part.len().min(LONGEST + 1)]);
                self.skipping = self.begun.len() > LONGEST;
            }
            if part.ends_with(b"\n") {
                if !self.skipping
                    && let Ok(line) = serde_json::from_slice(&self.begun)
                {
                    lines.push(line);
                }
                self.begun.clear();
                self.skipping = false;
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    struct Place {
        folder: tempfile::TempDir,
        followed: Followed,
    }

    impl Place {
        fn new() -> Place {
            let folder = tempfile::tempdir().unwrap();
            let followed = Followed::new(folder.path().join("log"));
            Place { folder, followed }
        }

        fn append(&self, text: &str) {
            let path = self.folder.path().join("log");
            let file = File::options().create(true).append(true).open(path);
            file.unwrap().write_all(text.as_bytes()).unwrap();
        }

        fn cut(&self, length: u64) {
            let file = File::options().write(true).open(self.folder.path().join("log"));
            file.unwrap().set_len(length).unwrap();
        }

        fn look(&mut self) -> (bool, Vec<u32>) {
            let news = self.followed.look();
            (news.anew, news.lines)
        }
    }

    #[test]
    fn each_line_is_read_once_it_is_whole() {
        let mut place = Place::new();
        assert_eq!(place.look(), (false, vec![]));
        place.append("1\n2\n3");
        assert_eq!(place.look(), (false, vec![1, 2]));
        assert_eq!(place.look(), (false, vec![]));
        place.append("4\nno number\n5\n");
        assert_eq!(place.look(), (false, vec![34, 5]));
    }

    #[test]
    fn a_log_that_was_cut_back_is_read_anew() {
        let mut place = Place::new();
        place.append("1\n2\n3\n");
        assert_eq!(place.look().1, [1, 2, 3]);
        place.cut(2);
        assert_eq!(place.look(), (true, vec![1]));
        // Cut and grown beyond its place between two looks.
        place.cut(2);
        place.append("70\n8\n");
        assert_eq!(place.look().1, [70, 8]);
        place.cut(2);
        place.append("71\n8\n9\n");
        assert_eq!(place.look(), (true, vec![1, 71, 8, 9]));
    }

    #[test]
    fn lines_without_end_take_no_memory() {
        let mut place = Place::new();
        place.append(&"9".repeat(3 * LONGEST));
        assert_eq!(place.look(), (false, vec![]));
        assert!(place.followed.begun.len() <= LONGEST + 1);
        place.append("\n7\n");
        assert_eq!(place.look(), (false, vec![7]));
    }
}
