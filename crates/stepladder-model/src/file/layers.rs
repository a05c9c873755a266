//! The `layers` list in the file: one table per layer, with Keras' class name under `layer` and Keras' arguments beside
//! it.

mod padding;
mod read;
mod write;

use super::augmentation::{self, torchvision};
use super::reader::{Field, Reader};
use super::value::Value;
use crate::augmentation::RandomTransform;
use crate::error::RungError;
use crate::graph::LAYER_LIMIT;
use crate::layer::Layer;
use crate::rung::{Defaults, LayerSpec};

pub(crate) use read::{read_fan_in, read_initializer};
pub(crate) use write::layer_tables;

/// Longest name of a layer.
const NAME_LIMIT: usize = 64;

/// Keys that every layer may have.
const COMMON_KEYS: &[&str] = &["layer", "name", "input", "inputs"];

/// Every layer: its name in the file, the keys it may have beside the common ones, and how they are read.
const KINDS: &[(&str, Kind)] = &[
    ("Conv2D", kind(read::CONV_KEYS, read::conv)),
    ("SeparableConv2D", kind(read::SEPARABLE_KEYS, read::separable)),
    ("DepthwiseConv2D", kind(read::DEPTHWISE_KEYS, read::depthwise)),
    ("Dense", kind(read::DENSE_KEYS, read::dense)),
    (
        "BatchNormalization",
        kind(read::BATCH_NORMALIZATION_KEYS, read::batch_normalization),
    ),
    (
        "LayerNormalization",
        kind(read::LAYER_NORMALIZATION_KEYS, read::layer_normalization),
    ),
    ("Scale", kind(&["initial_value"], read::scale)),
    ("Normalization", kind(&["mean", "variance"], read::normalization)),
    ("Activation", kind(&["activation"], read::activation)),
    ("LeakyReLU", kind(&["negative_slope"], read::leaky)),
    ("MaxPooling2D", kind(read::POOLING_KEYS, read::max_pooling)),
    (
        "AveragePooling2D",
        kind(read::POOLING_KEYS, read::average_pooling),
    ),
    ("BlurPooling2D", kind(&[], |_, _| Ok(Layer::BlurPooling2D))),
    (
        "GlobalAveragePooling2D",
        kind(&["keepdims"], read::global_average_pooling),
    ),
    ("Flatten", kind(&[], |_, _| Ok(Layer::Flatten))),
    ("Dropout", kind(&["rate"], read::dropout)),
    ("StochasticDepth", kind(&["rate"], read::stochastic_depth)),
    ("Add", kind(&[], |_, _| Ok(Layer::Add))),
    ("Multiply", kind(&[], |_, _| Ok(Layer::Multiply))),
    ("Concatenate", kind(&[], |_, _| Ok(Layer::Concatenate))),
    (
        "RandomRotation",
        kind(augmentation::ROTATION_KEYS, |reader, _| {
            augmented(augmentation::rotation(reader))
        }),
    ),
    (
        "RandomTranslation",
        kind(augmentation::TRANSLATION_KEYS, |reader, _| {
            augmented(augmentation::translation(reader))
        }),
    ),
    (
        "RandomZoom",
        kind(augmentation::ZOOM_KEYS, |reader, _| {
            augmented(augmentation::zoom(reader))
        }),
    ),
    (
        "RandomFlip",
        kind(augmentation::FLIP_KEYS, |reader, _| {
            augmented(augmentation::flip(reader))
        }),
    ),
    (
        "RandomBrightness",
        kind(augmentation::BRIGHTNESS_KEYS, |reader, _| {
            augmented(augmentation::brightness(reader))
        }),
    ),
    (
        "RandomResizedCrop",
        kind(torchvision::RESIZED_CROP_KEYS, |reader, _| {
            augmented(torchvision::resized_crop(reader))
        }),
    ),
    (
        "RandomContrast",
        kind(augmentation::CONTRAST_KEYS, |reader, _| {
            augmented(augmentation::contrast(reader))
        }),
    ),
    (
        "ColorJitter",
        kind(torchvision::COLOR_JITTER_KEYS, |reader, _| {
            augmented(torchvision::color_jitter(reader))
        }),
    ),
    (
        "RandomErasing",
        kind(torchvision::ERASING_KEYS, |reader, _| {
            augmented(torchvision::erasing(reader))
        }),
    ),
    (
        "TrivialAugmentWide",
        kind(torchvision::TRIVIAL_KEYS, |reader, _| {
            augmented(torchvision::trivial(reader))
        }),
    ),
    (
        "RandAugment",
        kind(torchvision::RAND_AUGMENT_KEYS, |reader, _| {
            augmented(torchvision::rand_augment(reader))
        }),
    ),
];

fn augmented(transform: Result<RandomTransform, RungError>) -> Result<Layer, RungError> {
    transform.map(Layer::Augmentation)
}

#[derive(Clone, Copy)]
struct Kind {
    keys: &'static [&'static str],
    read: fn(&Reader<'_>, &Defaults) -> Result<Layer, RungError>,
}

const fn kind(
    keys: &'static [&'static str],
    read: fn(&Reader<'_>, &Defaults) -> Result<Layer, RungError>,
) -> Kind {
    Kind { keys, read }
}

/// Layers of Keras, or timm, that a rung writes differently.
const KERAS_ONLY: &[(&str, &str)] = &[
    ("ReLU", "write { layer = \"Activation\", activation = \"relu\" }"),
    (
        "Softmax",
        "write { layer = \"Activation\", activation = \"softmax\" }",
    ),
    (
        "ReLU6",
        "write { layer = \"Activation\", activation = \"relu6\" }",
    ),
    ("ELU", "write { layer = \"Activation\", activation = \"elu\" }"),
    ("MaxPool2D", "write MaxPooling2D"),
    ("AvgPool2D", "write AveragePooling2D"),
    ("GlobalAvgPool2D", "write GlobalAveragePooling2D"),
    ("Convolution2D", "write Conv2D"),
    ("LayerScale", "write Scale"),
    ("DropPath", "write StochasticDepth"),
    (
        "ZeroPadding2D",
        "take it out, and write `padding` in the layer behind it",
    ),
    ("SeparableConvolution2D", "write SeparableConv2D"),
    ("Input", "take it out, and write `size` in [input]"),
    ("InputLayer", "take it out, and write `size` in [input]"),
    ("Rescaling", "take it out, because photos are already in [0, 1]"),
];

/// Reads the `layers` list.
pub(super) fn read_layers(field: &Field<'_>, defaults: &Defaults) -> Result<Vec<LayerSpec>, RungError> {
    let Value::List(items) = &field.item.value else {
        return Err(field.wrong("a list of layers, [ { layer = \"Conv2D\", .. }, .. ]"));
    };
    if items.is_empty() || items.len() > LAYER_LIMIT {
        return Err(field.wrong(format!("a list of 1 to {LAYER_LIMIT} layers")));
    }
    items
        .iter()
        .map(|item| read_layer(&Field { item, ..*field }, defaults))
        .collect()
}

fn read_layer(field: &Field<'_>, defaults: &Defaults) -> Result<LayerSpec, RungError> {
    let table = field.table("a list of layers, [ { layer = \"Conv2D\", .. }, .. ]")?;
    let Some(item) = table.get("layer") else {
        return Err(RungError::MissingKey {
            place: table.place.clone(),
            within: "a layer".to_owned(),
            key: "layer",
            example: "its kind: layer = \"Conv2D\"",
        });
    };
    let (kind_name, kind) = find_kind(&Field {
        key: "layer",
        within: "a layer",
        item,
    })?;
    let known: Vec<&str> = kind.keys.iter().chain(COMMON_KEYS).copied().collect();
    let reader = Reader::new(table, kind_name, &known)?;
    reader.at_most_one("input", "inputs")?;
    let inputs = match reader.optional("inputs", |field| field.texts())? {
        Some(inputs) => inputs,
        None => reader
            .optional("input", |field| field.text().map(str::to_owned))?
            .into_iter()
            .collect(),
    };
    Ok(LayerSpec {
        name: reader.optional("name", read_name)?,
        inputs,
        layer: (kind.read)(&reader, defaults)?,
        place: table.place.clone(),
    })
}

fn find_kind(field: &Field<'_>) -> Result<(&'static str, Kind), RungError> {
    let name = field.text()?;
    if let Some(kind) = KINDS.iter().find(|(known, _)| *known == name) {
        return Ok(*kind);
    }
    Err(match KERAS_ONLY.iter().find(|(known, _)| *known == name) {
        Some((_, remedy)) => RungError::UnknownName {
            place: field.place().clone(),
            what: "layer",
            name: name.to_owned(),
            remedy: (*remedy).to_owned(),
        },
        None => field.unknown("layer", name, KINDS),
    })
}

/// A layer's name becomes part of its parameters' names, `conv2d/kernel`, and of `--set layers.NAME.key`.
fn read_name(field: &Field<'_>) -> Result<String, RungError> {
    let name = field.text()?;
    let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if name.is_empty() || name.len() > NAME_LIMIT || !name.chars().all(plain) {
        return Err(field.wrong(format!("1 to {NAME_LIMIT} of the characters A-Z a-z 0-9 _ -")));
    }
    Ok(name.to_owned())
}
