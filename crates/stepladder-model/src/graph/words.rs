//! A layer in words, as the table of a network and its diagram have it.

use super::{Graph, Op, Window};

impl Graph {
    /// A layer's kind with what shapes do not say: `Conv2D 3 x 3 by 2, swish`, `Dropout 0.5`; an `Activation` is called by its
    /// function.
    pub fn words(&self, layer: usize) -> String {
        let kind = self.layers[layer].kind;
        let operations = &self.operations[self.operations_of(layer)];
        // A linear activation has no operation.
        let mut words = if kind == "Activation" { "linear" } else { kind }.to_owned();
        for (number, operation) in operations.iter().enumerate() {
            match &operation.op {
                Op::Convolution { window, groups, .. } => {
                    // The pointwise half of a separable convolution is not worth a word.
                    if number == 0 {
                        words += &sliding(window, [1, 1]);
                    }
                    if *groups > 1 {
                        words += &format!(", {groups} groups");
                    }
                }
                Op::DepthwiseConvolution { window, .. } => words += &sliding(window, [1, 1]),
                Op::MaxPooling(window) | Op::AveragePooling(window) => words += &sliding(window, window.size),
                Op::Dropout { rate } | Op::StochasticDepth { rate } => words += &format!(" {rate}"),
                Op::Activation(activation) if kind == "Activation" => {
                    activation.name().clone_into(&mut words)
                }
                // The layer's name says it.
                Op::Activation(_) if kind == "LeakyReLU" => {}
                Op::Activation(activation) => words += &format!(", {}", activation.name()),
                Op::Dense { .. }
                | Op::BatchNormalization { .. }
                | Op::LayerNormalization { .. }
                | Op::Scale { .. }
                | Op::Normalization { .. }
                | Op::BlurPooling
                | Op::GlobalAveragePooling
                | Op::Flatten
                | Op::Add
                | Op::Multiply
                | Op::Concatenate => {}
            }
        }
        words
    }
}

/// ` 3 x 3`, and ` by 2` where the step is not the usual one.
fn sliding(window: &Window, usual: [usize; 2]) -> String {
    let [height, width] = window.size;
    let step = match window.strides {
        strides if strides == usual => String::new(),
        [down, right] if down == right => format!(" by {down}"),
        [down, right] => format!(" by {down} x {right}"),
    };
    format!(" {height} x {width}{step}")
}
