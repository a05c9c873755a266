//! What is summed up on the way: the running means of an epoch, and the time that training takes. Both go into checkpoints, so that an
//! epoch that was interrupted ends with the same figures.

use serde::{Deserialize, Serialize};

/// Time and photos of the training itself, validation left out.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Clock {
    /// Seconds of training.
    #[serde(with = "crate::bits")]
    pub training: f64,
    /// Seconds of these spent waiting for batches.
    #[serde(with = "crate::bits")]
    pub waited: f64,
    /// Photos trained on.
    pub photos: u64,
}

impl Clock {
    pub(crate) fn images_per_second(&self) -> f64 {
        self.photos as f64 / self.training.max(1e-9)
    }

    pub(crate) fn input_wait_fraction(&self) -> f64 {
        self.waited / self.training.max(1e-9)
    }

    pub(crate) fn plus(self, other: Clock) -> Clock {
        Clock {
            training: self.training + other.training,
            waited: self.waited + other.waited,
            photos: self.photos + other.photos,
        }
    }
}

/// Running means over the photos of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Mean {
    /// Photos so far.
    pub photos: usize,
    /// The sum of their losses.
    #[serde(with = "crate::bits")]
    pub loss: f64,
    /// How many of them were right.
    pub correct: usize,
}

impl Mean {
    pub(crate) fn add(&mut self, photos: usize, loss: f32, correct: usize) {
        self.photos += photos;
        self.loss += f64::from(loss) * photos as f64;
        self.correct += correct;
    }

    pub(crate) fn loss(&self) -> f32 {
        (self.loss / self.photos.max(1) as f64) as f32
    }

    pub(crate) fn accuracy(&self) -> f32 {
        self.correct as f32 / self.photos.max(1) as f32
    }
}
