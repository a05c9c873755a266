//! One pass over the files themselves, past the cache: what each of them is, and its pixels in full size, for whoever looks a data
//! set over.

use crate::color::ColorMode;
use crate::dataset::Dataset;
use crate::decode::{self, Decoding};
use crate::error::{DataError, PhotoError};
use crate::parallel::in_parallel;
use crate::photo::RgbPhoto;
use crate::progress::Progress;
use crate::source::Content;

/// A photo's file, read and decoded.
#[derive(Debug)]
pub struct Scanned {
    /// Length of the file in bytes, unpacked.
    pub bytes: u64,
    /// blake3 of the file; the same for exact duplicates.
    pub content: [u8; 32],
    /// "JPEG", "PNG", "WebP", "BMP", "GIF", "TIFF", "PNM" or "IDX", by content.
    pub format: &'static str,
    /// How it stores colors.
    pub color: ColorMode,
    /// Its pixels in full size, upright.
    pub photo: RgbPhoto,
}

impl Scanned {
    fn new(content: &Content, decoding: &Decoding) -> Result<Self, PhotoError> {
        let photo = content.decode(decoding)?;
        let (bytes, (format, color)) = match content {
            Content::File(file) => (file.len(), decode::kind(file, decoding)?),
            Content::Gray { pixels, .. } => (pixels.len(), ("IDX", ColorMode::Gray)),
        };
        Ok(Self {
            bytes: bytes as u64,
            content: content.hash(),
            format,
            color,
            photo,
        })
    }
}

impl Dataset {
    /// Reads and decodes every photo on `threads` threads, hands it to `look` there, and returns what `look` made of each, by photo
    /// number. The photos in work lie in memory, bounded as for every decoding, and no others.
    pub fn scan<T: Send>(
        &self,
        threads: usize,
        progress: &dyn Progress,
        look: impl Fn(u32, Result<Scanned, PhotoError>) -> T + Sync,
    ) -> Result<Vec<T>, DataError> {
        let all: Vec<u32> = (0..self.photos.len() as u32).collect();
        self.scan_some(&all, threads, progress, look)
    }

    /// As [`scan`](Self::scan), for the photos with these numbers, in this order.
    pub fn scan_some<T: Send>(
        &self,
        photos: &[u32],
        threads: usize,
        progress: &dyn Progress,
        look: impl Fn(u32, Result<Scanned, PhotoError>) -> T + Sync,
    ) -> Result<Vec<T>, DataError> {
        let readers = self.readers()?;
        let work = |place: usize| {
            let number = photos[place];
            let photo = &self.photos[number as usize];
            let content = readers[photo.source as usize].read(photo.entry);
            look(
                number,
                content.and_then(|content| Scanned::new(&content, &self.decoding)),
            )
        };
        let mut found: Vec<Option<T>> = std::iter::repeat_with(|| None).take(photos.len()).collect();
        progress.start(photos.len() as u64, "photos");
        let outcome = in_parallel(photos.len(), threads, work, |place, result| {
            if progress.is_cancelled() {
                return Err(DataError::Cancelled);
            }
            found[place] = Some(result);
            progress.advance(1);
            Ok(())
        });
        progress.finish();
        outcome?;
        Ok(found.into_iter().flatten().collect())
    }
}
