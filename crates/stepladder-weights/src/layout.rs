//! Where a parameter's values are in a file of PyTorch's, and how they are turned into Keras' layout, which is the rung's.

use crate::tensor::Tensor;
use stepladder_model::{Graph, Op, ParameterId, Shape, Source};

/// A parameter as PyTorch has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// (out, in, height, width), and the rung's (height, width, in, out). A depthwise kernel has one channel in, and as many
    /// out as the map has times the multiplier.
    Convolution([usize; 4]),
    /// (out, channels x height x width), and the rung's (height x width x channels, out): a dense layer, where it reads a
    /// flattened map.
    Dense([usize; 4]),
    /// (channels)
    Vector(usize),
}

impl Layout {
    /// The layout of each of the graph's parameters.
    pub(crate) fn of_parameters(graph: &Graph) -> Vec<Layout> {
        let count = |shape: &[usize]| shape.iter().product();
        let specs = graph.parameters.iter();
        let mut layouts: Vec<Layout> = specs.map(|spec| Layout::Vector(count(&spec.shape))).collect();
        for operation in &graph.operations {
            let shape = |kernel: ParameterId| graph.parameter(kernel).shape.as_slice();
            if let Op::Convolution { kernel, .. } = operation.op
                && let [height, width, from, to] = *shape(kernel)
            {
                layouts[kernel.0] = Layout::Convolution([to, from, height, width]);
            } else if let Op::DepthwiseConvolution { kernel, .. } = operation.op
                && let [height, width, channels, multiplier] = *shape(kernel)
            {
                layouts[kernel.0] = Layout::Convolution([channels * multiplier, 1, height, width]);
            } else if let Op::Dense { kernel, .. } = operation.op
                && let [from, to] = *shape(kernel)
            {
                let [height, width] = flattened(graph, operation.inputs[0]);
                layouts[kernel.0] = Layout::Dense([to, from / (height * width), height, width]);
            }
        }
        layouts
    }

    /// The shape that a file has it in.
    pub(crate) fn shape(&self) -> Vec<usize> {
        match *self {
            Layout::Convolution(shape) => shape.to_vec(),
            Layout::Dense([to, channels, height, width]) => vec![to, channels * height * width],
            Layout::Vector(count) => vec![count],
        }
    }

    /// The tensor's values in the rung's layout; none where it has another shape. Sides of 1 at the end, or around a vector, are
    /// not looked at: a 1 x 1 convolution is a dense layer to some files, and the other way round.
    pub(crate) fn values(&self, tensor: &Tensor) -> Option<Vec<f32>> {
        let found = tensor.shape.as_slice();
        match *self {
            Layout::Convolution(shape) if without_ones_behind(found) == without_ones_behind(&shape) => {
                Some(channels_last(&tensor.values, shape))
            }
            Layout::Dense(shape) if without_ones_behind(found) == without_ones_behind(&self.shape()) => {
                Some(channels_last(&tensor.values, shape))
            }
            Layout::Vector(_) if without_ones(found) == without_ones(&self.shape()) => {
                Some(tensor.values.clone())
            }
            Layout::Convolution(_) | Layout::Dense(_) | Layout::Vector(_) => None,
        }
    }
}

/// Height and width of the map that a vector was flattened from; 1 x 1 where it was none.
fn flattened(graph: &Graph, source: Source) -> [usize; 2] {
    let Source::Operation(index) = source else {
        return [1, 1];
    };
    let operation = &graph.operations[index];
    match (&operation.op, operation.inputs.first()) {
        (Op::Flatten, Some(&input)) => match graph.shape(input) {
            Shape::Map { height, width, .. } => [height, width],
            Shape::Vector { .. } => [1, 1],
        },
        (Op::Dropout { .. }, Some(&input)) => flattened(graph, input),
        _ => [1, 1],
    }
}

/// (out, in, height, width) as (height, width, in, out).
fn channels_last(values: &[f32], [to, from, height, width]: [usize; 4]) -> Vec<f32> {
    let pixels = height * width;
    let mut turned = Vec::with_capacity(values.len());
    for pixel in 0..pixels {
        for channel in 0..from {
            turned.extend((0..to).map(|filter| values[(filter * from + channel) * pixels + pixel]));
        }
    }
    turned
}

/// The sides up to the last that is not 1, and at least two of them.
fn without_ones_behind(shape: &[usize]) -> &[usize] {
    let last = shape
        .iter()
        .rposition(|&side| side != 1)
        .map_or(0, |last| last + 1);
    &shape[..last.max(2).min(shape.len())]
}

fn without_ones(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|&side| side != 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that say their index in (out, in, height, width).
    fn counted(shape: [usize; 4]) -> Vec<f32> {
        (0..shape.iter().product::<usize>())
            .map(|value| value as f32)
            .collect()
    }

    #[test]
    fn convolutions_are_transposed() {
        let shape = [2, 3, 1, 2];
        let turned = channels_last(&counted(shape), shape);
        // Of pixel 1, channel 2: filter 0 at (0 * 3 + 2) * 2 + 1, filter 1 at (1 * 3 + 2) * 2 + 1.
        assert_eq!(turned[(3 + 2) * 2..], [5.0, 11.0]);
        assert_eq!(turned[..2], [0.0, 6.0]);
    }

    #[test]
    fn a_kernel_of_one_pixel_may_have_lost_its_sides() {
        let layout = Layout::Convolution([2, 3, 1, 1]);
        let flat = Tensor::new(vec![2, 3], counted([2, 3, 1, 1]));
        assert_eq!(layout.values(&flat), Some(vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        assert_eq!(Layout::Convolution([3, 2, 1, 1]).values(&flat), None);
        // One filter of one channel is not a vector.
        let single = Tensor::new(vec![1, 1], vec![7.0]);
        assert_eq!(Layout::Convolution([1, 1, 1, 1]).values(&single), Some(vec![7.0]));
        assert_eq!(Layout::Convolution([1, 1, 3, 3]).values(&single), None);
    }

    #[test]
    fn vectors_may_have_sides_of_one() {
        let scale = Tensor::new(vec![4, 1, 1], vec![1.0, 2.0, 3.0, 4.0]);
        assert_eq!(Layout::Vector(4).values(&scale), Some(vec![1.0, 2.0, 3.0, 4.0]));
        assert_eq!(Layout::Vector(5).values(&scale), None);
    }
}
