//! The layers of augmentation and the `[augmentation]` table in the file.

pub(super) mod torchvision;

use serde::ser::{Serialize, Serializer};

use super::reader::{Range, Reader, Spread};
use super::value::{Table, Value};
use crate::augmentation::{
    FillMode, FlipMode, ImageDataGenerator, RandomBrightness, RandomContrast, RandomFlip, RandomRotation,
    RandomTransform, RandomTranslation, RandomZoom,
};
use crate::error::RungError;

pub(super) const ROTATION_KEYS: &[&str] = &["factor", "fill_mode", "fill_value"];
pub(super) const TRANSLATION_KEYS: &[&str] = &["height_factor", "width_factor", "fill_mode", "fill_value"];
pub(super) const ZOOM_KEYS: &[&str] = TRANSLATION_KEYS;
pub(super) const FLIP_KEYS: &[&str] = &["mode", "alternating"];
pub(super) const BRIGHTNESS_KEYS: &[&str] = &["factor", "value_range"];
pub(super) const CONTRAST_KEYS: &[&str] = BRIGHTNESS_KEYS;
const GENERATOR_KEYS: &[&str] = &[
    "rotation_range",
    "width_shift_range",
    "height_shift_range",
    "shear_range",
    "zoom_range",
    "channel_shift_range",
    "fill_mode",
    "cval",
    "horizontal_flip",
    "vertical_flip",
    "brightness_range",
];

impl From<FillMode> for Value {
    fn from(mode: FillMode) -> Value {
        mode.name().into()
    }
}

/// A `Random*` layer's arguments, as the file has them.
pub(super) fn write_transform(transform: &RandomTransform, table: &mut Table) {
    match transform {
        RandomTransform::Rotation(layer) => write_rotation(layer, table),
        RandomTransform::Translation(layer) => write_translation(layer, table),
        RandomTransform::Zoom(layer) => write_zoom(layer, table),
        RandomTransform::Flip(layer) => write_flip(layer, table),
        RandomTransform::Brightness(layer) => write_brightness(layer, table),
        RandomTransform::Contrast(layer) => write_contrast(layer, table),
        RandomTransform::ResizedCrop(layer) => torchvision::write_resized_crop(layer, table),
        RandomTransform::ColorJitter(layer) => torchvision::write_color_jitter(layer, table),
        RandomTransform::Erasing(layer) => torchvision::write_erasing(layer, table),
        RandomTransform::TrivialAugmentWide(layer) => torchvision::write_trivial(layer, table),
        RandomTransform::RandAugment(layer) => torchvision::write_rand_augment(layer, table),
    }
}

fn fill_mode(reader: &Reader<'_>, default: FillMode) -> Result<FillMode, RungError> {
    reader.or("fill_mode", default, |field| {
        field.choice("fill mode", FillMode::NAMES)
    })
}

fn fill_value(reader: &Reader<'_>, key: &'static str) -> Result<f32, RungError> {
    reader.or(key, 0.0, |field| field.number(Range::SHARE))
}

pub(super) fn rotation(reader: &Reader<'_>) -> Result<RandomTransform, RungError> {
    Ok(RandomTransform::Rotation(RandomRotation {
        factor: reader.required("factor", "factor = 0.05, a fraction of a full turn", |field| {
            field.interval(Range::FACTOR, Spread::BOTH_WAYS)
        })?,
        fill_mode: fill_mode(reader, FillMode::Reflect)?,
        fill_value: fill_value(reader, "fill_value")?,
    }))
}

fn write_rotation(layer: &RandomRotation, table: &mut Table) {
    table.put("factor", layer.factor);
    table.put_unless("fill_mode", layer.fill_mode, FillMode::Reflect);
    table.put_unless("fill_value", layer.fill_value, 0.0);
}

pub(super) fn translation(reader: &Reader<'_>) -> Result<RandomTransform, RungError> {
    Ok(RandomTransform::Translation(RandomTranslation {
        height_factor: reader.required(
            "height_factor",
            "height_factor = 0.05, a fraction of the height",
            |field| field.interval(Range::FACTOR, Spread::BOTH_WAYS),
        )?,
        width_factor: reader.required(
            "width_factor",
            "width_factor = 0.05, a fraction of the width",
            |field| field.interval(Range::FACTOR, Spread::BOTH_WAYS),
        )?,
        fill_mode: fill_mode(reader, FillMode::Reflect)?,
        fill_value: fill_value(reader, "fill_value")?,
    }))
}

fn write_translation(layer: &RandomTranslation, table: &mut Table) {
    table.put("height_factor", layer.height_factor);
    table.put("width_factor", layer.width_factor);
    table.put_unless("fill_mode", layer.fill_mode, FillMode::Reflect);
    table.put_unless("fill_value", layer.fill_value, 0.0);
}

pub(super) fn zoom(reader: &Reader<'_>) -> Result<RandomTransform, RungError> {
    Ok(RandomTransform::Zoom(RandomZoom {
        height_factor: reader.required("height_factor", "height_factor = 0.1", |field| {
            field.interval(Range::ZOOM, Spread::BOTH_WAYS)
        })?,
        width_factor: reader.optional("width_factor", |field| {
            field.interval(Range::ZOOM, Spread::BOTH_WAYS)
        })?,
        fill_mode: fill_mode(reader, FillMode::Reflect)?,
        fill_value: fill_value(reader, "fill_value")?,
    }))
}

fn write_zoom(layer: &RandomZoom, table: &mut Table) {
    table.put("height_factor", layer.height_factor);
    if let Some(factor) = layer.width_factor {
        table.put("width_factor", factor);
    }
    table.put_unless("fill_mode", layer.fill_mode, FillMode::Reflect);
    table.put_unless("fill_value", layer.fill_value, 0.0);
}

pub(super) fn flip(reader: &Reader<'_>) -> Result<RandomTransform, RungError> {
    let mode = reader.or("mode", FlipMode::HorizontalAndVertical, |field| {
        field.choice("flip mode", FlipMode::NAMES)
    })?;
    let alternating = reader.or("alternating", false, |field| field.flag())?;
    Ok(RandomTransform::Flip(RandomFlip { mode, alternating }))
}

fn write_flip(layer: &RandomFlip, table: &mut Table) {
    // Said even where it is the default, because few expect that default.
    table.put("mode", layer.mode.name());
    table.put_unless("alternating", layer.alternating, false);
}

pub(super) fn brightness(reader: &Reader<'_>) -> Result<RandomTransform, RungError> {
    Ok(RandomTransform::Brightness(RandomBrightness {
        factor: reader.required("factor", "factor = 0.2", |field| {
            field.interval(Range::FACTOR, Spread::BOTH_WAYS)
        })?,
        value_range: reader.or("value_range", [0.0, 1.0], |field| field.bounds(Range::ANY))?,
    }))
}

fn write_brightness(layer: &RandomBrightness, table: &mut Table) {
    table.put("factor", layer.factor);
    table.put_unless("value_range", layer.value_range, [0.0, 1.0]);
}

pub(super) fn contrast(reader: &Reader<'_>) -> Result<RandomTransform, RungError> {
    Ok(RandomTransform::Contrast(RandomContrast {
        factor: reader.required("factor", "factor = 0.2", |field| {
            field.interval(Range::SHARE, Spread::BOTH_ENDS)
        })?,
        value_range: reader.or("value_range", [0.0, 1.0], |field| field.bounds(Range::ANY))?,
    }))
}

fn write_contrast(layer: &RandomContrast, table: &mut Table) {
    table.put("factor", layer.factor);
    table.put_unless("value_range", layer.value_range, [0.0, 1.0]);
}

/// A table under the keys of a rung file.
impl Serialize for RandomTransform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = Table::default();
        table.put("layer", self.kind());
        write_transform(self, &mut table);
        table.serialize(serializer)
    }
}

pub(super) fn read_generator(table: &Table) -> Result<ImageDataGenerator, RungError> {
    let reader = Reader::new(table, "[augmentation]", GENERATOR_KEYS)?;
    let default = ImageDataGenerator::default();
    let range =
        |key: &'static str, default: f32| reader.or(key, default, |field| field.number(Range::NOT_NEGATIVE));
    let flag = |key: &'static str, default: bool| reader.or(key, default, |field| field.flag());
    Ok(ImageDataGenerator {
        rotation_range: range("rotation_range", default.rotation_range)?,
        width_shift_range: range("width_shift_range", default.width_shift_range)?,
        height_shift_range: range("height_shift_range", default.height_shift_range)?,
        shear_range: range("shear_range", default.shear_range)?,
        zoom_range: reader.or("zoom_range", default.zoom_range, |field| {
            field.interval(Range::POSITIVE, Spread::AROUND_ONE)
        })?,
        channel_shift_range: reader.or("channel_shift_range", default.channel_shift_range, |field| {
            // Keras counts it in gray levels of 0 to 255.
            field.number(Range::SHARE)
        })?,
        fill_mode: fill_mode(&reader, default.fill_mode)?,
        fill_value: fill_value(&reader, "cval")?,
        horizontal_flip: flag("horizontal_flip", default.horizontal_flip)?,
        vertical_flip: flag("vertical_flip", default.vertical_flip)?,
        brightness_range: reader.optional("brightness_range", |field| field.bounds(Range::NOT_NEGATIVE))?,
    })
}

pub(super) fn write_generator(generator: &ImageDataGenerator) -> Table {
    let mut table = Table::default();
    table.put("rotation_range", generator.rotation_range);
    table.put("width_shift_range", generator.width_shift_range);
    table.put("height_shift_range", generator.height_shift_range);
    table.put("shear_range", generator.shear_range);
    table.put("zoom_range", generator.zoom_range);
    table.put("channel_shift_range", generator.channel_shift_range);
    table.put("fill_mode", generator.fill_mode);
    table.put("cval", generator.fill_value);
    table.put("horizontal_flip", generator.horizontal_flip);
    table.put("vertical_flip", generator.vertical_flip);
    if let Some(range) = generator.brightness_range {
        table.put("brightness_range", range);
    }
    table
}
