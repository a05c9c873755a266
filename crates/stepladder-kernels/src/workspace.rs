//! What convolutions and dense layers take from the buffers beside their operands, in bytes, for whoever plans memory. The sizes are
//! those of [`crate::Conv2d`]'s packing and partial sums, on vectors of sixteen values.

use crate::conv::{PACKED_BYTES, SUMS_BYTES, SUMS_BYTES_MOST, SUMS_ITEMS, is_folded};

/// Values of a vector, as filters are padded.
const LANES: usize = 16;

/// An operation with weights; a dense layer is a kernel of one pixel.
#[derive(Debug, Clone, Copy)]
pub struct Linear {
    /// Photos.
    pub batch: usize,
    /// Values of the input, all photos together.
    pub input: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Input channels.
    pub channels: usize,
    /// Output channels.
    pub filters: usize,
    /// Bytes of an activation: 4 or 2.
    pub element: usize,
    /// Threads that compute.
    pub threads: usize,
}

impl Linear {
    /// Buffers of the forward pass.
    pub fn forward(&self) -> Vec<usize> {
        let mut buffers = vec![self.packed(self.channels, self.filters)];
        buffers.extend(self.folded());
        buffers
    }

    /// Buffers of the gradient by the input.
    pub fn input_gradient(&self) -> Vec<usize> {
        vec![self.packed(self.filters, self.channels)]
    }

    /// Buffers of the gradient by the weights.
    pub fn weight_gradient(&self) -> Vec<usize> {
        let weights = 4 * self.kernel[0] * self.kernel[1] * self.channels * self.filters;
        let blocks = self.filters.div_ceil(2 * LANES);
        let mut ranges = (SUMS_BYTES / weights.max(1)).clamp(1, SUMS_ITEMS);
        if ranges * blocks < SUMS_ITEMS {
            ranges = (SUMS_BYTES_MOST / weights.max(1)).clamp(1, SUMS_ITEMS.div_ceil(blocks.max(1)));
        }
        let sums = (ranges > 1).then_some(ranges * weights);
        let packing = vec![PACKED_BYTES; self.threads];
        packing.into_iter().chain(sums).chain(self.folded()).collect()
    }

    /// Weights as kernels read them: pairs of bf16 in a word, or f32.
    fn packed(&self, reduced: usize, filters: usize) -> usize {
        let steps = if self.element == 2 {
            reduced.div_ceil(2)
        } else {
            reduced
        };
        4 * self.kernel[0] * self.kernel[1] * steps * filters.next_multiple_of(LANES)
    }

    /// The input with its padding written out, where there are few channels.
    fn folded(&self) -> Option<usize> {
        is_folded(self.channels, self.kernel).then(|| {
            let pixels = self.input / (self.batch * self.channels).max(1);
            let side = (pixels as f64).sqrt() as usize;
            let padded = (side + self.kernel[0] - 1) * (side + self.kernel[1] - 1);
            self.batch * padded * self.channels * self.element
        })
    }
}
