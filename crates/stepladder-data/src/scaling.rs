//! The rules by which photos are scaled to a network's input. A model keeps the one that it was trained with.

use std::borrow::Cow;

use crate::photo::{RgbPhoto, to_unit};

/// How a photo becomes the square that a network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scaling {
    /// The central square, bilinearly, antialiased where it shrinks: [`RgbPhoto::square`].
    #[default]
    Bilinear,
    /// The whole photo with Lanczos' filter where it shrinks, bilinearly where it is enlarged; then the central square. The only rule
    /// until November 2026.
    Lanczos,
}

impl Scaling {
    /// What a cache keeps of a photo for input of `size` pixels, shrunk and never enlarged; [`RgbPhoto::square`] does the rest.
    pub(crate) fn shrink(self, photo: &RgbPhoto, size: u32) -> Cow<'_, RgbPhoto> {
        match self {
            Scaling::Bilinear => photo.square(size.min(photo.short_side())),
            Scaling::Lanczos => photo.fit_by_lanczos(size),
        }
    }
}

/// What the network is fed for one photo outside training: the central square as `size * size * 3` values in 0..=1,
/// row by row, R, G, B. The same as [`Loader`](crate::Loader) delivers without augmentation.
pub fn prepare(photo: &RgbPhoto, size: usize, scaling: Scaling) -> Vec<f32> {
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    // Shrunk first, as the cache does: a photo passes through one resampling in either case.
    scaling
        .shrink(photo, size)
        .square(size)
        .pixels()
        .iter()
        .map(|&v| to_unit(v))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::tests::ramp;

    #[test]
    fn a_square_of_what_the_cache_keeps_is_that_of_the_photo() {
        for (width, height, size) in [(90, 61, 8), (61, 90, 61), (7, 5, 16), (16, 16, 16)] {
            let photo = ramp(width, height);
            let kept = Scaling::Bilinear.shrink(&photo, size);
            assert_eq!(kept.width(), kept.height());
            assert_eq!(kept.width(), size.min(width).min(height));
            assert_eq!(kept.square(size), photo.square(size));
        }
    }

    #[test]
    fn lanczos_keeps_the_whole_photo_and_its_overshoot() {
        let edge = (0..64 * 32).flat_map(|i| [if i % 64 < 32 { 100 } else { 200 }; 3]);
        let photo = RgbPhoto::new(64, 32, edge.collect()).expect("sizes agree");
        let kept = Scaling::Lanczos.shrink(&photo, 8);
        assert_eq!((kept.width(), kept.height()), (16, 8));
        assert!(kept.pixels().iter().any(|&v| v > 200));
        assert!(photo.square(8).pixels().iter().all(|&v| (100..=200).contains(&v)));
    }

    #[test]
    fn prepared_values_lie_in_the_unit_range() {
        let white = RgbPhoto::new(3, 2, vec![255; 18]).expect("sizes agree");
        for scaling in [Scaling::Bilinear, Scaling::Lanczos] {
            assert!(prepare(&white, 4, scaling).iter().all(|&v| v == 1.0));
        }
    }
}
