//! The ways in which a cache keeps photos, each in a file of its own: as the network is shown them outside training, and whole, for
//! augmentation that cuts its squares out of them.

use std::borrow::Cow;

use stepladder_model::ImageSize;

use crate::photo::RgbPhoto;
use crate::scaling::{Scaling, sides};

/// One way of keeping photos, at one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rendition {
    kept: Kept,
    /// What the file is said to be made for.
    pub(crate) size: ImageSize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Scaled for the network's input.
    Input(Scaling),
    /// With all that it shows, up to four times as long as the input's shape.
    Whole,
}

impl Rendition {
    /// What the network's input of this size is made of.
    pub(crate) fn input(scaling: Scaling, size: ImageSize) -> Self {
        Self {
            kept: Kept::Input(scaling),
            size,
        }
    }

    /// Whole photos for input of up to this size. They cover one that is a quarter longer: a crop of two thirds of the area
    /// then has as many pixels as the network's input, and a smaller one is enlarged by less.
    pub(crate) fn whole(size: ImageSize) -> Self {
        Self {
            kept: Kept::Whole,
            size: size.map(|side| side.saturating_add(side.div_ceil(4))),
        }
    }

    /// Tells caches of different renditions apart, beside their size.
    pub(crate) fn tag(&self) -> &'static [u8; 8] {
        match self.kept {
            Kept::Input(Scaling::Bilinear) => b"bilinear",
            Kept::Input(Scaling::Lanczos) => b"lanczos\0",
            Kept::Input(Scaling::Pad) => b"pad\0\0\0\0\0",
            Kept::Input(Scaling::Stretch) => b"stretch\0",
            Kept::Whole => b"whole\0\0\0",
        }
    }

    /// What is kept of a photo: shrunk, never enlarged.
    pub(crate) fn shrink<'a>(&self, photo: &'a RgbPhoto) -> Cow<'a, RgbPhoto> {
        match self.kept {
            Kept::Input(scaling) => scaling.shrink(photo, self.size),
            Kept::Whole => photo.cover(sides(self.size)),
        }
    }
}
