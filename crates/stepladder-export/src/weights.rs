//! Plain safetensors: the parameters under Keras' names and in Keras' layouts, for any program that reads the format.

use crate::error::ExportError;
use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;
use stepladder_classifier::Classifier;
use stepladder_run::write_atomically;

/// Writes every parameter of `classifier` to `path`, moving statistics too, and nothing else. [`stepladder_classifier`]'s own file holds
/// the same arrays, with a header of ours.
pub fn write_weights(classifier: &Classifier, path: &Path) -> Result<(), ExportError> {
    let refused = |reason: String| ExportError::write(path, std::io::Error::other(reason));
    let arrays = classifier.model().to_arrays();
    let views: Result<Vec<_>, _> = arrays
        .iter()
        .map(|array| {
            let bytes: &[u8] = bytemuck::cast_slice(&array.values);
            let view = TensorView::new(Dtype::F32, array.shape.clone(), bytes)?;
            Ok((array.name.as_str(), view))
        })
        .collect();
    let bytes = views.and_then(|views| safetensors::serialize(views, None));
    let bytes = bytes.map_err(|error: safetensors::SafeTensorError| refused(error.to_string()))?;
    write_atomically(path, &bytes).map_err(|source| ExportError::write(path, source))
}
