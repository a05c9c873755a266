//! Keras' `ImageDataGenerator`: one affine map, a shift of the channels, flips, then brightness that multiplies on 8 bits
//! (keras/src/legacy/preprocessing/image.py). Validation and test photos never pass through here, other than in Keras.

use stepladder_model::{FillMode, ImageDataGenerator};

use super::affine::{Affine, Frame};
use super::resample::{Edge, Picture, Pixel, resample};
use super::vectorized::each;
use crate::random::Stream;

/// What was drawn for one photo, in Keras' names and units.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draw {
    /// Degrees.
    pub(crate) theta: f64,
    /// Pixels along a row. Keras draws it from `height_shift_range`: the two ranges act crosswise there, and so they do here.
    pub(crate) tx: f64,
    /// Pixels down the rows, from `width_shift_range`.
    pub(crate) ty: f64,
    /// Degrees.
    pub(crate) shear: f64,
    /// Zoom along a row; above 1 shows more, smaller.
    pub(crate) zx: f64,
    /// Zoom down the rows.
    pub(crate) zy: f64,
    pub(crate) flip_horizontal: bool,
    pub(crate) flip_vertical: bool,
    /// On the 0..=255 scale.
    pub(crate) channel_shift: Option<f64>,
    /// A factor.
    pub(crate) brightness: Option<f64>,
}

impl Draw {
    /// Draws for a picture of this size. As many numbers are taken in any case, so that switching one thing off does
    /// not change the others.
    pub(crate) fn new(config: &ImageDataGenerator, frame: Frame, random: &mut Stream) -> Self {
        let mut between = |low: f64, high: f64| low + (high - low) * random.unit();
        let mut around = |range: f32| between(-f64::from(range), f64::from(range));
        let pixels = |shift: f64, range: f32, side: usize| match range < 1.0 {
            true => shift * side as f64,
            false => shift,
        };
        let theta = around(config.rotation_range);
        let tx = pixels(
            around(config.height_shift_range),
            config.height_shift_range,
            frame.height,
        );
        let ty = pixels(
            around(config.width_shift_range),
            config.width_shift_range,
            frame.width,
        );
        let shear = around(config.shear_range);
        let [low, high] = config.zoom_range.map(f64::from);
        let (zx, zy) = (between(low, high), between(low, high));
        let (left_right, top_bottom) = (between(0.0, 1.0) < 0.5, between(0.0, 1.0) < 0.5);
        let range = f64::from(config.channel_shift_range) * 255.0;
        let channel_shift = between(-range, range);
        let [low, high] = config.brightness_range.unwrap_or([1.0, 1.0]).map(f64::from);
        let brightness = between(low, high);
        Self {
            theta,
            tx,
            ty,
            shear,
            zx,
            zy,
            flip_horizontal: left_right && config.horizontal_flip,
            flip_vertical: top_bottom && config.vertical_flip,
            channel_shift: (range != 0.0).then_some(channel_shift),
            brightness: config.brightness_range.map(|_| brightness),
        }
    }

    fn map(&self, frame: Frame) -> Affine {
        Affine::rotation(self.theta.to_radians())
            .then(Affine::translation(self.tx, self.ty))
            .then(Affine::shear(self.shear.to_radians()))
            .then(Affine::scale(self.zx, self.zy))
            .about_center(frame)
            .then(Affine::flip(self.flip_horizontal, self.flip_vertical, frame))
    }
}

/// Applies what was drawn to a picture of this size.
pub(crate) fn apply(
    config: &ImageDataGenerator,
    draw: &Draw,
    source: &[Pixel],
    frame: Frame,
    out: &mut [f32],
) {
    let edge = match config.fill_mode {
        FillMode::Nearest => Edge::Nearest,
        FillMode::Reflect => Edge::Reflect,
        FillMode::Wrap => Edge::WrapOverlapping,
        FillMode::Constant => Edge::ConstantSharp(config.fill_value * 255.0),
    };
    let picture = Picture::new(source, frame);
    resample(picture, &draw.map(frame), edge, frame.width, out);
    if let Some(shift) = draw.channel_shift {
        let (low, high) = out
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
        out.iter_mut()
            .for_each(|v| *v = (*v + shift as f32).max(low).min(high));
    }
    if let Some(factor) = draw.brightness {
        // The picture passes through 8 bits before and after, as it does through Pillow, which cuts fractions off.
        let factor = factor as f32;
        each(out, |v| whole_level(whole_level(v) * factor));
    }
}

/// What `f32::from(value as u8)` gives, in steps that vector units have: clipped to 0..=255, fractions cut off, 0 where it is no number.
#[inline(always)]
fn whole_level(value: f32) -> f32 {
    /// 2^23: from here on, an `f32` has no fraction, so that adding it rounds.
    const NO_FRACTION: f32 = 8_388_608.0;
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 255.0 { value } else { 255.0 };
    let near = (value + NO_FRACTION) - NO_FRACTION;
    near - f32::from(u8::from(near > value))
}

#[cfg(test)]
mod tests {
    use super::whole_level;

    #[test]
    fn levels_are_those_of_a_conversion_to_a_byte() {
        let odd = [
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            -0.0,
            -3.5,
            255.4,
            256.0,
            1e30,
        ];
        for value in (0..26_000).map(|i| i as f32 / 100.0).chain(odd) {
            assert_eq!(whole_level(value), f32::from(value as u8), "{value}");
        }
        for level in 0..=255_u16 {
            for value in [
                f32::from(level).next_down(),
                f32::from(level),
                f32::from(level).next_up(),
            ] {
                assert_eq!(whole_level(value), f32::from(value as u8), "{value}");
            }
        }
    }
}
