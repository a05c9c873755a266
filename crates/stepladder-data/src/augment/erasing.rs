//! `RandomErasing`: which rectangle of the network's input is erased, as torchvision draws it
//! (torchvision/transforms/transforms.py, `RandomErasing.get_params`).

use stepladder_model::{Erased, RandomErasing};

use super::affine::Frame;
use crate::random::Numbers;

/// After so many rectangles that do not fit, torchvision leaves the photo as it is.
const ATTEMPTS: usize = 10;

/// What was drawn for one photo.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Erasing {
    /// Left, top, width and height in pixels.
    pub(crate) rectangle: [usize; 4],
    /// What it is filled with, in 0..=255: one value, or one for each of its values.
    fill: Vec<f32>,
}

impl Erasing {
    /// `None` where the photo stays as it is.
    pub(super) fn draw(layer: &RandomErasing, frame: Frame, random: &mut impl Numbers) -> Option<Self> {
        if random.unit() >= f64::from(layer.probability) {
            return None;
        }
        let rectangle = rectangle(layer, frame, random)?;
        let [_, _, width, height] = rectangle;
        let fill = match layer.value {
            Erased::Value(value) => vec![value * 255.0],
            Erased::Random => (0..width * height * 3)
                .map(|_| random.unit() as f32 * 255.0)
                .collect(),
        };
        Some(Self { rectangle, fill })
    }

    pub(super) fn apply(&self, frame: Frame, out: &mut [f32]) {
        let [left, top, width, height] = self.rectangle;
        let mut fill = self.fill.iter().cycle();
        for row in out.chunks_exact_mut(frame.width * 3).skip(top).take(height) {
            for (value, &fill) in row[left * 3..][..width * 3].iter_mut().zip(&mut fill) {
                *value = fill;
            }
        }
    }
}

/// Left, top, width and height, in pixels, of a rectangle in a picture of this size.
pub(crate) fn rectangle(
    layer: &RandomErasing,
    frame: Frame,
    random: &mut impl Numbers,
) -> Option<[usize; 4]> {
    let area = frame.pixels() as f64;
    for _ in 0..ATTEMPTS {
        let target = area * random.between(layer.scale.map(f64::from));
        let ratio = libm::exp(random.between(layer.ratio.map(|r| libm::log(f64::from(r)))));
        let side = |area: f64| libm::sqrt(area).round_ties_even() as usize;
        let (height, width) = (side(target * ratio), side(target / ratio));
        if height < frame.height && width < frame.width {
            let top = random.below((frame.height - height + 1) as u64) as usize;
            let left = random.below((frame.width - width + 1) as u64) as usize;
            return Some([left, top, width, height]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    fn layer(value: Erased) -> RandomErasing {
        RandomErasing {
            probability: 0.5,
            scale: RandomErasing::SCALE,
            ratio: RandomErasing::RATIO,
            value,
        }
    }

    #[test]
    fn half_of_the_photos_lose_a_rectangle_that_lies_inside() {
        for (width, height, value) in [
            (1, 1, Erased::Random),
            (9, 9, Erased::Value(0.5)),
            (32, 32, Erased::Random),
            (40, 16, Erased::Random),
        ] {
            let frame = Frame { width, height };
            let mut erased = 0;
            for photo in 0..400 {
                let mut random = Stream::new(Purpose::Augmentation, 3, 0, photo);
                let Some(drawn) = Erasing::draw(&layer(value), frame, &mut random) else {
                    continue;
                };
                let mut out = vec![-1.0; frame.pixels() * 3];
                drawn.apply(frame, &mut out);
                let [left, top, wide, high] = drawn.rectangle;
                assert!(left + wide <= width && top + high <= height);
                assert_eq!(out.iter().filter(|&&v| v != -1.0).count(), wide * high * 3);
                assert!(out.iter().all(|v| *v == -1.0 || (0.0..=255.0).contains(v)));
                erased += 1;
            }
            assert!(
                (150..=250).contains(&erased),
                "{erased} of 400 at {width} x {height} pixels"
            );
        }
    }
}
