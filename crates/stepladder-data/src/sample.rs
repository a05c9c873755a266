//! A quick look at the photos before any is decoded: how large they typically are, and of what shape.

use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::scaling::Scaling;

/// Headers that are read, and how much of each file.
const SAMPLE: usize = 64;
const HEAD_BYTES: u64 = 1 << 20;

/// What the headers of some photos say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TypicalPhoto {
    /// The median short side in pixels.
    pub short_side: usize,
    /// The median long side in pixels.
    pub long_side: usize,
    /// The median share of a photo's area beyond its central square.
    pub beyond_square: f64,
}

impl TypicalPhoto {
    /// The side of the smallest square input for which a typical photo is not enlarged.
    pub fn side(&self, scaling: Scaling) -> usize {
        match scaling {
            Scaling::Bilinear | Scaling::Lanczos | Scaling::Stretch => self.short_side,
            Scaling::Pad => self.long_side,
        }
    }
}

impl Dataset {
    /// The medians of up to 64 photos, taken at even steps through the list; `None` where not one of their headers can be read.
    /// Reads headers only, and takes milliseconds.
    pub fn typical_photo(&self) -> Option<TypicalPhoto> {
        let sides = self.sampled_sides()?;
        let median = |values: Vec<u32>| {
            let mut values = values;
            values.sort_unstable();
            values.get(values.len() / 2).map(|&side| side as usize)
        };
        let beyond = |&(width, height): &(u32, u32)| {
            1.0 - f64::from(width.min(height)) / f64::from(width.max(height).max(1))
        };
        let mut beyond: Vec<f64> = sides.iter().map(beyond).collect();
        beyond.sort_by(f64::total_cmp);
        Some(TypicalPhoto {
            short_side: median(sides.iter().map(|&(width, height)| width.min(height)).collect())?,
            long_side: median(sides.iter().map(|&(width, height)| width.max(height)).collect())?,
            beyond_square: *beyond.get(beyond.len() / 2)?,
        })
    }

    /// The median short side of [`typical_photo`](Self::typical_photo).
    pub fn typical_short_side(&self) -> Option<usize> {
        self.typical_photo().map(|photo| photo.short_side)
    }

    /// Width and height of some photos.
    fn sampled_sides(&self) -> Option<Vec<(u32, u32)>> {
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
                head.dimensions(&self.decoding).ok()
            })
            .collect();
        Some(sides)
    }
}
