//! A pass of inference that stops before the layer that makes the classes' scores.

use super::{Mode, Values, Walk};
use crate::ops;
use crate::plan::{Plan, Step};
use crate::precision::Precision;
use burn::tensor::Tensor;
use stepladder_model::{Layer, Network, Source};

/// What the layer that makes the scores of `images` reads: `[N, features]`, f32.
pub(crate) fn features(network: &Network, plan: &Plan, values: Values<'_>, images: Tensor<4>) -> Tensor<2> {
    let head = head(network);
    let mut walk = Walk::new(network, plan, values, images, Mode::Inference);
    let before = plan.steps.iter().take_while(|step| !computes(step, head));
    before.for_each(|step| walk.step(step));
    let features = walk.read(network.nodes[head].inputs[0]).rows();
    ops::convert(features, Precision::F32)
}

/// The index of the `Dense` that makes the scores, seen through what only rescales or bends them; the last node where it is
/// none.
fn head(network: &Network) -> usize {
    let last = network.nodes.len() - 1;
    let mut index = last;
    loop {
        let node = &network.nodes[index];
        index = match (&node.layer, node.inputs.first()) {
            (Layer::Dense(_), _) => return index,
            (
                Layer::Activation(_)
                | Layer::LeakyReLU(_)
                | Layer::BatchNormalization(_)
                | Layer::Dropout(_)
                | Layer::Flatten,
                Some(&Source::Node(from)),
            ) => from,
            _ => return last,
        };
    }
}

/// Whether a step is the layer of this node.
fn computes(step: &Step, node: usize) -> bool {
    match step {
        Step::Node { index, .. } | Step::Activated { index, .. } => *index == node,
        Step::Epilogue(_) => false,
    }
}
