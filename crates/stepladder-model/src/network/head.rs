//! Whether a network ends as a classifier must: one softmax over as many values as there are classes, and nothing in
//! front of it that keeps it from being sure.

use super::{Network, NetworkError, Node, Shape, Source};
use crate::activation::Activation;
use crate::layer::Layer;

/// Checks the last node of a network whose shapes are known.
pub(super) fn check(network: &Network) -> Result<(), NetworkError> {
    let Some(last) = network.nodes.last() else {
        return Err(NetworkError::NoLayers);
    };
    let (place, layer) = (last.place.clone(), last.layer.kind());
    let units = match last.output {
        Shape::Vector { units } => units,
        shape => return Err(NetworkError::HeadIsMap { place, layer, shape }),
    };
    let softmax = match last.layer {
        Layer::Dense(_) | Layer::Activation(_) => last.layer.activation() == Activation::Softmax,
        _ => false,
    };
    if !softmax {
        return Err(NetworkError::NoSoftmax { place, layer });
    }
    // The layer that makes the outputs is the one to mend, not a softmax that stands alone behind it.
    let logits = match last.layer {
        Layer::Activation(_) => source_of_logits(network, last),
        _ => None,
    };
    if units < 2 {
        let place = logits.map_or(place, |node| node.place.clone());
        return Err(NetworkError::OneOutput { place });
    }
    if units != network.classes {
        let place = logits.map_or(place, |node| node.place.clone());
        return Err(NetworkError::WrongOutputs {
            place,
            outputs: units,
            classes: network.classes,
        });
    }
    logits.map_or(Ok(()), check_logits)
}

/// The node whose values enter the softmax of `last`, seen through layers that change no value.
fn source_of_logits<'a>(network: &'a Network, last: &'a Node) -> Option<&'a Node> {
    let mut node = last;
    loop {
        node = match node.inputs.first() {
            Some(&Source::Node(index)) => &network.nodes[index],
            _ => return None,
        };
        if !matches!(node.layer, Layer::Flatten | Layer::Dropout(_)) {
            return Some(node);
        }
    }
}

/// Refuses activations whose values a softmax cannot use.
fn check_logits(node: &Node) -> Result<(), NetworkError> {
    let activation = node.layer.activation();
    let reason = match activation {
        Activation::Relu => {
            "which cannot say that a class is unlikely and passes no gradient for a class that it has set to zero"
        }
        Activation::Sigmoid => {
            "which bounds its input to 0 to 1, so that no class can come near a probability of 1"
        }
        Activation::Tanh => {
            "which bounds its input to -1 to 1, so that no class can come near a probability of 1"
        }
        Activation::Softmax => {
            "so that softmax is applied twice, and no class can come near a probability of 1"
        }
        _ => return Ok(()),
    };
    let remedy = match node.layer {
        Layer::Activation(_) => "take this layer out",
        _ => "write activation = \"linear\", or leave `activation` out",
    };
    Err(NetworkError::ActivationBeforeSoftmax {
        place: node.place.clone(),
        layer: node.layer.kind(),
        activation: activation.name(),
        reason,
        remedy,
    })
}
