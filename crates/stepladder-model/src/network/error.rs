//! What can be wrong with a network. Each message names the line, the layer, and the remedy.

use crate::place::Place;

/// A rung's layers cannot be computed, or not be trained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what the variants and their fields are"
)]
pub enum NetworkError {
    #[error("a classifier needs at least 2 classes, and {classes} were given")]
    TooFewClasses { classes: usize },
    #[error("an input of {size} pixels a side is outside 1 to {limit}; give another --size")]
    InputSize { size: usize, limit: usize },
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
        "{place}: Add needs the names of two or more layers; write `inputs = [\"..\", \"..\"]` and give those layers a `name`"
    )]
    TooFewInputs { place: Place },
    #[error(
        "{place}: {layer} must come before all other layers, straight on the image, because the loader executes it; move it to the head of `layers`"
    )]
    AugmentationNotAtHead { place: Place, layer: &'static str },
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
        size: usize,
    },
    #[error("{place}: {layer} has {key} = 0; give it at least 1")]
    Zero {
        place: Place,
        layer: &'static str,
        key: &'static str,
    },
    #[error("{place}: Add gets {shapes}; {remedy}")]
    AddShapes {
        place: Place,
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

impl NetworkError {
    /// The line of the rung that is to be mended; `None` where the fault is not in the rung.
    pub fn place(&self) -> Option<&Place> {
        match self {
            NetworkError::TooFewClasses { .. } | NetworkError::InputSize { .. } | NetworkError::NoLayers => {
                None
            }
            NetworkError::OnlyAugmentation { place }
            | NetworkError::TooManyLayers { place, .. }
            | NetworkError::DuplicateName { place, .. }
            | NetworkError::ReservedName { place }
            | NetworkError::UnknownInput { place, .. }
            | NetworkError::LaterInput { place, .. }
            | NetworkError::TooManyInputs { place, .. }
            | NetworkError::TooFewInputs { place }
            | NetworkError::AugmentationNotAtHead { place, .. }
            | NetworkError::UnusedOutput { place, .. }
            | NetworkError::NeedsMap { place, .. }
            | NetworkError::NeedsVector { place, .. }
            | NetworkError::WindowTooLarge { place, .. }
            | NetworkError::Zero { place, .. }
            | NetworkError::AddShapes { place, .. }
            | NetworkError::TooLarge { place, .. }
            | NetworkError::NoSoftmax { place, .. }
            | NetworkError::HeadIsMap { place, .. }
            | NetworkError::OneOutput { place }
            | NetworkError::WrongOutputs { place, .. }
            | NetworkError::ActivationBeforeSoftmax { place, .. } => Some(place),
        }
    }
}
