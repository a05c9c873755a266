//! A quick look at the photos before any is decoded: how large they typically are.

use rayon::prelude::*;

use crate::dataset::Dataset;

/// Headers that are read, and how much of each file.
const SAMPLE: usize = 64;
const HEAD_BYTES: u64 = 1 << 20;

impl Dataset {
    /// The median short side in pixels of up to 64 photos, taken at even steps through the list; `None` where not one of their
    /// headers can be read. Reads headers only, and takes milliseconds.
    pub fn typical_short_side(&self) -> Option<usize> {
        let readers = self.readers().ok()?;
        let step = self.photos.len().div_ceil(SAMPLE).max(1);
        let mut sides: Vec<u32> = self
            .photos
            .par_iter()
            .step_by(step)
            .filter_map(|photo| {
                let head = readers[photo.source as usize]
                    .read_head(photo.entry, HEAD_BYTES)
                    .ok()?;
                let (width, height) = head.dimensions().ok()?;
                Some(width.min(height))
            })
            .collect();
        sides.sort_unstable();
        sides.get(sides.len() / 2).map(|&side| side as usize)
    }
}
