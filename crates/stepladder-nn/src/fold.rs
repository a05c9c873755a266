//! A network made ready for inference: batch normalization folded into the layer before it, and weights packed.
//!
//! With moving statistics, y = gamma (x - mean) / sqrt(variance + epsilon) + beta is one factor and one shift for each
//! channel. Where x comes from a layer with weights that nobody else reads, its weights and bias take them, and the
//! normalization is gone from the network.

use crate::array::Array;
use crate::ops::{self, Packed};
use crate::precision::Precision;
use stepladder_model::{
    Activation, BatchNormalization, Initializer, Layer, Network, Node, ParameterSpec, Source,
};

/// `network` and its parameters, both in the order of its nodes, with every batch normalization folded that can be. What
/// the network computes in inference stays the same but for rounding; it is no longer fit for training.
///
/// A normalization stays where it follows anything but a layer with weights that is linear and has no other reader.
pub(crate) fn fold(network: &Network, arrays: Vec<Array>) -> (Network, Vec<Array>) {
    let mut arrays = arrays.into_iter();
    let mut parameters: Vec<Vec<Array>> = Vec::new();
    let mut nodes: Vec<Node> = Vec::new();
    // Where the value of each of `network`'s nodes is found among `nodes`.
    let mut places = Vec::with_capacity(network.nodes.len());
    for (index, node) in network.nodes.iter().enumerate() {
        let own: Vec<Array> = arrays.by_ref().take(node.parameters.len()).collect();
        if let (Layer::BatchNormalization(layer), Some(before)) = (&node.layer, foldable(network, index)) {
            let place: usize = places[before];
            Affine::new(layer, &own).fold_into(&mut nodes[place], &mut parameters[place]);
            places.push(place);
            continue;
        }
        let mut node = node.clone();
        for source in &mut node.inputs {
            if let Source::Node(from) = source {
                *from = places[*from];
            }
        }
        places.push(nodes.len());
        nodes.push(node);
        parameters.push(own);
    }
    let network = Network {
        input: network.input,
        classes: network.classes,
        nodes,
        augmentation: network.augmentation.clone(),
    };
    (network, parameters.into_iter().flatten().collect())
}

/// For each of `arrays`, the parameters in the order of the network's nodes: packed for activations of `precision` where it is
/// the kernel of a convolution or of a dense layer.
pub(crate) fn packed(network: &Network, arrays: &[Array], precision: Precision) -> Vec<Option<Packed>> {
    let mut arrays = arrays.iter();
    let mut packed = Vec::new();
    for (index, node) in network.nodes.iter().enumerate() {
        // A separable convolution's strides are those of its depthwise part.
        let (kernel, strides) = match &node.layer {
            Layer::Conv2D(layer) => (Some(0), layer.strides),
            Layer::Dense(_) => (Some(0), [1, 1]),
            Layer::SeparableConv2D(_) => (Some(1), [1, 1]),
            _ => (None, [1, 1]),
        };
        // The last layer is f32 at any precision.
        let precision = if index + 1 == network.nodes.len() {
            Precision::F32
        } else {
            precision
        };
        for (position, array) in arrays.by_ref().take(node.parameters.len()).enumerate() {
            let shape = match *array.shape.as_slice() {
                [height, width, from, to] => [height, width, from, to],
                [from, to] => [1, 1, from, to],
                _ => [0; 4],
            };
            packed.push(
                (kernel == Some(position)).then(|| ops::pack(shape, strides, &array.values, precision)),
            );
        }
    }
    packed
}

/// The node that the batch normalization at `index` can be folded into.
fn foldable(network: &Network, index: usize) -> Option<usize> {
    let &[Source::Node(before)] = network.nodes[index].inputs.as_slice() else {
        return None;
    };
    let layer = &network.nodes[before].layer;
    let has_weights = matches!(
        layer,
        Layer::Conv2D(_) | Layer::DepthwiseConv2D(_) | Layer::SeparableConv2D(_) | Layer::Dense(_)
    );
    let sources = network.nodes.iter().flat_map(|node| &node.inputs);
    let readers = sources.filter(|source| **source == Source::Node(before));
    (has_weights && layer.activation() == Activation::Linear && readers.count() == 1).then_some(before)
}

/// What a batch normalization does in inference: scale x + shift, by channel.
struct Affine {
    scale: Vec<f64>,
    shift: Vec<f64>,
}

impl Affine {
    /// From the layer's parameters: gamma and beta where it has them, then moving mean and variance.
    fn new(layer: &BatchNormalization, parameters: &[Array]) -> Affine {
        let [optional @ .., mean, variance] = parameters else {
            panic!("a batch normalization has moving statistics");
        };
        let gamma = optional.first().filter(|_| layer.scale);
        let beta = optional.last().filter(|_| layer.center);
        let at = |array: Option<&Array>, channel: usize, otherwise: f64| {
            array.map_or(otherwise, |array| f64::from(array.values[channel]))
        };
        let channels = 0..mean.values.len();
        let scale: Vec<f64> = channels
            .clone()
            .map(|c| at(gamma, c, 1.0) / (at(Some(variance), c, 0.0) + f64::from(layer.epsilon)).sqrt())
            .collect();
        let shift = channels.map(|c| at(beta, c, 0.0) - at(Some(mean), c, 0.0) * scale[c]);
        Affine {
            shift: shift.collect(),
            scale,
        }
    }

    /// Gives `node`, a layer with weights, and its parameters the affine map's factors and shifts.
    fn fold_into(&self, node: &mut Node, parameters: &mut Vec<Array>) {
        let had_bias = std::mem::replace(use_bias(&mut node.layer), true);
        let weights = parameters.len() - usize::from(had_bias);
        // The last array of weights decides the output's channels, which are its last axes: one of them, or, of a depthwise
        // kernel, input channel and multiplier.
        let channels = self.scale.len();
        for (at, value) in parameters[weights - 1].values.iter_mut().enumerate() {
            *value = (f64::from(*value) * self.scale[at % channels]) as f32;
        }
        if !had_bias {
            let name = format!("{}/bias", node.name);
            node.parameters.push(ParameterSpec {
                name: name.clone(),
                shape: vec![channels],
                initializer: Initializer::Zeros,
                fan_in: channels,
                fan_out: channels,
                trainable: true,
            });
            parameters.push(Array::new(name, vec![channels], vec![0.0; channels]));
        }
        let bias = &mut parameters[weights].values;
        for ((bias, scale), shift) in bias.iter_mut().zip(&self.scale).zip(&self.shift) {
            *bias = (f64::from(*bias) * scale + shift) as f32;
        }
    }
}

/// Whether a layer with weights has a bias.
fn use_bias(layer: &mut Layer) -> &mut bool {
    match layer {
        Layer::Conv2D(layer) => &mut layer.use_bias,
        Layer::DepthwiseConv2D(layer) => &mut layer.use_bias,
        Layer::SeparableConv2D(layer) => &mut layer.use_bias,
        Layer::Dense(layer) => &mut layer.use_bias,
        other => panic!("{} has no bias", other.kind()),
    }
}
