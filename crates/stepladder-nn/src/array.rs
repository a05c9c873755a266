//! A named, shaped block of f32 values in host memory: how parameters and optimizer state enter and leave
//! this crate.

use crate::model::ModelError;
use std::collections::BTreeMap;

/// A dense row-major array of f32 with a name, e.g. `conv2d/kernel` of shape `[3, 3, 3, 32]` (HWIO).
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// What the array is: `<layer>/<parameter>`.
    pub name: String,
    /// Extent of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// `shape.iter().product()` values, row-major.
    pub values: Vec<f32>,
}

impl Array {
    /// An array of the given name, shape and values.
    ///
    /// # Panics
    ///
    /// If the number of values is not the product of the shape.
    pub fn new(name: impl Into<String>, shape: Vec<usize>, values: Vec<f32>) -> Array {
        assert_eq!(
            shape.iter().product::<usize>(),
            values.len(),
            "an array's values fill its shape"
        );
        Array {
            name: name.into(),
            shape,
            values,
        }
    }

    /// Whether no value is NaN or infinite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }
}

/// Stored arrays, handed out by name until none is left.
pub(crate) struct Stored(BTreeMap<String, Array>);

impl Stored {
    pub fn new(arrays: Vec<Array>) -> Stored {
        Stored(
            arrays
                .into_iter()
                .map(|array| (array.name.clone(), array))
                .collect(),
        )
    }

    /// The values of the array called `name`, which must have this shape.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let array = self
            .0
            .remove(name)
            .ok_or_else(|| ModelError::Missing(name.to_string()))?;
        if array.shape != shape {
            return Err(ModelError::Shape {
                name: array.name,
                expected: shape.to_vec(),
                found: array.shape,
            });
        }
        Ok(array.values)
    }

    /// Whether there is an array called `name`.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// An error if an array was not asked for.
    pub fn finish(mut self) -> Result<(), ModelError> {
        self.0
            .pop_first()
            .map_or(Ok(()), |(name, _)| Err(ModelError::Unexpected(name)))
    }
}
