//! What the kernels of one operation take beside its operands: they are asked as [`crate::ops`] asks them.

use crate::ops::{self, Window};
use burn::tensor::bf16;
use stepladder_kernels::{Conv2d, Dense, DepthwiseConv2d, Workspace};
use stepladder_model::{Layer, Network, Padding, Shape, Source};

/// What the operation with the weights at `position` of the parameters of node `index` takes beside its operands, on `batch` photos
/// whose values are `element` bytes each.
pub(super) fn workspace(
    network: &Network,
    index: usize,
    position: usize,
    batch: usize,
    element: usize,
    threads: usize,
) -> Workspace {
    let node = &network.nodes[index];
    let input = match node.inputs[0] {
        Source::Image => network.input,
        Source::Node(from) => map(&network.nodes[from].output),
    };
    let output = map(&node.output);
    let isa = ops::instruction_set();
    let conv = |window: Window, [height, width, in_channels]: [usize; 3]| {
        let conv = Conv2d {
            batch,
            input: [height, width],
            in_channels,
            out_channels: output[2],
            window: window.on(height, width),
        };
        match element {
            4 => conv.workspace::<f32>(isa, threads),
            _ => conv.workspace::<bf16>(isa, threads),
        }
    };
    let depthwise = |window: Window| {
        let [height, width, channels] = input;
        let depthwise = DepthwiseConv2d {
            batch,
            input: [height, width],
            channels,
            window: window.on(height, width),
        };
        depthwise.workspace()
    };
    match &node.layer {
        Layer::Conv2D(layer) => conv(
            Window::new(layer.kernel_size, layer.strides, layer.padding),
            input,
        ),
        Layer::DepthwiseConv2D(layer) => {
            depthwise(Window::new(layer.kernel_size, layer.strides, layer.padding))
        }
        Layer::SeparableConv2D(layer) if position == 0 => {
            depthwise(Window::new(layer.kernel_size, layer.strides, layer.padding))
        }
        Layer::SeparableConv2D(_) => {
            let between = node.parameters[0].shape[2..].iter().product();
            let pointwise = Window::new([1, 1], [1, 1], Padding::Valid);
            conv(pointwise, [output[0], output[1], between])
        }
        _ => {
            let dense = Dense {
                batch,
                inputs: input.iter().product(),
                outputs: output[2],
            };
            let is_head = index + 1 == network.nodes.len();
            match element {
                2 if !is_head => dense.workspace::<bf16>(isa, threads),
                _ => dense.workspace::<f32>(isa, threads),
            }
        }
    }
}

/// Height, width and channels; of a vector, those of a map of one pixel.
fn map(shape: &Shape) -> [usize; 3] {
    match *shape {
        Shape::Map {
            height,
            width,
            channels,
        } => [height, width, channels],
        Shape::Vector { .. } => [1, 1, shape.count() as usize],
    }
}
