//! The cache file: a header of 128 bytes, the pixels of all readable photos one after the other (RGB, row by row), and an index.
//!
//! ```text
//! header   magic 8 | version u32 | size u32 | key 32 | index offset u64 | index length u64 | index hash 32 | header hash 32
//! index    count u32, then per photo a kind u8 and
//!          0, readable    content hash 32 | offset u64 | width u32 | height u32 | pixel hash 8
//!          1, unusable    length u32 | reason, UTF-8
//!          2, not read    length u32 | reason, UTF-8
//! ```
//!
//! Numbers are little endian, hashes blake3, but for the pixel hash, which is XXH3 with 64 bits. The header is written last, so
//! that a file that was not finished has none. Whatever does not fit together reads as "no cache", and the photos are decoded
//! again.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use xxhash_rust::xxh3::xxh3_64;

use crate::photo::RgbPhoto;
use crate::positional::{read_exact_at, write_all_at};

const MAGIC: &[u8; 8] = b"SLPHOTOS";
/// Changes when the layout of the file changes, or what decoding makes of a photo.
pub(crate) const VERSION: u32 = 3;
const HEADER: usize = 128;
const HASHED: usize = HEADER - 32;
/// The most that an index may take: ten million photos.
const MAX_INDEX: u64 = 1 << 30;

/// What the cache knows of one photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// Decoded; its pixels are in the file.
    Readable(Pixels),
    /// Cannot be used, and why. That will not change.
    Unusable(String),
    /// Could not be read, and why. A file with such a record is not used again, as the next time may go better.
    NotRead(String),
}

impl Record {
    /// Why the photo cannot be used; `None` where it can.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Record::Readable(_) => None,
            Record::Unusable(reason) | Record::NotRead(reason) => Some(reason),
        }
    }
}

/// Where the pixels of a photo are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pixels {
    /// blake3 of the file that the photo came from.
    pub(crate) content: [u8; 32],
    pub(crate) offset: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    check: [u8; 8],
}

impl Pixels {
    fn len(&self) -> u64 {
        (u64::from(self.width) * u64::from(self.height)).saturating_mul(3)
    }

    /// Reads the photo into `pixels`, over what they held, and checks that they are those that were written.
    pub(crate) fn read(&self, file: &File, mut pixels: Vec<u8>) -> io::Result<RgbPhoto> {
        pixels.resize(self.len() as usize, 0);
        read_exact_at(file, &mut pixels, self.offset)?;
        if check_of(&pixels) != self.check {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its checksum is wrong",
            ));
        }
        RgbPhoto::new(self.width, self.height, pixels).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

impl Pixels {
    /// Whether `photo`, of a file with the hash `content`, is the one that was written.
    pub(crate) fn are_of(&self, content: &[u8; 32], photo: &RgbPhoto) -> bool {
        *content == self.content
            && (photo.width(), photo.height()) == (self.width, self.height)
            && check_of(photo.pixels()) == self.check
    }

    /// Writes the photo once more, where it was.
    pub(crate) fn write(&self, file: &File, photo: &RgbPhoto) -> io::Result<()> {
        write_all_at(file, photo.pixels(), self.offset)
    }
}

/// Finds damage by chance, which is all that can happen to a file of our own; every photo of every batch passes through it.
fn check_of(pixels: &[u8]) -> [u8; 8] {
    xxh3_64(pixels).to_le_bytes()
}

/// Writes a cache file from its beginning to its end.
pub(crate) struct Writer<'a> {
    out: BufWriter<&'a File>,
    offset: u64,
}

impl<'a> Writer<'a> {
    /// Starts an empty file.
    pub(crate) fn new(file: &'a File) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        out.write_all(&[0; HEADER])?;
        Ok(Self {
            out,
            offset: HEADER as u64,
        })
    }

    /// Appends a photo.
    pub(crate) fn append(&mut self, content: [u8; 32], photo: &RgbPhoto) -> io::Result<Pixels> {
        let (width, height) = (photo.width(), photo.height());
        let pixels = Pixels {
            content,
            offset: self.offset,
            width,
            height,
            check: check_of(photo.pixels()),
        };
        self.out.write_all(photo.pixels())?;
        self.offset += pixels.len();
        Ok(pixels)
    }

    /// Writes index and header.
    pub(crate) fn finish(mut self, key: &[u8; 32], size: u32, records: &[Record]) -> io::Result<()> {
        let index = encode(records);
        self.out.write_all(&index)?;
        let mut header = Vec::with_capacity(HEADER);
        header.extend(MAGIC);
        header.extend(VERSION.to_le_bytes());
        header.extend(size.to_le_bytes());
        header.extend(key);
        header.extend(self.offset.to_le_bytes());
        header.extend((index.len() as u64).to_le_bytes());
        header.extend(blake3::hash(&index).as_bytes());
        header.extend(blake3::hash(&header).as_bytes());
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header)?;
        self.out.flush()
    }
}

/// The records of a cache file, or `None` where it is not a whole, undamaged file for this key and size (the longer side) and this many photos.
pub(crate) fn read(file: &File, key: &[u8; 32], size: u32, photos: usize) -> Option<Vec<Record>> {
    let mut header = [0; HEADER];
    read_exact_at(file, &mut header, 0).ok()?;
    let mut expected = Vec::from(MAGIC);
    expected.extend(VERSION.to_le_bytes());
    expected.extend(size.to_le_bytes());
    expected.extend(key);
    if !header.starts_with(&expected) || blake3::hash(&header[..HASHED]).as_bytes() != &header[HASHED..] {
        return None;
    }
    let mut rest = Fields(&header[expected.len()..HASHED]);
    let (offset, len, hash) = (rest.u64()?, rest.u64()?, rest.array::<32>()?);
    if len > MAX_INDEX || file.metadata().ok()?.len() != offset.checked_add(len)? {
        return None;
    }
    let mut index = vec![0; len as usize];
    read_exact_at(file, &mut index, offset).ok()?;
    if blake3::hash(&index).as_bytes() != &hash {
        return None;
    }
    let records = decode(&index, offset)?;
    (records.len() == photos).then_some(records)
}

fn encode(records: &[Record]) -> Vec<u8> {
    let mut index = Vec::with_capacity(4 + records.len() * 57);
    index.extend((records.len() as u32).to_le_bytes());
    for record in records {
        match record {
            Record::Readable(pixels) => {
                index.push(0);
                index.extend(pixels.content);
                index.extend(pixels.offset.to_le_bytes());
                index.extend(pixels.width.to_le_bytes());
                index.extend(pixels.height.to_le_bytes());
                index.extend(pixels.check);
            }
            Record::Unusable(reason) => text(&mut index, 1, reason),
            Record::NotRead(reason) => text(&mut index, 2, reason),
        }
    }
    index
}

fn text(index: &mut Vec<u8>, kind: u8, reason: &str) {
    index.push(kind);
    index.extend((reason.len() as u32).to_le_bytes());
    index.extend(reason.as_bytes());
}

/// `end` is where the pixels end.
fn decode(index: &[u8], end: u64) -> Option<Vec<Record>> {
    let mut fields = Fields(index);
    let count = fields.u32()? as usize;
    let mut records = Vec::with_capacity(count.min(index.len()));
    for _ in 0..count {
        let kind = fields.array::<1>()?[0];
        records.push(match kind {
            0 => {
                let content = fields.array()?;
                let (offset, width, height) = (fields.u64()?, fields.u32()?, fields.u32()?);
                let pixels = Pixels {
                    content,
                    offset,
                    width,
                    height,
                    check: fields.array()?,
                };
                if offset.checked_add(pixels.len())? > end {
                    return None;
                }
                Record::Readable(pixels)
            }
            1 | 2 => {
                let len = fields.u32()? as usize;
                let reason = String::from_utf8(fields.take(len)?.to_vec()).ok()?;
                if kind == 1 {
                    Record::Unusable(reason)
                } else {
                    Record::NotRead(reason)
                }
            }
            _ => return None,
        });
    }
    fields.0.is_empty().then_some(records)
}

/// Takes fields off the front of bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn sample() -> (File, Vec<Record>) {
        let file = tempfile::tempfile().expect("a temporary file");
        let photo = RgbPhoto::new(2, 1, vec![1, 2, 3, 4, 5, 6]).expect("sizes agree");
        let mut writer = Writer::new(&file).expect("writable");
        let pixels = writer.append([9; 32], &photo).expect("writable");
        let records = vec![Record::Unusable(String::from("empty")), Record::Readable(pixels)];
        writer.finish(&[7; 32], 64, &records).expect("writable");
        (file, records)
    }

    #[test]
    fn what_is_written_is_read() {
        let (file, records) = sample();
        assert_eq!(read(&file, &[7; 32], 64, 2).as_ref(), Some(&records));
        let Record::Readable(pixels) = &records[1] else {
            panic!("the second photo is readable")
        };
        assert_eq!(
            pixels.read(&file, vec![9; 40]).expect("whole").pixels(),
            [1, 2, 3, 4, 5, 6]
        );
    }

    #[test]
    fn other_keys_sizes_and_counts_are_other_caches() {
        let (file, _) = sample();
        assert_eq!(read(&file, &[8; 32], 64, 2), None);
        assert_eq!(read(&file, &[7; 32], 65, 2), None);
        assert_eq!(read(&file, &[7; 32], 64, 3), None);
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let (mut file, records) = sample();
        let mut whole = Vec::new();
        file.seek(SeekFrom::Start(0)).expect("seekable");
        file.read_to_end(&mut whole).expect("readable");
        let reads = |bytes: &[u8]| {
            let mut copy = tempfile::tempfile().expect("a temporary file");
            copy.write_all(bytes).expect("writable");
            let found = read(&copy, &[7; 32], 64, 2)?;
            assert_eq!(found, records);
            let Record::Readable(pixels) = &found[1] else {
                return None;
            };
            pixels.read(&copy, Vec::new()).ok()
        };
        assert!(reads(&whole).is_some());
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert!(reads(&damaged).is_none(), "byte {at}");
            assert!(reads(&whole[..at]).is_none(), "cut at {at}");
        }
    }
}
