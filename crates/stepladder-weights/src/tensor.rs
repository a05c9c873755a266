//! Named tensors, as a file has them.

use std::collections::BTreeMap;

/// What a file of weights holds: floating-point tensors by the names that it gives them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// Sorted by name.
    pub tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Adds a tensor, or replaces the one of that name.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.tensors.insert(name.into(), tensor);
    }
}

/// An array of any rank, row-major, in the layout of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sides; empty for a single number.
    pub shape: Vec<usize>,
    /// As many as the product of the sides. 16-bit values are widened, which is exact.
    pub values: Vec<f32>,
}

impl Tensor {
    /// A tensor of that shape.
    ///
    /// # Panics
    ///
    /// If there are not as many values as the shape has.
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Tensor {
        let count: usize = shape.iter().product();
        assert_eq!(count, values.len(), "values of a tensor of shape {shape:?}");
        Tensor { shape, values }
    }
}
