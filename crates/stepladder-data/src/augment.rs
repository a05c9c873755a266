//! Augmentation: each time a training photo is shown, it is turned, moved, scaled, mirrored and lit a little differently.
//!
//! Two pipelines with Keras' meaning, as rungs use both: `ImageDataGenerator` before the model, and the `Random*` layers at its
//! head. They look alike and differ in units, fill and brightness, see `generator` and `layers`. What is drawn depends on
//! seed, epoch and photo alone.
//!
//! In here pictures are squares of `size` rows of `size` pixels of 3 `f32` values in 0..=255, and become 0..=1 at the very end.

mod affine;
mod generator;
#[cfg(test)]
mod golden;
mod layers;
mod resample;
mod vectorized;

use std::cell::RefCell;

use stepladder_model::{ImageDataGenerator, RandomTransform};

use crate::photo::{RgbPhoto, to_unit};
use crate::random::Stream;

use resample::{Pixel, pack};
use vectorized::each;

thread_local! {
    /// The photo at work, unpacked. It is 16 bytes a pixel, and taking so much from the system for each photo costs more than filling it.
    static SOURCE: RefCell<Vec<Pixel>> = const { RefCell::new(Vec::new()) };
}

/// What is done to training photos. [`Augmentation::none`] leaves them as they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Augmentation {
    generator: Option<ImageDataGenerator>,
    layers: Vec<RandomTransform>,
}

impl Augmentation {
    /// Leaves photos as they are.
    pub fn none() -> Self {
        Self::default()
    }

    /// The generator of a rung, if it has one, then the layers that [`Graph`](stepladder_model::Graph) lists as augmentation.
    pub fn new(generator: Option<&ImageDataGenerator>, layers: &[RandomTransform]) -> Self {
        Self {
            generator: generator.cloned(),
            layers: layers.to_vec(),
        }
    }

    /// Whether photos are left as they are.
    pub fn is_none(&self) -> bool {
        self.generator.is_none() && self.layers.is_empty()
    }

    /// Writes a square photo to `out` as `size * size * 3` values in 0..=1, augmented by what `random` draws.
    pub(crate) fn apply(&self, photo: &RgbPhoto, random: &mut Stream, out: &mut [f32]) {
        if self.is_none() {
            for (out, &value) in out.iter_mut().zip(photo.pixels()) {
                *out = to_unit(value);
            }
            return;
        }
        let size = photo.width() as usize;
        SOURCE.with_borrow_mut(|source| {
            pack(photo.pixels(), source);
            if let Some(config) = &self.generator {
                let draw = generator::Draw::new(config, size, random);
                generator::apply(config, &draw, source, size, out);
                if !self.layers.is_empty() {
                    pack(out, source);
                }
            }
            if !self.layers.is_empty() {
                let draw = |layer| layers::Draw::new(layer, random);
                let draws: Vec<_> = self.layers.iter().map(draw).collect();
                layers::apply(&draws, source, size, out);
            }
        });
        each(out, |value| value / 255.0);
    }
}
