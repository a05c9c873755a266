//! JPEG. Most photos are one, so this path is direct; and it is strict: a decoder that makes the best of damaged data fills
//! what is missing with gray or colored blocks, and a network would learn those.

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{BUDGET, check_pixels, upright, words};
use crate::error::PhotoError;
use crate::photo::RgbPhoto;

/// Decodes to RGB, upright. Gray and CMYK (with Adobe's inverted values, as all programs write it) included.
pub(super) fn decode(bytes: &[u8]) -> Result<RgbPhoto, PhotoError> {
    let (mut decoder, lenient) = match headers(bytes, true) {
        // Bytes between the segments of the header harm nothing. Lenient from there on, so that the end must be checked.
        Err(e) if is_harmless(&e) => (headers(bytes, false).map_err(|e| explain(bytes, &e))?, true),
        outcome => (outcome.map_err(|e| explain(bytes, &e))?, false),
    };
    let (width, height) = size(&mut decoder)?;
    // Per pixel three coefficients of 16 bits, which a progressive photo holds all at once, the pixels, and once more while
    // they are turned upright.
    let _share = BUDGET.acquire(12 * u64::from(width) * u64::from(height));
    let orientation = orientation(&decoder);
    let pixels = decoder.decode().map_err(|e| explain(bytes, &e))?;
    if lenient && !has_end(bytes) {
        return Err(damaged(CUT_SHORT));
    }
    let picture =
        RgbImage::from_raw(width, height, pixels).ok_or_else(|| damaged("its size is not what it claims"))?;
    let mut picture = DynamicImage::ImageRgb8(picture);
    picture.apply_orientation(orientation);
    let (width, height) = (picture.width(), picture.height());
    RgbPhoto::new(width, height, picture.into_rgb8().into_raw()).ok_or_else(|| damaged("it has no pixels"))
}

/// Width and height of the upright picture.
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), PhotoError> {
    let mut decoder = headers(bytes, false).map_err(|e| explain(bytes, &e))?;
    Ok(upright(size(&mut decoder)?, orientation(&decoder)))
}

fn orientation(decoder: &Decoder<'_>) -> Orientation {
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    orientation.unwrap_or(Orientation::NoTransforms)
}

const CUT_SHORT: &str = "cut short, its end is missing";

type Decoder<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

fn headers(bytes: &[u8], strict: bool) -> Result<Decoder<'_>, DecodeErrors> {
    let options = DecoderOptions::default()
        .set_strict_mode(strict)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers()?;
    Ok(decoder)
}

fn size(decoder: &mut Decoder<'_>) -> Result<(u32, u32), PhotoError> {
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged("it has no size"))?;
    // Both are at most 65,535.
    let (width, height) = (width as u32, height as u32);
    check_pixels(width, height)?;
    Ok((width, height))
}

fn is_harmless(error: &DecodeErrors) -> bool {
    // zune-jpeg has no other sign of it than its words; the tests notice when they change.
    error.to_string().contains("Extra bytes between headers")
}

fn explain(bytes: &[u8], error: &DecodeErrors) -> PhotoError {
    match unsupported(bytes) {
        Some(kind) => PhotoError::NotAPhoto(format!(
            "{kind}, which is not supported; save it as an ordinary JPEG"
        )),
        None => damaged(&words(&error.to_string())),
    }
}

fn damaged(reason: &str) -> PhotoError {
    PhotoError::Damaged {
        format: "JPEG",
        reason: String::from(reason),
    }
}

/// The rare kinds of JPEG that are not decoded, by their frame header.
fn unsupported(bytes: &[u8]) -> Option<&'static str> {
    let (marker, content) = segments(bytes).find(|(marker, _)| is_frame(*marker))?;
    match marker {
        0xc3 => Some("a lossless JPEG"),
        0xc5..=0xc7 => Some("a hierarchical JPEG"),
        0xc9..=0xcf => Some("an arithmetic-coded JPEG"),
        _ if content.first().is_some_and(|&bits| bits != 8) => Some("a JPEG of more than 8 bits"),
        _ => None,
    }
}

/// Color channels, by the frame header: 1 for gray, 3, or 4 for CMYK.
pub(crate) fn components(bytes: &[u8]) -> Option<u8> {
    let (_, content) = segments(bytes).find(|(marker, _)| is_frame(*marker))?;
    content.get(5).copied()
}

/// Start-of-frame markers; 0xc4, 0xc8 and 0xcc have other meanings (ITU-T T.81, table B.1).
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Whether the first picture has an end-of-image marker.
fn has_end(bytes: &[u8]) -> bool {
    // Inside the entropy-coded data 0xff is followed by 0 or a restart marker, so this pair cannot occur there. Before it,
    // it can: an EXIF thumbnail is a whole JPEG. Where the header cannot be walked, the whole file is searched.
    let scan = segments(bytes).find(|(marker, _)| *marker == 0xda);
    scan.map_or(bytes, |(_, rest)| rest)
        .windows(2)
        .any(|pair| pair == [0xff, 0xd9])
}

/// The segments of the header: marker, and the bytes from its content to the end of the file. Ends behind the start of the
/// first scan, or at the first thing that is no segment.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes.get(2..);
    std::iter::from_fn(move || {
        let here = rest.take()?;
        let &[0xff, marker, high, low] = here.get(..4)? else {
            return None;
        };
        if marker != 0xda {
            rest = here.get(2 + usize::from(u16::from_be_bytes([high, low]))..);
        }
        Some((marker, &here[4..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo() -> Vec<u8> {
        let picture = RgbImage::from_fn(40, 24, |x, y| image::Rgb([x as u8 * 6, y as u8 * 10, 90]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture
            .write_to(&mut bytes, image::ImageFormat::Jpeg)
            .expect("memory");
        bytes.into_inner()
    }

    /// The photo with a segment put behind its first marker.
    fn with_segment(segment: &[u8]) -> Vec<u8> {
        let photo = photo();
        [&photo[..2], segment, &photo[2..]].concat()
    }

    fn exif(orientation: u8) -> Vec<u8> {
        // One little-endian directory with the one entry 0x0112, a short.
        let tiff = [
            b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0",
            &[orientation, 0, 0, 0][..],
            &[0; 4],
        ]
        .concat();
        let mut segment = vec![0xff, 0xe1, 0, 8 + tiff.len() as u8];
        segment.extend(b"Exif\0\0");
        segment.extend(tiff);
        segment
    }

    #[test]
    fn a_photo_is_decoded_and_turned_upright() {
        let upright = decode(&photo()).expect("a good photo");
        assert_eq!((upright.width(), upright.height()), (40, 24));
        let turned = decode(&with_segment(&exif(6))).expect("a good photo");
        assert_eq!((turned.width(), turned.height()), (24, 40));
        // Orientation 6: the first row is the right side. The stored bottom left corner becomes the top left one.
        let corner = &upright.pixels()[23 * 40 * 3..][..3];
        assert_eq!(&turned.pixels()[..3], corner);
        assert_eq!(dimensions(&photo()).ok(), Some((40, 24)));
    }

    #[test]
    fn junk_between_the_segments_and_behind_the_end_is_harmless() {
        let photo = decode(&photo()).expect("a good photo");
        assert_eq!(decode(&with_segment(&[0, 1, 2, 3])).ok(), Some(photo.clone()));
        let tail = [self::photo(), vec![7; 100]].concat();
        assert_eq!(decode(&tail).ok(), Some(photo));
    }

    #[test]
    fn a_photo_that_is_cut_short_is_refused() {
        for photo in [photo(), with_segment(&[0, 1, 2, 3])] {
            for keep in [2, 100, photo.len() / 2, photo.len() - photo.len() / 5] {
                assert!(decode(&photo[..keep]).is_err(), "{keep} of {}", photo.len());
            }
        }
    }

    #[test]
    fn rare_kinds_are_named() {
        let mut arithmetic = photo();
        let frame = arithmetic
            .windows(2)
            .position(|pair| pair == [0xff, 0xc0])
            .expect("a baseline photo");
        arithmetic[frame + 1] = 0xc9;
        let error = decode(&arithmetic).expect_err("not supported").to_string();
        assert!(error.contains("arithmetic"), "{error}");
        let mut deep = photo();
        deep[frame + 4] = 12;
        let error = decode(&deep).expect_err("not supported").to_string();
        assert!(error.contains("more than 8 bits"), "{error}");
    }
}
