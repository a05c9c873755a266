//! Opening what should be a file. A named pipe would keep its reader waiting for a writer, past every signal, and a device may do anything: both
//! are errors, at once.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Opens a regular file to read it; links are followed.
///
/// # Errors
///
/// Those of the system, and [`ErrorKind::InvalidInput`] for a pipe, a socket or a device, [`ErrorKind::IsADirectory`] for a folder.
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    without_waiting(&mut options);
    regular(options.open(path)?)
}

/// The content of a regular file of at most `limit` bytes.
///
/// # Errors
///
/// Those of [`open`] and of reading, and [`ErrorKind::FileTooLarge`].
pub fn read(path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    within(open(path)?, limit)
}

/// As [`read`], for UTF-8.
///
/// # Errors
///
/// Those of [`read`], and [`ErrorKind::InvalidData`].
pub fn read_to_string(path: impl AsRef<Path>, limit: u64) -> io::Result<String> {
    let bytes = read(path, limit)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error.utf8_error()))
}

/// Whether an error says of a file that it is not there or is none, so that opening it again would end the same way. Any other (too many
/// open files, no permission, a failing disk) says nothing of what the file holds.
pub fn is_passing(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::FileTooLarge
    )
}

/// All of a file, within a limit.
pub(crate) fn within(file: File, limit: u64) -> io::Result<Vec<u8>> {
    // The length may be a lie, as with files that grow: it is not trusted with memory beyond 1 MiB.
    let expected = file.metadata()?.len().min(1 << 20);
    let mut bytes = Vec::with_capacity(expected as usize);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        false => Ok(bytes),
        true => Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("more than {limit} bytes"),
        )),
    }
}

/// The file, if it is one.
pub(crate) fn regular(file: File) -> io::Result<File> {
    let kind = file.metadata()?.file_type();
    match kind.is_file() {
        true => Ok(file),
        false => Err(not_regular(kind)),
    }
}

fn not_regular(kind: FileType) -> io::Error {
    if kind.is_dir() {
        return io::Error::new(ErrorKind::IsADirectory, "it is a folder, not a file");
    }
    let what = special(kind);
    io::Error::new(
        ErrorKind::InvalidInput,
        format!("it is {what}, and only regular files are opened"),
    )
}

#[cfg(unix)]
fn special(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "no file",
    }
}

#[cfg(not(unix))]
fn special(_kind: FileType) -> &'static str {
    "no file"
}

#[cfg(unix)]
fn without_waiting(options: &mut OpenOptions) {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    // Neither does a regular file notice. A terminal that is opened must not become this process's own.
    options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
}

#[cfg(not(unix))]
fn without_waiting(_options: &mut OpenOptions) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_within_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "text").unwrap();
        assert_eq!(read_to_string(&path, 4).unwrap(), "text");
        assert_eq!(read(&path, 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(
            read_to_string(&path, 4).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
        assert_eq!(open(folder.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
        let absent = open(folder.path().join("absent")).unwrap_err();
        assert!(absent.kind() == ErrorKind::NotFound && !is_passing(&absent));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_an_error_at_once() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [&pipe, &socket, Path::new("/dev/zero")] {
            assert!(open(path).is_err(), "{}", path.display());
        }
        let message = open(&pipe).unwrap_err().to_string();
        assert!(message.contains("a pipe"), "{message}");
    }
}
