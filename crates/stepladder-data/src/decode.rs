//! From a file's bytes to an upright RGB photo. The content decides what it is, never the extension.
//!
//! JPEG, PNG, WebP, BMP, GIF (first frame) and TIFF; grayscale, palette and CMYK become RGB, 16 bits become 8, transparency
//! is laid over white, the EXIF orientation is applied. Color profiles are not. Everything that a file can claim is bounded:
//! pixels, bytes, and what all threads together hold while they decode.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::error::PhotoError;
use crate::names::printable;
use crate::photo::RgbPhoto;
use crate::sniff;

/// The largest file that is read, in bytes, compressed or not.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// The most pixels that a picture may have.
pub const MAX_PIXELS: u64 = 100_000_000;
/// What all threads together may hold as decoded pixels, in bytes. A thread waits for its share; one large picture is
/// decoded alone.
const DECODE_BUDGET: u64 = 1 << 30;

/// Decodes a photo.
///
/// A decoder that panics costs this photo only: the panic is caught and returned as an error. (The panic hook still
/// writes its line to stderr.)
pub fn decode(bytes: &[u8]) -> Result<RgbPhoto, PhotoError> {
    let format = recognize(bytes)?;
    guarded(format, || {
        let (decoder, orientation) = open(bytes, format)?;
        let (width, height) = decoder.dimensions();
        let decoded = decoder.total_bytes();
        // Decoded, then as RGB, then once more while it is turned upright.
        let rgb = 3 * u64::from(width) * u64::from(height);
        if decoded.saturating_add(rgb) > DECODE_BUDGET {
            return Err(PhotoError::TooManyPixels { width, height });
        }
        let _share = BUDGET.acquire(decoded + 2 * rgb);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| explain(format, e))?;
        if format == ImageFormat::Jpeg {
            sniff::require_jpeg_end(bytes)?;
        }
        picture.apply_orientation(orientation);
        let (width, height) = (picture.width(), picture.height());
        RgbPhoto::new(width, height, over_white(picture)).ok_or_else(|| PhotoError::Damaged {
            format: name_of(format),
            reason: String::from("it has no pixels"),
        })
    })
}

/// Width and height from the header, before orientation, without decoding the pixels. `bytes` may be the file's beginning only.
pub(crate) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), PhotoError> {
    let format = recognize(bytes)?;
    guarded(format, || {
        open(bytes, format).map(|(decoder, _)| decoder.dimensions())
    })
}

fn recognize(bytes: &[u8]) -> Result<ImageFormat, PhotoError> {
    if bytes.is_empty() {
        return Err(PhotoError::Empty);
    }
    match image::guess_format(bytes) {
        Ok(format) if format.reading_enabled() && name_of(format) != "picture" => Ok(format),
        _ => Err(PhotoError::NotAPhoto(sniff::describe(bytes))),
    }
}

fn open(
    bytes: &[u8],
    format: ImageFormat,
) -> Result<(impl ImageDecoder + '_, image::metadata::Orientation), PhotoError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(u32::from(u16::MAX));
    limits.max_image_height = Some(u32::from(u16::MAX));
    limits.max_alloc = Some(DECODE_BUDGET);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|e| explain(format, e))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PhotoError::TooManyPixels { width, height });
    }
    // A broken EXIF block is no reason to lose the photo.
    let orientation = decoder
        .orientation()
        .unwrap_or(image::metadata::Orientation::NoTransforms);
    Ok((decoder, orientation))
}

fn guarded<T>(format: ImageFormat, work: impl FnOnce() -> Result<T, PhotoError>) -> Result<T, PhotoError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(PhotoError::DecoderPanicked {
            format: name_of(format),
        })
    })
}

/// RGB bytes; what shows through transparent pixels is white, as on a page.
fn over_white(picture: DynamicImage) -> Vec<u8> {
    if !picture.color().has_alpha() {
        return picture.into_rgb8().into_raw();
    }
    let rgba = picture.into_rgba8();
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for pixel in rgba.pixels() {
        let [r, g, b, alpha] = pixel.0.map(u32::from);
        rgb.extend([r, g, b].map(|v| ((v * alpha + 255 * (255 - alpha) + 127) / 255) as u8));
    }
    rgb
}

fn explain(format: ImageFormat, error: ImageError) -> PhotoError {
    let name = name_of(format);
    // The decoders' words may quote the file, so they are cleaned and kept short.
    let words = |text: String| printable(&text).chars().take(160).collect::<String>();
    match error {
        ImageError::Limits(_) => PhotoError::NotAPhoto(format!(
            "this {name} claims a size beyond the limit of {} megapixels",
            MAX_PIXELS / 1_000_000
        )),
        ImageError::Unsupported(e) => PhotoError::NotAPhoto(format!(
            "this kind of {name} is not supported: {}",
            words(e.to_string())
        )),
        ImageError::Decoding(e) => {
            let inner = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
            PhotoError::Damaged {
                format: name,
                reason: words(inner),
            }
        }
        ImageError::IoError(e) => PhotoError::Damaged {
            format: name,
            reason: words(e.to_string()),
        },
        other => PhotoError::Damaged {
            format: name,
            reason: words(other.to_string()),
        },
    }
}

fn name_of(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Tiff => "TIFF",
        _ => "picture",
    }
}

/// Shares of [`DECODE_BUDGET`], so that memory stays bounded however many threads decode.
struct Budget {
    free: Mutex<u64>,
    returned: Condvar,
}

static BUDGET: Budget = Budget {
    free: Mutex::new(DECODE_BUDGET),
    returned: Condvar::new(),
};

impl Budget {
    fn acquire(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(DECODE_BUDGET);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .returned
            .wait_while(free, |free| *free < bytes)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= bytes;
        Share { budget: self, bytes }
    }
}

struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.budget.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.budget.returned.notify_all();
    }
}
