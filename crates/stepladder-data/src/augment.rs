//! Augmentation: each time a training photo is shown, it is turned, moved, scaled, mirrored and lit a little differently.
//!
//! Two pipelines with Keras' meaning, as rungs use both: `ImageDataGenerator` before the model, and the `Random*` layers at its
//! head.

use stepladder_model::{ImageDataGenerator, Layer};

use crate::error::DataError;
use crate::photo::{RgbPhoto, to_unit};

/// What is done to training photos. [`Augmentation::none`] leaves them as they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Augmentation {
    generator: Option<ImageDataGenerator>,
    layers: Vec<Layer>,
}

impl Augmentation {
    /// Leaves photos as they are.
    pub fn none() -> Self {
        Self::default()
    }

    /// The generator of a rung, if it has one, and the layers that [`Network`](stepladder_model::Network) lists as augmentation.
    pub fn new(generator: Option<&ImageDataGenerator>, layers: &[Layer]) -> Result<Self, DataError> {
        Ok(Self {
            generator: generator.cloned(),
            layers: layers.to_vec(),
        })
    }

    /// Writes the photo to `out` as `size * size * 3` values in 0..=1.
    pub(crate) fn apply(&self, photo: &RgbPhoto, out: &mut [f32]) {
        for (out, &value) in out.iter_mut().zip(photo.pixels()) {
            *out = to_unit(value);
        }
    }
}
