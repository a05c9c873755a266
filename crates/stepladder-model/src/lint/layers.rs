//! Lints of the network: how values grow on their way, where parameters gather, and how the end is made.

use super::{Remark, Subject};
use crate::activation::Activation;
use crate::initializer::Initializer;
use crate::layer::{Layer, Units};
use crate::network::{Network, Node, Source};

/// Parameters of a dense layer from which on it is called large.
const LARGE: u64 = 1_000_000;

/// How many times too small a depthwise kernel may start. Nine channels make three.
const FAN_IN_TOLERANCE: f64 = 3.0;

pub(super) fn skip_without_normalization(subject: &Subject<'_>) -> Vec<Remark> {
    let network = subject.network;
    let adds = network
        .nodes
        .iter()
        .filter(|node| matches!(node.layer, Layer::Add));
    let bare: Vec<&Node> = adds
        .filter(|add| !add.inputs.iter().any(|&input| is_normalized(network, input)))
        .collect();
    let Some(first) = bare.first() else {
        return Vec::new();
    };
    let why = match bare.len() {
        1 => "a skip connection adds to values that nothing normalizes, so that they grow".to_owned(),
        many => format!(
            "{many} skip connections add to values that nothing normalizes, so that they grow with each, and training may stay at chance"
        ),
    };
    let instead = "put { layer = \"BatchNormalization\" } behind the convolutions in front of Add";
    vec![Remark::at(&first.place, why, instead)]
}

/// Whether a batch normalization lies on the way to `source` since the last addition.
fn is_normalized(network: &Network, mut source: Source) -> bool {
    while let Source::Node(index) = source {
        let node = &network.nodes[index];
        match (&node.layer, node.inputs.as_slice()) {
            (Layer::BatchNormalization(_), _) => return true,
            (_, &[input]) => source = input,
            _ => return false,
        }
    }
    false
}

/// ReLU, sigmoid, tanh and a second softmax there are errors; these are merely unwise.
pub(super) fn bent_scores(subject: &Subject<'_>) -> Vec<Remark> {
    let nodes = &subject.network.nodes;
    let Some(last) = nodes
        .last()
        .filter(|last| matches!(last.layer, Layer::Activation(_)))
    else {
        return Vec::new();
    };
    let mut remarks = Vec::new();
    let mut source = last.inputs.first();
    while let Some(&Source::Node(index)) = source {
        let node = &nodes[index];
        source = node.inputs.first();
        match (&node.layer, node.layer.activation()) {
            (Layer::Flatten, _) => {}
            (Layer::Dropout(_), _) => {
                let why =
                    "Dropout in front of the softmax sets whole classes' scores to zero at random".to_owned();
                let instead = "put it in front of the layer that makes the scores";
                remarks.push(Remark::at(&node.place, why, instead));
            }
            (_, Activation::Linear) => break,
            (layer, activation) => {
                let why = format!(
                    "{} between the scores and the softmax holds back how unlikely a class can be",
                    activation.name()
                );
                let instead = match layer {
                    Layer::Activation(_) | Layer::LeakyReLU(_) => "take this layer out",
                    _ => "leave `activation` out",
                };
                remarks.push(Remark::at(&node.place, why, instead));
                break;
            }
        }
    }
    remarks
}

pub(super) fn fixed_classes(subject: &Subject<'_>) -> Vec<Remark> {
    let mut layers = subject.rung.layers.iter().rev();
    let head = layers.find(|spec| matches!(spec.layer, Layer::Dense(_)));
    match head.map(|spec| (&spec.layer, &spec.place)) {
        Some((Layer::Dense(dense), place)) => match dense.units {
            Units::Count(units) if units == subject.network.classes => {
                let why = format!("a head with {units} outputs fits data with {units} classes only");
                vec![Remark::at(place, why, "write units = \"classes\"")]
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

pub(super) fn large_dense(subject: &Subject<'_>) -> Vec<Remark> {
    let network = subject.network;
    let total = network.parameter_count();
    let largest = network
        .nodes
        .iter()
        .filter(|node| matches!(node.layer, Layer::Dense(_)))
        .max_by_key(|node| node.parameter_count());
    let Some(dense) = largest else { return Vec::new() };
    let own = dense.parameter_count();
    if own < LARGE || own * 2 <= total {
        return Vec::new();
    }
    let why = format!(
        "{} holds {:.1} of the {:.1} million parameters, which fit the training photos by heart",
        dense.name,
        own as f64 / 1e6,
        total as f64 / 1e6
    );
    let instead =
        "write { layer = \"GlobalAveragePooling2D\" } instead of Flatten, or pool more in front of it";
    vec![Remark::at(&dense.place, why, instead)]
}

pub(super) fn depthwise_fan_in(subject: &Subject<'_>) -> Vec<Remark> {
    let network = subject.network;
    let small = network.nodes.iter().enumerate().filter_map(|(index, node)| {
        let times = times_too_small(node)?;
        (times >= FAN_IN_TOLERANCE).then_some((index, times))
    });
    let (normalized, bare): (Vec<_>, Vec<_>) = small.partition(|&(index, _)| is_rescaled(network, index));
    let bare = remark_on_small_kernels(
        network,
        &bare,
        "",
        "write depthwise_fan_in = \"per_channel\" in [defaults]",
    );
    // On one such network the remedy was measured, and was worse: m17-fan-in in docs/reference/ladder.md.
    let normalized = remark_on_small_kernels(
        network,
        &normalized,
        ", which the normalization behind makes up for",
        "climb a rung with depthwise_fan_in = \"per_channel\" in [defaults] beside this one, and keep the better",
    );
    bare.into_iter().chain(normalized).collect()
}

/// One remark on all of `kernels`, which are nodes and how many times too small each starts; none on none.
fn remark_on_small_kernels(
    network: &Network,
    kernels: &[(usize, f64)],
    but: &str,
    instead: &str,
) -> Option<Remark> {
    let &(first, _) = kernels.first()?;
    let worst = kernels.iter().map(|&(_, times)| times).max_by(f64::total_cmp)?;
    let start = match kernels.len() {
        1 => "this kernel starts".to_owned(),
        many => format!("{many} kernels start"),
    };
    let why = format!(
        "Keras counts all channels as inputs of a depthwise kernel whose outputs each see one, so {start} up to {worst:.0} times too small{but}"
    );
    Some(Remark::at(&network.nodes[first].place, why, instead))
}

/// Whether a batch normalization takes the node's output before anything bends it: the output's scale, and so the
/// kernel's, is then lost on what comes behind.
fn is_rescaled(network: &Network, mut index: usize) -> bool {
    loop {
        let node = &network.nodes[index];
        let is_linear = match &node.layer {
            Layer::BatchNormalization(_) => return true,
            layer @ (Layer::Conv2D(_) | Layer::SeparableConv2D(_) | Layer::DepthwiseConv2D(_)) => {
                layer.activation() == Activation::Linear
            }
            _ => false,
        };
        let mut takers = (index + 1..network.nodes.len())
            .filter(|&taker| network.nodes[taker].inputs.contains(&Source::Node(index)));
        match (is_linear, takers.next(), takers.next()) {
            (true, Some(taker), None) => index = taker,
            _ => return false,
        }
    }
}

/// What the deviation of a depthwise kernel would be with the true fan-in, over what it is.
fn times_too_small(node: &Node) -> Option<f64> {
    if !matches!(node.layer, Layer::SeparableConv2D(_) | Layer::DepthwiseConv2D(_)) {
        return None;
    }
    let kernel = node.parameters.first()?;
    let (&height, &width) = (kernel.shape.first()?, kernel.shape.get(1)?);
    let area = (height * width) as f64;
    let (fan_in, fan_out) = (kernel.fan_in as f64, kernel.fan_out as f64);
    let ratio = match kernel.initializer {
        Initializer::HeNormal
        | Initializer::HeUniform
        | Initializer::LecunNormal
        | Initializer::LecunUniform => fan_in / area,
        Initializer::GlorotNormal | Initializer::GlorotUniform => (fan_in + fan_out) / (area + fan_out),
        Initializer::Zeros | Initializer::Ones => return None,
    };
    Some(ratio.sqrt())
}
