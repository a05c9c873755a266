//! The rules by which photos are scaled to a network's input. A model keeps the one that it was trained with.

use std::borrow::Cow;

use stepladder_model::Fit;

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
    /// The whole photo, bilinearly, antialiased where it shrinks, so that its long side is the square's; centered on gray
    /// ([`Scaling::GRAY`]).
    Pad,
    /// The whole photo, bilinearly, antialiased where it shrinks, width and height each by a factor of its own.
    Stretch,
}

impl From<Fit> for Scaling {
    fn from(fit: Fit) -> Self {
        match fit {
            Fit::Crop => Self::Bilinear,
            Fit::Pad => Self::Pad,
            Fit::Stretch => Self::Stretch,
        }
    }
}

impl Scaling {
    /// What a rung calls it.
    pub fn fit(self) -> Fit {
        match self {
            Scaling::Bilinear | Scaling::Lanczos => Fit::Crop,
            Scaling::Pad => Fit::Pad,
            Scaling::Stretch => Fit::Stretch,
        }
    }

    /// The byte beside a photo that is padded: the middle of the range, which is nearer to photos' mean than black, so that the
    /// edge of the photo is not the strongest edge that a network sees.
    pub const GRAY: u8 = 128;

    /// The square of `size` pixels that a network sees of a photo, or of what [`shrink`](Self::shrink) left of it.
    pub fn square(self, photo: &RgbPhoto, size: u32) -> Cow<'_, RgbPhoto> {
        match self {
            Scaling::Bilinear | Scaling::Lanczos => photo.square(size),
            Scaling::Pad => photo.letterbox(size, Self::GRAY),
            Scaling::Stretch => photo.stretch(size, size),
        }
    }

    /// The whole photo as a crop of it is taken in training: with the gray beside it, or squeezed, as the network sees it outside training.
    pub(crate) fn uncut(self, photo: &RgbPhoto) -> Cow<'_, RgbPhoto> {
        match self {
            Scaling::Bilinear | Scaling::Lanczos => Cow::Borrowed(photo),
            Scaling::Pad => photo.letterbox(photo.long_side(), Self::GRAY),
            Scaling::Stretch => photo.stretch(photo.short_side(), photo.short_side()),
        }
    }

    /// What a cache keeps of a photo for input of `size` pixels, shrunk and never enlarged; [`square`](Self::square) does the rest.
    pub(crate) fn shrink(self, photo: &RgbPhoto, size: u32) -> Cow<'_, RgbPhoto> {
        match self {
            Scaling::Bilinear => photo.square(size.min(photo.short_side())),
            Scaling::Lanczos => photo.fit_by_lanczos(size),
            Scaling::Pad => {
                let [width, height] = photo.sides_within(size.min(photo.long_side()));
                photo.stretch(width, height)
            }
            Scaling::Stretch => photo.stretch(size.min(photo.width()), size.min(photo.height())),
        }
    }
}

/// What the network is fed for one photo outside training: its square as `size * size * 3` values in 0..=1,
/// row by row, R, G, B. The same as [`Loader`](crate::Loader) delivers without augmentation.
pub fn prepare(photo: &RgbPhoto, size: usize, scaling: Scaling) -> Vec<f32> {
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    // Shrunk first, as the cache does: a photo passes through one resampling in either case.
    scaling
        .square(&scaling.shrink(photo, size), size)
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
        for scaling in [Scaling::Bilinear, Scaling::Lanczos, Scaling::Stretch] {
            assert!(prepare(&white, 4, scaling).iter().all(|&v| v == 1.0));
        }
    }

    #[test]
    fn what_is_kept_of_a_whole_photo_makes_the_same_square() {
        for scaling in [Scaling::Pad, Scaling::Stretch] {
            for (width, height, size) in [(90, 61, 8), (61, 90, 61), (7, 5, 16), (16, 16, 16), (300, 1, 9)] {
                let photo = ramp(width, height);
                let kept = scaling.shrink(&photo, size);
                assert!(kept.width() <= size.min(width) && kept.height() <= size.min(height));
                let square = scaling.square(&kept, size).into_owned();
                assert_eq!((square.width(), square.height()), (size, size));
                if width.min(height) >= size {
                    assert_eq!(square, scaling.square(&photo, size).into_owned());
                }
            }
        }
    }

    #[test]
    fn the_exported_python_prepares_photos_alike() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../tests/golden/prepare.json")).expect("JSON");
        let whole = |value: &serde_json::Value| value.as_u64().expect("a whole number") as usize;
        let mut cases = 0;
        for case in golden.as_array().expect("a list") {
            let fit = [Fit::Crop, Fit::Pad, Fit::Stretch];
            let fit = fit
                .into_iter()
                .find(|fit| fit.name() == case["fit"])
                .expect("a fit");
            let (width, height) = (whole(&case["photo"][0]), whole(&case["photo"][1]));
            let value = |i: usize| {
                let (y, x, c) = (i / (width * 3), i / 3 % width, i % 3);
                ((37 * y + 11 * x + 71 * c + 5 * x * y) % 256) as u8
            };
            let pixels = (0..width * height * 3).map(value).collect();
            let photo = RgbPhoto::new(width as u32, height as u32, pixels).expect("sizes agree");
            let found = prepare(&photo, whole(&case["size"]), fit.into());
            let expected = case["out"].as_array().expect("a list");
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                // Pillow rounds some pixels to the neighboring byte.
                let difference = found * 255.0 - whole(expected) as f32;
                assert!(difference.abs() < 1.01, "{} {found} {expected}", case["fit"]);
            }
            cases += 1;
        }
        assert_eq!(cases, 9);
    }

    #[test]
    fn a_padded_photo_stands_in_the_middle_of_gray() {
        let wide = RgbPhoto::new(8, 4, vec![200; 8 * 4 * 3]).expect("sizes agree");
        let square = Scaling::Pad.square(&wide, 4);
        let rows: Vec<u8> = square.pixels().chunks(12).map(|row| row[0]).collect();
        assert_eq!(rows, [128, 200, 200, 128]);
        // Enlarged, its sides in proportion: 8 by 4 becomes 16 by 8.
        let large = Scaling::Pad.square(&wide, 16);
        let gray = large.pixels().iter().filter(|&&v| v == Scaling::GRAY).count();
        assert_eq!(gray, 16 * 8 * 3);
        let tall = RgbPhoto::new(1, 3, vec![0, 0, 0, 9, 9, 9, 0, 0, 0]).expect("sizes agree");
        assert_eq!(
            Scaling::Pad.square(&tall, 3).pixels()[9..18],
            [128, 128, 128, 9, 9, 9, 128, 128, 128]
        );
    }

    #[test]
    fn a_stretched_photo_fills_the_square() {
        let photo = ramp(60, 20);
        let square = Scaling::Stretch.square(&photo, 20);
        let [left, right] = [0, 19].map(|x| square.pixels()[(10 * 20 + x) * 3]);
        assert!(left <= 2 && right >= 57, "{left} {right}");
    }
}
