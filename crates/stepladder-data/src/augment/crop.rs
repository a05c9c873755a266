//! `RandomResizedCrop`: which rectangle of a photo is shown, as torchvision draws it (torchvision/transforms/transforms.py,
//! `RandomResizedCrop.get_params`).

use stepladder_model::RandomResizedCrop;

use super::affine::Frame;
use crate::random::Numbers;

/// After so many rectangles that do not fit, torchvision takes the central one.
const ATTEMPTS: usize = 10;

/// Left, top, width and height of a rectangle in whole pixels, inside the photo and at least a pixel large.
pub(crate) fn rectangle(config: &RandomResizedCrop, frame: Frame, random: &mut impl Numbers) -> [usize; 4] {
    let Frame { width, height } = frame;
    let area = (width * height) as f64;
    for _ in 0..ATTEMPTS {
        let target = area * random.between(config.scale.map(f64::from));
        let ratio = libm::exp(random.between(config.ratio.map(|r| libm::log(f64::from(r)))));
        let (w, h) = (side(target * ratio), side(target / ratio));
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let top = random.below((height - h + 1) as u64) as usize;
            let left = random.below((width - w + 1) as u64) as usize;
            return [left, top, w, h];
        }
    }
    central(config, frame)
}

/// The side of a square of this area, rounded as Python does.
fn side(area: f64) -> usize {
    libm::sqrt(area).round_ties_even() as usize
}

/// The largest central rectangle whose shape is permitted.
fn central(config: &RandomResizedCrop, Frame { width, height }: Frame) -> [usize; 4] {
    let shape = width as f64 / height as f64;
    let [narrowest, widest] = config.ratio.map(f64::from);
    let rounded = |side: f64| (side.round_ties_even() as usize).max(1);
    let (w, h) = match shape {
        shape if shape < narrowest => (width, rounded(width as f64 / narrowest).min(height)),
        shape if shape > widest => (rounded(height as f64 * widest).min(width), height),
        _ => (width, height),
    };
    [(width - w) / 2, (height - h) / 2, w, h]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_rectangle_lies_inside_the_photo(
            (width, height) in (1_usize..400, 1_usize..400),
            (low, more) in (0.001_f32..1.0, 0.0_f32..1.0),
            (narrow, wide) in (0.05_f32..3.0, 0.0_f32..9.0),
            seed: u64,
        ) {
            let scale = [low, (low + more).min(1.0)];
            let config = RandomResizedCrop { scale, ratio: [narrow, narrow + wide] };
            let mut random = Stream::new(Purpose::Augmentation, seed, 0, 0);
            let [left, top, w, h] = rectangle(&config, Frame { width, height }, &mut random);
            prop_assert!(w >= 1 && h >= 1 && left + w <= width && top + h <= height);
        }
    }

    #[test]
    fn areas_and_shapes_are_those_that_were_asked_for() {
        let config = RandomResizedCrop {
            scale: [0.25, 0.5],
            ratio: [0.5, 2.0],
        };
        let frame = Frame {
            width: 200,
            height: 200,
        };
        let mut random = Stream::new(Purpose::Augmentation, 1, 0, 0);
        let mut wide = 0;
        for _ in 0..2000 {
            let [_, _, w, h] = rectangle(&config, frame, &mut random);
            let (share, ratio) = ((w * h) as f64 / 40_000.0, w as f64 / h as f64);
            assert!((0.24..0.51).contains(&share), "{share}");
            assert!((0.48..2.1).contains(&ratio), "{ratio}");
            wide += usize::from(w > h);
        }
        // Half of them on average, with a standard deviation of 22.
        assert!((900..1100).contains(&wide), "{wide}");
    }

    #[test]
    fn what_fits_nowhere_is_the_largest_central_rectangle() {
        let config = RandomResizedCrop {
            scale: [1.0, 1.0],
            ratio: [0.75, 4.0 / 3.0],
        };
        let mut random = Stream::new(Purpose::Augmentation, 0, 0, 0);
        let mut drawn = |width, height| rectangle(&config, Frame { width, height }, &mut random);
        assert_eq!(drawn(400, 90), [140, 0, 120, 90]);
        assert_eq!(drawn(90, 400), [0, 140, 90, 120]);
    }
}
