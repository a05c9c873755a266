//! What can be wrong with a network. Each message names the line, the layer, and the remedy.

use crate::image_size::ImageSize;
use crate::place::Place;

/// A rung's layers cannot be computed, or not be trained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what the variants and their fields are"
)]
pub enum GraphError {
    #[error("a classifier needs at least 2 classes, and {classes} were given")]
    TooFewClasses { classes: usize },
    #[error("an input of {size} pixels is outside 1 to {limit} a side; give another --size")]
    InputSize { size: ImageSize, limit: usize },
    #[error("the rung has no layers; write `layers = [..]`, or name a `parent` that has some")]
    NoLayers,
    #[error(
        "{place}: no layer follows the augmentation; end with {{ layer = \"Dense\", units = \"classes\", activation = \"softmax\" }}"
    )]
    OnlyAugmentation { place: Place },
    #[error("{place}: more than {limit} layers; use fewer")]
    TooManyLayers { place: Place, limit: usize },
    #[error("{place}: the name `{name}` is given to two layers; rename one")]
    DuplicateName { place: Place, name: String },
    #[error("{place}: `image` is the name of the network's input; give the layer another name")]
    ReservedName { place: Place },
    #[error("{place}: {layer} takes its input from `{input}`, and no layer has that name; {remedy}")]
    UnknownInput {
        place: Place,
        layer: &'static str,
        input: String,
        remedy: String,
    },
    #[error("{place}: {layer} takes its input from `{input}`, which comes after it; move `{input}` up")]
    LaterInput {
        place: Place,
        layer: &'static str,
        input: String,
    },
    #[error("{place}: {layer} takes one input, and {count} are given; join them with an Add first")]
    TooManyInputs {
        place: Place,
        layer: &'static str,
        count: usize,
    },
    #[error(
        "{place}: {layer} needs the names of two or more layers; write `inputs = [\"..\", \"..\"]` and give those layers a `name`"
    )]
    TooFewInputs { place: Place, layer: &'static str },
    #[error(
        "{place}: {layer} must come before all other layers, straight on the image, because the loader executes it; move it to the head of `layers`"
    )]
    AugmentationNotAtHead { place: Place, layer: &'static str },
    #[error(
        "{place}: only layers that turn, move, zoom or mirror may stand before RandomResizedCrop, and one of it is enough; move it up, or take it out"
    )]
    CropTooLate { place: Place },
    #[error(
        "{place}: RandomResizedCrop cuts the whole photo, and [augmentation] works on its central square; write `augmentation = false`, or take the layer out"
    )]
    CropAndGenerator { place: Place },
    #[error(
        "{place}: nothing takes the output of {layer} `{name}`; name it in a later layer's `input`, or take it out"
    )]
    UnusedOutput {
        place: Place,
        layer: &'static str,
        name: String,
    },
    #[error("{place}: {layer} needs a map, and its input is a vector of {units}; move it before Flatten")]
    NeedsMap {
        place: Place,
        layer: &'static str,
        units: usize,
    },
    #[error(
        "{place}: {layer} needs a vector, and its input is a map of {shape}; put {{ layer = \"Flatten\" }} before it"
    )]
    NeedsVector {
        place: Place,
        layer: &'static str,
        shape: super::Shape,
    },
    #[error(
        "{place}: {layer} has a {key} of {height} x {width}, larger than its input of {shape}; use padding = \"same\", a smaller {key}, or a larger input than {size} pixels"
    )]
    WindowTooLarge {
        place: Place,
        layer: &'static str,
        key: &'static str,
        height: usize,
        width: usize,
        shape: super::Shape,
        size: ImageSize,
    },
    #[error("{place}: {layer} has {key} = 0; give it at least 1")]
    Zero {
        place: Place,
        layer: &'static str,
        key: &'static str,
    },
    #[error(
        "{place}: {layer} has a padding of {padding} and a {key} of {side}, so that a window would see nothing but padding; use a padding of at most {most}"
    )]
    PaddingTooLarge {
        place: Place,
        layer: &'static str,
        key: &'static str,
        padding: usize,
        side: usize,
        most: usize,
    },
    #[error("{place}: {layer} has groups = {groups}, which does not divide the {count} {of}; {remedy}")]
    Groups {
        place: Place,
        layer: &'static str,
        groups: usize,
        count: usize,
        of: &'static str,
        remedy: String,
    },
    #[error(
        "{place}: {layer} needs a map of at least 2 x 2 pixels, and its input is {shape}; take it out, pool less before it, or give it a larger input than {size} pixels"
    )]
    TooSmallToBlur {
        place: Place,
        layer: &'static str,
        shape: super::Shape,
        size: ImageSize,
    },
    #[error(
        "{place}: {layer} has {count} numbers in `{key}`, and its input has {channels} channels; write one number, or one for each channel"
    )]
    StatisticsCount {
        place: Place,
        layer: &'static str,
        key: &'static str,
        count: usize,
        channels: usize,
    },
    #[error("{place}: {layer} gets {shapes}; {remedy}")]
    InputShapes {
        place: Place,
        layer: &'static str,
        shapes: String,
        remedy: String,
    },
    #[error(
        "{place}: {layer} makes the network too large to train ({what}); use fewer filters or units, or pool before Flatten"
    )]
    TooLarge {
        place: Place,
        layer: &'static str,
        what: String,
    },
    #[error(
        "{place}: the last layer is {layer}, which does not end in softmax; end with {{ layer = \"Dense\", units = \"classes\", activation = \"softmax\" }}"
    )]
    NoSoftmax { place: Place, layer: &'static str },
    #[error(
        "{place}: the network ends in {layer} with the shape {shape}, and must end in a vector with one value per class; pool or flatten, then end with {{ layer = \"Dense\", units = \"classes\", activation = \"softmax\" }}"
    )]
    HeadIsMap {
        place: Place,
        layer: &'static str,
        shape: super::Shape,
    },
    #[error(
        "{place}: the network ends in a softmax over 1 value, which is always 1; end with {{ layer = \"Dense\", units = \"classes\", activation = \"softmax\" }}"
    )]
    OneOutput { place: Place },
    #[error(
        "{place}: the network has {outputs} outputs for {classes} classes; give the last layer units = \"classes\""
    )]
    WrongOutputs {
        place: Place,
        outputs: usize,
        classes: usize,
    },
    #[error("{place}: {layer} applies {activation} right before the softmax, {reason}; {remedy}")]
    ActivationBeforeSoftmax {
        place: Place,
        layer: &'static str,
        activation: &'static str,
        reason: &'static str,
        remedy: &'static str,
    },
}

impl GraphError {
    /// The line of the rung that is to be mended; `None` where the fault is not in the rung.
    pub fn place(&self) -> Option<&Place> {
        match self {
            GraphError::TooFewClasses { .. } | GraphError::InputSize { .. } | GraphError::NoLayers => None,
            GraphError::OnlyAugmentation { place }
            | GraphError::TooManyLayers { place, .. }
            | GraphError::DuplicateName { place, .. }
            | GraphError::ReservedName { place }
            | GraphError::UnknownInput { place, .. }
            | GraphError::LaterInput { place, .. }
            | GraphError::TooManyInputs { place, .. }
            | GraphError::TooFewInputs { place, .. }
            | GraphError::AugmentationNotAtHead { place, .. }
            | GraphError::CropTooLate { place }
            | GraphError::CropAndGenerator { place }
            | GraphError::UnusedOutput { place, .. }
            | GraphError::NeedsMap { place, .. }
            | GraphError::NeedsVector { place, .. }
            | GraphError::WindowTooLarge { place, .. }
            | GraphError::Zero { place, .. }
            | GraphError::PaddingTooLarge { place, .. }
            | GraphError::Groups { place, .. }
            | GraphError::TooSmallToBlur { place, .. }
            | GraphError::StatisticsCount { place, .. }
            | GraphError::InputShapes { place, .. }
            | GraphError::TooLarge { place, .. }
            | GraphError::NoSoftmax { place, .. }
            | GraphError::HeadIsMap { place, .. }
            | GraphError::OneOutput { place }
            | GraphError::WrongOutputs { place, .. }
            | GraphError::ActivationBeforeSoftmax { place, .. } => Some(place),
        }
    }
}
