//! The kinds of TIFF that `image` leaves to us: palettes, gray with alpha, 2 and 4 bits, floats, integers of 32 bits, YCbCr. And those
//! that are no picture at all: a camera's raw file is a TIFF whose first picture is a small preview.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError, TiffUnsupportedError};

use super::levels::{DeepPicture, Levels};
use super::{BUDGET, DECODE_BUDGET, Decoding, upright, words};
use crate::color::ColorMode;
use crate::error::PhotoError;
use crate::photo::RgbPhoto;

const SUBFILE: u16 = 254;
const PHOTOMETRIC: u16 = 262;
const SUB_DIRECTORIES: u16 = 330;
const DNG_VERSION: u16 = 50_706;

/// Values of [`PHOTOMETRIC`].
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;
const FILTER_ARRAY: u16 = 32_803;
const LINEAR_RAW: u16 = 34_892;

/// The beginning of a TIFF whose offsets have 64 bits; `image` does not know it by that.
pub(super) fn is_big(bytes: &[u8]) -> bool {
    bytes.starts_with(b"II\x2b\0\x08\0\0\0") || bytes.starts_with(b"MM\0\x2b\0\x08\0\0")
}

/// The kind of raw file that this is.
pub(super) fn raw(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(8..10) == Some(b"CR") {
        return Some("Canon CR2");
    }
    let first = Directory::first(bytes)?;
    if first.entry(DNG_VERSION).is_some() {
        return Some("DNG");
    }
    let is_raw = |photometric: u32| {
        [FILTER_ARRAY, LINEAR_RAW]
            .iter()
            .any(|&raw| u32::from(raw) == photometric)
    };
    let is_preview = first.value(SUBFILE).is_some_and(|kind| kind & 1 == 1);
    let has_more = first.entry(SUB_DIRECTORIES).is_some();
    match (is_preview && has_more) || first.value(PHOTOMETRIC).is_some_and(is_raw) {
        true => Some("TIFF of a camera"),
        false => None,
    }
}

/// Columns, rows and colors.
pub(super) fn header(bytes: &[u8]) -> Result<((u32, u32), ColorMode), PhotoError> {
    let (bytes, palette) = indexed(bytes);
    let mut decoder = open(&bytes)?;
    let size = decoder.dimensions().map_err(|e| explain(&e))?;
    let mode = match decoder.colortype().map_err(|e| explain(&e))? {
        _ if palette => ColorMode::Palette,
        ColorType::Gray(8) => ColorMode::Gray,
        ColorType::Gray(_) => ColorMode::DeepGray,
        ColorType::Multiband { bit_depth: 8, .. } => ColorMode::GrayAlpha,
        ColorType::Multiband { .. } => ColorMode::DeepGrayAlpha,
        ColorType::RGB(bits) if bits > 8 => ColorMode::DeepRgb,
        ColorType::RGBA(8) => ColorMode::RgbAlpha,
        ColorType::RGBA(_) => ColorMode::DeepRgbAlpha,
        _ => ColorMode::Rgb,
    };
    Ok((size, mode))
}

/// Width and height of the upright picture.
pub(super) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), PhotoError> {
    let (bytes, _) = indexed(bytes);
    let mut decoder = open(&bytes)?;
    let size = decoder.dimensions().map_err(|e| explain(&e))?;
    Ok(upright(size, orientation(&mut decoder)))
}

/// Decodes to RGB, upright.
pub(super) fn decode(bytes: &[u8], decoding: &Decoding) -> Result<RgbPhoto, PhotoError> {
    let read = read(bytes, decoding)?;
    let (width, height) = (read.picture.width, read.picture.height);
    let rgb = match &read.palette {
        Some(colors) => with_colors(&read.picture, colors),
        None => read.picture.to_rgb(read.levels.or(decoding.levels))?,
    };
    let picture =
        RgbImage::from_raw(width, height, rgb).ok_or_else(|| damaged("its size is not what it claims"))?;
    let mut picture = DynamicImage::ImageRgb8(picture);
    picture.apply_orientation(read.orientation);
    let (width, height) = (picture.width(), picture.height());
    RgbPhoto::new(width, height, picture.into_rgb8().into_raw()).ok_or_else(|| damaged("it has no pixels"))
}

/// The values of a picture of more than 8 bits.
pub(super) fn deep(bytes: &[u8], decoding: &Decoding) -> Result<Option<DeepPicture>, PhotoError> {
    let read = read(bytes, decoding)?;
    Ok((read.palette.is_none() && read.levels.is_none()).then_some(read.picture))
}

/// A picture, its values as the file has them.
struct Read {
    picture: DeepPicture,
    /// Of values that have but one meaning: those of 8 bits and fewer.
    levels: Option<Levels>,
    palette: Option<Vec<u16>>,
    orientation: Orientation,
}

fn read(bytes: &[u8], decoding: &Decoding) -> Result<Read, PhotoError> {
    let (bytes, is_palette) = indexed(bytes);
    let mut decoder = open(&bytes)?;
    let (width, height) = decoder.dimensions().map_err(|e| explain(&e))?;
    decoding.check_pixels(width, height)?;
    let color = decoder.colortype().map_err(|e| explain(&e))?;
    let channels = channels(color)?;
    // As decoded, up to 8 bytes, as floats, as RGB, and that once more while it is turned upright.
    let pixels = u64::from(width) * u64::from(height);
    let all = pixels.saturating_mul(12 * channels as u64 + 6);
    decoding.check_bytes(width, height, all)?;
    let _share = BUDGET.acquire(all);
    let orientation = orientation(&mut decoder);
    let palette = match is_palette {
        true => Some(decoder.get_tag_u16_vec(Tag::ColorMap).map_err(|e| explain(&e))?),
        false => None,
    };
    let decoded = decoder.read_image().map_err(|e| explain(&e))?;
    let bits = match color {
        ColorType::Gray(bits) if bits < 8 => bits,
        _ => 8,
    };
    let (mut values, most) = values(decoded, [width, height], bits);
    if let ColorType::YCbCr(8) = color {
        to_rgb(&mut values);
    }
    if values.len() as u64 != pixels * channels as u64 {
        return Err(damaged("its size is not what it claims"));
    }
    let levels = most
        .filter(|&most| most <= 255.0)
        .map(|white| Levels { black: 0.0, white });
    let picture = DeepPicture {
        width,
        height,
        channels,
        values,
        most,
        opaque: most.unwrap_or(1.0),
    };
    Ok(Read {
        picture,
        levels,
        palette,
        orientation,
    })
}

/// How to turn the picture upright.
fn orientation(decoder: &mut Decoder<Cursor<&[u8]>>) -> Orientation {
    let tag = decoder.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten();
    tag.and_then(Orientation::from_exif)
        .unwrap_or(Orientation::NoTransforms)
}

fn channels(color: ColorType) -> Result<usize, PhotoError> {
    match color {
        ColorType::Gray(_) => Ok(1),
        ColorType::Multiband { num_samples: 2, .. } | ColorType::GrayA(_) => Ok(2),
        ColorType::RGB(_) | ColorType::YCbCr(8) => Ok(3),
        ColorType::RGBA(_) => Ok(4),
        ColorType::Multiband { num_samples, .. } => Err(PhotoError::NotAPhoto(format!(
            "a TIFF of {num_samples} bands, which is not supported; write three of them as RGB"
        ))),
        other => Err(PhotoError::NotAPhoto(format!(
            "this kind of TIFF ({other:?}) is not read; save it as RGB or gray"
        ))),
    }
}

/// The values as floats, and the greatest there can be of integers up to 16 bits. Those of fewer than 8 `bits` lie in rows of whole bytes.
fn values(decoded: DecodingResult, [width, height]: [u32; 2], bits: u8) -> (Vec<f32>, Option<f32>) {
    match decoded {
        DecodingResult::U8(bytes) if bits < 8 => {
            let most = f32::from((1_u16 << bits) - 1);
            (unpacked(&bytes, [width, height], bits), Some(most))
        }
        DecodingResult::U8(v) => (v.into_iter().map(f32::from).collect(), Some(255.0)),
        DecodingResult::U16(v) => (v.into_iter().map(f32::from).collect(), Some(65_535.0)),
        DecodingResult::U32(v) => (v.into_iter().map(|v| v as f32).collect(), None),
        DecodingResult::U64(v) => (v.into_iter().map(|v| v as f32).collect(), None),
        DecodingResult::F16(v) => (v.into_iter().map(f32::from).collect(), None),
        DecodingResult::F32(v) => (v, None),
        DecodingResult::F64(v) => (v.into_iter().map(|v| v as f32).collect(), None),
        DecodingResult::I8(v) => (v.into_iter().map(f32::from).collect(), None),
        DecodingResult::I16(v) => (v.into_iter().map(f32::from).collect(), None),
        DecodingResult::I32(v) => (v.into_iter().map(|v| v as f32).collect(), None),
        DecodingResult::I64(v) => (v.into_iter().map(|v| v as f32).collect(), None),
    }
}

fn unpacked(bytes: &[u8], [width, height]: [u32; 2], bits: u8) -> Vec<f32> {
    let (width, bits) = (width as usize, usize::from(bits));
    let row = (width * bits).div_ceil(8);
    let mut values = Vec::with_capacity(width * height as usize);
    for line in bytes.chunks_exact(row.max(1)) {
        values.extend((0..width).map(|x| {
            let at = x * bits;
            let shifted = line[at / 8] >> (8 - bits - at % 8);
            f32::from(shifted & ((1 << bits) - 1))
        }));
    }
    values
}

/// Y, Cb and Cr of 8 bits to R, G and B (ITU-R BT.601, full range, as in JPEG).
fn to_rgb(values: &mut [f32]) {
    for pixel in values.chunks_exact_mut(3) {
        let (y, cb, cr) = (pixel[0], pixel[1] - 128.0, pixel[2] - 128.0);
        pixel.copy_from_slice(&[
            y + 1.402 * cr,
            y - 0.344_136 * cb - 0.714_136 * cr,
            y + 1.772 * cb,
        ]);
    }
}

/// The colors of a table, which holds all reds, then all greens, then all blues, of 16 bits.
fn with_colors(picture: &DeepPicture, colors: &[u16]) -> Vec<u8> {
    let count = colors.len() / 3;
    let color = |index: usize, channel: usize| {
        let value = colors.get(channel * count + index).copied().unwrap_or(0);
        // Of some programs only the lower byte is filled; 16 bits are what the format says.
        (value >> 8) as u8
    };
    let indices = picture
        .values
        .iter()
        .map(|&value| (value as usize).min(count.saturating_sub(1)));
    indices
        .flat_map(|index| [0, 1, 2].map(|channel| color(index, channel)))
        .collect()
}

/// The file as one of gray, where it has a palette: its values are then the numbers of colors.
fn indexed(bytes: &[u8]) -> (std::borrow::Cow<'_, [u8]>, bool) {
    let first = Directory::first(bytes);
    let photometric = first.as_ref().and_then(|first| first.entry(PHOTOMETRIC));
    let Some((first, entry)) = first.as_ref().zip(photometric) else {
        return (bytes.into(), false);
    };
    if first.value(PHOTOMETRIC) != Some(u32::from(PALETTE)) {
        return (bytes.into(), false);
    }
    let mut gray = bytes.to_vec();
    let at = entry + first.value_offset();
    let value = if first.is_little {
        BLACK_IS_ZERO.to_le_bytes()
    } else {
        BLACK_IS_ZERO.to_be_bytes()
    };
    gray[at..at + 2].copy_from_slice(&value);
    (gray.into(), true)
}

fn open(bytes: &[u8]) -> Result<Decoder<Cursor<&[u8]>>, PhotoError> {
    let decoder = Decoder::new(Cursor::new(bytes)).map_err(|e| explain(&e))?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = DECODE_BUDGET as usize;
    limits.intermediate_buffer_size = DECODE_BUDGET as usize;
    Ok(decoder.with_limits(limits))
}

fn explain(error: &TiffError) -> PhotoError {
    match error {
        TiffError::UnsupportedError(kind) => PhotoError::NotAPhoto(match unsupported(kind) {
            Some(kind) => format!("this kind of TIFF ({kind}) is not read; save it as RGB or gray"),
            None => {
                String::from("this kind of TIFF is not read; save it as RGB or gray, without compression")
            }
        }),
        _ => damaged(&words(&error.to_string())),
    }
}

/// What is not supported, in the words of TIFF and without those of the decoder.
fn unsupported(error: &TiffUnsupportedError) -> Option<String> {
    match error {
        TiffUnsupportedError::InterpretationWithBits(colors, bits) => {
            let each = bits.first()?;
            match bits.iter().all(|other| other == each) {
                true => Some(format!(
                    "{colors:?}, {each} bits for each of {} channels",
                    bits.len()
                )),
                false => Some(format!("{colors:?}")),
            }
        }
        TiffUnsupportedError::UnsupportedInterpretation(colors) => Some(format!("{colors:?}")),
        TiffUnsupportedError::UnsupportedCompressionMethod(method) => Some(format!("{method:?} compression")),
        TiffUnsupportedError::UnsupportedBitsPerChannel(bits) => Some(format!("{bits} bits")),
        TiffUnsupportedError::ChromaSubsampling => Some(String::from("YCbCr with fewer values of color")),
        _ => None,
    }
}

fn damaged(reason: &str) -> PhotoError {
    PhotoError::Damaged {
        format: "TIFF",
        reason: String::from(reason),
    }
}

/// The entries of a file's first directory.
struct Directory<'a> {
    bytes: &'a [u8],
    is_little: bool,
    is_big: bool,
    /// Where the first entry begins.
    start: usize,
    count: usize,
}

impl<'a> Directory<'a> {
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let is_little = bytes.starts_with(b"II");
        let is_big = is_big(bytes);
        let mut directory = Self {
            bytes,
            is_little,
            is_big,
            start: 0,
            count: 0,
        };
        let at = match is_big {
            true => directory.number(8, 8)?,
            false => directory.number(4, 4)?,
        };
        let at = usize::try_from(at).ok()?;
        let length = if is_big { 8 } else { 2 };
        let count = directory.number(at, length)?;
        directory.start = at.checked_add(length)?;
        directory.count = usize::try_from(count).ok()?.min(1 << 12);
        Some(directory)
    }

    fn number(&self, at: usize, length: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(match self.is_little {
            true => bytes.iter().rev().fold(0, add),
            false => bytes.iter().fold(0, add),
        })
    }

    fn entry_length(&self) -> usize {
        if self.is_big { 20 } else { 12 }
    }

    /// Where the value stands in an entry.
    fn value_offset(&self) -> usize {
        if self.is_big { 12 } else { 8 }
    }

    /// Where the entry of a tag begins.
    fn entry(&self, tag: u16) -> Option<usize> {
        let places = (0..self.count).map(|number| self.start + number * self.entry_length());
        places
            .take_while(|&at| at + self.entry_length() <= self.bytes.len())
            .find(|&at| self.number(at, 2) == Some(u64::from(tag)))
    }

    /// The value of a tag with one number of 16 or 32 bits.
    fn value(&self, tag: u16) -> Option<u32> {
        let at = self.entry(tag)?;
        let length = match self.number(at + 2, 2)? {
            3 => 2,
            4 => 4,
            _ => return None,
        };
        self.number(at + self.value_offset(), length)
            .map(|value| value as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiff::encoder::{TiffEncoder, colortype};

    fn written(write: impl FnOnce(&mut TiffEncoder<&mut Cursor<Vec<u8>>>)) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        write(&mut TiffEncoder::new(&mut file).expect("memory"));
        file.into_inner()
    }

    fn pixels(bytes: &[u8], levels: Option<Levels>) -> Result<Vec<u8>, PhotoError> {
        let decoding = Decoding {
            levels,
            ..Decoding::default()
        };
        super::super::decode(bytes, &decoding).map(RgbPhoto::into_pixels)
    }

    #[test]
    fn floats_are_a_unit_or_need_levels() {
        let unit = written(|tiff| {
            tiff.write_image::<colortype::Gray32Float>(2, 1, &[0.0, 1.0])
                .expect("memory")
        });
        assert_eq!(pixels(&unit, None).expect("a unit"), [0, 0, 0, 255, 255, 255]);
        let large = written(|tiff| {
            tiff.write_image::<colortype::Gray32Float>(2, 1, &[0.0, 200.0])
                .expect("memory")
        });
        assert!(matches!(pixels(&large, None), Err(PhotoError::NoLevels { .. })));
        let levels = Levels::new(0.0, 200.0);
        assert_eq!(pixels(&large, levels).expect("levels"), [0, 0, 0, 255, 255, 255]);
        let whole = written(|tiff| {
            tiff.write_image::<colortype::Gray32>(2, 1, &[0, 200])
                .expect("memory")
        });
        assert!(pixels(&whole, None).is_err());
        assert_eq!(pixels(&whole, levels).expect("levels"), [0, 0, 0, 255, 255, 255]);
    }

    #[test]
    fn offsets_of_64_bits_are_read() {
        let mut file = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new_big(&mut file).expect("memory");
        encoder
            .write_image::<colortype::RGB8>(1, 1, &[9, 8, 7])
            .expect("memory");
        let big = file.into_inner();
        assert_eq!(pixels(&big, None).expect("a photo"), [9, 8, 7]);
        assert_eq!(
            super::super::dimensions(&big, &Decoding::default()).expect("a photo"),
            (1, 1)
        );
    }

    #[test]
    fn a_palette_gives_its_colors() {
        let gray = written(|tiff| {
            let mut image = tiff.new_image::<colortype::Gray8>(3, 1).expect("memory");
            let mut colors = vec![0_u16; 3 * 256];
            (colors[1], colors[256 + 1], colors[512 + 2]) = (0xffff, 0x8080, 0x4040);
            image
                .encoder()
                .write_tag(Tag::ColorMap, &colors[..])
                .expect("memory");
            image.write_data(&[0, 1, 2]).expect("memory");
        });
        let first = Directory::first(&gray).expect("a directory");
        let at = first.entry(PHOTOMETRIC).expect("the tag") + first.value_offset();
        let mut palette = gray.clone();
        palette[at] = PALETTE as u8;
        assert_eq!(
            pixels(&palette, None).expect("a palette"),
            [0, 0, 0, 255, 128, 0, 0, 0, 64]
        );
        // Damage anywhere is an error or a photo.
        for at in 0..palette.len().min(400) {
            let mut damaged = palette.clone();
            damaged[at] ^= 0x55;
            let _ = pixels(&damaged, None);
            let _ = pixels(&palette[..at], None);
        }
    }

    #[test]
    fn a_preview_in_a_raw_file_is_no_photo() {
        for (tag, value) in [(Tag::Unknown(DNG_VERSION), 0x401_u32), (Tag::SubIfd, 8)] {
            let raw = written(|tiff| {
                let mut image = tiff.new_image::<colortype::RGB8>(1, 1).expect("memory");
                image
                    .encoder()
                    .write_tag(Tag::NewSubfileType, 1_u32)
                    .expect("memory");
                image.encoder().write_tag(tag, value).expect("memory");
                image.write_data(&[1, 2, 3]).expect("memory");
            });
            let error = pixels(&raw, None).expect_err("a preview").to_string();
            assert!(error.contains("raw file"), "{error}");
        }
    }

    #[test]
    fn other_colors_are_named_in_the_words_of_tiff() {
        let mut lab = written(|tiff| {
            tiff.write_image::<colortype::RGB8>(1, 1, &[1, 2, 3])
                .expect("memory");
        });
        let first = Directory::first(&lab).expect("a directory");
        let at = first.entry(PHOTOMETRIC).expect("colors") + first.value_offset();
        lab[at] = 8;
        let error = super::super::decode(&lab, &Decoding::default());
        let error = error.expect_err("no RGB").to_string();
        assert!(error.starts_with("this kind of TIFF (CIELab"), "{error}");
        assert!(
            error.ends_with("save it as RGB or gray") && !error.contains("unsupported"),
            "{error}"
        );
    }

    #[test]
    fn few_bits_lie_in_whole_bytes() {
        assert_eq!(
            unpacked(&[0x1f, 0x20, 0xab, 0xc0], [3, 2], 4),
            [1.0, 15.0, 2.0, 10.0, 11.0, 12.0]
        );
        assert_eq!(unpacked(&[0b1011_0000], [4, 1], 1), [1.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn brightness_and_color_differences_become_rgb() {
        let mut values = [128.0, 128.0, 128.0, 76.0, 85.0, 255.0];
        to_rgb(&mut values);
        assert_eq!(values.map(|v| v.round()), [128.0, 128.0, 128.0, 254.0, 0.0, 0.0]);
    }
}
