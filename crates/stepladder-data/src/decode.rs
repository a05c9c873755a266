//! From a file's bytes to an upright RGB photo. The content decides what it is, never the extension.
//!
//! JPEG, PNG, WebP, BMP, GIF (first frame) and TIFF; grayscale, palette and CMYK become RGB, 16 bits become 8, transparency
//! is laid over white, the EXIF orientation is applied. Color profiles are not. Everything that a file can claim is bounded:
//! pixels, bytes, and what all threads together hold while they decode.

mod jpeg;
pub(crate) mod sniff;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::color::ColorMode;
use crate::error::PhotoError;
use crate::names::printable;
use crate::photo::RgbPhoto;

pub(crate) use jpeg::components as jpeg_components;

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
    guarded(format, || match format {
        ImageFormat::Jpeg => jpeg::decode(bytes),
        _ => decode_other(bytes, format),
    })
}

/// Width and height of the upright picture from the header, without decoding the pixels. `bytes` may be the file's beginning only;
/// an orientation that stands further back is not seen.
pub fn dimensions(bytes: &[u8]) -> Result<(u32, u32), PhotoError> {
    let format = recognize(bytes)?;
    guarded(format, || match format {
        ImageFormat::Jpeg => jpeg::dimensions(bytes),
        _ => open(bytes, format).map(|mut decoder| upright(decoder.dimensions(), orientation(&mut decoder))),
    })
}

/// A decodable file's format, and how it stores colors.
pub(crate) fn kind(bytes: &[u8]) -> Result<(&'static str, ColorMode), PhotoError> {
    let format = recognize(bytes)?;
    let name = name_of(format).unwrap_or("picture");
    guarded(format, || {
        let decoded = match format {
            ImageFormat::Jpeg => ColorType::Rgb8,
            _ => open(bytes, format)?.color_type(),
        };
        Ok((name, ColorMode::of(bytes, format, decoded)))
    })
}

fn recognize(bytes: &[u8]) -> Result<ImageFormat, PhotoError> {
    if bytes.is_empty() {
        return Err(PhotoError::Empty);
    }
    match image::guess_format(bytes) {
        Ok(format) if name_of(format).is_some() => Ok(format),
        _ => Err(PhotoError::NotAPhoto(sniff::describe(bytes))),
    }
}

/// The formats that are decoded.
fn name_of(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Jpeg => Some("JPEG"),
        ImageFormat::Png => Some("PNG"),
        ImageFormat::WebP => Some("WebP"),
        ImageFormat::Bmp => Some("BMP"),
        ImageFormat::Gif => Some("GIF"),
        ImageFormat::Tiff => Some("TIFF"),
        _ => None,
    }
}

fn guarded<T>(format: ImageFormat, work: impl FnOnce() -> Result<T, PhotoError>) -> Result<T, PhotoError> {
    let format = name_of(format).unwrap_or("picture");
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(PhotoError::DecoderPanicked { format }))
}

fn decode_other(bytes: &[u8], format: ImageFormat) -> Result<RgbPhoto, PhotoError> {
    let mut decoder = open(bytes, format)?;
    let (width, height) = decoder.dimensions();
    let decoded = decoder.total_bytes();
    // As decoded, as RGB, and once more while it is turned upright.
    let all = decoded.saturating_add(2 * 3 * u64::from(width) * u64::from(height));
    if all > DECODE_BUDGET {
        return Err(PhotoError::TooManyPixels { width, height });
    }
    let _share = BUDGET.acquire(all);
    let orientation = orientation(&mut decoder);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| explain(format, e))?;
    picture.apply_orientation(orientation);
    let (width, height) = (picture.width(), picture.height());
    let format = name_of(format).unwrap_or("picture");
    RgbPhoto::new(width, height, over_white(picture)).ok_or_else(|| PhotoError::Damaged {
        format,
        reason: String::from("it has no pixels"),
    })
}

fn open(bytes: &[u8], format: ImageFormat) -> Result<impl ImageDecoder + '_, PhotoError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(u32::from(u16::MAX));
    limits.max_image_height = Some(u32::from(u16::MAX));
    limits.max_alloc = Some(DECODE_BUDGET);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| explain(format, e))?;
    let (width, height) = decoder.dimensions();
    check_pixels(width, height)?;
    Ok(decoder)
}

fn check_pixels(width: u32, height: u32) -> Result<(), PhotoError> {
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PhotoError::TooManyPixels { width, height });
    }
    Ok(())
}

/// Width and height after a picture is turned upright.
fn upright((width, height): (u32, u32), orientation: Orientation) -> (u32, u32) {
    match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => (width, height),
    }
}

/// How to turn the picture upright. A broken EXIF block is no reason to lose it.
fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    match decoder.orientation() {
        Ok(Orientation::NoTransforms) => {}
        Ok(orientation) => return orientation,
        Err(_) => return Orientation::NoTransforms,
    }
    // Many programs write the marker that belongs to JPEG into WebP and PNG as well, and `image` does not expect it there.
    let exif = decoder.exif_metadata().ok().flatten().unwrap_or_default();
    let block = exif.strip_prefix(b"Exif\0\0").unwrap_or(&exif);
    Orientation::from_exif_chunk(block).unwrap_or(Orientation::NoTransforms)
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
    let format = name_of(format).unwrap_or("picture");
    let reason = match &error {
        ImageError::Limits(_) => {
            let limit = MAX_PIXELS / 1_000_000;
            return PhotoError::NotAPhoto(format!(
                "this {format} claims more than the limit of {limit} megapixels"
            ));
        }
        ImageError::Unsupported(e) => {
            return PhotoError::NotAPhoto(format!(
                "this kind of {format} is not supported: {}",
                words(&e.to_string())
            ));
        }
        // The cause says it without naming the format once more.
        ImageError::Decoding(e) => match std::error::Error::source(e) {
            Some(cause) => cause.to_string(),
            None => e.to_string(),
        },
        ImageError::IoError(e) => match e.kind() {
            std::io::ErrorKind::UnexpectedEof => String::from("cut short"),
            _ => e.to_string(),
        },
        other => other.to_string(),
    };
    PhotoError::Damaged {
        format,
        reason: words(&reason),
    }
}

/// A decoder's words on one line, printable and short; they may quote the file.
fn words(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    printable(line.trim_matches(['"', '.']))
        .chars()
        .take(120)
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba};

    fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, format).expect("memory");
        bytes.into_inner()
    }

    fn pixels(bytes: &[u8]) -> Vec<u8> {
        decode(bytes).expect("a good photo").into_pixels()
    }

    #[test]
    fn every_format_and_color_becomes_rgb() {
        let rgb = RgbImage::from_pixel(2, 1, Rgb([200, 100, 50]));
        for format in [
            ImageFormat::Png,
            ImageFormat::Bmp,
            ImageFormat::Gif,
            ImageFormat::Tiff,
            ImageFormat::WebP,
        ] {
            assert_eq!(
                pixels(&encoded(rgb.clone(), format)),
                [200, 100, 50, 200, 100, 50],
                "{format:?}"
            );
        }
        let gray = GrayImage::from_pixel(1, 1, Luma([77]));
        assert_eq!(pixels(&encoded(gray, ImageFormat::Png)), [77; 3]);
        let deep = ImageBuffer::from_pixel(1, 1, Rgb([0x8080_u16, 0, 0xffff]));
        assert_eq!(pixels(&encoded(deep, ImageFormat::Png)), [0x80, 0, 255]);
    }

    #[test]
    fn transparency_is_laid_over_white() {
        let rgba = ImageBuffer::from_fn(3, 1, |x, _| Rgba([0, 100, 200, [0_u8, 128, 255][x as usize]]));
        assert_eq!(
            pixels(&encoded(rgba, ImageFormat::Png)),
            [255, 255, 255, 127, 177, 227, 0, 100, 200]
        );
        let gray = ImageBuffer::from_pixel(1, 1, LumaA([0_u8, 0]));
        assert_eq!(pixels(&encoded(gray, ImageFormat::Png)), [255; 3]);
    }

    #[test]
    fn claims_beyond_the_limits_are_refused_before_they_cost_memory() {
        // A PNG header alone, for 60,000 x 60,000 pixels; its checksum is made up for.
        let mut png = encoded(GrayImage::new(1, 1), ImageFormat::Png);
        png[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        let mut crc = flate2::Crc::new();
        crc.update(&png[12..29]);
        png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        let error = decode(&png).expect_err("too large").to_string();
        assert!(
            error.contains("60000 x 60000") || error.contains("limit"),
            "{error}"
        );
        let gif = b"GIF89a\xff\xff\xff\xff\0\0\0\x2c\0\0\0\0\xff\xff\xff\xff\0\x02\0";
        assert!(decode(gif).is_err());
    }

    #[test]
    fn every_cut_and_every_flipped_byte_gives_a_photo_or_a_reason() {
        let picture = RgbImage::from_fn(9, 7, |x, y| Rgb([x as u8 * 20, y as u8 * 30, (x * y) as u8]));
        let formats = [
            ImageFormat::Jpeg,
            ImageFormat::Png,
            ImageFormat::Bmp,
            ImageFormat::Gif,
            ImageFormat::Tiff,
            ImageFormat::WebP,
        ];
        for format in formats {
            let whole = encoded(picture.clone(), format);
            for at in 0..whole.len() {
                let _ = decode(&whole[..at]);
                let mut damaged = whole.clone();
                damaged[at] ^= 0x55;
                if let Err(error) = decode(&damaged) {
                    assert!(!error.to_string().contains('\n'));
                }
            }
        }
    }

    #[test]
    fn the_budget_is_shared_and_returned() {
        let whole = BUDGET.acquire(u64::MAX);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| drop(BUDGET.acquire(1)));
            drop(whole);
            waiting.join().expect("gets its share");
        });
    }
}
