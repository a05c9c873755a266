//! Augmentation: each time a training photo is shown, it is turned, moved, scaled, mirrored and lit a little differently.
//!
//! Two pipelines with Keras' meaning, as rungs use both: `ImageDataGenerator` before the model, and the `Random*` layers at its
//! head. They look alike and differ in units, fill and brightness, see `generator` and `layers`. What is drawn depends on
//! seed, epoch and photo alone.
//!
//! In here pictures are rows of pixels of 3 `f32` values in 0..=255, and become 0..=1 at the very end.

mod affine;
mod automatic;
mod color;
mod crop;
mod erasing;
mod generator;
#[cfg(test)]
mod golden;
mod layers;
mod resample;
mod vectorized;
mod whole;

use std::cell::RefCell;

use stepladder_model::{ImageDataGenerator, ImageSize, RandomTransform};

use crate::photo::{RgbPhoto, to_unit};
use crate::random::{Purpose, Stream};

use affine::Frame;
use resample::{Pixel, pack};
use vectorized::each;

thread_local! {
    /// The photo at work, unpacked. It is 16 bytes a pixel, and taking so much from the system for each photo costs more than filling it.
    static SOURCE: RefCell<Vec<Pixel>> = const { RefCell::new(Vec::new()) };
}

/// Which photo is shown, and when: all that chance depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Showing {
    pub(crate) seed: u64,
    pub(crate) epoch: u64,
    pub(crate) photo: u32,
}

impl Showing {
    fn stream(self, purpose: Purpose) -> Stream {
        Stream::new(purpose, self.seed, self.epoch, u64::from(self.photo))
    }
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

    /// Whether it cuts its pictures out of whole photos, for which [`CacheConfig::whole_photos`](crate::CacheConfig::whole_photos) is needed.
    pub fn cuts_whole_photos(&self) -> bool {
        let is_crop = |layer: &RandomTransform| matches!(layer, RandomTransform::ResizedCrop(_));
        self.layers.iter().any(is_crop)
    }

    /// Writes a whole photo to `out` as `height x width x 3` values in 0..=1, for augmentation that cuts pictures of this size out of it.
    pub(crate) fn cut(&self, photo: &RgbPhoto, size: ImageSize, showing: Showing, out: &mut [f32]) {
        SOURCE.with_borrow_mut(|source| {
            let mut random = showing.stream(Purpose::Augmentation);
            let draws = layers::draws(&self.layers, photo.into(), size.into(), showing, &mut random);
            layers::apply_to_whole(&draws, photo, size.into(), source, out);
        });
        each(out, |value| value / 255.0);
    }

    /// Writes a photo that has the input's size to `out`, as values in 0..=1, augmented.
    pub(crate) fn apply(&self, photo: &RgbPhoto, showing: Showing, out: &mut [f32]) {
        if self.is_none() {
            for (out, &value) in out.iter_mut().zip(photo.pixels()) {
                *out = to_unit(value);
            }
            return;
        }
        let frame = Frame::from(photo);
        SOURCE.with_borrow_mut(|source| {
            pack(photo.pixels(), source);
            // The layers go on where the generator stops, in one stream.
            let mut random = showing.stream(Purpose::Augmentation);
            if let Some(config) = &self.generator {
                let draw = generator::Draw::new(config, frame, &mut random);
                generator::apply(config, &draw, source, frame, out);
                if !self.layers.is_empty() {
                    pack(out, source);
                }
            }
            if !self.layers.is_empty() {
                let draws = layers::draws(&self.layers, frame, frame, showing, &mut random);
                layers::apply(&draws, source, frame, out);
            }
        });
        each(out, |value| value / 255.0);
    }
}
