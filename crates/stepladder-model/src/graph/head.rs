//! Whether a network ends as a classifier must: one softmax over as many values as there are classes, and nothing in
//! front of it that keeps it from being sure.

use super::{Graph, GraphError, GraphLayer, Op, Shape, Source};
use crate::activation::Activation;

/// Checks the end of a graph whose shapes are known.
pub(super) fn check(graph: &Graph) -> Result<(), GraphError> {
    let Some(last) = graph.layers.last() else {
        return Err(GraphError::NoLayers);
    };
    let (place, layer) = (last.place.clone(), last.kind);
    let units = match graph.shape(last.output) {
        Shape::Vector { units } => units,
        shape => return Err(GraphError::HeadIsMap { place, layer, shape }),
    };
    let softmax = match graph.operations.last() {
        Some(softmax) if softmax.op == Op::Activation(Activation::Softmax) => softmax,
        _ => return Err(GraphError::NoSoftmax { place, layer }),
    };
    // The layer that makes the outputs is the one to mend, not a softmax that stands alone behind it.
    let scores = source_of_scores(graph, softmax.inputs[0]);
    let place = scores.map_or(place, |index| layer_of(graph, index).place.clone());
    if units < 2 {
        return Err(GraphError::OneOutput { place });
    }
    if units != graph.classes {
        return Err(GraphError::WrongOutputs {
            place,
            outputs: units,
            classes: graph.classes,
        });
    }
    scores.map_or(Ok(()), |index| check_scores(graph, index))
}

/// The operation whose values enter the softmax, seen through those that change no value or only in training.
fn source_of_scores(graph: &Graph, mut source: Source) -> Option<usize> {
    while let Source::Operation(index) = source {
        let operation = &graph.operations[index];
        match operation.op {
            Op::Flatten | Op::Dropout { .. } | Op::StochasticDepth { .. } => source = operation.inputs[0],
            Op::Convolution { .. }
            | Op::DepthwiseConvolution { .. }
            | Op::Dense { .. }
            | Op::BatchNormalization { .. }
            | Op::LayerNormalization { .. }
            | Op::Scale { .. }
            | Op::Normalization { .. }
            | Op::Activation(_)
            | Op::MaxPooling(_)
            | Op::AveragePooling(_)
            | Op::BlurPooling
            | Op::GlobalAveragePooling
            | Op::Add
            | Op::Multiply
            | Op::Concatenate => return Some(index),
        }
    }
    None
}

/// Refuses activations whose values a softmax cannot use.
fn check_scores(graph: &Graph, index: usize) -> Result<(), GraphError> {
    let Op::Activation(activation) = graph.operations[index].op else {
        return Ok(());
    };
    let reason = match activation {
        Activation::Relu | Activation::Relu6 => {
            "which cannot say that a class is unlikely and passes no gradient for a class that it has set to zero"
        }
        Activation::Sigmoid | Activation::HardSigmoid => {
            "which bounds its input to 0 to 1, so that no class can come near a probability of 1"
        }
        Activation::Tanh => {
            "which bounds its input to -1 to 1, so that no class can come near a probability of 1"
        }
        Activation::Softmax => {
            "so that softmax is applied twice, and no class can come near a probability of 1"
        }
        Activation::Linear
        | Activation::LeakyRelu { .. }
        | Activation::Elu
        | Activation::Swish
        | Activation::HardSwish
        | Activation::Gelu => return Ok(()),
    };
    let layer = layer_of(graph, index);
    let remedy = if graph.stands_alone(index) {
        "take this layer out"
    } else {
        "write activation = \"linear\", or leave `activation` out"
    };
    Err(GraphError::ActivationBeforeSoftmax {
        place: layer.place.clone(),
        layer: layer.kind,
        activation: activation.name(),
        reason,
        remedy,
    })
}

fn layer_of(graph: &Graph, index: usize) -> &GraphLayer {
    &graph.layers[graph.operations[index].layer]
}
