//! Photos of more than 8 bits: which of their values are black and white ([`Levels`]), and what becomes of those between.

use image::DynamicImage;

use crate::error::PhotoError;

/// The values that are shown as black and as white, in the numbers of the file: 0 and 4095 for 12 bits in 16. What lies between is
/// linear, what lies beyond is cut. Photos of 8 bits have no use for it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Levels {
    /// Shown as 0 of 255.
    pub black: f32,
    /// Shown as 255 of 255; not equal to `black`.
    pub white: f32,
}

impl Levels {
    /// Levels that a picture can have; `None` for others.
    pub fn new(black: f32, white: f32) -> Option<Self> {
        let is_range = black.is_finite() && white.is_finite() && (white - black).abs() >= f32::MIN_POSITIVE;
        is_range.then_some(Self { black, white })
    }

    /// The byte that a value becomes. NaN, which some programs write where there is nothing, becomes black.
    fn byte(self, value: f32) -> u8 {
        let share =
            (f64::from(value) - f64::from(self.black)) / (f64::from(self.white) - f64::from(self.black));
        (share * 255.0 + 0.5).clamp(0.0, 255.0) as u8
    }
}

/// A picture of more than 8 bits, as the file has it.
#[derive(Debug)]
pub(crate) struct DeepPicture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha.
    pub(crate) channels: usize,
    /// `height * width * channels` values.
    pub(crate) values: Vec<f32>,
    /// The greatest value there can be, of integers.
    pub(crate) most: Option<f32>,
    /// What opaque is, where there is alpha.
    pub(crate) opaque: f32,
}

impl DeepPicture {
    /// What `image` has decoded, if it has more than 8 bits.
    pub(super) fn of(picture: &DynamicImage) -> Option<Self> {
        let words = |values: &[u16]| values.iter().map(|&value| f32::from(value)).collect();
        let (channels, values, most): (usize, Vec<f32>, _) = match picture {
            DynamicImage::ImageLuma16(p) => (1, words(p.as_raw()), Some(65535.0)),
            DynamicImage::ImageLumaA16(p) => (2, words(p.as_raw()), Some(65535.0)),
            DynamicImage::ImageRgb16(p) => (3, words(p.as_raw()), Some(65535.0)),
            DynamicImage::ImageRgba16(p) => (4, words(p.as_raw()), Some(65535.0)),
            DynamicImage::ImageRgb32F(p) => (3, p.as_raw().clone(), None),
            DynamicImage::ImageRgba32F(p) => (4, p.as_raw().clone(), None),
            _ => return None,
        };
        Some(Self {
            width: picture.width(),
            height: picture.height(),
            channels,
            values,
            most,
            opaque: most.unwrap_or(1.0),
        })
    }

    /// The values that are colors, alpha left out.
    pub(crate) fn colors(&self) -> impl Iterator<Item = f32> {
        let (channels, alpha) = (self.channels, self.channels.is_multiple_of(2));
        let colors = if alpha { channels - 1 } else { channels };
        self.values
            .chunks_exact(channels)
            .flat_map(move |pixel| pixel[..colors].iter().copied())
            .filter(|value| value.is_finite())
    }

    /// RGB bytes, three for each pixel, laid over white.
    ///
    /// Without `levels`, integers of up to 16 bits go from 0 to their most, and others must lie in 0..=1, or it is an error: what is
    /// white is then not known.
    pub(super) fn to_rgb(&self, levels: Option<Levels>) -> Result<Vec<u8>, PhotoError> {
        let levels = match (levels, self.most) {
            (Some(levels), _) => levels,
            (None, Some(most)) => Levels {
                black: 0.0,
                white: most,
            },
            (None, None) => self.unit()?,
        };
        let mut rgb = Vec::with_capacity(self.values.len() / self.channels * 3);
        for pixel in self.values.chunks_exact(self.channels) {
            let byte = |channel: usize| levels.byte(pixel[channel]);
            let color = match self.channels {
                1 | 2 => [byte(0); 3],
                _ => [byte(0), byte(1), byte(2)],
            };
            let alpha = match self.channels {
                2 | 4 => (pixel[self.channels - 1] / self.opaque).clamp(0.0, 1.0),
                _ => 1.0,
            };
            rgb.extend(color.map(|v| (f32::from(v) * alpha + 255.0 * (1.0 - alpha) + 0.5) as u8));
        }
        Ok(rgb)
    }

    /// 0 to 1, where all values are there.
    fn unit(&self) -> Result<Levels, PhotoError> {
        let (low, high) = self
            .colors()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| {
                (low.min(v), high.max(v))
            });
        match low >= 0.0 && high <= 1.0 {
            true => Ok(Levels {
                black: 0.0,
                white: 1.0,
            }),
            false => Err(PhotoError::NoLevels { low, high }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageBuffer, Luma, LumaA};

    #[test]
    fn values_between_the_levels_are_linear_and_those_beyond_are_cut() {
        let levels = Levels::new(29_500.0, 30_300.0).expect("a range");
        let values = [0.0, 29_500.0, 29_900.0, 30_300.0, 65_535.0, f32::NAN];
        assert_eq!(values.map(|v| levels.byte(v)), [0, 0, 128, 255, 255, 0]);
        // White may be the lower one, as in negatives.
        assert_eq!(Levels::new(10.0, 0.0).expect("a range").byte(10.0), 0);
        assert!(Levels::new(1.0, 1.0).is_none() && Levels::new(f32::NAN, 1.0).is_none());
    }

    #[test]
    fn gray_and_alpha_become_rgb() {
        let gray = DynamicImage::from(ImageBuffer::from_pixel(1, 1, Luma([4095_u16])));
        let deep = DeepPicture::of(&gray).expect("16 bits");
        assert_eq!(deep.to_rgb(None).expect("known"), [16; 3]);
        assert_eq!(deep.to_rgb(Levels::new(0.0, 4095.0)).expect("known"), [255; 3]);
        let clear = DynamicImage::from(ImageBuffer::from_pixel(1, 1, LumaA([0_u16, 0])));
        assert_eq!(
            DeepPicture::of(&clear)
                .expect("16 bits")
                .to_rgb(None)
                .expect("known"),
            [255; 3]
        );
        assert!(DeepPicture::of(&DynamicImage::new_rgb8(1, 1)).is_none());
    }

    #[test]
    fn floats_beyond_the_unit_need_levels() {
        let deep = |values: Vec<f32>| DeepPicture {
            width: 2,
            height: 1,
            channels: 1,
            values,
            most: None,
            opaque: 1.0,
        };
        assert_eq!(
            deep(vec![0.0, 1.0]).to_rgb(None).expect("a unit"),
            [0, 0, 0, 255, 255, 255]
        );
        let error = deep(vec![0.0, 254.0]).to_rgb(None).expect_err("what is white?");
        assert!(error.to_string().contains("0:254"), "{error}");
    }
}
