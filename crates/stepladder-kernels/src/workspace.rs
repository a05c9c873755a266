//! What the passes of an operation take from the buffers beside their operands, for whoever plans memory.

use crate::buffer::rounded;

/// Buffers that the passes of an operation take beside their operands and results, in bytes. Those of one pass are held at the
/// same time, so that the pass takes the sum of them, each rounded up to 64 bytes, and nothing else: with one thread exactly, with
/// several at most. A pass that is asked for less (no bias, no statistics, no gradient of the bias) may take less.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    /// Of the forward pass, with bias and statistics: packed weights, an input that is unfolded or, by each thread, transformed.
    pub forward: Vec<usize>,
    /// Of the forward pass of inference: with a bias and an activation, without statistics, and by weights that were packed before
    /// where the operation has a pass for those.
    pub inference: Vec<usize>,
    /// Of the gradient by the input; for operations whose backward pass is one call, of that.
    pub input_gradient: Vec<usize>,
    /// Of the gradient by the weights and the bias: sums, what each thread packs, and an input that is unfolded.
    pub weight_gradient: Vec<usize>,
}

impl Workspace {
    /// Bytes that the forward pass takes from a pool.
    pub fn forward_bytes(&self) -> usize {
        total(&self.forward)
    }

    /// Bytes that the forward pass of inference takes from a pool.
    pub fn inference_bytes(&self) -> usize {
        total(&self.inference)
    }

    /// Bytes that the gradient by the input, or a backward pass of one call, takes from a pool.
    pub fn input_gradient_bytes(&self) -> usize {
        total(&self.input_gradient)
    }

    /// Bytes that the gradient by the weights takes from a pool.
    pub fn weight_gradient_bytes(&self) -> usize {
        total(&self.weight_gradient)
    }
}

/// Bytes that buffers of these bytes take from a pool together.
pub(crate) fn total(buffers: &[usize]) -> usize {
    buffers.iter().map(|bytes| rounded(*bytes)).sum()
}

/// Of buffers that are held one after the other, those that take most.
pub(crate) fn largest(alternatives: impl IntoIterator<Item = Vec<usize>>) -> Vec<usize> {
    let alternatives = alternatives.into_iter();
    alternatives
        .max_by_key(|buffers| total(buffers))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_rounded_one_by_one() {
        let workspace = Workspace {
            forward: vec![1, 64, 65],
            ..Workspace::default()
        };
        assert_eq!(workspace.forward_bytes(), 64 + 64 + 128);
        assert_eq!(workspace.input_gradient_bytes(), 0);
        assert_eq!(largest([vec![1, 1, 1], vec![128], vec![]]), [1, 1, 1]);
    }
}
