//! Augmentation as data: the `Random*` layers that stand at the head of a network, and the `ImageDataGenerator` that
//! stands before it. They look alike and are not: rotation is in turns here and in degrees there, brightness adds here
//! and multiplies there. Both are executed by the loader.

mod torchvision;

pub use torchvision::{
    ColorJitter, Erased, RandAugment, RandomErasing, RandomResizedCrop, TrivialAugmentWide,
};

/// What is seen beyond the edge of a photo that was moved, turned, or shrunk; `abcd` is a row of the photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillMode {
    /// `kkkk|abcd|kkkk` with `k` the fill value
    Constant,
    /// `aaaa|abcd|dddd`
    Nearest,
    /// `dcba|abcd|dcba`
    Reflect,
    /// `abcd|abcd|abcd`
    Wrap,
}

impl FillMode {
    pub(crate) const NAMES: &[(&str, FillMode)] = &[
        ("constant", FillMode::Constant),
        ("nearest", FillMode::Nearest),
        ("reflect", FillMode::Reflect),
        ("wrap", FillMode::Wrap),
    ];

    /// Keras' name of the mode.
    pub fn name(&self) -> &'static str {
        match self {
            FillMode::Constant => "constant",
            FillMode::Nearest => "nearest",
            FillMode::Reflect => "reflect",
            FillMode::Wrap => "wrap",
        }
    }
}

/// One of the layers of augmentation, Keras' or torchvision's, which the loader executes on the photos of the training part.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "each variant is named after its layer and documented at its options"
)]
pub enum RandomTransform {
    Rotation(RandomRotation),
    Translation(RandomTranslation),
    Zoom(RandomZoom),
    Flip(RandomFlip),
    Brightness(RandomBrightness),
    ResizedCrop(RandomResizedCrop),
    Contrast(RandomContrast),
    ColorJitter(ColorJitter),
    Erasing(RandomErasing),
    TrivialAugmentWide(TrivialAugmentWide),
    RandAugment(RandAugment),
}

impl RandomTransform {
    /// The class name, as a rung's `layer` key has it.
    pub fn kind(&self) -> &'static str {
        match self {
            RandomTransform::Rotation(_) => "RandomRotation",
            RandomTransform::Translation(_) => "RandomTranslation",
            RandomTransform::Zoom(_) => "RandomZoom",
            RandomTransform::Flip(_) => "RandomFlip",
            RandomTransform::Brightness(_) => "RandomBrightness",
            RandomTransform::ResizedCrop(_) => "RandomResizedCrop",
            RandomTransform::Contrast(_) => "RandomContrast",
            RandomTransform::ColorJitter(_) => "ColorJitter",
            RandomTransform::Erasing(_) => "RandomErasing",
            RandomTransform::TrivialAugmentWide(_) => "TrivialAugmentWide",
            RandomTransform::RandAugment(_) => "RandAugment",
        }
    }

    /// What Keras calls a layer without a name.
    pub(crate) fn automatic_name(&self) -> &'static str {
        match self {
            RandomTransform::Rotation(_) => "random_rotation",
            RandomTransform::Translation(_) => "random_translation",
            RandomTransform::Zoom(_) => "random_zoom",
            RandomTransform::Flip(_) => "random_flip",
            RandomTransform::Brightness(_) => "random_brightness",
            RandomTransform::ResizedCrop(_) => "random_resized_crop",
            RandomTransform::Contrast(_) => "random_contrast",
            RandomTransform::ColorJitter(_) => "color_jitter",
            RandomTransform::Erasing(_) => "random_erasing",
            RandomTransform::TrivialAugmentWide(_) => "trivial_augment_wide",
            RandomTransform::RandAugment(_) => "rand_augment",
        }
    }

    /// Whether it moves pixels and leaves their colors alone, other than a crop.
    pub(crate) fn is_geometric(&self) -> bool {
        match self {
            RandomTransform::Rotation(_)
            | RandomTransform::Translation(_)
            | RandomTransform::Zoom(_)
            | RandomTransform::Flip(_) => true,
            RandomTransform::Brightness(_)
            | RandomTransform::ResizedCrop(_)
            | RandomTransform::Contrast(_)
            | RandomTransform::ColorJitter(_)
            | RandomTransform::Erasing(_)
            | RandomTransform::TrivialAugmentWide(_)
            | RandomTransform::RandAugment(_) => false,
        }
    }
}

/// Turns about the center by an angle uniform between two fractions of a full turn.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomRotation {
    /// Lower and upper bound in turns (0.125 is 45 degrees); a single number `f` in a rung is `[-f, f]`.
    pub factor: [f32; 2],
    /// `Reflect` by default.
    pub fill_mode: FillMode,
    /// In [0, 1], for `Constant`; 0 by default.
    pub fill_value: f32,
}

/// Shifts by a fraction of the height and of the width.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomTranslation {
    /// Lower and upper bound, positive is down; a single number `f` in a rung is `[-f, f]`.
    pub height_factor: [f32; 2],
    /// Lower and upper bound, positive is right; a single number `f` in a rung is `[-f, f]`.
    pub width_factor: [f32; 2],
    /// `Reflect` by default.
    pub fill_mode: FillMode,
    /// In [0, 1], for `Constant`; 0 by default.
    pub fill_value: f32,
}

/// Zooms about the center; a positive factor zooms out, as in Keras.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomZoom {
    /// Lower and upper bound; a single number `f` in a rung is `[-f, f]`.
    pub height_factor: [f32; 2],
    /// The same for the width; `None` zooms both axes by one factor, which keeps the proportions.
    pub width_factor: Option<[f32; 2]>,
    /// `Reflect` by default.
    pub fill_mode: FillMode,
    /// In [0, 1], for `Constant`; 0 by default.
    pub fill_value: f32,
}

/// Mirrors with probability one half per axis.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomFlip {
    /// `HorizontalAndVertical` by default, as in Keras.
    pub mode: FlipMode,
    /// False by default. If true, a photo is mirrored by a coin in the first epoch and from then on in every other epoch: airbench's
    /// alternating flip (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU").
    pub alternating: bool,
}

/// Axes that [`RandomFlip`] mirrors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlipMode {
    /// Left and right.
    Horizontal,
    /// Top and bottom.
    Vertical,
    /// Both at once or neither, by one coin, as Keras draws it.
    HorizontalAndVertical,
}

impl FlipMode {
    pub(crate) const NAMES: &[(&str, FlipMode)] = &[
        ("horizontal", FlipMode::Horizontal),
        ("vertical", FlipMode::Vertical),
        ("horizontal_and_vertical", FlipMode::HorizontalAndVertical),
    ];

    /// Keras' name of the mode.
    pub fn name(&self) -> &'static str {
        match self {
            FlipMode::Horizontal => "horizontal",
            FlipMode::Vertical => "vertical",
            FlipMode::HorizontalAndVertical => "horizontal_and_vertical",
        }
    }
}

/// Adds one number, uniform between the two factors times the width of the value range, to a whole photo, and clips.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomBrightness {
    /// Lower and upper bound; a single number `f` in a rung is `[-f, f]`.
    pub factor: [f32; 2],
    /// [0, 1] by default, which is what photos here are in; Keras' default is [0, 255].
    pub value_range: [f32; 2],
}

/// Moves the values of each channel away from its mean, or towards it, by a factor uniform between 1 - lower and 1 + upper, and
/// clips.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomContrast {
    /// Lower and upper, in [0, 1]; a single number `f` in a rung is `[f, f]`, as Keras documents it (its code of version 3.15 takes
    /// `[0, f]`).
    pub factor: [f32; 2],
    /// [0, 1] by default, which is what photos here are in; Keras' default is [0, 255].
    pub value_range: [f32; 2],
}

/// Keras' `ImageDataGenerator`: one affine map, then colour, per training photo. Angles are in degrees.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageDataGenerator {
    /// Plus or minus this many degrees.
    pub rotation_range: f32,
    /// Plus or minus this fraction of the width; from 1 on, pixels.
    pub width_shift_range: f32,
    /// Plus or minus this fraction of the height; from 1 on, pixels.
    pub height_shift_range: f32,
    /// Plus or minus this many degrees, so that values below 1 do nothing that one can see.
    pub shear_range: f32,
    /// Lower and upper zoom, drawn for each axis; a single number `f` in a rung is `[1 - f, 1 + f]`.
    pub zoom_range: [f32; 2],
    /// Plus or minus this much, in units of the [0, 1] scale, on each channel.
    pub channel_shift_range: f32,
    /// `Nearest` by default.
    pub fill_mode: FillMode,
    /// In [0, 1], for `Constant`; 0 by default. Keras calls it `cval`.
    pub fill_value: f32,
    /// Mirror left and right with probability one half.
    pub horizontal_flip: bool,
    /// Mirror top and bottom with probability one half.
    pub vertical_flip: bool,
    /// Lower and upper factor that the photo is multiplied with, on 8 bits.
    pub brightness_range: Option<[f32; 2]>,
}

impl Default for ImageDataGenerator {
    fn default() -> Self {
        ImageDataGenerator {
            rotation_range: 0.0,
            width_shift_range: 0.0,
            height_shift_range: 0.0,
            shear_range: 0.0,
            zoom_range: [1.0, 1.0],
            channel_shift_range: 0.0,
            fill_mode: FillMode::Nearest,
            fill_value: 0.0,
            horizontal_flip: false,
            vertical_flip: false,
            brightness_range: None,
        }
    }
}
