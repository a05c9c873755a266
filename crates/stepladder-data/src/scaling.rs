//! The rules by which photos are scaled to a network's input. A model keeps the one that it was trained with.

use std::borrow::Cow;

use stepladder_model::{Fit, ImageSize};

use crate::photo::{RgbPhoto, to_unit};

/// How a photo takes the shape that a network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scaling {
    /// The largest central part of the input's shape, bilinearly, antialiased where it shrinks: [`RgbPhoto::crop`].
    #[default]
    Bilinear,
    /// The whole photo with Lanczos' filter where it shrinks, bilinearly where it is enlarged; then the central part. The only rule
    /// until November 2026.
    Lanczos,
    /// The whole photo, bilinearly, antialiased where it shrinks, as large as fits into the input; centered on gray
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

    /// What a network with input of `size` sees of a photo, or of what a cache has left of it.
    pub fn input(self, photo: &RgbPhoto, size: impl Into<ImageSize>) -> Cow<'_, RgbPhoto> {
        let sides = sides(size.into());
        match self {
            Scaling::Bilinear | Scaling::Lanczos => photo.crop(sides),
            Scaling::Pad => photo.letterbox(sides, Self::GRAY),
            Scaling::Stretch => photo.stretch(sides),
        }
    }

    /// The whole photo as a crop of it is taken in training for input of this shape: with the gray beside it, or squeezed, as the
    /// network sees it outside training.
    pub(crate) fn uncut(self, photo: &RgbPhoto, shape: ImageSize) -> Cow<'_, RgbPhoto> {
        let shape = sides(shape);
        match self {
            Scaling::Bilinear | Scaling::Lanczos => Cow::Borrowed(photo),
            Scaling::Pad => {
                let [width, height] = photo.sides_about(shape);
                photo.letterbox([photo.width().max(width), photo.height().max(height)], Self::GRAY)
            }
            Scaling::Stretch => photo.stretch(photo.part(shape)),
        }
    }

    /// What a cache keeps of a photo for input of `size`, shrunk and never enlarged; [`input`](Self::input) does the rest.
    pub(crate) fn shrink(self, photo: &RgbPhoto, size: ImageSize) -> Cow<'_, RgbPhoto> {
        let to = sides(size);
        let exceeds = |[width, height]: [u32; 2]| width > to[0] || height > to[1];
        match self {
            Scaling::Bilinear => {
                let part = photo.part(to);
                photo.crop(if exceeds(part) { to } else { part })
            }
            Scaling::Lanczos => photo.cover_by_lanczos(to),
            Scaling::Pad => {
                let own = [photo.width(), photo.height()];
                photo.stretch(if exceeds(own) { photo.sides_within(to) } else { own })
            }
            Scaling::Stretch => photo.stretch([to[0].min(photo.width()), to[1].min(photo.height())]),
        }
    }
}

/// Width and height, as photos have them.
pub(crate) fn sides(size: ImageSize) -> [u32; 2] {
    [size.width, size.height].map(|side| u32::try_from(side).unwrap_or(u32::MAX))
}

/// What the network is fed for one photo outside training: `height x width x 3` values in 0..=1,
/// row by row, R, G, B. The same as [`Loader`](crate::Loader) delivers without augmentation.
pub fn prepare(photo: &RgbPhoto, size: impl Into<ImageSize>, scaling: Scaling) -> Vec<f32> {
    let size = size.into();
    // Shrunk first, as the cache does: a photo passes through one resampling in either case.
    scaling
        .input(&scaling.shrink(photo, size), size)
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
            let kept = Scaling::Bilinear.shrink(&photo, size.into());
            assert_eq!(kept.width(), kept.height());
            assert_eq!(kept.width() as usize, size.min(width.min(height) as usize));
            let [kept, all] = [&*kept, &photo].map(|photo| Scaling::Bilinear.input(photo, size));
            assert_eq!(kept, all);
        }
    }

    #[test]
    fn lanczos_keeps_the_whole_photo_and_its_overshoot() {
        let edge = (0..64 * 32).flat_map(|i| [if i % 64 < 32 { 100 } else { 200 }; 3]);
        let photo = RgbPhoto::new(64, 32, edge.collect()).expect("sizes agree");
        let kept = Scaling::Lanczos.shrink(&photo, 8.into());
        assert_eq!((kept.width(), kept.height()), (16, 8));
        assert!(kept.pixels().iter().any(|&v| v > 200));
        assert!(
            photo
                .crop([8, 8])
                .pixels()
                .iter()
                .all(|&v| (100..=200).contains(&v))
        );
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
                let side = size as u32;
                let kept = scaling.shrink(&photo, size.into());
                assert!(kept.width() <= side.min(width) && kept.height() <= side.min(height));
                let square = scaling.input(&kept, size).into_owned();
                assert_eq!((square.width(), square.height()), (side, side));
                if width.min(height) >= side {
                    assert_eq!(square, scaling.input(&photo, size).into_owned());
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
            let size: ImageSize = serde_json::from_value(case["size"].clone()).expect("a size");
            let found = prepare(&photo, size, fit.into());
            let expected = case["out"].as_array().expect("a list");
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                // Pillow rounds some pixels to the neighboring byte.
                let difference = found * 255.0 - whole(expected) as f32;
                assert!(difference.abs() < 1.01, "{} {found} {expected}", case["fit"]);
            }
            cases += 1;
        }
        assert_eq!(cases, 21);
    }

    #[test]
    fn a_padded_photo_stands_in_the_middle_of_gray() {
        let wide = RgbPhoto::new(8, 4, vec![200; 8 * 4 * 3]).expect("sizes agree");
        let square = Scaling::Pad.input(&wide, 4);
        let rows: Vec<u8> = square.pixels().chunks(12).map(|row| row[0]).collect();
        assert_eq!(rows, [128, 200, 200, 128]);
        // Enlarged, its sides in proportion: 8 by 4 becomes 16 by 8.
        let large = Scaling::Pad.input(&wide, 16);
        let gray = large.pixels().iter().filter(|&&v| v == Scaling::GRAY).count();
        assert_eq!(gray, 16 * 8 * 3);
        let tall = RgbPhoto::new(1, 3, vec![0, 0, 0, 9, 9, 9, 0, 0, 0]).expect("sizes agree");
        assert_eq!(
            Scaling::Pad.input(&tall, 3).pixels()[9..18],
            [128, 128, 128, 9, 9, 9, 128, 128, 128]
        );
    }

    #[test]
    fn a_stretched_photo_fills_the_square() {
        let photo = ramp(60, 20);
        let square = Scaling::Stretch.input(&photo, 20);
        let [left, right] = [0, 19].map(|x| square.pixels()[(10 * 20 + x) * 3]);
        assert!(left <= 2 && right >= 57, "{left} {right}");
    }

    /// The red (column), or green (row), of each pixel.
    fn channel(photo: &RgbPhoto, channel: usize) -> Vec<u8> {
        photo.pixels().iter().skip(channel).step_by(3).copied().collect()
    }

    #[test]
    fn a_shape_that_is_not_square_shows_what_each_fit_says() {
        // 8 columns, 4 rows; input of 4 rows and 6 columns, then of 6 rows and 3 columns.
        let photo = ramp(8, 4);
        let wide = ImageSize::new(4, 6);
        let cropped = Scaling::Bilinear.input(&photo, wide).into_owned();
        assert_eq!((cropped.width(), cropped.height()), (6, 4));
        assert_eq!(channel(&cropped, 0), [1, 2, 3, 4, 5, 6].repeat(4));
        assert_eq!(channel(&cropped, 1)[..7], [0, 0, 0, 0, 0, 0, 1]);
        let padded = Scaling::Pad.input(&photo, wide).into_owned();
        // 8 x 4 becomes 6 x 3; the spare row of gray is below.
        assert_eq!((padded.width(), padded.height()), (6, 4));
        assert_eq!(
            channel(&padded, 2),
            [[7; 18].as_slice(), &[Scaling::GRAY; 6]].concat()
        );
        let stretched = Scaling::Stretch.input(&photo, wide).into_owned();
        assert_eq!(channel(&stretched, 1), [[0; 6], [1; 6], [2; 6], [3; 6]].concat());
        assert!(channel(&stretched, 0)[..6].is_sorted_by(|a, b| a < b));
        // The central two columns, enlarged: no others are seen.
        let tall = Scaling::Bilinear.input(&photo, ImageSize::new(6, 3)).into_owned();
        assert_eq!((tall.width(), tall.height()), (3, 6));
        assert!(channel(&tall, 0).iter().all(|column| (3..=4).contains(column)));
        assert_eq!(channel(&tall, 1)[..3], [0; 3]);
        assert_eq!(channel(&tall, 1)[15..], [3; 3]);
    }

    #[test]
    fn whole_photos_are_uncut_in_the_shape_of_the_input() {
        let photo = ramp(8, 4);
        let shape = ImageSize::new(30, 40);
        let sides = |scaling: Scaling| {
            let uncut = scaling.uncut(&photo, shape).into_owned();
            (uncut.width(), uncut.height())
        };
        assert_eq!(sides(Scaling::Bilinear), (8, 4));
        assert_eq!(sides(Scaling::Pad), (8, 6));
        assert_eq!(sides(Scaling::Stretch), (6, 4));
    }

    proptest::proptest! {
        #[test]
        fn what_is_kept_makes_what_the_photo_makes(
            (width, height) in (1_u32..60, 1_u32..60),
            (high, wide) in (1_usize..40, 1_usize..40),
        ) {
            let (photo, size) = (ramp(width, height), ImageSize::new(high, wide));
            for scaling in [Scaling::Bilinear, Scaling::Pad, Scaling::Stretch] {
                let kept = scaling.shrink(&photo, size);
                proptest::prop_assert!(kept.width() <= width && kept.height() <= height);
                let input = scaling.input(&kept, size).into_owned();
                proptest::prop_assert_eq!([input.width() as usize, input.height() as usize], [wide, high]);
                // Kept at the input's size, it is the input; kept as it was, nothing was lost.
                let again = scaling.shrink(&kept, size);
                proptest::prop_assert_eq!(&*again, &*kept, "{:?}", scaling);
            }
        }
    }
}
