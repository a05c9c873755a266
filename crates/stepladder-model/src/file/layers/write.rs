//! Layers back to tables. What is Keras' default is left out, and so is what the rung's defaults say.

use serde::ser::{Serialize, Serializer};

use crate::activation::{Activation, LEAKY_RELU_FUNCTION_SLOPE};
use crate::file::augmentation;
use crate::file::value::{Item, Table, Value};
use crate::initializer::{DepthwiseFanIn, Initializer};
use crate::layer::{BatchNormalization, Layer, LayerNormalization, LeakyReLU, Padding, Scale, Units};
use crate::rung::{Defaults, LayerSpec};

impl From<Initializer> for Value {
    fn from(initializer: Initializer) -> Value {
        if let Initializer::Constant(value) = initializer {
            let mut table = Table::default();
            table.put("type", initializer.name());
            table.put("value", value);
            return table.into();
        }
        initializer.name().into()
    }
}

impl From<DepthwiseFanIn> for Value {
    fn from(fan_in: DepthwiseFanIn) -> Value {
        fan_in.name().into()
    }
}

impl From<Activation> for Value {
    fn from(activation: Activation) -> Value {
        if let Activation::LeakyRelu { negative_slope } = activation
            && negative_slope != LEAKY_RELU_FUNCTION_SLOPE
        {
            let mut table = Table::default();
            table.put("type", activation.name());
            table.put("negative_slope", negative_slope);
            return table.into();
        }
        activation.name().into()
    }
}

/// All layers as the file has them.
pub(crate) fn layer_tables(layers: &[LayerSpec], defaults: &Defaults) -> Vec<Item> {
    let item = |spec: &LayerSpec| {
        let mut table = layer_table(&spec.layer, Some(defaults));
        table.place = spec.place.clone();
        if let Some(name) = &spec.name {
            table.put("name", name.as_str());
        }
        match spec.inputs.as_slice() {
            [] => {}
            [input] => table.put("input", input.as_str()),
            inputs => table.put("inputs", inputs.to_vec()),
        }
        Item {
            value: table.into(),
            place: spec.place.clone(),
        }
    };
    layers.iter().map(item).collect()
}

/// A layer's table. Kernel initializers that are the rung's default are left out; without defaults, all are said.
pub(crate) fn layer_table(layer: &Layer, defaults: Option<&Defaults>) -> Table {
    let mut table = Table::default();
    let out = &mut table;
    out.put("layer", layer.kind());
    let kernel = |table: &mut Table, key: &str, initializer: Initializer| {
        if defaults.is_none_or(|defaults| defaults.kernel_initializer != initializer) {
            table.put(key, initializer);
        }
    };
    let fan_in = |table: &mut Table, fan_in: DepthwiseFanIn| {
        let default = defaults.map_or(DepthwiseFanIn::default(), |defaults| defaults.depthwise_fan_in);
        table.put_unless("depthwise_fan_in", fan_in, default);
    };
    match layer {
        Layer::Conv2D(conv) => {
            out.put("filters", conv.filters);
            out.put("kernel_size", conv.kernel_size);
            write_window(out, conv.strides, conv.padding);
            out.put_unless("groups", conv.groups, 1);
            write_ending(out, conv.activation, conv.use_bias);
            kernel(out, "kernel_initializer", conv.kernel_initializer);
            out.put_unless("bias_initializer", conv.bias_initializer, Initializer::Zeros);
        }
        Layer::SeparableConv2D(conv) => {
            out.put("filters", conv.filters);
            out.put("kernel_size", conv.kernel_size);
            write_window(out, conv.strides, conv.padding);
            out.put_unless("depth_multiplier", conv.depth_multiplier, 1);
            write_ending(out, conv.activation, conv.use_bias);
            kernel(out, "depthwise_initializer", conv.depthwise_initializer);
            fan_in(out, conv.depthwise_fan_in);
            kernel(out, "pointwise_initializer", conv.pointwise_initializer);
            out.put_unless("bias_initializer", conv.bias_initializer, Initializer::Zeros);
        }
        Layer::DepthwiseConv2D(conv) => {
            out.put("kernel_size", conv.kernel_size);
            write_window(out, conv.strides, conv.padding);
            out.put_unless("depth_multiplier", conv.depth_multiplier, 1);
            write_ending(out, conv.activation, conv.use_bias);
            kernel(out, "depthwise_initializer", conv.depthwise_initializer);
            fan_in(out, conv.depthwise_fan_in);
            out.put_unless("bias_initializer", conv.bias_initializer, Initializer::Zeros);
        }
        Layer::Dense(dense) => {
            match dense.units {
                Units::Count(units) => out.put("units", units),
                Units::Classes => out.put("units", "classes"),
            }
            write_ending(out, dense.activation, dense.use_bias);
            kernel(out, "kernel_initializer", dense.kernel_initializer);
            out.put_unless("bias_initializer", dense.bias_initializer, Initializer::Zeros);
        }
        Layer::BatchNormalization(normalization) => {
            let default = BatchNormalization::default();
            out.put_unless("momentum", normalization.momentum, default.momentum);
            out.put_unless("epsilon", normalization.epsilon, default.epsilon);
            out.put_unless("center", normalization.center, default.center);
            out.put_unless("scale", normalization.scale, default.scale);
            let usual = default.gamma_initializer;
            out.put_unless("gamma_initializer", normalization.gamma_initializer, usual);
        }
        Layer::LayerNormalization(normalization) => {
            let default = LayerNormalization::default();
            out.put_unless("epsilon", normalization.epsilon, default.epsilon);
            out.put_unless("center", normalization.center, default.center);
            out.put_unless("scale", normalization.scale, default.scale);
        }
        Layer::Scale(scale) => {
            let default = Scale::default().initial_value;
            out.put_unless("initial_value", scale.initial_value, default);
        }
        Layer::Normalization(normalization) => {
            out.put("mean", normalization.mean.as_slice());
            out.put("variance", normalization.variance.as_slice());
        }
        Layer::Activation(activation) => out.put("activation", *activation),
        Layer::LeakyReLU(leaky) => {
            let default = LeakyReLU::default().negative_slope;
            out.put_unless("negative_slope", leaky.negative_slope, default);
        }
        Layer::MaxPooling2D(pooling) | Layer::AveragePooling2D(pooling) => {
            out.put("pool_size", pooling.pool_size);
            out.put_unless("strides", pooling.strides, pooling.pool_size);
            out.put_unless("padding", pooling.padding, Padding::Valid);
        }
        Layer::GlobalAveragePooling2D(pooling) => out.put_unless("keepdims", pooling.keepdims, false),
        Layer::Dropout(dropout) => out.put("rate", dropout.rate),
        Layer::StochasticDepth(depth) => out.put("rate", depth.rate),
        Layer::BlurPooling2D | Layer::Flatten | Layer::Add | Layer::Multiply | Layer::Concatenate => {}
        Layer::Augmentation(transform) => augmentation::write_transform(transform, out),
    }
    table
}

fn write_window(table: &mut Table, strides: [usize; 2], padding: Padding) {
    table.put_unless("strides", strides, [1, 1]);
    table.put_unless("padding", padding, Padding::Valid);
}

fn write_ending(table: &mut Table, activation: Activation, use_bias: bool) {
    table.put_unless("activation", activation, Activation::Linear);
    table.put_unless("use_bias", use_bias, true);
}

/// A table under the keys of a rung file, with every kernel initializer said.
impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        layer_table(self, None).serialize(serializer)
    }
}
