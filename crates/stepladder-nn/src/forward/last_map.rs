//! A pass of inference that stops at the network's last map of features, for whoever wants to see or change it.

use super::{Mode, Value, Walk};
use crate::ops::{self, Window};
use crate::plan::{Plan, Step};
use burn::tensor::Tensor;
use stepladder_model::{Layer, Network, Padding, Shape};

/// The outcome of such a pass.
pub(crate) struct Mapped {
    /// The map `[N, H, W, C]`, as it went on.
    pub map: Tensor<4>,
    /// Scores before the softmax, `[N, classes]`.
    pub logits: Tensor<2>,
}

/// Runs `images` through the network as in inference, with the last map replaced by what `visit` makes of it, which may need
/// gradients; `None` where no layer makes a map.
///
/// The last map is the output of the last convolution with all that follows it in its block, activation included, but not
/// pooled: the finest place that the classes' scores all depend on. `images` and `parameters` are tensors of autodiff.
pub(crate) fn through_last_map(
    network: &Network,
    plan: &Plan,
    parameters: &[Tensor<1>],
    images: Tensor<4>,
    visit: impl FnOnce(Tensor<4>) -> Tensor<4>,
) -> Option<Mapped> {
    let (last, node) = last_map(network, plan)?;
    let mut walk = Walk::new(network, plan, parameters.into(), images, Mode::Inference);
    plan.steps[..last].iter().for_each(|step| walk.step(step));
    let pool = match &plan.steps[last] {
        Step::Epilogue(epilogue) => {
            let mut unpooled = epilogue.clone();
            unpooled.pool = [1, 1];
            walk.step(&Step::Epilogue(unpooled));
            epilogue.pool
        }
        step => {
            walk.step(step);
            [1, 1]
        }
    };
    let map = visit(walk.values[node].take()?.map());
    walk.mode = Mode::Explanation;
    let mut value = map.clone();
    if pool != [1, 1] {
        value = ops::max_pool(value, Window::new(pool, pool, Padding::Valid));
    }
    walk.values[node] = Some(Value::Map(value));
    plan.steps[last + 1..].iter().for_each(|step| walk.step(step));
    let logits = walk.values.pop().flatten()?.vector();
    Some(Mapped { map, logits })
}

/// The step that makes the last map, and the node whose value it is.
fn last_map(network: &Network, plan: &Plan) -> Option<(usize, usize)> {
    let made = |step: &Step| match step {
        Step::Epilogue(epilogue) => Some(epilogue.output),
        Step::Activated { output, .. } => Some(*output),
        Step::Node { index, .. } => match network.nodes[*index].layer {
            Layer::MaxPooling2D(_) | Layer::AveragePooling2D(_) | Layer::Dropout(_) => None,
            _ => Some(*index),
        },
    };
    let steps = plan.steps.iter().enumerate().rev();
    steps
        .filter_map(|(at, step)| Some((at, made(step)?)))
        .find(|(_, node)| matches!(network.nodes[*node].output, Shape::Map { .. }))
}
