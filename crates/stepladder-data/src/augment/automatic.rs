//! `TrivialAugmentWide` and `RandAugment`: operations of which some are drawn for each photo, as torchvision has them
//! (torchvision/transforms/autoaugment.py), on the network's input in 0..=255. torchvision rounds to bytes after each
//! operation; here only those that are about bytes do.

mod levels;

use stepladder_model::{RandAugment, TrivialAugmentWide};

use super::affine::{Affine, Frame};
use super::color::Adjustment;
use super::resample::{Edge, Picture, pixels, resample};
use crate::random::Numbers;

/// What is done to a photo, with its strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Op {
    Identity,
    /// Pixels along a row, per row down.
    ShearX(f64),
    /// Pixels down, per pixel along a row.
    ShearY(f64),
    /// Pixels to the right, a whole number.
    TranslateX(f64),
    /// Pixels down, a whole number.
    TranslateY(f64),
    /// Degrees counter-clockwise.
    Rotate(f64),
    Brightness(f32),
    /// Saturation.
    Color(f32),
    Contrast(f32),
    Sharpness(f32),
    /// The bits that are kept.
    Posterize(u32),
    /// From this level on, values are inverted.
    Solarize(f32),
    AutoContrast,
    Equalize,
}

/// Operations in torchvision's order.
const COUNT: u64 = 14;

/// The strongest of each operation; the weakest is nothing.
struct Space {
    shear: f64,
    /// Pixels along a row, and down.
    translation: [f64; 2],
    /// Degrees.
    rotation: f64,
    /// Beyond 1, of the factors.
    factor: f64,
    /// Bits that are cut off.
    bits: f64,
}

impl Space {
    const WIDE: Self = Self {
        shear: 0.99,
        translation: [32.0; 2],
        rotation: 135.0,
        factor: 0.99,
        bits: 6.0,
    };

    fn rand_augment(frame: Frame) -> Self {
        Self {
            shear: 0.3,
            translation: [frame.width, frame.height].map(|side| 150.0 / 331.0 * side as f64),
            rotation: 30.0,
            factor: 0.9,
            bits: 4.0,
        }
    }

    /// The operation with this number. `strength` gives the place on the way from the weakest to the strongest, from 0 to 1, and
    /// `sign` -1 or 1; each is asked only where torchvision draws it.
    fn op<N: Numbers>(&self, number: u64, random: &mut N, strength: impl Fn(&mut N) -> f64) -> Op {
        let mut signed = |most: f64| {
            let magnitude = most * strength(random);
            if random.below(2) == 1 {
                -magnitude
            } else {
                magnitude
            }
        };
        match number {
            0 => Op::Identity,
            1 => Op::ShearX(signed(self.shear)),
            2 => Op::ShearY(signed(self.shear)),
            3 => Op::TranslateX(signed(self.translation[0]).trunc()),
            4 => Op::TranslateY(signed(self.translation[1]).trunc()),
            5 => Op::Rotate(signed(self.rotation)),
            6 => Op::Brightness(1.0 + signed(self.factor) as f32),
            7 => Op::Color(1.0 + signed(self.factor) as f32),
            8 => Op::Contrast(1.0 + signed(self.factor) as f32),
            9 => Op::Sharpness(1.0 + signed(self.factor) as f32),
            10 => Op::Posterize(8 - (strength(random) * self.bits).round_ties_even() as u32),
            11 => Op::Solarize((255.0 * (1.0 - strength(random))) as f32),
            12 => Op::AutoContrast,
            _ => Op::Equalize,
        }
    }
}

/// Draws the one operation of `TrivialAugmentWide`.
pub(crate) fn trivial(layer: &TrivialAugmentWide, random: &mut impl Numbers) -> Op {
    let bins = layer.num_magnitude_bins as u64;
    let number = random.below(COUNT);
    Space::WIDE.op(number, random, |random| {
        random.below(bins) as f64 / (bins - 1) as f64
    })
}

/// Draws the operations of `RandAugment` for a picture of this size.
pub(crate) fn rand_augment(layer: &RandAugment, frame: Frame, random: &mut impl Numbers) -> Vec<Op> {
    let strength = layer.magnitude as f64 / (layer.num_magnitude_bins - 1) as f64;
    let space = Space::rand_augment(frame);
    let draw = |_| {
        let number = random.below(COUNT);
        space.op(number, random, |_| strength)
    };
    (0..layer.num_ops).map(draw).collect()
}

impl Op {
    /// Applies it to a picture of this size; beyond its edge lies `fill`.
    pub(crate) fn apply(&self, frame: Frame, fill: f32, out: &mut [f32]) {
        if let Some(map) = self.map(frame) {
            let source = pixels(out);
            return resample(
                Picture::new(&source, frame),
                &map,
                Edge::Constant(fill),
                frame.width,
                out,
            );
        }
        match *self {
            Self::Brightness(factor) => Adjustment::Brightness(factor).apply(out),
            Self::Color(factor) => Adjustment::Saturation(factor).apply(out),
            Self::Contrast(factor) => Adjustment::Contrast(factor).apply(out),
            Self::Sharpness(factor) => levels::sharpen(out, frame, factor),
            Self::Posterize(bits) => levels::posterize(out, bits),
            Self::Solarize(threshold) => levels::solarize(out, threshold),
            Self::AutoContrast => levels::stretch(out),
            Self::Equalize => levels::equalize(out),
            Self::Identity
            | Self::ShearX(_)
            | Self::ShearY(_)
            | Self::TranslateX(_)
            | Self::TranslateY(_)
            | Self::Rotate(_) => {}
        }
    }

    /// Where the pixels come from, if they move.
    fn map(&self, frame: Frame) -> Option<Affine> {
        // torchvision shears about the outer corner of the first pixel.
        let about_corner = |[x, y]: [f64; 2]| Affine([[1.0, x, x / 2.0], [y, 1.0, y / 2.0]]);
        match *self {
            Self::ShearX(shear) => Some(about_corner([shear, 0.0])),
            Self::ShearY(shear) => Some(about_corner([0.0, shear])),
            Self::TranslateX(pixels) => Some(Affine::translation(-pixels, 0.0)),
            Self::TranslateY(pixels) => Some(Affine::translation(0.0, -pixels)),
            Self::Rotate(degrees) => Some(Affine::rotation(degrees.to_radians()).about_center(frame)),
            Self::Identity
            | Self::Brightness(_)
            | Self::Color(_)
            | Self::Contrast(_)
            | Self::Sharpness(_)
            | Self::Posterize(_)
            | Self::Solarize(_)
            | Self::AutoContrast
            | Self::Equalize => None,
        }
    }

    /// torchvision's name, and the strength as torchvision counts it.
    #[cfg(test)]
    pub(crate) fn described(&self) -> (&'static str, f64) {
        match *self {
            Self::Identity => ("Identity", 0.0),
            Self::ShearX(shear) => ("ShearX", shear),
            Self::ShearY(shear) => ("ShearY", shear),
            Self::TranslateX(pixels) => ("TranslateX", pixels),
            Self::TranslateY(pixels) => ("TranslateY", pixels),
            Self::Rotate(degrees) => ("Rotate", degrees),
            Self::Brightness(factor) => ("Brightness", f64::from(factor) - 1.0),
            Self::Color(factor) => ("Color", f64::from(factor) - 1.0),
            Self::Contrast(factor) => ("Contrast", f64::from(factor) - 1.0),
            Self::Sharpness(factor) => ("Sharpness", f64::from(factor) - 1.0),
            Self::Posterize(bits) => ("Posterize", f64::from(bits)),
            Self::Solarize(threshold) => ("Solarize", f64::from(threshold)),
            Self::AutoContrast => ("AutoContrast", 0.0),
            Self::Equalize => ("Equalize", 0.0),
        }
    }
}
