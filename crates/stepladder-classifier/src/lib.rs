//! A trained classifier: [`Classifier`] is a network with its weights, class names and preprocessing, stored in one
//! file, `model.safetensors`, which needs nothing beside it. [`Evaluation`] measures what it does on labelled photos, and a
//! [`Predictor`] is it made ready to answer: folded, and calibrated by a [`Temperature`].
//!
//! The files that hold weights ([`read_arrays`], [`write_arrays`]) live here too, because training writes its checkpoints with them.

mod classifier;
mod evaluation;
mod header;
mod machine;
mod nearest;
mod overlay;
mod predictor;
mod seal;
mod temperature;
mod weights;

pub use classifier::{Classifier, ClassifierError, ClassifyError, classify};
pub use evaluation::{ClassFigures, Confusion, Evaluation, PhotoPrediction, Predictions};
pub use header::{Preprocessing, Score, TrainingRecord};
pub use machine::free_bytes;
pub use nearest::Neighbor;
pub use overlay::{heat_color, overlay};
pub use predictor::{NotFinite, Predictor, mirrored, ranked};
pub use temperature::Temperature;
pub use weights::{WeightsError, WeightsFile, read_arrays, read_arrays_in, write_arrays, write_arrays_in};
