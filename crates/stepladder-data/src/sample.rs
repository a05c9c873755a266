//! A quick look at the photos before any is decoded: how large they typically are, and of what shape.

use rayon::prelude::*;
use stepladder_model::ImageSize;

use crate::dataset::Dataset;
use crate::scaling::Scaling;

/// Headers that are read, and how much of each file.
const SAMPLE: usize = 64;
const HEAD_BYTES: u64 = 1 << 20;

/// What the headers of some photos say.
#[derive(Debug, Clone, PartialEq)]
pub struct TypicalPhoto {
    /// Width and height of each, of at least one; upright.
    sides: Vec<[u32; 2]>,
}

impl TypicalPhoto {
    /// Of photos of these widths and heights in pixels; `None` without any.
    pub fn of(sides: Vec<[u32; 2]>) -> Option<Self> {
        (!sides.is_empty()).then_some(Self { sides })
    }

    /// The median short side in pixels.
    pub fn short_side(&self) -> usize {
        let mut short: Vec<u32> = self
            .sides
            .iter()
            .map(|[width, height]| *width.min(height))
            .collect();
        short.sort_unstable();
        short[short.len() / 2] as usize
    }

    /// The largest input with the shape of `size`, and no larger, for which the median photo is not enlarged.
    pub fn input_size(&self, size: ImageSize, scaling: Scaling) -> ImageSize {
        let mut factors: Vec<[u64; 2]> = self
            .sides
            .iter()
            .map(|&sides| enlarged_from(sides, size, scaling))
            .collect();
        // Fractions of whole numbers, which compare exactly.
        let wide = |number: u64| u128::from(number);
        factors.sort_by_key(|&[from, to]| (wide(from) << 64) / wide(to.max(1)));
        let [from, to] = factors[factors.len() / 2];
        match from < to {
            true => size.map(|side| (((side as u64 * from + to / 2) / to) as usize).max(1)),
            false => size,
        }
    }

    /// The median share of a photo's area beyond its largest central part with the shape of `size`.
    pub fn beyond(&self, size: ImageSize) -> f64 {
        let beyond = |&sides: &[u32; 2]| beyond(sides, size);
        let mut beyond: Vec<f64> = self.sides.iter().map(beyond).collect();
        beyond.sort_by(f64::total_cmp);
        beyond[beyond.len() / 2]
    }
}

/// The pixels of a photo beside those of an input of `size`, along the side of which there are the fewest.
fn enlarged_from([width, height]: [u32; 2], size: ImageSize, scaling: Scaling) -> [u64; 2] {
    let [wide, high] =
        [[width as usize, size.width], [height as usize, size.height]].map(|of| of.map(|v| v as u64));
    let width_is_less = wide[0] * high[1] <= high[0] * wide[1];
    match scaling {
        Scaling::Bilinear | Scaling::Lanczos | Scaling::Stretch => {
            if width_is_less {
                wide
            } else {
                high
            }
        }
        Scaling::Pad => {
            if width_is_less {
                high
            } else {
                wide
            }
        }
    }
}

/// The share of the area of a photo of this width and height beyond its largest central part with the shape of `size`.
pub fn beyond([width, height]: [u32; 2], size: ImageSize) -> f64 {
    let wide = u64::from(width) * size.height as u64;
    let high = u64::from(height) * size.width as u64;
    1.0 - wide.min(high) as f64 / wide.max(high).max(1) as f64
}

impl Dataset {
    /// Up to 64 photos, taken at even steps through the list; `None` where not one of their headers can be read.
    /// Reads headers only, and takes milliseconds.
    pub fn typical_photo(&self) -> Option<TypicalPhoto> {
        TypicalPhoto::of(self.sampled_sides()?)
    }

    /// The median short side of [`typical_photo`](Self::typical_photo).
    pub fn typical_short_side(&self) -> Option<usize> {
        self.typical_photo().map(|photo| photo.short_side())
    }

    /// Width and height of some photos.
    fn sampled_sides(&self) -> Option<Vec<[u32; 2]>> {
        let readers = self.readers().ok()?;
        let step = self.photos.len().div_ceil(SAMPLE).max(1);
        let sides = self
            .photos
            .par_iter()
            .step_by(step)
            .filter_map(|photo| {
                let head = readers[photo.source as usize]
                    .read_head(photo.entry, HEAD_BYTES)
                    .ok()?;
                head.dimensions().ok().map(<[u32; 2]>::from)
            })
            .collect();
        Some(sides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_enlarged_along_neither_side() {
        let photos = TypicalPhoto::of(vec![[300, 100], [400, 300], [90, 60]]).expect("photos");
        let of = |height, width, scaling| photos.input_size(ImageSize::new(height, width), scaling);
        assert_eq!(photos.short_side(), 100);
        // A square as ever.
        assert_eq!(of(512, 512, Scaling::Bilinear), 100.into());
        assert_eq!(of(64, 64, Scaling::Bilinear), 64.into());
        assert_eq!(of(512, 512, Scaling::Pad), 300.into());
        // 100 rows of the first one are 133 columns in this shape, and 75 rows its 100 columns in the other.
        assert_eq!(of(192, 256, Scaling::Bilinear), ImageSize::new(100, 133));
        assert_eq!(of(256, 192, Scaling::Stretch), ImageSize::new(100, 75));
        assert_eq!(of(192, 256, Scaling::Pad), ImageSize::new(192, 256));
        assert_eq!(of(384, 512, Scaling::Pad), ImageSize::new(225, 300));
    }

    #[test]
    fn what_lies_beyond_is_counted_by_the_input_s_shape() {
        let photos = TypicalPhoto::of(vec![[400, 300]]).expect("photos");
        assert_eq!(photos.beyond(64.into()), 0.25);
        assert_eq!(photos.beyond(ImageSize::new(3, 4)), 0.0);
        assert_eq!(photos.beyond(ImageSize::new(4, 3)), 0.4375);
    }
}
