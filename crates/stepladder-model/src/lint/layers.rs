//! Lints of the network: how values grow on their way, where parameters gather, and how the end is made.

use super::{Remark, Subject};
use crate::graph::{Graph, GraphLayer, Op, ParameterSpec, Source};
use crate::initializer::Initializer;
use crate::layer::Units;

/// Parameters of a dense layer from which on it is called large.
const LARGE: u64 = 1_000_000;

/// How many times too small a depthwise kernel may start. Nine channels make three.
const FAN_IN_TOLERANCE: f64 = 3.0;

pub(super) fn skip_without_normalization(subject: &Subject<'_>) -> Vec<Remark> {
    let graph = subject.graph;
    let adds = (0..graph.operations.len()).filter(|&index| graph.operations[index].op == Op::Add);
    let bare: Vec<usize> = adds
        .filter(|&add| {
            let inputs = &graph.operations[add].inputs;
            !inputs.iter().any(|&input| is_normalized(graph, input))
        })
        .collect();
    let Some(&first) = bare.first() else {
        return Vec::new();
    };
    let why = match bare.len() {
        1 => "a skip connection adds to values that nothing normalizes, so that they grow".to_owned(),
        many => format!(
            "{many} skip connections add to values that nothing normalizes, so that they grow with each, and training may stay at chance"
        ),
    };
    let instead = "put { layer = \"BatchNormalization\" } behind the convolutions in front of Add";
    vec![Remark::at(&layer_of(graph, first).place, why, instead)]
}

/// Whether a normalization lies on the way to `source` since the last addition or concatenation. A product is followed by
/// its first input: what is multiplied with that is a gate.
fn is_normalized(graph: &Graph, mut source: Source) -> bool {
    while let Source::Operation(index) = source {
        let operation = &graph.operations[index];
        match operation.op {
            Op::BatchNormalization { .. } | Op::LayerNormalization { .. } => return true,
            Op::Add | Op::Concatenate => return false,
            Op::Convolution { .. }
            | Op::DepthwiseConvolution { .. }
            | Op::Dense { .. }
            | Op::Scale { .. }
            | Op::Normalization { .. }
            | Op::Activation(_)
            | Op::MaxPooling(_)
            | Op::AveragePooling(_)
            | Op::BlurPooling
            | Op::GlobalAveragePooling
            | Op::Flatten
            | Op::Dropout { .. }
            | Op::StochasticDepth { .. }
            | Op::Multiply => source = operation.inputs[0],
        }
    }
    false
}

/// ReLU, sigmoid, tanh and a second softmax there are errors; these are merely unwise.
pub(super) fn bent_scores(subject: &Subject<'_>) -> Vec<Remark> {
    let graph = subject.graph;
    let mut remarks = Vec::new();
    let mut source = graph.logits();
    while let Source::Operation(index) = source {
        let operation = &graph.operations[index];
        source = operation.inputs[0];
        let place = &layer_of(graph, index).place;
        match &operation.op {
            Op::Flatten => {}
            Op::Dropout { .. } => {
                let why =
                    "Dropout in front of the softmax sets whole classes' scores to zero at random".to_owned();
                let instead = "put it in front of the layer that makes the scores";
                remarks.push(Remark::at(place, why, instead));
            }
            Op::StochasticDepth { .. } => {
                let why =
                    "StochasticDepth in front of the softmax sets all scores of a photo to zero at random"
                        .to_owned();
                let instead = "put it in front of an Add, at the end of the branch that it is to skip";
                remarks.push(Remark::at(place, why, instead));
            }
            Op::Activation(activation) => {
                let why = format!(
                    "{} between the scores and the softmax holds back how unlikely a class can be",
                    activation.name()
                );
                let instead = if graph.stands_alone(index) {
                    "take this layer out"
                } else {
                    "leave `activation` out"
                };
                remarks.push(Remark::at(place, why, instead));
                break;
            }
            Op::Convolution { .. }
            | Op::DepthwiseConvolution { .. }
            | Op::Dense { .. }
            | Op::BatchNormalization { .. }
            | Op::LayerNormalization { .. }
            | Op::Scale { .. }
            | Op::Normalization { .. }
            | Op::MaxPooling(_)
            | Op::AveragePooling(_)
            | Op::BlurPooling
            | Op::GlobalAveragePooling
            | Op::Add
            | Op::Multiply
            | Op::Concatenate => break,
        }
    }
    remarks
}

/// The graph does not know which number was written as "classes", so that this reads the rung.
pub(super) fn fixed_classes(subject: &Subject<'_>) -> Vec<Remark> {
    let mut layers = subject.rung.layers.iter().rev();
    let head = layers.find_map(|spec| Some((spec.layer.units()?, &spec.place)));
    match head {
        Some((Units::Count(units), place)) if units == subject.graph.classes => {
            let why = format!("a head with {units} outputs fits data with {units} classes only");
            vec![Remark::at(place, why, "write units = \"classes\"")]
        }
        _ => Vec::new(),
    }
}

pub(super) fn large_dense(subject: &Subject<'_>) -> Vec<Remark> {
    let graph = subject.graph;
    let total = graph.parameter_count();
    let dense = graph
        .operations
        .iter()
        .filter(|operation| matches!(operation.op, Op::Dense { .. }));
    let largest = dense
        .map(|operation| (operation.layer, graph.layer_parameter_count(operation.layer)))
        .max_by_key(|&(_, own)| own);
    let Some((layer, own)) = largest else {
        return Vec::new();
    };
    if own < LARGE || own * 2 <= total {
        return Vec::new();
    }
    let GraphLayer { name, place, .. } = &graph.layers[layer];
    let why = format!(
        "{name} holds {:.1} of the {:.1} million parameters, which fit the training photos by heart",
        own as f64 / 1e6,
        total as f64 / 1e6
    );
    let instead =
        "write { layer = \"GlobalAveragePooling2D\" } instead of Flatten, or pool more in front of it";
    vec![Remark::at(place, why, instead)]
}

pub(super) fn depthwise_fan_in(subject: &Subject<'_>) -> Vec<Remark> {
    let graph = subject.graph;
    let readers = graph.readers();
    let small = graph
        .operations
        .iter()
        .enumerate()
        .filter_map(|(index, operation)| {
            let Op::DepthwiseConvolution { kernel, .. } = operation.op else {
                return None;
            };
            let times = times_too_small(graph.parameter(kernel))?;
            (times >= FAN_IN_TOLERANCE).then_some((index, times))
        });
    let (normalized, bare): (Vec<_>, Vec<_>) =
        small.partition(|&(index, _)| is_rescaled(graph, &readers, index));
    let bare = remark_on_small_kernels(
        graph,
        &bare,
        "",
        "write depthwise_fan_in = \"per_channel\" in [defaults]",
    );
    // On one such network the remedy was measured, and was worse: m17-fan-in in docs/reference/ladder.md.
    let normalized = remark_on_small_kernels(
        graph,
        &normalized,
        ", which the normalization behind makes up for",
        "climb a rung with depthwise_fan_in = \"per_channel\" in [defaults] beside this one, and keep the better",
    );
    bare.into_iter().chain(normalized).collect()
}

/// One remark on all of `kernels`, which are operations and how many times too small each starts; none on none.
fn remark_on_small_kernels(
    graph: &Graph,
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
    Some(Remark::at(&layer_of(graph, first).place, why, instead))
}

/// Whether a normalization takes the operation's output before anything bends it: the output's scale, and so the kernel's,
/// is then lost on what comes behind.
fn is_rescaled(graph: &Graph, readers: &[usize], mut index: usize) -> bool {
    loop {
        let op = &graph.operations[index].op;
        if matches!(op, Op::BatchNormalization { .. } | Op::LayerNormalization { .. }) {
            return true;
        }
        if !matches!(op, Op::Convolution { .. } | Op::DepthwiseConvolution { .. }) {
            return false;
        }
        let reader = (index + 1..graph.operations.len()).find(|&reader| {
            graph.operations[reader]
                .inputs
                .contains(&Source::Operation(index))
        });
        match reader {
            Some(reader) if readers[index] == 1 => index = reader,
            _ => return false,
        }
    }
}

/// What the deviation of a depthwise kernel would be with the true fan-in, over what it is.
fn times_too_small(kernel: &ParameterSpec) -> Option<f64> {
    let (&height, &width) = (kernel.shape.first()?, kernel.shape.get(1)?);
    let area = (height * width) as f64;
    let (fan_in, fan_out) = (kernel.fan_in as f64, kernel.fan_out as f64);
    let ratio = match kernel.initializer {
        Initializer::HeNormal
        | Initializer::HeUniform
        | Initializer::LecunNormal
        | Initializer::LecunUniform => fan_in / area,
        Initializer::GlorotNormal | Initializer::GlorotUniform => (fan_in + fan_out) / (area + fan_out),
        Initializer::Zeros | Initializer::Ones | Initializer::Constant(_) => return None,
    };
    Some(ratio.sqrt())
}

fn layer_of(graph: &Graph, operation: usize) -> &GraphLayer {
    &graph.layers[graph.operations[operation].layer]
}
