//! Each layer's arguments, under Keras' names and with Keras' defaults.

use super::padding::padding;
use crate::activation::Activation;
use crate::error::RungError;
use crate::file::reader::{Field, Range, Reader};
use crate::file::value::Value;
use crate::initializer::{DepthwiseFanIn, Initializer};
use crate::layer::{
    BatchNormalization, Conv2D, Dense, DepthwiseConv2D, Dropout, GlobalAveragePooling2D, Layer,
    LayerNormalization, LeakyReLU, Normalization, Pooling2D, Scale, SeparableConv2D, StochasticDepth, Units,
};
use crate::rung::Defaults;

/// Most filters of a convolution, units of a dense layer, or multiples of a depthwise one. Far above use; what is truly
/// too large is told by the shapes.
const WIDTH_LIMIT: usize = 1 << 20;

/// Longest side of a kernel, a pooling window, or a stride.
pub(super) const SIDE_LIMIT: usize = 8192;

pub(super) const CONV_KEYS: &[&str] = &[
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "groups",
    "activation",
    "use_bias",
    "kernel_initializer",
    "bias_initializer",
];
pub(super) const SEPARABLE_KEYS: &[&str] = &[
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "depth_multiplier",
    "activation",
    "use_bias",
    "depthwise_initializer",
    "depthwise_fan_in",
    "pointwise_initializer",
    "bias_initializer",
];
pub(super) const DEPTHWISE_KEYS: &[&str] = &[
    "kernel_size",
    "strides",
    "padding",
    "depth_multiplier",
    "activation",
    "use_bias",
    "depthwise_initializer",
    "depthwise_fan_in",
    "bias_initializer",
];
pub(super) const DENSE_KEYS: &[&str] = &[
    "units",
    "activation",
    "use_bias",
    "kernel_initializer",
    "bias_initializer",
];
pub(super) const BATCH_NORMALIZATION_KEYS: &[&str] =
    &["momentum", "epsilon", "center", "scale", "gamma_initializer"];
pub(super) const LAYER_NORMALIZATION_KEYS: &[&str] = &["epsilon", "center", "scale"];
pub(super) const POOLING_KEYS: &[&str] = &["pool_size", "strides", "padding"];

pub(super) fn conv(reader: &Reader<'_>, defaults: &Defaults) -> Result<Layer, RungError> {
    Ok(Layer::Conv2D(Conv2D {
        filters: filters(reader)?,
        kernel_size: kernel_size(reader)?,
        strides: reader.or("strides", [1, 1], |field| field.sides(SIDE_LIMIT))?,
        padding: padding(reader)?,
        groups: reader.or("groups", 1, |field| field.count(1, WIDTH_LIMIT))?,
        activation: reader.or("activation", Activation::Linear, read_activation)?,
        use_bias: reader.or("use_bias", true, |field| field.flag())?,
        kernel_initializer: initializer(reader, "kernel_initializer", defaults.kernel_initializer)?,
        bias_initializer: initializer(reader, "bias_initializer", Initializer::Zeros)?,
    }))
}

pub(super) fn separable(reader: &Reader<'_>, defaults: &Defaults) -> Result<Layer, RungError> {
    Ok(Layer::SeparableConv2D(SeparableConv2D {
        filters: filters(reader)?,
        kernel_size: kernel_size(reader)?,
        strides: reader.or("strides", [1, 1], |field| field.sides(SIDE_LIMIT))?,
        padding: padding(reader)?,
        depth_multiplier: reader.or("depth_multiplier", 1, |field| field.count(1, WIDTH_LIMIT))?,
        activation: reader.or("activation", Activation::Linear, read_activation)?,
        use_bias: reader.or("use_bias", true, |field| field.flag())?,
        depthwise_initializer: initializer(reader, "depthwise_initializer", defaults.kernel_initializer)?,
        depthwise_fan_in: reader.or("depthwise_fan_in", defaults.depthwise_fan_in, read_fan_in)?,
        pointwise_initializer: initializer(reader, "pointwise_initializer", defaults.kernel_initializer)?,
        bias_initializer: initializer(reader, "bias_initializer", Initializer::Zeros)?,
    }))
}

pub(super) fn depthwise(reader: &Reader<'_>, defaults: &Defaults) -> Result<Layer, RungError> {
    Ok(Layer::DepthwiseConv2D(DepthwiseConv2D {
        kernel_size: kernel_size(reader)?,
        strides: reader.or("strides", [1, 1], |field| field.sides(SIDE_LIMIT))?,
        padding: padding(reader)?,
        depth_multiplier: reader.or("depth_multiplier", 1, |field| field.count(1, WIDTH_LIMIT))?,
        activation: reader.or("activation", Activation::Linear, read_activation)?,
        use_bias: reader.or("use_bias", true, |field| field.flag())?,
        depthwise_initializer: initializer(reader, "depthwise_initializer", defaults.kernel_initializer)?,
        depthwise_fan_in: reader.or("depthwise_fan_in", defaults.depthwise_fan_in, read_fan_in)?,
        bias_initializer: initializer(reader, "bias_initializer", Initializer::Zeros)?,
    }))
}

pub(super) fn dense(reader: &Reader<'_>, defaults: &Defaults) -> Result<Layer, RungError> {
    Ok(Layer::Dense(Dense {
        units: reader.required(
            "units",
            "units = 128, or units = \"classes\" in the last layer",
            read_units,
        )?,
        activation: reader.or("activation", Activation::Linear, read_activation)?,
        use_bias: reader.or("use_bias", true, |field| field.flag())?,
        kernel_initializer: initializer(reader, "kernel_initializer", defaults.kernel_initializer)?,
        bias_initializer: initializer(reader, "bias_initializer", Initializer::Zeros)?,
    }))
}

fn read_units(field: &Field<'_>) -> Result<Units, RungError> {
    match &field.item.value {
        Value::Text(text) if text == "classes" => Ok(Units::Classes),
        Value::Text(_) => Err(field.wrong(format!("a whole number from 1 to {WIDTH_LIMIT}, or \"classes\""))),
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Date(_)
        | Value::List(_)
        | Value::Table(_) => field.count(1, WIDTH_LIMIT).map(Units::Count),
    }
}

pub(super) fn batch_normalization(reader: &Reader<'_>, _: &Defaults) -> Result<Layer, RungError> {
    let default = BatchNormalization::default();
    Ok(Layer::BatchNormalization(BatchNormalization {
        momentum: reader.or("momentum", default.momentum, |field| {
            field.number(Range::BELOW_ONE)
        })?,
        epsilon: reader.or("epsilon", default.epsilon, |field| field.number(Range::POSITIVE))?,
        center: reader.or("center", default.center, |field| field.flag())?,
        scale: reader.or("scale", default.scale, |field| field.flag())?,
        gamma_initializer: reader.or("gamma_initializer", default.gamma_initializer, read_initializer)?,
    }))
}

pub(super) fn layer_normalization(reader: &Reader<'_>, _: &Defaults) -> Result<Layer, RungError> {
    let default = LayerNormalization::default();
    Ok(Layer::LayerNormalization(LayerNormalization {
        epsilon: reader.or("epsilon", default.epsilon, |field| field.number(Range::POSITIVE))?,
        center: reader.or("center", default.center, |field| field.flag())?,
        scale: reader.or("scale", default.scale, |field| field.flag())?,
    }))
}

pub(super) fn scale(reader: &Reader<'_>, _: &Defaults) -> Result<Layer, RungError> {
    let default = Scale::default().initial_value;
    Ok(Layer::Scale(Scale {
        initial_value: reader.or("initial_value", default, |field| field.number(Range::ANY))?,
    }))
}

pub(super) fn normalization(reader: &Reader<'_>, _: &Defaults) -> Result<Layer, RungError> {
    Ok(Layer::Normalization(Normalization {
        mean: reader.required("mean", "mean = [0.485, 0.456, 0.406]", |field| {
            field.numbers(Range::ANY)
        })?,
        variance: reader.required("variance", "variance = [0.0524, 0.0502, 0.0506]", |field| {
            field.numbers(Range::NOT_NEGATIVE)
        })?,
    }))
}

pub(super) fn activation(reader: &Reader<'_>, _: &Defaults) -> Result<Layer, RungError> {
    reader
        .required("activation", "activation = \"relu\"", read_activation)
        .map(Layer::Activation)
}

pub(super) fn leaky(reader: &Reader<'_>, _: &Defaults) -> Result<Layer, RungError> {
    let default = LeakyReLU::default().negative_slope;
    Ok(Layer::LeakyReLU(LeakyReLU {
        negative_slope: reader.or("negative_slope", default, |field| {
            field.number(Range::NOT_NEGATIVE)
        })?,
    }))
}

pub(super) fn max_pooling(reader: &Reader<'_>, _: &Defaults) -> Result<Layer, RungError> {
    pooling(reader).map(Layer::MaxPooling2D)
}

pub(super) fn average_pooling(reader: &Reader<'_>, _: &Defaults) -> Result<Layer, RungError> {
    pooling(reader).map(Layer::AveragePooling2D)
}

fn pooling(reader: &Reader<'_>) -> Result<Pooling2D, RungError> {
    let pool_size = reader.or("pool_size", [2, 2], |field| field.sides(SIDE_LIMIT))?;
    Ok(Pooling2D {
        pool_size,
        strides: reader.or("strides", pool_size, |field| field.sides(SIDE_LIMIT))?,
        padding: padding(reader)?,
    })
}

pub(super) fn global_average_pooling(reader: &Reader<'_>, _: &Defaults) -> Result<Layer, RungError> {
    Ok(Layer::GlobalAveragePooling2D(GlobalAveragePooling2D {
        keepdims: reader.or("keepdims", false, |field| field.flag())?,
    }))
}

pub(super) fn stochastic_depth(reader: &Reader<'_>, _: &Defaults) -> Result<Layer, RungError> {
    Ok(Layer::StochasticDepth(StochasticDepth {
        rate: reader.required("rate", "rate = 0.1", |field| field.number(Range::BELOW_ONE))?,
    }))
}

pub(super) fn dropout(reader: &Reader<'_>, _: &Defaults) -> Result<Layer, RungError> {
    Ok(Layer::Dropout(Dropout {
        rate: reader.required("rate", "rate = 0.5", |field| field.number(Range::BELOW_ONE))?,
    }))
}

/// A function's name, or a table where it has an option: `{ type = "leaky_relu", negative_slope = 0.1 }`.
fn read_activation(field: &Field<'_>) -> Result<Activation, RungError> {
    let Value::Table(table) = &field.item.value else {
        return field.choice("activation", Activation::NAMES);
    };
    let reader = Reader::new(table, "activation", &["type", "negative_slope"])?;
    let example = "type = \"leaky_relu\"";
    match reader.required("type", example, |field| {
        field.choice("activation", Activation::NAMES)
    })? {
        Activation::LeakyRelu { negative_slope } => Ok(Activation::LeakyRelu {
            negative_slope: reader.or("negative_slope", negative_slope, |field| {
                field.number(Range::NOT_NEGATIVE)
            })?,
        }),
        activation @ (Activation::Linear
        | Activation::Relu
        | Activation::Relu6
        | Activation::Elu
        | Activation::Swish
        | Activation::HardSwish
        | Activation::Gelu
        | Activation::Sigmoid
        | Activation::HardSigmoid
        | Activation::Tanh
        | Activation::Softmax) => {
            Reader::new(table, activation.name(), &["type"])?;
            Ok(activation)
        }
    }
}

fn filters(reader: &Reader<'_>) -> Result<usize, RungError> {
    reader.required("filters", "filters = 32", |field| field.count(1, WIDTH_LIMIT))
}

fn kernel_size(reader: &Reader<'_>) -> Result<[usize; 2], RungError> {
    reader.required("kernel_size", "kernel_size = 3", |field| field.sides(SIDE_LIMIT))
}

fn initializer(
    reader: &Reader<'_>,
    key: &'static str,
    default: Initializer,
) -> Result<Initializer, RungError> {
    reader.or(key, default, read_initializer)
}

pub(crate) fn read_fan_in(field: &Field<'_>) -> Result<DepthwiseFanIn, RungError> {
    field.choice("fan-in", DepthwiseFanIn::NAMES)
}

/// An initializer's name, or a table where it has a value: `{ type = "constant", value = 0.1 }`.
pub(crate) fn read_initializer(field: &Field<'_>) -> Result<Initializer, RungError> {
    let is_constant = |field: &Field<'_>| field.item.value == Value::from("constant");
    let Value::Table(table) = &field.item.value else {
        if is_constant(field) {
            return Err(field.wrong("written with its value, { type = \"constant\", value = 0.1 }"));
        }
        return field.choice("initializer", Initializer::NAMES);
    };
    let reader = Reader::new(table, "initializer", &["type", "value"])?;
    if !reader.field("type").is_some_and(|field| is_constant(&field)) {
        let initializer = reader.required("type", "type = \"constant\"", |field| {
            field.choice("initializer", Initializer::NAMES)
        })?;
        Reader::new(table, initializer.name(), &["type"])?;
        return Ok(initializer);
    }
    let value = reader.required("value", "value = 0.1", |field| field.number(Range::ANY))?;
    Ok(Initializer::Constant(value))
}
