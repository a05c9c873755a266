//! Height and width of a network's input.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

/// Height and width of an image in pixels. People read and write `192` for a square and `192x256` otherwise, height first; files
/// have one number or `[height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageSize {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// How far the shapes of two sizes may be apart that are taken for the same: sizes in proportion are rounded, to whole pixels or to
/// multiples that suit the kernels.
const SHAPES_DIFFER: f64 = 1.15;

impl ImageSize {
    /// Of this height and width.
    pub fn new(height: usize, width: usize) -> ImageSize {
        ImageSize { height, width }
    }

    /// A square with this side.
    pub fn square(side: usize) -> ImageSize {
        ImageSize::new(side, side)
    }

    /// Whether height and width are equal.
    pub fn is_square(self) -> bool {
        self.height == self.width
    }

    /// The shorter of height and width.
    pub fn short_side(self) -> usize {
        self.height.min(self.width)
    }

    /// The longer of height and width.
    pub fn long_side(self) -> usize {
        self.height.max(self.width)
    }

    /// Height times width.
    pub fn pixels(self) -> usize {
        self.height.saturating_mul(self.width)
    }

    /// Values of an image with three channels.
    pub fn values(self) -> usize {
        self.pixels().saturating_mul(3)
    }

    /// Height and width, each by a function of it.
    pub fn map(self, side: impl Fn(usize) -> usize) -> ImageSize {
        ImageSize::new(side(self.height), side(self.width))
    }

    /// Height and width, each by a function of it and of the other size's.
    pub fn zip(self, other: ImageSize, side: impl Fn(usize, usize) -> usize) -> ImageSize {
        ImageSize::new(side(self.height, other.height), side(self.width, other.width))
    }

    /// The same shape with a short side of so many pixels, rounded.
    pub fn with_short_side(self, side: usize) -> ImageSize {
        let short = self.short_side().max(1);
        self.map(|of| (of * side + short / 2) / short)
    }

    /// Whether the two are in proportion, but for rounding.
    pub fn has_shape_of(self, other: ImageSize) -> bool {
        let one = self.height as f64 * other.width as f64;
        let two = self.width as f64 * other.height as f64;
        one <= two * SHAPES_DIFFER && two <= one * SHAPES_DIFFER
    }

    /// As TOML has it: `192`, or `[192, 256]`.
    pub fn to_toml(self) -> String {
        match self.is_square() {
            true => self.height.to_string(),
            false => format!("[{}, {}]", self.height, self.width),
        }
    }
}

impl From<usize> for ImageSize {
    fn from(side: usize) -> ImageSize {
        ImageSize::square(side)
    }
}

impl From<[usize; 2]> for ImageSize {
    fn from([height, width]: [usize; 2]) -> ImageSize {
        ImageSize::new(height, width)
    }
}

impl From<ImageSize> for [usize; 2] {
    fn from(size: ImageSize) -> [usize; 2] {
        [size.height, size.width]
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_square() {
            true => f.pad(&self.height.to_string()),
            false => f.pad(&format!("{}x{}", self.height, self.width)),
        }
    }
}

/// A text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a size is a number of pixels, such as 192, or height x width, such as 192x256")]
pub struct NoImageSize;

impl FromStr for ImageSize {
    type Err = NoImageSize;

    fn from_str(text: &str) -> Result<ImageSize, NoImageSize> {
        let side = |text: &str| {
            let side = text.trim().parse::<usize>().ok();
            side.filter(|&side| side > 0).ok_or(NoImageSize)
        };
        match text.split_once(['x', 'X', '\u{d7}']) {
            Some((height, width)) => Ok(ImageSize::new(side(height)?, side(width)?)),
            None => side(text).map(ImageSize::square),
        }
    }
}

/// One number for a square, else `[height, width]`.
impl Serialize for ImageSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.is_square() {
            true => self.height.serialize(serializer),
            false => [self.height, self.width].serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ImageSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ImageSize, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Written {
            Square(usize),
            Sides([usize; 2]),
        }
        let size = match Written::deserialize(deserializer) {
            Ok(Written::Square(side)) => ImageSize::square(side),
            Ok(Written::Sides(sides)) => ImageSize::from(sides),
            Err(_) => return Err(D::Error::custom("a size is a whole number, or [height, width]")),
        };
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_it_is_written() {
        for (text, size) in [("192", 192.into()), ("192x256", ImageSize::new(192, 256))] {
            assert_eq!(text.parse(), Ok(size));
            assert_eq!(size.to_string(), text);
            let json = serde_json::to_string(&size).unwrap();
            assert_eq!(serde_json::from_str::<ImageSize>(&json).unwrap(), size);
        }
        assert_eq!(serde_json::to_string(&ImageSize::new(3, 4)).unwrap(), "[3,4]");
        assert_eq!("3 x 4".parse(), Ok(ImageSize::new(3, 4)));
        for wrong in [
            "",
            "0",
            "x",
            "3x",
            "3x0",
            "-3",
            "3x4x5",
            "1.5",
            "99999999999999999999",
        ] {
            assert_eq!(wrong.parse::<ImageSize>(), Err(NoImageSize), "{wrong}");
        }
        for wrong in ["\"192\"", "[1]", "[1, 2, 3]", "-1", "1.5", "null"] {
            assert!(serde_json::from_str::<ImageSize>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shapes_are_compared_but_for_rounding() {
        let of = ImageSize::new(192, 256);
        assert!(ImageSize::new(96, 128).has_shape_of(of) && ImageSize::new(7, 9).has_shape_of(of));
        assert!(!ImageSize::new(128, 96).has_shape_of(of) && !ImageSize::square(96).has_shape_of(of));
    }
}
