//! Entries that are packed with Zstandard (method 93). The zip reader would build the C library for them; this takes a decoder in
//! Rust, and what the zip reader does around it: find the data and check the sum.

use std::io::{self, Error, ErrorKind, Read, Seek, SeekFrom};

use flate2::Crc;
use ruzstd::decoding::StreamingDecoder;
use zip::read::ZipFileEntry;

use crate::positional::Cursor;

/// Bytes of a local header before the name (APPNOTE.TXT, 4.3.7).
const LOCAL_HEADER: usize = 30;

/// The content of `entry`. Like the zip reader's own, it gives no more than the size that the directory claims, and an error at the
/// end if the sum is another.
pub(super) fn reader(entry: &ZipFileEntry<'_>, cursor: &mut Cursor) -> io::Result<impl Read> {
    let mut header = [0; LOCAL_HEADER];
    cursor.seek(SeekFrom::Start(entry.header_start()))?;
    cursor.read_exact(&mut header)?;
    if !header.starts_with(b"PK\x03\x04") {
        return Err(Error::new(ErrorKind::InvalidData, "Invalid local file header"));
    }
    let length = |at: usize| i64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    // The name and the extra field, whose lengths may differ from the directory's.
    cursor.seek(SeekFrom::Current(length(26) + length(28)))?;
    let packed = cursor.take(entry.compressed_size());
    let unpacked = StreamingDecoder::new(packed)
        .map_err(|error| Error::new(ErrorKind::InvalidData, error.to_string()))?;
    Ok(Checked {
        reader: unpacked.take(entry.size()),
        sum: Crc::new(),
        expected: entry.crc32(),
    })
}

/// Compares the CRC-32 of what was read at its end.
struct Checked<R> {
    reader: R,
    sum: Crc,
    expected: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.sum.update(&buffer[..count]);
        if count == 0 && !buffer.is_empty() && self.sum.sum() != self.expected {
            return Err(Error::new(ErrorKind::InvalidData, "Invalid checksum"));
        }
        Ok(count)
    }
}
