//! Brightness, contrast, saturation and hue of a picture in 0..=255, as torchvision changes them
//! (torchvision/transforms/_functional_tensor.py) on floats; and Keras' contrast, which takes each channel by itself.

use stepladder_model::ColorJitter;

use super::vectorized::{each, vectorized};
use crate::random::{Numbers, Stream};

/// ITU-R BT.601, with torchvision's digits.
const GRAY: [f32; 3] = [0.2989, 0.587, 0.114];

/// Pixels whose hue is worked out together, channel by channel, which fills vector registers.
const TOGETHER: usize = 16;

/// One change, by a factor or, for the hue, by a part of the color circle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Adjustment {
    Brightness(f32),
    Contrast(f32),
    Saturation(f32),
    Hue(f32),
}

impl Adjustment {
    /// Draws all four, and their order. As many numbers are taken in any case, so that switching one off does not change the others.
    pub(super) fn draw(layer: &ColorJitter, random: &mut Stream) -> Vec<Self> {
        let mut between = |bounds: [f32; 2]| random.between(bounds.map(f64::from)) as f32;
        let mut adjustments = vec![
            Self::Brightness(between(layer.brightness)),
            Self::Contrast(between(layer.contrast)),
            Self::Saturation(between(layer.saturation)),
            Self::Hue(between(layer.hue)),
        ];
        random.shuffle(&mut adjustments);
        adjustments.retain(|adjustment| !adjustment.changes_nothing());
        adjustments
    }

    fn changes_nothing(&self) -> bool {
        match *self {
            Self::Brightness(factor) | Self::Contrast(factor) | Self::Saturation(factor) => factor == 1.0,
            Self::Hue(turn) => turn == 0.0,
        }
    }

    pub(crate) fn apply(&self, values: &mut [f32]) {
        match *self {
            Self::Brightness(factor) => each(values, |v| clipped(v * factor)),
            Self::Contrast(factor) => {
                let mean = mean_gray(values) as f32;
                each(values, |v| clipped(factor * v + (1.0 - factor) * mean));
            }
            Self::Saturation(factor) => saturate(values, factor),
            Self::Hue(turn) => shift_hue(values, turn),
        }
    }
}

/// Within 0..=255; what is no number becomes 0.
#[inline(always)]
pub(super) fn clipped(value: f32) -> f32 {
    let value = if value > 0.0 { value } else { 0.0 };
    if value < 255.0 { value } else { 255.0 }
}

#[inline(always)]
fn gray(pixel: &[f32; 3]) -> f32 {
    GRAY[0] * pixel[0] + GRAY[1] * pixel[1] + GRAY[2] * pixel[2]
}

/// Added up in one order, whatever the CPU.
fn mean_gray(values: &[f32]) -> f64 {
    let pixels = values.as_chunks::<3>().0;
    let rows = pixels.chunks(64).map(|row| row.iter().map(gray).sum::<f32>());
    rows.map(f64::from).sum::<f64>() / pixels.len().max(1) as f64
}

fn saturate(values: &mut [f32], factor: f32) {
    vectorized(
        #[inline(always)]
        || {
            for pixel in values.as_chunks_mut::<3>().0 {
                let gray = gray(pixel);
                *pixel = pixel.map(|v| clipped(factor * v + (1.0 - factor) * gray));
            }
        },
    );
}

/// Keras' `RandomContrast`: each channel away from its own mean.
pub(super) fn channel_contrast(values: &mut [f32], factor: f32, low: f32, high: f32) {
    let mut sums = [0.0_f64; 3];
    let pixels = values.as_chunks_mut::<3>().0;
    for pixel in &*pixels {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += f64::from(value);
        }
    }
    let means = sums.map(|sum| (sum / pixels.len().max(1) as f64) as f32);
    for pixel in pixels {
        for (value, mean) in pixel.iter_mut().zip(means) {
            *value = ((*value - mean) * factor + mean).max(low).min(high);
        }
    }
}

/// Turns the color circle; value and saturation stay.
fn shift_hue(values: &mut [f32], turn: f32) {
    vectorized(
        #[inline(always)]
        || {
            for pixels in values.as_chunks_mut::<3>().0.chunks_mut(TOGETHER) {
                // Those beyond the last pixel are worked out too, and not looked at.
                let [mut red, mut green, mut blue] = [[0.0_f32; TOGETHER]; 3];
                for (lane, pixel) in pixels.iter().enumerate() {
                    [red[lane], green[lane], blue[lane]] = *pixel;
                }
                for lane in 0..TOGETHER {
                    [red[lane], green[lane], blue[lane]] = turned([red[lane], green[lane], blue[lane]], turn);
                }
                for (lane, pixel) in pixels.iter_mut().enumerate() {
                    *pixel = [red[lane], green[lane], blue[lane]];
                }
            }
        },
    );
}

/// One instruction, which `f32::max` is not.
#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// By way of hue and chroma, without a branch: a channel is the greatest value less the chroma, as far as the hue is from the
/// channel's sixth of the circle (en.wikipedia.org/wiki/HSL_and_HSV, "HSV to RGB alternative").
#[inline(always)]
fn turned([r, g, b]: [f32; 3], turn: f32) -> [f32; 3] {
    let most = greater(greater(r, g), b);
    let least = -greater(greater(-r, -g), -b);
    let chroma = most - least;
    let over = 1.0 / if chroma > 0.0 { chroma } else { 1.0 };
    let sixths = if most == r {
        (g - b) * over
    } else if most == g {
        2.0 + (b - r) * over
    } else {
        4.0 + (r - g) * over
    };
    let sixths = sixths + turn * 6.0;
    [5.0_f32, 3.0, 1.0].map(|offset| {
        // Within 0..6: a turn is no more than a whole one either way.
        let at = offset + sixths;
        let at = if at < 0.0 { at + 6.0 } else { at };
        let at = if at >= 12.0 { at - 6.0 } else { at };
        let at = if at >= 6.0 { at - 6.0 } else { at };
        let share = if at < 4.0 - at { at } else { 4.0 - at };
        let share = if share < 1.0 { share } else { 1.0 };
        most - chroma * greater(share, 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_turn_of_the_color_circle_changes_nothing() {
        let values: Vec<f32> = (0..300).map(|i| (i * 37 % 256) as f32).collect();
        for turn in [-1.0, 0.0, 1.0] {
            let mut found = values.clone();
            shift_hue(&mut found, turn);
            let near = found.iter().zip(&values).all(|(a, b)| (a - b).abs() < 1e-2);
            assert!(near, "{turn}");
        }
        let mut third = vec![255.0, 0.0, 0.0, 9.0, 9.0, 9.0];
        shift_hue(&mut third, 1.0 / 3.0);
        let expected = [0.0, 255.0, 0.0, 9.0, 9.0, 9.0];
        assert!(
            third.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3),
            "{third:?}"
        );
    }

    #[test]
    fn a_layer_that_asks_for_nothing_draws_nothing() {
        let none = ColorJitter {
            brightness: [1.0, 1.0],
            contrast: [1.0, 1.0],
            saturation: [1.0, 1.0],
            hue: [0.0, 0.0],
        };
        let draw = |layer: &ColorJitter, photo| {
            let mut random = Stream::new(crate::random::Purpose::Augmentation, 1, 0, photo);
            Adjustment::draw(layer, &mut random)
        };
        assert_eq!(draw(&none, 0), []);
        let some = ColorJitter {
            contrast: [0.5, 1.5],
            hue: [-0.1, 0.1],
            ..none
        };
        let is_hue =
            |drawn: Vec<Adjustment>| matches!(drawn[..], [Adjustment::Hue(_), Adjustment::Contrast(_)]);
        let first = (0..100).filter(|&photo| is_hue(draw(&some, photo))).count();
        assert!((25..75).contains(&first), "{first} of 100 change the hue first");
    }
}
