//! How a file stores color ([`ColorMode`]), read from its header. The network sees RGB whatever it is.

use std::fmt;

use image::{ColorType, ImageFormat};

use crate::decode::jpeg_components;

/// How a file stores its colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorMode {
    /// One channel.
    Gray,
    /// One channel and transparency.
    GrayAlpha,
    /// Three channels.
    Rgb,
    /// Three channels and transparency.
    RgbAlpha,
    /// Numbers of colors in a table.
    Palette,
    /// Four channels for printing.
    Cmyk,
    /// One channel of more than 8 bits.
    DeepGray,
    /// One channel of more than 8 bits, and transparency.
    DeepGrayAlpha,
    /// Three channels of more than 8 bits.
    DeepRgb,
    /// Three channels of more than 8 bits, and transparency.
    DeepRgbAlpha,
}

impl fmt::Display for ColorMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gray => "gray",
            Self::GrayAlpha => "gray with alpha",
            Self::Rgb => "RGB",
            Self::RgbAlpha => "RGB with alpha",
            Self::Palette => "palette",
            Self::Cmyk => "CMYK",
            Self::DeepGray => "16-bit gray",
            Self::DeepGrayAlpha => "16-bit gray with alpha",
            Self::DeepRgb => "16-bit RGB",
            Self::DeepRgbAlpha => "16-bit RGB with alpha",
        })
    }
}

impl ColorMode {
    /// Whether channels have more than 8 bits.
    pub fn is_deep(self) -> bool {
        match self {
            Self::DeepGray | Self::DeepGrayAlpha | Self::DeepRgb | Self::DeepRgbAlpha => true,
            Self::Gray | Self::GrayAlpha | Self::Rgb | Self::RgbAlpha | Self::Palette | Self::Cmyk => false,
        }
    }

    /// What the header of a file says whose decoder delivers `decoded`. Decoders turn palettes and CMYK into RGB on their own, so
    /// for these the bytes are asked.
    pub(crate) fn of(bytes: &[u8], format: ImageFormat, decoded: ColorType) -> Self {
        // The color type of a PNG's header chunk (its 26th byte), and the bits of a BMP's pixels, at 28.
        let stored = match format {
            ImageFormat::Jpeg => match jpeg_components(bytes) {
                Some(1) => Some(Self::Gray),
                Some(4) => Some(Self::Cmyk),
                _ => Some(Self::Rgb),
            },
            ImageFormat::Png if bytes.get(25) == Some(&3) => Some(Self::Palette),
            ImageFormat::Gif => Some(Self::Palette),
            ImageFormat::Bmp if bytes.get(28).is_some_and(|&bits| bits <= 8) => Some(Self::Palette),
            _ => None,
        };
        stored.unwrap_or(match decoded {
            ColorType::L8 => Self::Gray,
            ColorType::La8 => Self::GrayAlpha,
            ColorType::Rgba8 => Self::RgbAlpha,
            ColorType::L16 => Self::DeepGray,
            ColorType::La16 => Self::DeepGrayAlpha,
            ColorType::Rgb16 | ColorType::Rgb32F => Self::DeepRgb,
            ColorType::Rgba16 | ColorType::Rgba32F => Self::DeepRgbAlpha,
            _ => Self::Rgb,
        })
    }
}
