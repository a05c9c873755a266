//! Layers of augmentation with torchvision's names and meaning, for what Keras has none of, or another.

/// Cuts a random rectangle out of the whole photo and resizes it to the network's input, as torchvision's layer of this name:
/// ten attempts at an area and a shape that fit, then the largest central rectangle of a permitted shape.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomResizedCrop {
    /// Lower and upper share of the photo's area, in (0, 1].
    pub scale: [f32; 2],
    /// Lower and upper width over height, drawn evenly on a logarithmic scale; [`RandomResizedCrop::RATIO`] by default.
    pub ratio: [f32; 2],
}

impl RandomResizedCrop {
    /// torchvision's default.
    pub const RATIO: [f32; 2] = [3.0 / 4.0, 4.0 / 3.0];
}

/// Changes brightness, contrast, saturation and hue, in an order that is drawn anew for each photo. The first three are factors,
/// and a single number `f` in a rung is `[max(0, 1 - f), 1 + f]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ColorJitter {
    /// `[1, 1]` by default, which changes nothing.
    pub brightness: [f32; 2],
    /// Away from the mean of the photo's gray; `[1, 1]` by default.
    pub contrast: [f32; 2],
    /// Away from each pixel's gray; `[1, 1]` by default.
    pub saturation: [f32; 2],
    /// In turns of the color circle, from -0.5 to 0.5; a single number `f` in a rung is `[-f, f]`. `[0, 0]` by default.
    pub hue: [f32; 2],
}

/// Erases a random rectangle of the network's input.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomErasing {
    /// How many photos it happens to; 0.5 by default.
    pub probability: f32,
    /// Lower and upper share of the area; [`RandomErasing::SCALE`] by default.
    pub scale: [f32; 2],
    /// Lower and upper height over width, drawn evenly on a logarithmic scale; [`RandomErasing::RATIO`] by default.
    pub ratio: [f32; 2],
    /// 0 by default, black.
    pub value: Erased,
}

impl RandomErasing {
    /// torchvision's default.
    pub const SCALE: [f32; 2] = [0.02, 0.33];
    /// torchvision's default.
    pub const RATIO: [f32; 2] = [0.3, 3.3];
}

/// What [`RandomErasing`] leaves behind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Erased {
    /// One value in [0, 1].
    Value(f32),
    /// Noise: each value uniform in [0, 1], since photos here are. torchvision draws from a normal distribution, for photos that are
    /// normalized.
    Random,
}

/// One operation for each photo, with a strength drawn for it: Mueller and Hutter, "TrivialAugment", 2021. Geometry is resampled
/// bilinearly, as torchvision's training recipes have it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrivialAugmentWide {
    /// Strengths to choose from; 31 by default.
    pub num_magnitude_bins: usize,
    /// In [0, 1], what is seen beyond the edge; 0 by default.
    pub fill_value: f32,
}

/// Some operations one after the other, all of one strength: Cubuk et al., "RandAugment", 2020. Geometry is resampled bilinearly,
/// as torchvision's training recipes have it.
#[derive(Clone, Debug, PartialEq)]
pub struct RandAugment {
    /// Operations for each photo; 2 by default.
    pub num_ops: usize,
    /// Strength, from 0 to one less than `num_magnitude_bins`; 9 by default.
    pub magnitude: usize,
    /// Steps from the weakest to the strongest; 31 by default.
    pub num_magnitude_bins: usize,
    /// In [0, 1], what is seen beyond the edge; 0 by default.
    pub fill_value: f32,
}
