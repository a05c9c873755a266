//! Layers with torchvision's meaning in the file.

use super::fill_value;
use crate::augmentation::{
    ColorJitter, Erased, RandAugment, RandomErasing, RandomResizedCrop, RandomTransform, TrivialAugmentWide,
};
use crate::error::RungError;
use crate::file::reader::{Field, Range, Reader, Spread};
use crate::file::value::{Table, Value};

pub(in crate::file) const RESIZED_CROP_KEYS: &[&str] = &["scale", "ratio"];
pub(in crate::file) const COLOR_JITTER_KEYS: &[&str] = &["brightness", "contrast", "saturation", "hue"];
pub(in crate::file) const ERASING_KEYS: &[&str] = &["probability", "scale", "ratio", "value"];
pub(in crate::file) const TRIVIAL_KEYS: &[&str] = &["num_magnitude_bins", "fill_value"];
pub(in crate::file) const RAND_AUGMENT_KEYS: &[&str] =
    &["num_ops", "magnitude", "num_magnitude_bins", "fill_value"];

/// torchvision's defaults.
const BINS: usize = 31;
const NUM_OPS: usize = 2;
const MAGNITUDE: usize = 9;

/// Most strengths to choose from.
const BIN_LIMIT: usize = 1000;

/// Most operations for one photo.
const OPS_LIMIT: usize = 16;

pub(in crate::file) fn resized_crop(reader: &Reader<'_>) -> Result<RandomTransform, RungError> {
    let example = "scale = [0.35, 1.0], shares of the photo's area";
    Ok(RandomTransform::ResizedCrop(RandomResizedCrop {
        scale: reader.required("scale", example, |field| field.bounds(Range::PART))?,
        ratio: reader.or("ratio", RandomResizedCrop::RATIO, |field| {
            field.bounds(Range::POSITIVE)
        })?,
    }))
}

pub(super) fn write_resized_crop(layer: &RandomResizedCrop, table: &mut Table) {
    table.put("scale", layer.scale);
    table.put_unless("ratio", layer.ratio, RandomResizedCrop::RATIO);
}

pub(in crate::file) fn color_jitter(reader: &Reader<'_>) -> Result<RandomTransform, RungError> {
    let factor = |key: &'static str| {
        reader.or(key, [1.0, 1.0], |field| {
            field.interval(Range::NOT_NEGATIVE, Spread::AROUND_ONE_FROM_ZERO)
        })
    };
    Ok(RandomTransform::ColorJitter(ColorJitter {
        brightness: factor("brightness")?,
        contrast: factor("contrast")?,
        saturation: factor("saturation")?,
        hue: reader.or("hue", [0.0, 0.0], |field| {
            field.interval(Range::HUE, Spread::BOTH_WAYS)
        })?,
    }))
}

pub(super) fn write_color_jitter(layer: &ColorJitter, table: &mut Table) {
    table.put_unless("brightness", layer.brightness, [1.0, 1.0]);
    table.put_unless("contrast", layer.contrast, [1.0, 1.0]);
    table.put_unless("saturation", layer.saturation, [1.0, 1.0]);
    table.put_unless("hue", layer.hue, [0.0, 0.0]);
}

pub(in crate::file) fn erasing(reader: &Reader<'_>) -> Result<RandomTransform, RungError> {
    Ok(RandomTransform::Erasing(RandomErasing {
        probability: reader.or("probability", 0.5, |field| field.number(Range::SHARE))?,
        scale: reader.or("scale", RandomErasing::SCALE, |field| field.bounds(Range::PART))?,
        ratio: reader.or("ratio", RandomErasing::RATIO, |field| {
            field.bounds(Range::POSITIVE)
        })?,
        value: reader.or("value", Erased::Value(0.0), erased)?,
    }))
}

fn erased(field: &Field<'_>) -> Result<Erased, RungError> {
    match &field.item.value {
        Value::Text(text) if text == "random" => Ok(Erased::Random),
        Value::Text(_) => Err(field.wrong("a number from 0 to 1, or \"random\"")),
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::List(_)
        | Value::Table(_)
        | Value::Date(_) => Ok(Erased::Value(field.number(Range::SHARE)?)),
    }
}

pub(super) fn write_erasing(layer: &RandomErasing, table: &mut Table) {
    table.put_unless("probability", layer.probability, 0.5);
    table.put_unless("scale", layer.scale, RandomErasing::SCALE);
    table.put_unless("ratio", layer.ratio, RandomErasing::RATIO);
    match layer.value {
        Erased::Value(value) => table.put_unless("value", value, 0.0),
        Erased::Random => table.put("value", "random"),
    }
}

pub(in crate::file) fn trivial(reader: &Reader<'_>) -> Result<RandomTransform, RungError> {
    Ok(RandomTransform::TrivialAugmentWide(TrivialAugmentWide {
        num_magnitude_bins: bins(reader)?,
        fill_value: fill_value(reader, "fill_value")?,
    }))
}

fn bins(reader: &Reader<'_>) -> Result<usize, RungError> {
    reader.or("num_magnitude_bins", BINS, |field| field.count(2, BIN_LIMIT))
}

pub(super) fn write_trivial(layer: &TrivialAugmentWide, table: &mut Table) {
    table.put_unless("num_magnitude_bins", layer.num_magnitude_bins, BINS);
    table.put_unless("fill_value", layer.fill_value, 0.0);
}

pub(in crate::file) fn rand_augment(reader: &Reader<'_>) -> Result<RandomTransform, RungError> {
    let num_magnitude_bins = bins(reader)?;
    let strongest = num_magnitude_bins - 1;
    Ok(RandomTransform::RandAugment(RandAugment {
        num_ops: reader.or("num_ops", NUM_OPS, |field| field.count(1, OPS_LIMIT))?,
        magnitude: reader.or("magnitude", MAGNITUDE.min(strongest), |field| {
            field.count(0, strongest)
        })?,
        num_magnitude_bins,
        fill_value: fill_value(reader, "fill_value")?,
    }))
}

pub(super) fn write_rand_augment(layer: &RandAugment, table: &mut Table) {
    table.put_unless("num_ops", layer.num_ops, NUM_OPS);
    // Said in any case: what stands for it where it is not depends on another key.
    table.put("magnitude", layer.magnitude);
    table.put_unless("num_magnitude_bins", layer.num_magnitude_bins, BINS);
    table.put_unless("fill_value", layer.fill_value, 0.0);
}
